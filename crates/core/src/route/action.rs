//! What the calls of the Docker Engine API are about.

use serde::{Deserialize, Serialize};

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
    /// What its files differ in from its image's.
    ContainerChanges,
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
