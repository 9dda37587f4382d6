//! Why a request is not passed on.

use crate::failure::{Kind, UserError};

use super::names::Noun;

/// The longest part of a value that a message repeats, in characters.
const SHOWN: usize = 80;

/// Why a request of the Docker API is not passed on to the engine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The body is not JSON, or has a field, type or duplicate that the API does not.
    #[error("the request is not one of the Docker API: {0}")]
    Json(String),
    /// A value that the engine would not understand, or that contradicts another.
    #[error("wrong value: {field}={value} ({why})")]
    Value {
        /// The field, as the Docker API names it.
        field: &'static str,
        /// Its value, fit to be shown.
        value: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A value that reaches beyond the owner's own containers.
    #[error("not allowed: {field}={value} ({why})")]
    Forbidden {
        /// The field, as the Docker API names it.
        field: &'static str,
        /// Its value, fit to be shown.
        value: String,
        /// What it would do.
        why: &'static str,
        /// What to do instead.
        instead: &'static str,
    },
    /// A volume, network or container that is not the caller's, or does not exist.
    #[error("no such {noun}: {name}")]
    NoSuch {
        /// What it would be.
        noun: Noun,
        /// Its name, fit to be shown.
        name: String,
    },
    /// Folders of the host would come within reach of a container that may run as root.
    #[error("not allowed: folders of the host, and a share in {0}, which may run as root")]
    Mixed(String),
}

impl Refused {
    pub(super) fn value(field: &'static str, value: impl AsRef<str>, why: &'static str) -> Self {
        let value = shown(value.as_ref());
        Self::Value { field, value, why }
    }

    pub(super) fn forbidden(
        field: &'static str,
        value: impl AsRef<str>,
        why: &'static str,
        instead: &'static str,
    ) -> Self {
        Self::Forbidden {
            field,
            value: shown(value.as_ref()),
            why,
            instead,
        }
    }

    pub(super) fn no_such(noun: Noun, name: &str) -> Self {
        let name = shown(name);
        Self::NoSuch { noun, name }
    }
}

/// `text` on one line, without control characters, cut to what a message can hold.
pub(super) fn shown(text: &str) -> String {
    let mut line: String = text
        .chars()
        .take(SHOWN)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(SHOWN).is_some() {
        line.push('…');
    }
    line
}

impl UserError for Refused {
    fn kind(&self) -> Kind {
        match self {
            Self::Json(_) | Self::Value { .. } => Kind::Usage,
            Self::Forbidden { .. } | Self::Mixed(_) => Kind::Forbidden,
            Self::NoSuch { .. } => Kind::NotFound,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Json(_) => "use a client of Docker API 1.24 to 1.47".into(),
            Self::Value { field, .. } => format!("correct {field} and try again"),
            Self::Forbidden { instead, .. } => (*instead).into(),
            Self::NoSuch { noun, .. } => format!("see yours with {}", noun.list()),
            Self::Mixed(_) => {
                "leave out the folders of the host, or make the other container with one too".into()
            }
        })
    }
}
