//! Who holds which device: one value, changed by one process at a time.

mod as_text;
mod marks;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{
    container::{ContainerId, Sighting},
    device::{Claim, Device, Held},
    label,
    line::{Line, Passed, Turn},
    name::EngineName,
    share::Share,
    time::Timestamp,
};

pub use marks::{Mark, SETTLED};

/// How long an intent to create or start is kept when nobody can tell what became of it.
///
/// Longer than any call to the engine may take (`host::engine`), so that an answer that
/// was never read cannot arrive after the device went to somebody else.
pub const PENDING: Duration = Duration::from_secs(180);

/// How long it is known whose a container is that turns up after its intent was given up: some engines
/// take longer to make one than anybody waits.
pub const ORPHANED: Duration = Duration::from_secs(24 * 3600);

/// A process of this host, recognisable after its pid is used again.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Process {
    /// Its pid.
    pub pid: u32,
    /// When it started, in clock ticks since boot.
    pub started: u64,
    /// The kernel's id of this boot.
    pub boot: String,
}

/// Whether an allocation keeps its devices from others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holding {
    /// The engine is being asked to create or start the container; holds.
    Pending {
        /// Who asks; `None` when the engine's answer was never read.
        creator: Option<Process>,
        /// When it is given up, if the engine shows nothing by then.
        lapses: Timestamp,
    },
    /// The asking process died or was never answered, and the engine showed no container: holds
    /// nothing and counts as none, but a container that turns up late under this name is still the owner's.
    Orphaned {
        /// When the name is forgotten.
        lapses: Timestamp,
    },
    /// The container is created, running or paused; holds.
    Live,
    /// The container has stopped; holds until [`Allocation::hold`] has passed.
    Stopped {
        /// When it stopped.
        since: Timestamp,
    },
    /// It was started past DS01 after its devices had gone to others: it keeps them from third
    /// ones as long as it runs.
    Intruding,
    /// The hold has passed: holds nothing. A start takes the same devices again, if they are free.
    Released,
}

/// The devices of one container, or the intent to make one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allocation {
    /// The container and its owner.
    #[serde(with = "as_text")]
    pub container: EngineName,
    /// The engine's id, once the engine has answered.
    pub id: Option<ContainerId>,
    /// Its devices, none for a container without GPUs.
    pub devices: Vec<Held>,
    /// Whether the devices are kept from others.
    pub holding: Holding,
    /// How long they are kept after a stop, by the owner's policy; `None` is for ever.
    pub hold: Option<Duration>,
    /// The owner's policy group when it was made.
    #[serde(default)]
    pub group: String,
    /// When it is stopped at the latest, by the longest run of its kind; `None` if that is not known.
    #[serde(default)]
    pub ends: Option<Timestamp>,
    /// The request that it passed in the waiting line.
    #[serde(default)]
    pub passed: Option<Passed>,
    /// The devices of earlier intents of this name, whose makers died: the container of one of those
    /// may turn up in the place of this one's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub late: Vec<Vec<Held>>,
    /// The ledger's generation when this entry was last changed.
    pub changed: u64,
}

impl Allocation {
    /// Whether its devices are kept from others at `now`.
    pub fn holds(&self, now: Timestamp) -> bool {
        match self.holding {
            Holding::Pending { .. } | Holding::Live | Holding::Intruding => true,
            Holding::Stopped { since } => self.hold.is_none_or(|hold| now < since + hold),
            Holding::Orphaned { .. } | Holding::Released => false,
        }
    }

    /// When its devices are free at the latest, if that is known.
    pub fn free_at(&self, now: Timestamp) -> Option<Timestamp> {
        match self.holding {
            Holding::Stopped { since } => Some(since + self.hold?),
            // What is overdue ends nobody knows when.
            Holding::Live => Some(self.ends.filter(|ends| now < *ends)? + self.hold?),
            Holding::Pending { .. } | Holding::Intruding => None,
            Holding::Orphaned { .. } | Holding::Released => Some(now),
        }
    }

    /// What its devices count against the owner's quota.
    pub fn share(&self) -> Share {
        self.devices.iter().map(|held| held.share).sum()
    }

    /// Whether this intent, or an earlier one of its name, was to make the container that the engine
    /// shows. A container of somebody else may have taken the name first.
    pub fn awaits(&self, sighting: &Sighting) -> bool {
        self.meant(sighting).is_some()
    }

    /// The devices of the container that the engine shows, if it is [awaited](Self::awaits).
    pub(crate) fn meant(&self, sighting: &Sighting) -> Option<&[Held]> {
        if self.id.is_some() || self.container.to_string() != sighting.name {
            return None;
        }
        let label = |key| sighting.labels.get(key).unwrap_or_default();
        let given: BTreeSet<_> = label(label::GPU_UUIDS)
            .split([' ', ','])
            .filter(|uuid| !uuid.is_empty())
            .collect();
        let is_given = |devices: &&Vec<Held>| {
            let uuids = devices.iter().map(|held| &*held.uuid.0);
            given == uuids.collect()
        };
        let mut all = std::iter::once(&self.devices).chain(&self.late);
        let is_ours = label(label::MANAGED) == "true";
        all.find(is_given).filter(|_| is_ours).map(Vec::as_slice)
    }

    /// The devices of all whose container this one is waited for as: its own, and those of the
    /// intents before it.
    pub fn candidates(&self) -> Vec<Vec<Held>> {
        let mut all = self.late.clone();
        if !all.contains(&self.devices) {
            all.push(self.devices.clone());
        }
        all
    }
}

/// A container with devices that DS01 did not make: its owner is not known to us.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unmanaged {
    /// The engine's id.
    pub id: ContainerId,
    /// The engine's name of it.
    pub name: String,
    /// The devices that it asks for.
    pub claim: Claim,
    /// The ledger's generation when it was found.
    pub changed: u64,
}

/// The ledger. The engine is the truth about containers that exist; this is the truth about
/// intents, holds, and who owns what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    /// Raised by one at every save.
    pub generation: u64,
    /// No device is granted before this time: the ledger was lost, and intents with it.
    pub grants_after: Option<Timestamp>,
    /// One entry per container of ours. Copies of the ledger share those that do not differ.
    ///
    /// Not written with the rest: [`ledger_text`](crate::ledger_text) writes each on a line.
    #[serde(skip_serializing)]
    pub allocations: Vec<Arc<Allocation>>,
    /// Containers of others that hold devices.
    pub unmanaged: Vec<Unmanaged>,
    /// The newest containers that have [settled](SETTLED), newest first: each of them, and all
    /// that are older, are accounted for.
    pub marks: Vec<Mark>,
    /// Containers newer than the marks that are accounted for, although older ones may turn up yet.
    pub recent: Vec<ContainerId>,
    /// Who waits for devices.
    #[serde(default)]
    pub line: Box<Line>,
}

/// What keeps a device from being given to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder<'a> {
    /// A container of ours.
    Allocation(&'a Allocation),
    /// A container that DS01 did not make.
    Unmanaged(&'a Unmanaged),
    /// Somebody whose turn in the waiting line has come.
    Turn(&'a Turn),
}

impl Ledger {
    /// Everybody who keeps `device` from others at `now`: one at most, unless somebody
    /// went behind our back.
    pub fn holders_of<'a>(
        &'a self,
        device: &Device,
        now: Timestamp,
    ) -> impl Iterator<Item = Holder<'a>> {
        let device = Held::from(device);
        let ours = self.holding(now);
        let ours = ours.filter(|a| a.devices.iter().any(|held| device.overlaps(held)));
        let others = self.others_on(&device, now);
        let all: Vec<_> = ours.map(Holder::Allocation).chain(others).collect();
        all.into_iter()
    }

    /// The containers of ours that keep devices from others at `now`.
    pub(crate) fn holding(&self, now: Timestamp) -> impl Iterator<Item = &Allocation> {
        self.entries()
            .filter(move |a| !a.devices.is_empty() && a.holds(now))
    }

    /// Those of [`Ledger::holders_of`] that are no containers of ours, of a device as the ledger
    /// knows it.
    pub(crate) fn others_on(
        &self,
        device: &Held,
        now: Timestamp,
    ) -> impl Iterator<Item = Holder<'_>> {
        let others = self.unmanaged.iter();
        let others = others.filter(|other| other.claim.covers_held(device));
        let turns = self.line.keeps(device, None, now);
        others.map(Holder::Unmanaged).chain(turns.map(Holder::Turn))
    }

    /// The entries of all containers of ours.
    pub fn entries(&self) -> impl Iterator<Item = &Allocation> {
        self.allocations.iter().map(Arc::as_ref)
    }

    /// The compute that `uid` holds at `now`.
    pub fn held_by(&self, uid: u32, now: Timestamp) -> Share {
        self.of(uid)
            .filter(|a| a.holds(now))
            .map(Allocation::share)
            .sum()
    }

    /// The entries of `uid`'s containers, those that are stopped or being made too.
    pub fn of(&self, uid: u32) -> impl Iterator<Item = &Allocation> {
        self.entries().filter(move |a| a.container.uid == uid)
    }

    /// How many containers `uid` has, those that are stopped or being made too; an orphan does not
    /// count.
    pub fn count_of(&self, uid: u32) -> usize {
        let is_one = |a: &&Allocation| !matches!(a.holding, Holding::Orphaned { .. });
        self.of(uid).filter(is_one).count()
    }

    /// The entry of a container by the engine's name.
    pub fn entry(&self, container: &EngineName) -> Option<&Allocation> {
        self.entries().find(|a| a.container == *container)
    }

    /// Whether a container of this name exists or is being made; an orphan does not count.
    pub fn has(&self, container: &EngineName) -> bool {
        let entry = self.entry(container);
        entry.is_some_and(|a| !matches!(a.holding, Holding::Orphaned { .. }))
    }

    /// An index that finds the entries of containers that the engine lists.
    ///
    /// An entry that has no id yet is found by the name that its container will have.
    pub fn finder<'a>(&'a self) -> impl Fn(&Sighting) -> Option<&'a Allocation> {
        let (mut by_id, mut by_name) = (BTreeMap::new(), BTreeMap::new());
        for entry in self.entries() {
            match &entry.id {
                Some(id) => drop(by_id.insert(id, entry)),
                None => drop(by_name.insert(entry.container.to_string(), entry)),
            }
        }
        move |seen| {
            by_id
                .get(&seen.id)
                .or_else(|| by_name.get(&seen.name))
                .copied()
        }
    }

    /// Changes one entry, and notes when. `false` if there is none.
    pub fn change(&mut self, container: &EngineName, with: impl FnOnce(&mut Allocation)) -> bool {
        let changed = self.generation + 1;
        let found = self
            .allocations
            .iter_mut()
            .find(|a| a.container == *container);
        found.is_some_and(|entry| {
            let entry = Arc::make_mut(entry);
            with(entry);
            entry.changed = changed;
            true
        })
    }

    /// Adds an entry, in place of one of the same name.
    pub fn put(&mut self, mut entry: Allocation) {
        entry.changed = self.generation + 1;
        self.remove(&entry.container);
        self.allocations.push(Arc::new(entry));
    }

    /// Makes the container of an entry somebody else's, whom DS01 does not know: it keeps its devices
    /// from everybody as before.
    pub fn disown(&mut self, container: &EngineName) {
        let changed = self.generation + 1;
        let Some(entry) = self.remove(container) else {
            return;
        };
        if let Some(id) = entry.id.filter(|_| !entry.devices.is_empty()) {
            let uuids = entry.devices.into_iter().map(|held| held.uuid.to_string());
            self.unmanaged.push(Unmanaged {
                id,
                name: container.to_string(),
                claim: Claim::Named(uuids.collect()),
                changed,
            });
        }
    }

    /// Takes an entry out, whose container is no more.
    pub fn remove(&mut self, container: &EngineName) -> Option<Allocation> {
        let at = self
            .allocations
            .iter()
            .position(|a| a.container == *container)?;
        let entry = Arc::unwrap_or_clone(self.allocations.remove(at));
        self.marks
            .retain(|mark| Some(&mark.id) != entry.id.as_ref());
        Some(entry)
    }

    /// The ids to ask the engine for, when the whole list is not needed.
    pub fn ids(&self) -> BTreeSet<ContainerId> {
        let ours = self.entries().filter_map(|a| a.id.clone());
        ours.chain(self.unmanaged.iter().map(|u| u.id.clone()))
            .collect()
    }

    /// Whether it is known what devices the container has, and whose it is.
    pub fn accounts_for(&self, id: &ContainerId) -> bool {
        self.entries().any(|a| a.id.as_ref() == Some(id))
            || self.unmanaged.iter().any(|u| u.id == *id)
            || self.recent.contains(id)
            || self.marks.iter().any(|mark| mark.id == *id)
    }
}

#[cfg(test)]
pub(crate) mod tests;
