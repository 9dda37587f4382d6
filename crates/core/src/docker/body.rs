//! How the bodies of requests are written down as types.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// An object of the Docker API: every field may be absent or null, which is the same, and no
/// other field may be there. Fields are named as the API names them, in snake case.
macro_rules! body {
    (
        $(#[$about:meta])*
        $vis:vis struct $name:ident { $($(#[$field_about:meta])* $field:ident: $type:ty,)* }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields, rename_all = "PascalCase", default)]
        $vis struct $name {
            $(
                $(#[$field_about])*
                #[serde(skip_serializing_if = "Option::is_none")]
                pub(crate) $field: Option<$type>,
            )*
        }
    };
}

pub(super) use body;

/// Text by text.
pub(crate) type Texts = BTreeMap<String, String>;

/// A set, as Go's encoder writes it: every key with an empty object.
pub(crate) type Set = BTreeMap<String, Option<Nothing>>;

body! {
    /// An object without fields.
    pub(crate) struct Nothing {}
}

/// A command: a list of words, or one word alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Words {
    /// All of them.
    List(Vec<String>),
    /// Only one.
    One(String),
}

impl Words {
    /// All of them.
    pub(super) fn list(&self) -> &[String] {
        match self {
            Self::List(words) => words,
            Self::One(word) => std::slice::from_ref(word),
        }
    }
}

/// A text, where absent and empty are the same.
pub(super) fn text(field: &Option<String>) -> &str {
    field.as_deref().unwrap_or_default()
}

/// A list, where absent and empty are the same.
pub(super) fn list<T>(field: &Option<Vec<T>>) -> &[T] {
    field.as_deref().unwrap_or_default()
}

/// A number, where absent and zero are the same.
pub(super) fn number(field: Option<i64>) -> i64 {
    field.unwrap_or_default()
}

/// Whether a table has nothing in it.
pub(super) fn is_empty<V>(field: &Option<BTreeMap<String, V>>) -> bool {
    field.as_ref().is_none_or(BTreeMap::is_empty)
}
