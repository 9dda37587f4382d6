//! Why a request is not passed on.

use crate::failure::{Kind, UserError};

use super::{names::Noun, used::Used};

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
    /// The same, by a volume that a container of the other kind has had.
    #[error("not allowed: {}", used_by(volume, *used))]
    Used {
        /// The volume, as the request names it.
        volume: String,
        /// Which containers have had it, if anybody knows.
        used: Option<Used>,
    },
}

/// Who has had a volume that a container of the other kind asks for.
fn used_by(volume: &str, used: Option<Used>) -> String {
    match used {
        Some(Used::Root) => format!(
            "folders of the host, and the volume {volume}, which a container has had that may have \
             run as root"
        ),
        Some(_) => format!(
            "a container that may run as root, and the volume {volume}, which one with folders of \
             the host has had"
        ),
        None => format!(
            "a container that may run as root, and the volume {volume}, which one with folders of \
             the host may have had: it is older than DS01's record of that"
        ),
    }
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

    pub(super) fn used(volume: &str, used: Option<Used>) -> Self {
        let volume = shown(volume);
        Self::Used { volume, used }
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
            Self::Forbidden { .. } | Self::Mixed(_) | Self::Used { .. } => Kind::Forbidden,
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
            Self::Used { volume, .. } => format!(
                "use another volume, or remove this one with all that is in it: docker volume rm {volume}"
            ),
        })
    }
}
