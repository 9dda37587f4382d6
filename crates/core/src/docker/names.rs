//! Names of volumes and networks: `data` of user 1001 is `data._.1001` to the engine.

use std::fmt;

use super::refused::Refused;

/// Between the name and the owner's uid, as in the names of containers.
const SEPARATOR: &str = "._.";

/// The longest name in the engine: a volume is a directory.
const LONGEST: usize = 255;

/// What a name is the name of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noun {
    /// A volume.
    Volume,
    /// A network.
    Network,
    /// A container.
    Container,
    /// A folder of the host.
    Folder,
}

impl Noun {
    /// The command that lists the caller's own.
    pub(super) fn list(self) -> &'static str {
        match self {
            Self::Volume => "docker volume ls",
            Self::Network => "docker network ls",
            Self::Container => "container-list --all",
            Self::Folder => "ls",
        }
    }
}

impl fmt::Display for Noun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Volume => "volume",
            Self::Network => "network",
            Self::Container => "container",
            Self::Folder => "folder",
        })
    }
}

/// The engine's name of the user's own `name`; one that has the user's suffix already stays.
///
/// ```
/// # use ds01_core::docker::names::{Noun, to_engine};
/// assert_eq!(to_engine(Noun::Volume, "data", 1001).unwrap(), "data._.1001");
/// assert_eq!(to_engine(Noun::Volume, "data._.1001", 1001).unwrap(), "data._.1001");
/// assert!(to_engine(Noun::Volume, "data._.1002", 1001).is_err());
/// ```
///
/// # Errors
///
/// [`Refused::Value`] if it is no name, [`Refused::NoSuch`] if it is another user's.
pub fn to_engine(noun: Noun, name: &str, uid: u32) -> Result<String, Refused> {
    let (base, suffixed) = match split(name) {
        Some((base, owner)) if owner == uid => (base, true),
        Some(_) => return Err(Refused::no_such(noun, name)),
        None => (name, false),
    };
    if split(base).is_some() {
        return Err(Refused::no_such(noun, name));
    }
    // Docker's own pattern; a volume has two characters at least.
    let least = if noun == Noun::Volume { 2 } else { 1 };
    if !is_name(base) || base.len() < least {
        let why = "letters, digits, '_', '.' and '-', beginning with a letter or digit";
        return Err(Refused::value("Name", name, why));
    }
    let engine = match suffixed {
        true => name.into(),
        false => format!("{base}{SEPARATOR}{uid}"),
    };
    match engine.len() > LONGEST {
        true => Err(Refused::value("Name", name, "too long")),
        false => Ok(engine),
    }
}

/// The user's own name for what the engine calls `engine_name`; `None` if it is not this user's.
pub fn to_user(engine_name: &str, uid: u32) -> Option<&str> {
    split(engine_name)
        .filter(|(base, owner)| *owner == uid && split(base).is_none() && is_name(base))
        .map(|(base, _)| base)
}

/// The uid in the engine's name of somebody's own volume or network; `None` for any other.
pub fn owner(engine_name: &str) -> Option<u32> {
    split(engine_name).map(|(_, uid)| uid)
}

/// The name and the uid of `name._.uid`.
fn split(name: &str) -> Option<(&str, u32)> {
    let (base, digits) = name.rsplit_once(SEPARATOR)?;
    let uid: u32 = digits.parse().ok()?;
    (uid.to_string() == digits).then_some((base, uid))
}

/// Whether the text is what Docker takes for a name: `[a-zA-Z0-9][a-zA-Z0-9_.-]*`.
pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

/// Whether the text could be a name or an id, and is nothing else in a path of the API.
pub fn is_reference(text: &str) -> bool {
    is_name(text) && text.len() <= LONGEST
}

/// A container that the request names: a name, or an id or the beginning of one.
pub(super) fn reference(field: &'static str, text: &str) -> Result<String, Refused> {
    let name = text.strip_prefix('/').unwrap_or(text);
    match is_reference(name) {
        true => Ok(name.into()),
        false => Err(Refused::value(field, text, "not the name of a container")),
    }
}
