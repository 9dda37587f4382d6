//! The calls of the Docker Engine API, one a line.

use super::{Action, Body};

/// A call: its method and path, what it is about, the keys of its query, its body.
pub(super) struct Row {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) action: Action,
    pub(super) query: &'static [&'static str],
    pub(super) body: Body,
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
pub(super) const REPEATED: [&str; 3] = ["t", "names", "changes"];

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
    // BuildKit's.
    "buildid",
    "session",
    "outputs",
];
const SIZE: &[&str] = &["h", "w"];

/// A line for each call. `{}` is one segment; `{*}` is an image's name, which may have several.
#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    row("GET", "/_ping", Action::Ping, &[], Body::None),
    row("HEAD", "/_ping", Action::Ping, &[], Body::None),
    row("GET", "/version", Action::Version, &[], Body::None),
    row("GET", "/info", Action::Info, &[], Body::None),
    row("GET", "/system/df", Action::DiskUsage, &["type", "verbose"], Body::None),
    row("GET", "/events", Action::Events, &["since", "until", "filters"], Body::None),
    row("POST", "/auth", Action::Shared, &[], Body::Json),
    // docker-py writes trunc_cmd; no engine reads it.
    row("GET", "/containers/json", Action::ContainerList, &["all", "limit", "size", "filters", "since", "before", "trunc_cmd"], Body::None),
    row("POST", "/containers/create", Action::ContainerCreate, &["name", "platform"], Body::Json),
    row("POST", "/containers/prune", Action::ContainerPrune, &["filters"], Body::None),
    row("GET", "/containers/{}/json", Action::ContainerInspect, &["size"], Body::None),
    row("GET", "/containers/{}/top", Action::ContainerTop, &["ps_args"], Body::None),
    row("GET", "/containers/{}/logs", Action::Container, LOGS, Body::None),
    row("GET", "/containers/{}/changes", Action::ContainerChanges, &[], Body::None),
    row("GET", "/containers/{}/stats", Action::ContainerStats, &["stream", "one-shot"], Body::None),
    row("POST", "/containers/{}/resize", Action::Container, SIZE, Body::None),
    row("POST", "/containers/{}/start", Action::ContainerStart, &["detachKeys"], Body::None),
    row("POST", "/containers/{}/stop", Action::Container, &["t", "signal"], Body::None),
    row("POST", "/containers/{}/restart", Action::ContainerRestart, &["t", "signal"], Body::None),
    row("POST", "/containers/{}/kill", Action::Container, &["signal"], Body::None),
    row("POST", "/containers/{}/rename", Action::ContainerRename, &["name"], Body::None),
    row("POST", "/containers/{}/pause", Action::Container, &[], Body::None),
    row("POST", "/containers/{}/unpause", Action::Container, &[], Body::None),
    row("POST", "/containers/{}/attach", Action::Container, ATTACH, Body::Stream),
    row("POST", "/containers/{}/wait", Action::Container, &["condition"], Body::None),
    row("DELETE", "/containers/{}", Action::ContainerRemove, &["v", "force", "link"], Body::None),
    row("GET", "/containers/{}/export", Action::ContainerRead, &[], Body::None),
    row("GET", "/containers/{}/archive", Action::ContainerRead, &["path"], Body::None),
    row("HEAD", "/containers/{}/archive", Action::ContainerRead, &["path"], Body::None),
    row("PUT", "/containers/{}/archive", Action::ContainerWrite, &["path", "noOverwriteDirNonDir", "copyUIDGID"], Body::Stream),
    row("POST", "/containers/{}/exec", Action::ContainerExec, &[], Body::Json),
    row("POST", "/exec/{}/start", Action::ExecStart, &[], Body::Json),
    row("POST", "/exec/{}/resize", Action::Exec, SIZE, Body::None),
    row("GET", "/exec/{}/json", Action::Exec, &[], Body::None),
    // docker-py's; no engine reads it.
    row("GET", "/images/json", Action::ImageList, &["all", "filters", "filter", "shared-size", "digests", "manifests", "only_ids"], Body::None),
    row("POST", "/images/create", Action::ImageCreate, &["fromImage", "fromSrc", "repo", "tag", "message", "changes", "platform"], Body::Stream),
    row("POST", "/images/prune", Action::ImagePrune, &["filters"], Body::None),
    row("GET", "/images/search", Action::Shared, &["term", "limit", "filters"], Body::None),
    row("GET", "/images/{*}/json", Action::Image, &["manifests"], Body::None),
    row("GET", "/images/{*}/history", Action::Image, &["platform"], Body::None),
    row("GET", "/images/{*}/get", Action::Image, &["platform"], Body::None),
    row("GET", "/images/get", Action::ImageSave, &["names", "platform"], Body::None),
    // docker-py's `force` has meant nothing since API 1.24.
    row("POST", "/images/{*}/tag", Action::ImageTag, &["repo", "tag", "force"], Body::None),
    row("DELETE", "/images/{*}", Action::ImageRemove, &["force", "noprune"], Body::None),
    row("POST", "/build", Action::Build, BUILD, Body::Stream),
    row("POST", "/build/prune", Action::BuildPrune, &["all", "filters", "keep-storage"], Body::None),
    row("POST", "/commit", Action::Commit, &["container", "repo", "tag", "comment", "author", "pause", "changes"], Body::Json),
    row("GET", "/volumes", Action::VolumeList, &["filters"], Body::None),
    row("POST", "/volumes/create", Action::VolumeCreate, &[], Body::Json),
    row("POST", "/volumes/prune", Action::VolumePrune, &["filters"], Body::None),
    row("GET", "/volumes/{}", Action::VolumeInspect, &[], Body::None),
    row("DELETE", "/volumes/{}", Action::VolumeRemove, &["force"], Body::None),
    row("GET", "/networks", Action::NetworkList, &["filters"], Body::None),
    row("POST", "/networks/create", Action::NetworkCreate, &[], Body::Json),
    row("POST", "/networks/prune", Action::NetworkPrune, &["filters"], Body::None),
    row("GET", "/networks/{}", Action::NetworkInspect, &["verbose", "scope"], Body::None),
    row("DELETE", "/networks/{}", Action::NetworkRemove, &[], Body::None),
    row("POST", "/networks/{}/connect", Action::NetworkConnect, &[], Body::Json),
    row("POST", "/networks/{}/disconnect", Action::NetworkDisconnect, &[], Body::Json),
    row("GET", "/plugins/{*}/json", Action::Plugin, &[], Body::None),
    row("POST", "/ds01/v1/{}", Action::Operation, &[], Body::Json),
];

/// Beginnings of paths that are known, and for nobody here.
pub(super) const REFUSED: &[(&str, &str)] = &[
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
pub(super) const REFUSED_ENDS: &[(&str, &str, &str)] = &[
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
