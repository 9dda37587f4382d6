//! What happened, as one line of `events.jsonl`: envelope version "1" of the original system.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// The longest line, in bytes with its newline: one that a single append writes whole.
pub const LONGEST: usize = 4096;

/// One fact. Each is logged once, by whoever made it true.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When, UTC, in whole seconds.
    #[serde(with = "as_rfc3339")]
    pub timestamp: Timestamp,
    /// `category.action`, such as `gpu.allocate`.
    pub event_type: String,
    /// The login, or the uid where the login is not known.
    pub user: Option<String>,
    /// The command that wrote it.
    pub source: Option<String>,
    /// Facts, all as text.
    pub details: BTreeMap<String, String>,
    /// Always "1".
    pub schema_version: String,
}

impl Event {
    /// An event without details.
    pub fn new(timestamp: Timestamp, event_type: &str) -> Self {
        Self {
            timestamp,
            event_type: event_type.into(),
            user: None,
            source: None,
            details: BTreeMap::new(),
            schema_version: "1".into(),
        }
    }

    /// With the user that it is about.
    #[must_use]
    pub fn of(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// With one more detail.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl ToString) -> Self {
        self.details.insert(key.into(), value.to_string());
        self
    }

    /// The line to append, newline included, [`LONGEST`] bytes at most: the longest
    /// details are shortened until it fits.
    pub fn line(&self) -> String {
        let mut event = self.clone();
        loop {
            let mut line = serde_json::to_string(&event).unwrap_or_default();
            line.push('\n');
            let longest = event.details.values_mut().max_by_key(|value| value.len());
            match longest.filter(|value| line.len() > LONGEST && !value.is_empty()) {
                Some(value) => *value = value.chars().take(value.chars().count() / 2).collect(),
                None => return line,
            }
        }
    }
}

mod as_rfc3339 {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::time::Timestamp;

    pub(super) fn serialize<S: Serializer>(time: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(time)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        let text = String::deserialize(from)?;
        Timestamp::parse(&text).ok_or_else(|| D::Error::custom("not an RFC 3339 time"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_originals_envelope() {
        let event = Event::new(Timestamp(0), "gpu.allocate")
            .of("alice")
            .with("gpus", "0:1");
        let line = event.line();
        assert_eq!(
            line,
            "{\"timestamp\":\"1970-01-01T00:00:00Z\",\"event_type\":\"gpu.allocate\",\
             \"user\":\"alice\",\"source\":null,\"details\":{\"gpus\":\"0:1\"},\
             \"schema_version\":\"1\"}\n"
        );
        assert_eq!(serde_json::from_str::<Event>(&line).unwrap(), event);
    }

    #[test]
    fn a_line_always_fits_one_append() {
        let event = Event::new(Timestamp(0), "x.y")
            .with("a", "ä\"\n".repeat(9000))
            .with("b", "b");
        let line = event.line();
        assert!(
            line.len() <= LONGEST && line.ends_with('\n'),
            "{}",
            line.len()
        );
        assert_eq!(
            serde_json::from_str::<Event>(&line).unwrap().details["b"],
            "b"
        );
    }
}
