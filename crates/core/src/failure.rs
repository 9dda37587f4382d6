//! What a person or a script is told when something did not work.

use serde::{Deserialize, Serialize};

use crate::printable::without_codes;

/// The class of a failure: each is one exit status, and nothing else decides a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It was tried and failed, or the user declined.
    Failed,
    /// The command line or a configuration file is wrong.
    Usage,
    /// No such container, image, project or user.
    NotFound,
    /// The thing is in the wrong state, or exists already.
    State,
    /// A limit was reached; waiting does not help.
    Denied,
    /// No device is free; waiting may help.
    Busy,
    /// The caller may not do this.
    Forbidden,
    /// The engine, the driver or our own state cannot be reached or trusted.
    Unreachable,
    /// The user interrupted it.
    Interrupted,
}

impl Kind {
    /// The exit status that this kind stands for.
    pub const fn status(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::State => 4,
            Self::Denied => 5,
            Self::Busy => 6,
            Self::Forbidden => 7,
            Self::Unreachable => 8,
            Self::Interrupted => 130,
        }
    }
}

/// An error that knows its [`Kind`] and what the reader can do about it.
///
/// The message is lowercase, one line, without a full stop, with the numbers
/// that explain it, and does not repeat its `source`.
pub trait UserError: std::error::Error {
    /// The class of this error.
    fn kind(&self) -> Kind;

    /// What to do next: usually a command that the reader can type.
    fn hint(&self) -> Option<String> {
        None
    }
}

/// A failure as it is printed, or sent from the gateway to a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Decides the exit status.
    pub kind: Kind,
    /// What happened and why, on one line.
    pub message: String,
    /// The chain of sources, outermost first.
    pub causes: Vec<String>,
    /// What to do next.
    pub hint: Option<String>,
    /// What came to light before it failed, a line each.
    #[serde(default)]
    pub notices: Vec<String>,
}

impl Failure {
    /// A failure without causes or hint.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: without_codes(&message.into()).into_owned(),
            causes: Vec::new(),
            hint: None,
            notices: Vec::new(),
        }
    }

    /// The same failure with a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What happened and why, on one line: the message, then each cause.
    pub fn one_line(&self) -> String {
        let causes = self.causes.iter().map(String::as_str);
        let parts: Vec<_> = std::iter::once(&*self.message).chain(causes).collect();
        parts.join(": ")
    }
}

impl<E: UserError> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut causes = Vec::new();
        let mut source = error.source();
        while let Some(cause) = source {
            causes.push(without_codes(&cause.to_string()).into_owned());
            source = cause.source();
        }
        Self {
            kind: error.kind(),
            message: without_codes(&error.to_string()).into_owned(),
            causes,
            hint: error.hint(),
            notices: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_on_one_line_has_its_causes_and_not_its_hint() {
        let mut failure = Failure::new(Kind::Failed, "cannot read x").with_hint("mend it");
        assert_eq!(failure.one_line(), "cannot read x");
        failure.causes = vec!["line 3 is odd".into(), "no such key".into()];
        assert_eq!(
            failure.one_line(),
            "cannot read x: line 3 is odd: no such key"
        );
    }
}
