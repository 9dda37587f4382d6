//! What DS01 keeps about each container of its own: the proof of who owns it.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{
    container::{ContainerId, Sighting},
    device::{Claim, Held},
    label,
    ledger::{Allocation, Holding},
    lifecycle::{ContainerKind, Extension},
    name::EngineName,
    time::Timestamp,
};

/// `container-metadata/<engine-name>.json`: written by create, deleted by remove. While the engine does
/// not list its container, it is beside that: `<engine-name>.<id>.gone`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The version of this format: 1.
    pub version: u32,
    /// The engine's name of the container: the owner's name for it, and the owner.
    pub container: String,
    /// The engine's id: a container of the same name and another id is not this one.
    pub id: ContainerId,
    /// The owner's login.
    pub login: String,
    /// The owner's policy group.
    pub group: String,
    /// The owner's slice when it was made.
    pub slice: String,
    /// The project whose workspace is mounted.
    pub project: String,
    /// The image as the user named it.
    pub image: String,
    /// The folder on the host that is mounted at `/workspace`.
    pub workspace: String,
    /// The folders of the host that it has.
    pub binds: Vec<Bind>,
    /// Where root has mounted them for the engine, in a directory of this name; `None` if the
    /// engine was given the folders themselves.
    pub mounts: Option<String>,
    /// Folders of the host are within its reach, so that it runs as its owner and stays so.
    pub as_owner: bool,
    /// Its devices.
    pub devices: Vec<Held>,
    /// How long it keeps them after a stop; `None` is for ever.
    pub hold: Option<Duration>,
    /// By how much one of its runs is longer than the limit.
    #[serde(default)]
    pub extension: Option<Extension>,
    /// Something else made it, and an admin adopted it: `ds01-adopt`.
    #[serde(default)]
    pub adopted: bool,
    /// It turned up after the one who made it had died, or had heard nothing of it.
    #[serde(default)]
    pub found: bool,
    /// How it was made; `None` in records of older releases.
    #[serde(default)]
    pub kind: Option<ContainerKind>,
    /// When it was made.
    pub created: Timestamp,
    /// The host that it is on.
    pub node: String,
}

/// A folder of the host in a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bind {
    /// On the host, absolute and without links, as it was when the container was made.
    pub source: String,
    /// In the container.
    pub target: String,
}

/// The version of [`Record`] that this build writes.
pub const VERSION: u32 = 1;

/// How long the record of a container is kept that the engine does not list any more: an engine which
/// was started without its disk lists none, until an admin has mounted that.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// So many of one owner, at most: of who removes containers past DS01 all day.
const MOST_KEPT: usize = 100;

/// The record of a container that the engine does not list any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfGone {
    /// The container.
    pub container: EngineName,
    /// Its id.
    pub id: ContainerId,
    /// Since when nobody has seen it.
    pub since: Timestamp,
}

/// Those that are not kept any longer.
pub fn outdated(mut all: Vec<OfGone>, now: Timestamp) -> Vec<OfGone> {
    all.sort_by_key(|gone| Reverse(gone.since));
    let mut of_owners: BTreeMap<u32, usize> = BTreeMap::new();
    all.retain(|gone| {
        let newer = of_owners.entry(gone.container.uid).or_default();
        *newer += 1;
        *newer > MOST_KEPT || now.since(gone.since) >= KEPT
    });
    all
}

impl Record {
    /// The record of a container that turned up after the one who made it had died.
    pub fn of_found(entry: &Allocation, sighting: &Sighting, node: &str) -> Self {
        let label = |key| sighting.labels.get(key).unwrap_or_default().to_string();
        Self {
            version: VERSION,
            container: entry.container.to_string(),
            id: sighting.id.clone(),
            login: label(label::USER),
            group: label(label::GROUP),
            slice: label(label::SLICE),
            project: label(label::PROJECT),
            image: label(label::IMAGE),
            workspace: label(label::WORK_MOUNT),
            // Nobody knows: what was not noted may be any.
            binds: Vec::new(),
            mounts: None,
            as_owner: true,
            devices: entry.devices.clone(),
            hold: entry.hold,
            extension: None,
            adopted: false,
            found: true,
            kind: Some(ContainerKind::of_found(&sighting.labels)),
            created: sighting.created,
            node: node.into(),
        }
    }

    /// Whether `as_owner` is what it was made with, and not what nobody could rule out: the careful
    /// answer to who may run what in it is no answer to what may share with it.
    pub fn is_known(&self) -> bool {
        !self.found && !self.adopted
    }

    /// Whether it may ever run. One that Docker's API asked for and that turned up may not: what it
    /// shares with others was decided without it, or theirs without this one. One of our own
    /// commands' runs as its owner, and shares nothing.
    pub fn may_start(&self) -> bool {
        !self.found || self.kind == Some(ContainerKind::Ds01)
    }

    /// The folder of the host that is its `/workspace`, if it has one.
    pub fn workspace_folder(&self) -> Option<&str> {
        let mut binds = self.binds.iter();
        let bind = binds.find(|bind| bind.target == "/workspace");
        // Of one that turned up nobody noted the folders: its label has it.
        let noted = Some(&self.workspace).filter(|_| self.binds.is_empty());
        let folder = bind.map(|bind| &bind.source).or(noted)?;
        (!folder.is_empty()).then_some(folder)
    }

    /// The ledger's entry for the container that the engine lists, when the ledger has none.
    ///
    /// `None` if this is the record of another one. Where it and the engine differ about the
    /// devices, the engine is right and the owner is in doubt.
    pub fn proves(&self, sighting: &Sighting, claim: Option<&Claim>) -> Option<Allocation> {
        let claimed: BTreeSet<_> = match claim {
            Some(Claim::Named(names)) => names.iter().map(String::as_str).collect(),
            Some(Claim::All) => return None,
            None => BTreeSet::new(),
        };
        let recorded: BTreeSet<_> = self.devices.iter().map(|held| &*held.uuid.0).collect();
        let same = self.id == sighting.id && self.container == sighting.name;
        (same && recorded == claimed).then(|| self.allocation())?
    }

    /// `None` if the name in it is none.
    fn allocation(&self) -> Option<Allocation> {
        let container: EngineName = self.container.parse().ok()?;
        Some(Allocation {
            container,
            id: Some(self.id.clone()),
            devices: self.devices.clone(),
            holding: Holding::Live,
            hold: self.hold,
            group: self.group.clone(),
            ends: None,
            passed: None,
            late: Vec::new(),
            changed: 0,
        })
    }
}

#[cfg(test)]
mod tests;
