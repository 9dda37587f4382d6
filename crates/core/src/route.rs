//! Which calls of the Docker Engine API exist for a user, and what each may say.
//!
//! One table. A path, version, query key or body that it does not know is refused: what the
//! gateway forwards it has understood. Source: the Engine API reference, versions 1.24 to 1.47.

mod action;
mod table;

use std::{collections::BTreeMap, fmt};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use crate::failure::{Kind, UserError};

pub use action::Action;
use table::{REFUSED, REFUSED_ENDS, REPEATED, ROWS, Row};

/// The newest version of the API that the table knows.
pub const NEWEST: Version = Version(1, 47);

/// The oldest that clients may speak, as engines of release 20.10 do.
pub const OLDEST: Version = Version(1, 24);

/// What DS01's own client calls the host that it asks. The gateway has only operations for it: where
/// that takes the engine's place, a list of one user's containers must not pass for that of all.
pub const DS01: &str = "ds01";

/// The longest JSON body, in bytes.
pub const LONGEST_JSON: usize = 1 << 20;

/// The longest value of a query key, path segments likewise, in bytes.
const LONGEST_VALUE: usize = 64 << 10;

/// A version of the API: `1.41`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Version(pub u32, pub u32);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

impl std::str::FromStr for Version {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let number = |text: &str| match text {
            "" => Err(()),
            _ if text.len() > 3 || !text.bytes().all(|b| b.is_ascii_digit()) => Err(()),
            _ => text.parse().map_err(|_| ()),
        };
        let (major, minor) = text.split_once('.').ok_or(())?;
        Ok(Self(number(major)?, number(minor)?))
    }
}

/// What may come after the head of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// Nothing, or `{}` and `null`, which some clients send for it.
    None,
    /// JSON, which the action's own types read.
    Json,
    /// Bytes that only the engine reads.
    Stream,
}

/// Why a call is not known, or not to be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoRoute {
    /// No such path, or no such method on it.
    #[error("DS01 does not know the call {0}")]
    Unknown(String),
    /// It is not for users of a shared host.
    #[error("{what} is not for users of a shared host: {why}")]
    Refused {
        /// The call.
        what: String,
        /// What it would do.
        why: &'static str,
    },
    /// A query key that the table lacks, or one that is twice there.
    #[error("DS01 does not know {key:?} of the call {call}")]
    Query {
        /// The key.
        key: String,
        /// The call.
        call: String,
    },
    /// A version outside of the table's.
    #[error("client version {asked} is too {how}. {limit} supported API version is {version}")]
    Version {
        /// What the client speaks.
        asked: Version,
        /// `new` or `old`.
        how: &'static str,
        /// `Maximum` or `Minimum`.
        limit: &'static str,
        /// What it may speak.
        version: Version,
    },
    /// A path that is not written as clients write them.
    #[error("the path is not one of Docker's API")]
    Path,
}

impl UserError for NoRoute {
    fn kind(&self) -> Kind {
        match self {
            Self::Refused { .. } => Kind::Forbidden,
            Self::Unknown(_) => Kind::NotFound,
            _ => Kind::Usage,
        }
    }
}

/// A call that the table has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// What it is about.
    pub action: Action,
    /// The path without version, decoded: plain letters that need no percent signs.
    pub path: String,
    /// What the path names, decoded: a container, image, volume, network, exec or operation.
    pub target: Option<String>,
    /// The query, decoded: only keys that the action knows.
    pub query: Query,
    /// What may come after the head.
    pub body: Body,
    /// The version that the path begins with.
    pub version: Option<Version>,
}

/// A decoded query; a key has several values only where the API says so.
pub type Query = BTreeMap<String, Vec<String>>;

/// Finds the call in the table. `path` and `query` are as the client wrote them; whether its
/// version may be spoken is for [`spoken`] to tell.
///
/// # Errors
///
/// [`NoRoute`], with the reason.
pub fn route(method: &str, path: &str, query: Option<&str>) -> Result<Route, NoRoute> {
    let (version, path) = versioned(path)?;
    let call = format!("{method} {}", printable(path));
    let path = decoded(path).ok_or(NoRoute::Path)?;
    let known = |row: &'static Row| {
        let matched = matched(row.path, &path)?;
        (row.method == method).then_some((row, matched))
    };
    let Some((row, target)) = ROWS.iter().find_map(known) else {
        let begins = |(start, _): &&(&str, &str)| match path.strip_prefix(start) {
            Some(rest) => rest.is_empty() || rest.starts_with('/') || start.ends_with('/'),
            None => false,
        };
        let ends =
            |(start, end, _): &&(&str, &str, &str)| path.starts_with(start) && path.ends_with(end);
        let begun = REFUSED.iter().find(begins).map(|(_, why)| *why);
        let ended = REFUSED_ENDS.iter().find(ends).map(|(_, _, why)| *why);
        return Err(match begun.or(ended) {
            Some(why) => NoRoute::Refused { what: call, why },
            None => NoRoute::Unknown(call),
        });
    };
    let query = read_query(query.unwrap_or_default(), row, &call)?;
    Ok(Route {
        action: row.action,
        path,
        target,
        query,
        body: row.body,
        version,
    })
}

/// Whether a client may speak this version, of those from `oldest` to `newest`.
///
/// # Errors
///
/// [`NoRoute::Version`] if it is too new or too old.
pub fn spoken(version: Option<Version>, oldest: Version, newest: Version) -> Result<(), NoRoute> {
    let Some(asked) = version else { return Ok(()) };
    let wrong = |how, limit, version| NoRoute::Version {
        asked,
        how,
        limit,
        version,
    };
    if asked > newest {
        return Err(wrong("new", "Maximum", newest));
    }
    if asked < oldest {
        return Err(wrong("old", "Minimum", oldest));
    }
    Ok(())
}

/// Takes the version off a path.
fn versioned(path: &str) -> Result<(Option<Version>, &str), NoRoute> {
    let Some(rest) = path.strip_prefix("/v") else {
        return Ok((None, path));
    };
    let Some((text, rest_of)) = rest.split_once('/') else {
        return Ok((None, path));
    };
    // "/version" and "/volumes" begin so too.
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return Ok((None, path));
    }
    let asked: Version = text.parse().map_err(|()| NoRoute::Path)?;
    Ok((Some(asked), &path[path.len() - rest_of.len() - 1..]))
}

/// A path without percent signs; `None` if it is no plain path of names.
fn decoded(path: &str) -> Option<String> {
    let text = percent_decoded(path, false)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:@+".contains(c);
    let segment = |segment: &str| !["", ".", ".."].contains(&segment);
    let rest = text.strip_prefix('/')?;
    (text.len() <= LONGEST_VALUE && rest.chars().all(plain) && rest.split('/').all(segment))
        .then_some(text)
}

/// What stands for `{}` or `{*}` in `pattern`, if it is this path: `Some(None)` if nothing does.
fn matched(pattern: &str, path: &str) -> Option<Option<String>> {
    let Some((start, end)) = pattern.split_once('{') else {
        return (pattern == path).then_some(None);
    };
    let (kind, end) = end.split_once('}')?;
    let target = path.strip_prefix(start)?.strip_suffix(end)?;
    let several = kind == "*";
    (!target.is_empty() && (several || !target.contains('/'))).then(|| Some(target.to_string()))
}

fn read_query(text: &str, row: &Row, call: &str) -> Result<Query, NoRoute> {
    let mut query = Query::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let wrong = |key: &str| NoRoute::Query {
            key: printable(key),
            call: call.into(),
        };
        let (Some(key), Some(value)) = (percent_decoded(key, true), percent_decoded(value, true))
        else {
            return Err(wrong(key));
        };
        if !row.query.contains(&key.as_str()) || value.len() > LONGEST_VALUE || value.contains('\0')
        {
            return Err(wrong(&key));
        }
        let values = query.entry(key.clone()).or_default();
        if !values.is_empty() && !REPEATED.contains(&key.as_str()) {
            return Err(wrong(&key));
        }
        values.push(value);
    }
    Ok(query)
}

/// Without percent signs, and in a query without plus signs; `None` if it is not UTF-8 then.
fn percent_decoded(text: &str, plus: bool) -> Option<String> {
    let spaced = if plus { &text.replace('+', " ") } else { text };
    let decoded = percent_decode_str(spaced).decode_utf8().ok()?;
    Some(decoded.into_owned())
}

/// A query as the engine is sent it, with its `?`.
pub fn write_query(query: &Query) -> String {
    const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');
    let pairs = query.iter();
    let pairs = pairs.flat_map(|(key, values)| values.iter().map(move |value| (key, value)));
    let pairs = pairs.map(|(key, value)| format!("{key}={}", utf8_percent_encode(value, PLAIN)));
    let text = pairs.collect::<Vec<_>>().join("&");
    if text.is_empty() {
        text
    } else {
        format!("?{text}")
    }
}

/// What a client wrote, short and without control characters.
fn printable(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_graphic() { c } else { '?' };
    text.chars().take(200).map(plain).collect()
}

#[cfg(test)]
mod tests;
