//! Names of containers and images, valid once they exist as values.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    container::ContainerId,
    failure::{Kind, UserError},
};

/// The longest container name: it is also the name of an image and a host name.
pub const LONGEST: usize = 63;

/// Between the name and the owner's uid in the engine, as AIME's MLC writes it.
const SEPARATOR: &str = "._.";

/// A container or project as its owner calls it: `[a-z0-9]+([_-][a-z0-9]+)*`, 63 characters at most.
///
/// Upper case is folded when it is parsed; everything else is an error that says why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContainerName(String);

/// Why a text is not a [`ContainerName`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Nothing at all.
    #[error("a name cannot be empty")]
    Empty,
    /// Too many characters.
    #[error("a name has {LONGEST} characters at most, this one has {0}")]
    TooLong(usize),
    /// A character that no image name can have.
    #[error("a name has only letters a-z, digits, '-' and '_', not {0:?}")]
    Character(char),
    /// A separator without a letter or digit on both sides.
    #[error("'-' and '_' stand singly between letters or digits, not at {0:?}")]
    Separator(String),
}

impl UserError for InvalidName {
    fn kind(&self) -> Kind {
        Kind::Usage
    }

    fn hint(&self) -> Option<String> {
        Some("choose a name like my-thesis or exp_2".into())
    }
}

impl FromStr for ContainerName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let name = text.to_ascii_lowercase();
        if name.is_empty() {
            return Err(InvalidName::Empty);
        }
        let alnum = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        if let Some(odd) = name.chars().find(|&c| !alnum(c) && c != '-' && c != '_') {
            return Err(InvalidName::Character(odd));
        }
        if name.len() > LONGEST {
            return Err(InvalidName::TooLong(name.len()));
        }
        if name.split(['-', '_']).any(str::is_empty) {
            return Err(InvalidName::Separator(name));
        }
        Ok(Self(name))
    }
}

impl TryFrom<String> for ContainerName {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<ContainerName> for String {
    fn from(name: ContainerName) -> Self {
        name.0
    }
}

impl fmt::Display for ContainerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl AsRef<str> for ContainerName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// A container as the engine calls it: `name._.uid`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EngineName {
    /// The owner's name for it.
    pub name: ContainerName,
    /// The owner.
    pub uid: u32,
}

impl FromStr for EngineName {
    type Err = InvalidName;

    /// Reads `name._.uid`, with or without the `/` that the engine puts before it.
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let text = text.strip_prefix('/').unwrap_or(text);
        let Some((name, uid)) = text.rsplit_once(SEPARATOR) else {
            return Err(InvalidName::Separator(text.into()));
        };
        let canonical = uid == "0" || uid.starts_with(|first: char| ('1'..='9').contains(&first));
        match uid.parse().ok().filter(|_| canonical) {
            Some(uid) if !name.contains(|c: char| c.is_ascii_uppercase()) => Ok(Self {
                name: name.parse()?,
                uid,
            }),
            _ => Err(InvalidName::Separator(text.into())),
        }
    }
}

impl fmt::Display for EngineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{SEPARATOR}{}", self.name, self.uid)
    }
}

/// A container as a user types it: the short name, or the engine's name of one's own container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerArg {
    /// The short name.
    pub name: ContainerName,
    /// The uid after `._.`, if one was typed.
    pub uid: Option<u32>,
    /// The engine's id, where that was looked up: then no other container of that name is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<ContainerId>,
}

/// One's own, whatever its id.
impl From<ContainerName> for ContainerArg {
    fn from(name: ContainerName) -> Self {
        Self {
            name,
            uid: None,
            id: None,
        }
    }
}

impl ContainerArg {
    /// A hint that names the container as it was typed: for an admin, the short name is that of
    /// another one.
    pub fn as_typed(&self, hint: &str) -> String {
        let mut after_command = false;
        let words = hint.split(' ').map(|word| {
            let name = self.name.as_ref();
            let rest = word.strip_prefix(name).filter(|_| after_command);
            let end = rest.filter(|rest| ["", ";", ","].contains(rest));
            after_command = word.starts_with("container-");
            match end {
                Some(end) => format!("{self}{end}"),
                None => word.into(),
            }
        });
        words.collect::<Vec<_>>().join(" ")
    }
}

impl FromStr for ContainerArg {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if text.contains(SEPARATOR) {
            let EngineName { name, uid } = text.to_ascii_lowercase().parse()?;
            return Ok(Self {
                uid: Some(uid),
                ..name.into()
            });
        }
        Ok(text.parse::<ContainerName>()?.into())
    }
}

impl fmt::Display for ContainerArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.uid {
            Some(uid) => write!(f, "{}{SEPARATOR}{uid}", self.name),
            None => write!(f, "{}", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_folded_or_refused_with_the_reason() {
        let parse = |text: &str| text.parse::<ContainerName>().map(String::from);
        assert_eq!(parse("My-Thesis"), Ok("my-thesis".into()));
        assert_eq!(parse("a_1-b"), Ok("a_1-b".into()));
        assert_eq!(parse(""), Err(InvalidName::Empty));
        assert_eq!(parse("a b"), Err(InvalidName::Character(' ')));
        assert_eq!(parse("naïve"), Err(InvalidName::Character('ï')));
        assert_eq!(parse("a.b"), Err(InvalidName::Character('.')));
        for odd in ["-a", "a-", "a--b", "a_-b", "_"] {
            assert_eq!(parse(odd), Err(InvalidName::Separator(odd.into())), "{odd}");
        }
        assert!(parse(&"x".repeat(63)).is_ok());
        assert_eq!(parse(&"x".repeat(64)), Err(InvalidName::TooLong(64)));
    }

    #[test]
    fn a_hint_names_the_container_that_was_typed() {
        let arg: ContainerArg = "it._.1001".parse().unwrap();
        let hint = arg.as_typed("start it with container-run it, or container-remove it");
        let typed = "start it with container-run it._.1001, or container-remove it._.1001";
        assert_eq!(hint, typed);
    }

    #[test]
    fn the_engines_name_reads_back() {
        let name: EngineName = "/my-thesis._.1001".parse().unwrap();
        assert_eq!((name.name.as_ref(), name.uid), ("my-thesis", 1001));
        assert_eq!(name.to_string(), "my-thesis._.1001");
        for odd in [
            "my-thesis",
            "a._.",
            "a._.x",
            "a._.-1",
            "a._.01",
            "A._.1",
            "a._.1._.2",
            "a._.4294967296",
        ] {
            assert!(odd.parse::<EngineName>().is_err(), "{odd}");
        }
    }
}
