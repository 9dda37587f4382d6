//! Which calls of the Docker Engine API exist for a user, and what each may say.
//!
//! One table. A path, version, query key or body that it does not know is refused: what the
//! gateway forwards it has understood. Source: the Engine API reference, versions 1.24 to 1.47.

use std::{collections::BTreeMap, fmt};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use crate::failure::{Kind, UserError};

/// The newest version of the API that the table knows.
pub const NEWEST: Version = Version(1, 47);

/// The oldest that clients may speak, as engines of release 20.10 do.
pub const OLDEST: Version = Version(1, 24);

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

/// What a call is about: how the gateway checks it and what it does with the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// The engine is asked as it is: the same for everybody.
    Shared,
    /// `GET` or `HEAD /_ping`.
    Ping,
    /// `GET /version`.
    Version,
    /// `GET /info`.
    Info,
    /// `GET /system/df`.
    DiskUsage,
    /// `GET /events`.
    Events,
    /// The caller's containers.
    ContainerList,
    /// A new container.
    ContainerCreate,
    /// One's own, closely.
    ContainerInspect,
    /// Devices are held again, then it starts.
    ContainerStart,
    /// Stopped, then as a start.
    ContainerRestart,
    /// Devices are freed.
    ContainerRemove,
    /// Another name.
    ContainerRename,
    /// Files out of it.
    ContainerRead,
    /// Files into it.
    ContainerWrite,
    /// A new process in it.
    ContainerExec,
    /// Its processes, by `ps`.
    ContainerTop,
    /// What it uses, once or as long as the client reads.
    ContainerStats,
    /// Anything else with one's own container, as it is.
    Container,
    /// All that one has stopped are removed.
    ContainerPrune,
    /// One's own process in a container, as it is.
    Exec,
    /// It starts.
    ExecStart,
    /// Images that the caller may see.
    ImageList,
    /// One that the caller may see.
    Image,
    /// Several that the caller may see, in one archive.
    ImageSave,
    /// Another name of one.
    ImageTag,
    /// One's own is removed.
    ImageRemove,
    /// A pull, or an import.
    ImageCreate,
    /// Nothing is removed: images without a name have no owner.
    ImagePrune,
    /// An image from a folder.
    Build,
    /// Nothing is removed: the build cache has no owner.
    BuildPrune,
    /// An image from a container.
    Commit,
    /// The caller's volumes.
    VolumeList,
    /// A new one.
    VolumeCreate,
    /// One's own, closely.
    VolumeInspect,
    /// One's own is removed.
    VolumeRemove,
    /// Those of one's own that nothing uses are removed.
    VolumePrune,
    /// The caller's networks, and those of the engine.
    NetworkList,
    /// A new one.
    NetworkCreate,
    /// One that the caller may see.
    NetworkInspect,
    /// One's own is removed.
    NetworkRemove,
    /// One's own container joins one's own.
    NetworkConnect,
    /// It leaves it.
    NetworkDisconnect,
    /// Those of one's own that nothing uses are removed.
    NetworkPrune,
    /// A plugin, of which a user has none: `docker inspect` asks for one last of all.
    Plugin,
    /// An operation of DS01's commands.
    Operation,
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

struct Row {
    method: &'static str,
    path: &'static str,
    action: Action,
    query: &'static [&'static str],
    body: Body,
}

const fn row(
    method: &'static str,
    path: &'static str,
    action: Action,
    query: &'static [&'static str],
    body: Body,
) -> Row {
    Row {
        method,
        path,
        action,
        query,
        body,
    }
}

/// Keys that may be there several times.
const REPEATED: [&str; 3] = ["t", "names", "changes"];

const LOGS: &[&str] = &[
    "follow",
    "stdout",
    "stderr",
    "since",
    "until",
    "timestamps",
    "tail",
    "details",
];
const ATTACH: &[&str] = &["detachKeys", "logs", "stream", "stdin", "stdout", "stderr"];
const BUILD: &[&str] = &[
    "dockerfile",
    "t",
    "extrahosts",
    "q",
    "nocache",
    "cachefrom",
    "pull",
    "rm",
    "forcerm",
    "memory",
    "memswap",
    "cpushares",
    "cpusetcpus",
    "cpusetmems",
    "cpuperiod",
    "cpuquota",
    "buildargs",
    "shmsize",
    "labels",
    "networkmode",
    "platform",
    "target",
    "version",
    "ulimits",
    "cgroupparent",
    "squash",
    "remote",
    "securityopt",
];
const SIZE: &[&str] = &["h", "w"];

/// `{}` is one segment; `{*}` is an image's name, which may have several.
const ROWS: &[Row] = &[
    row("GET", "/_ping", Action::Ping, &[], Body::None),
    row("HEAD", "/_ping", Action::Ping, &[], Body::None),
    row("GET", "/version", Action::Version, &[], Body::None),
    row("GET", "/info", Action::Info, &[], Body::None),
    row(
        "GET",
        "/system/df",
        Action::DiskUsage,
        &["type", "verbose"],
        Body::None,
    ),
    row(
        "GET",
        "/events",
        Action::Events,
        &["since", "until", "filters"],
        Body::None,
    ),
    row("POST", "/auth", Action::Shared, &[], Body::Json),
    row(
        "GET",
        "/containers/json",
        Action::ContainerList,
        // docker-py writes trunc_cmd; no engine reads it.
        &[
            "all",
            "limit",
            "size",
            "filters",
            "since",
            "before",
            "trunc_cmd",
        ],
        Body::None,
    ),
    row(
        "POST",
        "/containers/create",
        Action::ContainerCreate,
        &["name", "platform"],
        Body::Json,
    ),
    row(
        "POST",
        "/containers/prune",
        Action::ContainerPrune,
        &["filters"],
        Body::None,
    ),
    row(
        "GET",
        "/containers/{}/json",
        Action::ContainerInspect,
        &["size"],
        Body::None,
    ),
    row(
        "GET",
        "/containers/{}/top",
        Action::ContainerTop,
        &["ps_args"],
        Body::None,
    ),
    row(
        "GET",
        "/containers/{}/logs",
        Action::Container,
        LOGS,
        Body::None,
    ),
    row(
        "GET",
        "/containers/{}/changes",
        Action::Container,
        &[],
        Body::None,
    ),
    row(
        "GET",
        "/containers/{}/stats",
        Action::ContainerStats,
        &["stream", "one-shot"],
        Body::None,
    ),
    row(
        "POST",
        "/containers/{}/resize",
        Action::Container,
        SIZE,
        Body::None,
    ),
    row(
        "POST",
        "/containers/{}/start",
        Action::ContainerStart,
        &["detachKeys"],
        Body::None,
    ),
    row(
        "POST",
        "/containers/{}/stop",
        Action::Container,
        &["t", "signal"],
        Body::None,
    ),
    row(
        "POST",
        "/containers/{}/restart",
        Action::ContainerRestart,
        &["t", "signal"],
        Body::None,
    ),
    row(
        "POST",
        "/containers/{}/kill",
        Action::Container,
        &["signal"],
        Body::None,
    ),
    row(
        "POST",
        "/containers/{}/rename",
        Action::ContainerRename,
        &["name"],
        Body::None,
    ),
    row(
        "POST",
        "/containers/{}/pause",
        Action::Container,
        &[],
        Body::None,
    ),
    row(
        "POST",
        "/containers/{}/unpause",
        Action::Container,
        &[],
        Body::None,
    ),
    row(
        "POST",
        "/containers/{}/attach",
        Action::Container,
        ATTACH,
        Body::Stream,
    ),
    row(
        "POST",
        "/containers/{}/wait",
        Action::Container,
        &["condition"],
        Body::None,
    ),
    row(
        "DELETE",
        "/containers/{}",
        Action::ContainerRemove,
        &["v", "force", "link"],
        Body::None,
    ),
    row(
        "GET",
        "/containers/{}/export",
        Action::ContainerRead,
        &[],
        Body::None,
    ),
    row(
        "GET",
        "/containers/{}/archive",
        Action::ContainerRead,
        &["path"],
        Body::None,
    ),
    row(
        "HEAD",
        "/containers/{}/archive",
        Action::ContainerRead,
        &["path"],
        Body::None,
    ),
    row(
        "PUT",
        "/containers/{}/archive",
        Action::ContainerWrite,
        &["path", "noOverwriteDirNonDir", "copyUIDGID"],
        Body::Stream,
    ),
    row(
        "POST",
        "/containers/{}/exec",
        Action::ContainerExec,
        &[],
        Body::Json,
    ),
    row("POST", "/exec/{}/start", Action::ExecStart, &[], Body::Json),
    row("POST", "/exec/{}/resize", Action::Exec, SIZE, Body::None),
    row("GET", "/exec/{}/json", Action::Exec, &[], Body::None),
    row(
        "GET",
        "/images/json",
        Action::ImageList,
        &[
            "all",
            "filters",
            "filter",
            "shared-size",
            "digests",
            "manifests",
            // docker-py's; no engine reads it.
            "only_ids",
        ],
        Body::None,
    ),
    row(
        "POST",
        "/images/create",
        Action::ImageCreate,
        &[
            "fromImage",
            "fromSrc",
            "repo",
            "tag",
            "message",
            "changes",
            "platform",
        ],
        Body::Stream,
    ),
    row(
        "POST",
        "/images/prune",
        Action::ImagePrune,
        &["filters"],
        Body::None,
    ),
    row(
        "GET",
        "/images/search",
        Action::Shared,
        &["term", "limit", "filters"],
        Body::None,
    ),
    row(
        "GET",
        "/images/{*}/json",
        Action::Image,
        &["manifests"],
        Body::None,
    ),
    row(
        "GET",
        "/images/{*}/history",
        Action::Image,
        &["platform"],
        Body::None,
    ),
    row(
        "GET",
        "/images/{*}/get",
        Action::Image,
        &["platform"],
        Body::None,
    ),
    row(
        "GET",
        "/images/get",
        Action::ImageSave,
        &["names", "platform"],
        Body::None,
    ),
    row(
        "POST",
        "/images/{*}/tag",
        Action::ImageTag,
        // docker-py's `force` has meant nothing since API 1.24.
        &["repo", "tag", "force"],
        Body::None,
    ),
    row(
        "DELETE",
        "/images/{*}",
        Action::ImageRemove,
        &["force", "noprune"],
        Body::None,
    ),
    row("POST", "/build", Action::Build, BUILD, Body::Stream),
    row(
        "POST",
        "/build/prune",
        Action::BuildPrune,
        &["all", "filters", "keep-storage"],
        Body::None,
    ),
    row(
        "POST",
        "/commit",
        Action::Commit,
        &[
            "container",
            "repo",
            "tag",
            "comment",
            "author",
            "pause",
            "changes",
        ],
        Body::Json,
    ),
    row(
        "GET",
        "/volumes",
        Action::VolumeList,
        &["filters"],
        Body::None,
    ),
    row(
        "POST",
        "/volumes/create",
        Action::VolumeCreate,
        &[],
        Body::Json,
    ),
    row(
        "POST",
        "/volumes/prune",
        Action::VolumePrune,
        &["filters"],
        Body::None,
    ),
    row("GET", "/volumes/{}", Action::VolumeInspect, &[], Body::None),
    row(
        "DELETE",
        "/volumes/{}",
        Action::VolumeRemove,
        &["force"],
        Body::None,
    ),
    row(
        "GET",
        "/networks",
        Action::NetworkList,
        &["filters"],
        Body::None,
    ),
    row(
        "POST",
        "/networks/create",
        Action::NetworkCreate,
        &[],
        Body::Json,
    ),
    row(
        "POST",
        "/networks/prune",
        Action::NetworkPrune,
        &["filters"],
        Body::None,
    ),
    row(
        "GET",
        "/networks/{}",
        Action::NetworkInspect,
        &["verbose", "scope"],
        Body::None,
    ),
    row(
        "DELETE",
        "/networks/{}",
        Action::NetworkRemove,
        &[],
        Body::None,
    ),
    row(
        "POST",
        "/networks/{}/connect",
        Action::NetworkConnect,
        &[],
        Body::Json,
    ),
    row(
        "POST",
        "/networks/{}/disconnect",
        Action::NetworkDisconnect,
        &[],
        Body::Json,
    ),
    row("GET", "/plugins/{*}/json", Action::Plugin, &[], Body::None),
    row("POST", "/ds01/v1/{}", Action::Operation, &[], Body::Json),
];

/// Beginnings of paths that are known, and for nobody here.
const REFUSED: &[(&str, &str)] = &[
    ("/swarm", "it would change the whole host"),
    ("/nodes", "it would change the whole host"),
    ("/services", "swarm services have no owner"),
    ("/tasks", "swarm services have no owner"),
    ("/secrets", "swarm secrets have no owner"),
    ("/configs", "swarm configurations have no owner"),
    ("/plugins", "a plugin runs as root"),
    (
        "/session",
        "BuildKit's own protocol cannot be checked; build with DOCKER_BUILDKIT=0",
    ),
    (
        "/grpc",
        "BuildKit's own protocol cannot be checked; build with DOCKER_BUILDKIT=0",
    ),
    (
        "/distribution",
        "it would use the host's own registry credentials",
    ),
    ("/build/", "the build cache has no owner"),
    (
        "/images/load",
        "it could replace images that others use; use docker import, or build from it",
    ),
    ("/debug", "it shows the engine's memory"),
    ("/metrics", "it shows everybody's containers"),
    ("/checkpoints", "checkpoints are files of root's"),
];

/// Ends of paths about a container or image that are known, and for nobody here.
const REFUSED_ENDS: &[(&str, &str, &str)] = &[
    ("/containers/", "/update", "DS01 sets the limits"),
    (
        "/containers/",
        "/attach/ws",
        "use attach without a web socket",
    ),
    (
        "/containers/",
        "/checkpoints",
        "checkpoints are files of root's",
    ),
    (
        "/images/",
        "/push",
        "a name of yours here is another one there; an admin can push it",
    ),
];

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

/// Whether a client may speak this version, where `newest` is advertised.
///
/// # Errors
///
/// [`NoRoute::Version`] if it is too new or too old.
pub fn spoken(version: Option<Version>, newest: Version) -> Result<(), NoRoute> {
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
    if asked < OLDEST {
        return Err(wrong("old", "Minimum", OLDEST));
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
