//! A framework, as a user names it.

use std::{fmt, str::FromStr};

use crate::failure::{Kind, UserError};

/// What a user asks for: `pytorch`, `pytorch:2.8`, `pytorch 2.8`, `pytorch-cpu`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// In small letters, without `-cpu`.
    pub(super) framework: String,
    /// The beginning of a version.
    pub(super) version: Option<String>,
    /// For no GPU, whatever the host has.
    pub(super) cpu: bool,
}

/// Short words for frameworks.
const SHORT: [(&str, &str); 2] = [("tf", "tensorflow"), ("torch", "pytorch")];

/// A text that no framework could be called by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a framework, as in pytorch or pytorch:2.8")]
pub struct NoWish;

impl UserError for NoWish {
    fn kind(&self) -> Kind {
        Kind::Usage
    }
}

impl FromStr for Wish {
    type Err = NoWish;

    fn from_str(text: &str) -> Result<Self, NoWish> {
        let text = text.trim();
        let (name, version) = text
            .split_once([':', ' '])
            .map_or((text, None), |(name, version)| (name, Some(version.trim())));
        let name = name.to_ascii_lowercase();
        let (name, cpu) = name
            .strip_suffix("-cpu")
            .map_or((&*name, false), |name| (name, true));
        let word = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
        let fits = |text: &str| !text.is_empty() && text.chars().all(word);
        if !fits(name) || version.is_some_and(|version| !fits(version)) {
            return Err(NoWish);
        }
        let long = SHORT.iter().find(|(short, _)| *short == name);
        Ok(Self {
            framework: long.map_or(name, |(_, long)| long).into(),
            version: version
                .filter(|version| *version != "latest")
                .map(String::from),
            cpu,
        })
    }
}

impl fmt::Display for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cpu = if self.cpu { "-cpu" } else { "" };
        write!(f, "{}{cpu}", self.framework)?;
        match &self.version {
            Some(version) => write!(f, ":{version}"),
            None => Ok(()),
        }
    }
}
