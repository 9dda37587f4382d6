//! What happened, as one line of `events.jsonl`: envelope version "1" of the original system.

mod filter;

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::{name::EngineName, time::Timestamp};

pub use filter::{Filter, Types};

/// The longest line, in bytes with its newline: one that a single append writes whole.
pub const LONGEST: usize = 4096;

/// One fact. Each is logged once, by whoever made it true.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When, UTC, in whole seconds.
    #[serde(with = "as_rfc3339", alias = "ts")]
    pub timestamp: Timestamp,
    /// `category.action`, such as `gpu.allocate`.
    #[serde(alias = "event")]
    pub event_type: String,
    /// The login, or the uid where the login is not known.
    pub user: Option<String>,
    /// The command that wrote it.
    pub source: Option<String>,
    /// Facts, all as text.
    #[serde(default, deserialize_with = "texts")]
    pub details: BTreeMap<String, String>,
    /// Always "1".
    #[serde(default)]
    pub schema_version: String,
}

/// What a line of the log comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The event; `None` if it is none.
    pub event: Option<Event>,
    /// It is something else, or not only an event: a writer died or the disk was full in the middle of
    /// one, or somebody else has written there.
    pub torn: bool,
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

    /// Whose container it is about, whoever did it: by the name that DS01 gave it. Of other events than
    /// these, that of a container which somebody else made may look like one.
    pub fn owner(&self) -> Option<u32> {
        let (category, _) = self.event_type.split_once('.')?;
        if !["container", "gpu"].contains(&category) {
            return None;
        }
        let container: EngineName = self.details.get("container")?.parse().ok()?;
        Some(container.uid)
    }

    /// Reads a line of the log, without its newline. Of what was torn and what was written after it
    /// in the same line, the latter is read.
    pub fn read(line: &str) -> Line {
        let whole = serde_json::from_str(line).ok();
        let torn = whole.is_none();
        // In a text of JSON every quotation mark has a backslash before it: this is no text.
        let starts = line.match_indices("{\"timestamp\":");
        let mut later = starts.filter(|(at, _)| *at > 0);
        let rest = || later.find_map(|(at, _)| serde_json::from_str(line.get(at..)?).ok());
        Line {
            event: whole.or_else(rest),
            torn,
        }
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

/// Facts of other writers may be numbers, or none.
fn texts<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, String>, D::Error> {
    let values = Option::<BTreeMap<String, Value>>::deserialize(from)?.unwrap_or_default();
    let text = |value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    let texts = values.into_iter().map(|(key, value)| (key, text(value)));
    Ok(texts.collect())
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
    fn an_event_is_about_the_container_of_who_is_in_its_name() {
        let owner = |kind: &str, key: &str, name: &str| {
            let event = Event::new(Timestamp(0), kind).of("labadm");
            event.with(key, name).owner()
        };
        let ours = "thesis._.1001";
        for kind in ["container.stop", "container.remove", "gpu.release"] {
            assert_eq!(owner(kind, "container", ours), Some(1001), "{kind}");
        }
        // Whoever made that one chose its name.
        for kind in ["detection.unmanaged_container", "maintenance.idle_kill", ""] {
            assert_eq!(owner(kind, "container", ours), None, "{kind}");
        }
        for name in [
            "thesis",
            "x thesis._.1001",
            "thesis._.1001 ",
            "thesis._.-1",
            "",
        ] {
            assert_eq!(owner("container.stop", "container", name), None, "{name}");
        }
        assert_eq!(owner("container.stop", "text", ours), None);
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

    #[test]
    fn lines_of_other_writers_are_read_as_far_as_they_are_events() {
        let read = |line: &str| Event::read(line);
        let old = "{\"ts\":\"1970-01-01T00:00:07Z\",\"event\":\"gpu.release\"}";
        let event = Event {
            schema_version: String::new(),
            ..Event::new(Timestamp(7), "gpu.release")
        };
        let whole = |event: &Event| Line {
            event: Some(event.clone()),
            torn: false,
        };
        assert_eq!(read(old), whole(&event));
        let more = old.replace('}', ",\"details\":{\"gpus\":2,\"why\":null}}");
        let event = event.with("gpus", 2).with("why", "null");
        assert_eq!(read(&more), whole(&event));
        for odd in [
            "",
            "{}",
            "[1]",
            "hello",
            "\0\0\0",
            "{\"ts\":\"x\",\"event\":\"a.b\"}",
        ] {
            let none = Line {
                event: None,
                torn: true,
            };
            assert_eq!(read(odd), none, "{odd:?}");
        }
    }

    #[test]
    fn what_was_written_after_a_torn_line_is_not_lost() {
        let event = Event::new(Timestamp(7), "a.b").with("text", "{\"timestamp\":1");
        let line = event.line();
        let line = line.trim_end();
        let after = Line {
            event: Some(event),
            torn: true,
        };
        for at in 0..line.len() {
            let torn = format!("{}{line}", &line[..at]);
            match at {
                0 => assert!(!Event::read(&torn).torn),
                _ => assert_eq!(Event::read(&torn), after, "{at}"),
            }
        }
        assert_eq!(Event::read(&line[..line.len() - 1]).event, None);
    }
}
