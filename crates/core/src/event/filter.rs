//! Which events somebody asks for.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Event;
use crate::{name::EngineName, time::Timestamp};

/// Which events are meant: those that all of it is true of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// None before.
    pub since: Option<Timestamp>,
    /// None after.
    pub until: Option<Timestamp>,
    /// Of one of these types; of any, if there are none.
    pub types: Vec<Types>,
    /// Of this user, as the log has them.
    pub user: Option<String>,
    /// About this container: by its owner's name of it, the engine's, or the beginning of its id.
    pub container: Option<String>,
}

/// Types of events: one by its name, or several by a pattern in which `*` stands for anything; a
/// category alone is all of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Types(String);

/// Types in one filter, at most, and characters of each: whoever asks, the reader is root's.
const TYPES: (usize, usize) = (32, 64);

impl Filter {
    /// Whether it is no more work than it should be.
    pub fn is_short(&self) -> bool {
        let (most, longest) = TYPES;
        self.types.len() <= most && self.types.iter().all(|types| types.0.len() <= longest)
    }

    /// Whether an event is meant.
    pub fn matches(&self, event: &Event) -> bool {
        self.since.is_none_or(|since| event.timestamp >= since)
            && self.until.is_none_or(|until| event.timestamp <= until)
            && (self.types.is_empty() || self.types.iter().any(|t| t.have(&event.event_type)))
            && (self.user.is_none() || self.user == event.user)
            && self
                .container
                .as_ref()
                .is_none_or(|name| is_about(event, name))
    }
}

/// The fewest digits of an id that are taken for one.
const ID: usize = 12;

fn is_about(event: &Event, name: &str) -> bool {
    let detail = |key| event.details.get(key).map(String::as_str);
    let known = detail("container").unwrap_or_default();
    let short = known.parse::<EngineName>().ok();
    let id = detail("id").filter(|_| name.len() >= ID);
    known == name
        || short.is_some_and(|short| short.name.as_ref() == name)
        || id.is_some_and(|id| id.starts_with(name))
}

impl Types {
    fn have(&self, event_type: &str) -> bool {
        is_like(&self.0, event_type)
            || (!self.0.contains('.') && is_like(&format!("{}.*", self.0), event_type))
    }
}

/// Whether `text` is like `pattern`, in which `*` stands for anything.
fn is_like(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

impl FromStr for Types {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "_.*".contains(c);
        match !text.is_empty() && text.chars().all(fits) {
            true => Ok(Self(text.into())),
            false => Err("expected a type such as gpu.allocate, gpu.* or gpu"),
        }
    }
}

impl TryFrom<String> for Types {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Types> for String {
    fn from(types: Types) -> Self {
        types.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_named_by_themselves_their_category_or_a_pattern() {
        let have = |pattern: &str, event: &str| pattern.parse::<Types>().unwrap().have(event);
        for (pattern, event, is) in [
            ("gpu.allocate", "gpu.allocate", true),
            ("gpu.allocate", "gpu.allocated", false),
            ("gpu", "gpu.allocate", true),
            ("gpu", "gpus.allocate", false),
            ("gpu.*", "gpu.allocate", true),
            ("*.create", "container.create", true),
            ("*.create", "container.created", false),
            ("maintenance.*_kill", "maintenance.idle_kill", true),
            ("maintenance.*_kill", "maintenance.idle_warning", false),
            ("*e*e*", "queue.left", true),
            ("a*a", "a", false),
            ("*", "a.b", true),
            ("**", "", true),
        ] {
            assert_eq!(have(pattern, event), is, "{pattern} {event}");
        }
        for odd in ["", "gpu allocate", "gpu/x", "\x1b[2J"] {
            assert!(odd.parse::<Types>().is_err(), "{odd}");
        }
    }

    #[test]
    fn an_event_is_meant_if_all_of_it_is_true() {
        let event = Event::new(Timestamp(100), "gpu.allocate")
            .of("alice")
            .with("container", "thesis._.1001")
            .with("id", "0123456789abcdef");
        let fits = |filter: Filter| filter.matches(&event);
        assert!(fits(Filter::default()));
        for (since, until, is) in [(100, 100, true), (101, 200, false), (1, 99, false)] {
            let (since, until) = (Some(Timestamp(since)), Some(Timestamp(until)));
            let filter = Filter {
                since,
                until,
                ..Filter::default()
            };
            assert_eq!(fits(filter), is);
        }
        let of = |user: &str| Filter {
            user: Some(user.into()),
            ..Filter::default()
        };
        assert!(fits(of("alice")) && !fits(of("bob")));
        let types = |all: &[&str]| Filter {
            types: all.iter().map(|one| one.parse().unwrap()).collect(),
            ..Filter::default()
        };
        assert!(fits(types(&["queue", "gpu"])) && !fits(types(&["queue"])));
        for (name, is) in [
            ("thesis", true),
            ("thesis._.1001", true),
            ("thesis._.1002", false),
            ("thes", false),
            ("0123456789ab", true),
            ("0123", false),
            ("", false),
        ] {
            let filter = Filter {
                container: Some(name.into()),
                ..Filter::default()
            };
            assert_eq!(fits(filter), is, "{name}");
        }
    }
}
