//! The stages of a Dockerfile, as far as somebody who adds to one needs them.

use super::{instructions, split};

/// An instruction: where it begins, from 1, its word in capitals, and what follows on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) line: usize,
    pub(crate) word: String,
    pub(crate) rest: String,
}

/// The stages of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stages {
    /// The character that continues a line.
    pub(crate) escape: char,
    /// All instructions.
    pub(crate) said: Vec<Said>,
    /// The last line is continued, by nothing.
    pub(crate) is_open: bool,
}

impl Stages {
    pub(crate) fn of(text: &str) -> Self {
        let (escape, found) = instructions(text);
        let said = found.into_iter().map(|one| {
            let (word, rest) = split(&one.text);
            Said {
                line: one.line,
                word: word.to_ascii_uppercase(),
                rest: rest.trim().into(),
            }
        });
        let said = said.collect();
        let speaks = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
        let last = text.lines().rfind(speaks).map(str::trim_end);
        Self {
            escape,
            said,
            is_open: last.is_some_and(|last| last.ends_with(escape)),
        }
    }

    /// The instructions of the last stage, which is the one that an image is made of.
    pub(crate) fn last(&self) -> &[Said] {
        let from = self.said.iter().rposition(|said| said.word == "FROM");
        &self.said[from.unwrap_or(0)..]
    }
}
