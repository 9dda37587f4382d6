//! Brings the ledger in line with what the engine really has.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    container::{ContainerId, Sighting, State},
    device::Claim,
    label,
    ledger::{Allocation, Holding, Ledger, Process, Unmanaged},
    name::EngineName,
    record::Record,
    time::Timestamp,
};

/// What was seen of the engine, after reading the ledger and before locking it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// The ledger's generation before the engine was asked: entries changed since then know better.
    pub generation: u64,
    /// The engine's list; what is newer than anything known comes first, newest first.
    pub containers: Vec<Sighting>,
    /// How many of them are newer than anything known.
    pub news: usize,
    /// The ids that were asked for, beside everything newer than the newest that was known.
    /// `None`: the list is complete.
    pub asked: Option<BTreeSet<ContainerId>>,
    /// Containers that were known as the newest, and are no more.
    pub vanished: Vec<ContainerId>,
    /// Pending entries' processes that were dead before the engine was asked.
    pub dead: Vec<Process>,
    /// When stopped containers stopped, where the ledger did not know.
    pub stopped: BTreeMap<ContainerId, Timestamp>,
    /// What containers without an entry ask for: `None` is no device.
    pub claims: BTreeMap<ContainerId, Option<Claim>>,
    /// Our records of containers without an entry.
    pub records: BTreeMap<ContainerId, Record>,
}

/// What the ledger learned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A pending container turned out to exist.
    Confirmed(EngineName),
    /// A container is no more: its entry, and its devices with it, are dropped.
    Gone(Allocation),
    /// An intent that nobody carries out any more gave its devices back.
    Lapsed(Allocation),
    /// A stopped container's hold has passed: its devices are free.
    Released(Allocation),
    /// A container of somebody else holds devices.
    Found(Unmanaged),
}

/// Applies what was seen to the ledger. The changes are what is worth an event.
pub fn reconcile(ledger: &mut Ledger, seen: &Seen, now: Timestamp) -> Vec<Change> {
    let mut changes = Vec::new();
    let by_id: BTreeMap<_, _> = seen.containers.iter().map(|c| (&c.id, c)).collect();
    let by_name: BTreeMap<_, _> = seen
        .containers
        .iter()
        .map(|c| (c.name.as_str(), c))
        .collect();
    let next = ledger.generation + 1;
    for mut entry in std::mem::take(&mut ledger.allocations) {
        if entry.changed > seen.generation {
            ledger.allocations.push(entry);
            continue;
        }
        let before = entry.holding.clone();
        let keep = match entry.id.clone() {
            Some(id) => match by_id.get(&id) {
                Some(sighting) => {
                    follow(&mut entry, sighting, seen, now);
                    true
                }
                None => !seen.is_gone(&id),
            },
            None => match by_name.get(entry.container.to_string().as_str()) {
                Some(sighting) if is_of(sighting, &entry) => {
                    entry.id = Some(sighting.id.clone());
                    changes.push(Change::Confirmed(entry.container.clone()));
                    // An orphan holds nothing: it gets its devices when it starts, if they are free.
                    entry.holding = match entry.holding {
                        Holding::Pending { .. } => Holding::Live,
                        _ => Holding::Released,
                    };
                    true
                }
                _ => wait_on(&mut entry, seen, now),
            },
        };
        if !keep {
            changes.push(match entry.id {
                Some(_) => Change::Gone(entry),
                None => Change::Lapsed(entry),
            });
            continue;
        }
        if entry.holding != before {
            entry.changed = next;
            if matches!(entry.holding, Holding::Orphaned { .. }) {
                changes.push(Change::Lapsed(entry.clone()));
            }
        }
        ledger.allocations.push(entry);
    }
    let ours = unknown_ours(ledger, seen, now);
    ledger.allocations.extend(ours);
    release(ledger, now, &mut changes);
    note_unmanaged(ledger, seen, &mut changes);
    take_again(ledger, &by_id, now);
    note_newest(ledger, seen);
    changes
}

impl Seen {
    /// Whether the engine would have shown this container if it existed.
    fn is_gone(&self, id: &ContainerId) -> bool {
        self.asked.as_ref().is_none_or(|asked| asked.contains(id))
    }

    fn is_dead(&self, process: Option<&Process>) -> bool {
        process.is_some_and(|process| self.dead.contains(process))
    }
}

/// Takes over the state of a container that exists.
fn follow(entry: &mut Allocation, sighting: &Sighting, seen: &Seen, now: Timestamp) {
    let stopped = sighting.state.is_stopped();
    let since = || {
        seen.stopped
            .get(&sighting.id)
            .copied()
            .unwrap_or(now)
            .min(now)
    };
    match &entry.holding {
        Holding::Live if stopped => entry.holding = Holding::Stopped { since: since() },
        // A start is under way. If the one who asked for it is no more, what is up is up; what
        // is not may be about to be, in the engine.
        Holding::Pending { lapses, .. } if stopped && *lapses <= now => {
            entry.holding = Holding::Stopped { since: since() };
        }
        Holding::Pending { creator, lapses }
            if !stopped && (*lapses <= now || seen.is_dead(creator.as_ref())) =>
        {
            entry.holding = Holding::Live;
        }
        Holding::Stopped { .. } if !stopped => {
            let holds = entry.holds(now);
            entry.holding = if holds {
                Holding::Live
            } else {
                Holding::Released
            };
        }
        _ => {}
    }
}

/// An intent whose container does not exist yet. `false` when it is given up.
fn wait_on(entry: &mut Allocation, seen: &Seen, now: Timestamp) -> bool {
    match &entry.holding {
        Holding::Pending { lapses, .. } | Holding::Orphaned { lapses } if *lapses <= now => false,
        Holding::Pending { creator, lapses } if seen.is_dead(creator.as_ref()) => {
            entry.holding = Holding::Orphaned { lapses: *lapses };
            true
        }
        _ => true,
    }
}

/// Whether the container of that name is the one this entry meant to make: it has its devices.
fn is_of(sighting: &Sighting, entry: &Allocation) -> bool {
    let label = |key| sighting.labels.get(key).map_or("", String::as_str);
    let uuids = label(label::GPU_UUIDS)
        .split([' ', ','])
        .filter(|uuid| !uuid.is_empty());
    label(label::MANAGED) == "true"
        && uuids.collect::<BTreeSet<_>>()
            == entry
                .devices
                .iter()
                .map(|held| held.uuid.0.as_str())
                .collect()
}

/// Marks holds that have passed, for good: a clock set back must not revive one
/// whose devices were given to somebody else since.
fn release(ledger: &mut Ledger, now: Timestamp, changes: &mut Vec<Change>) {
    let next = ledger.generation + 1;
    for entry in &mut ledger.allocations {
        if matches!(entry.holding, Holding::Stopped { .. }) && !entry.holds(now) {
            entry.holding = Holding::Released;
            entry.changed = next;
            if !entry.devices.is_empty() {
                changes.push(Change::Released(entry.clone()));
            }
        }
    }
}

/// The containers of ours that the ledger does not know: it is an old copy, as a power cut or an
/// admin may leave.
fn unknown_ours(ledger: &Ledger, seen: &Seen, now: Timestamp) -> Vec<Allocation> {
    let ours = |sighting: &Sighting| {
        let claim = seen.claims.get(&sighting.id)?;
        let record = seen.records.get(&sighting.id)?;
        let mut entry = record.proves(sighting, claim.as_ref())?;
        follow(&mut entry, sighting, seen, now);
        entry.changed = ledger.generation + 1;
        let is_new = ledger.entry(&entry.container).is_none();
        is_new.then_some(entry)
    };
    seen.containers.iter().filter_map(ours).collect()
}

fn note_unmanaged(ledger: &mut Ledger, seen: &Seen, changes: &mut Vec<Change>) {
    let ours: BTreeSet<_> = ledger
        .allocations
        .iter()
        .filter_map(|a| a.id.clone())
        .collect();
    let listed: BTreeSet<_> = seen.containers.iter().map(|c| &c.id).collect();
    ledger
        .unmanaged
        .retain(|u| !ours.contains(&u.id) && (listed.contains(&u.id) || !seen.is_gone(&u.id)));
    for sighting in &seen.containers {
        let entry = ledger.entry_of(&sighting.id, &sighting.name);
        let known = entry.is_some_and(|entry| entry.id.is_some() || is_of(sighting, entry))
            || ledger.unmanaged.iter().any(|u| u.id == sighting.id);
        if let Some(Some(claim)) = seen.claims.get(&sighting.id).filter(|_| !known) {
            let found = Unmanaged {
                id: sighting.id.clone(),
                name: sighting.name.clone(),
                claim: claim.clone(),
            };
            changes.push(Change::Found(found.clone()));
            ledger.unmanaged.push(found);
        }
    }
}

/// A container that was started behind our back holds its devices again, unless they went to others.
fn take_again(ledger: &mut Ledger, by_id: &BTreeMap<&ContainerId, &Sighting>, now: Timestamp) {
    for at in 0..ledger.allocations.len() {
        let entry = &ledger.allocations[at];
        let sighting = entry.id.as_ref().and_then(|id| by_id.get(id));
        let up = sighting
            .is_some_and(|s| matches!(s.state, State::Running | State::Paused | State::Restarting));
        if entry.holding == Holding::Released && up && is_free(ledger, at, now) {
            ledger.allocations[at].holding = Holding::Live;
            ledger.allocations[at].changed = ledger.generation + 1;
        }
    }
}

/// Whether nobody else holds any device of entry number `at` of the ledger.
///
/// A container of others that claims by index, or all devices, may well mean these.
pub fn is_free(ledger: &Ledger, at: usize, now: Timestamp) -> bool {
    let entry = &ledger.allocations[at];
    let others = ledger
        .allocations
        .iter()
        .enumerate()
        .filter(|(n, other)| *n != at && other.holds(now));
    let mut taken = others.flat_map(|(_, other)| &other.devices);
    let unmanaged = ledger.unmanaged.iter().any(|u| match &u.claim {
        Claim::All => !entry.devices.is_empty(),
        Claim::Named(names) => entry.devices.iter().any(|held| {
            let (uuid, gpu, slot) = (&held.uuid.0, &held.gpu.0, held.slot.to_string());
            names
                .iter()
                .any(|n| n == uuid || n == gpu || *n == slot || *n == held.slot.gpu.to_string())
        }),
    });
    !unmanaged && !taken.any(|other| entry.devices.iter().any(|held| held.overlaps(other)))
}

/// Moves on what counts as known, if everything that was listed is accounted for.
///
/// Nothing can be listed from one that is gone, so those make room for the living.
fn note_newest(ledger: &mut Ledger, seen: &Seen) {
    ledger.newest.retain(|id| !seen.vanished.contains(id));
    let known = ledger.ids();
    let accounted = |sighting: &Sighting| {
        seen.claims.contains_key(&sighting.id) || known.contains(&sighting.id)
    };
    let news = seen.containers.iter().take(seen.news);
    if news.clone().all(accounted) {
        let mut ids: Vec<_> = news.map(|c| c.id.clone()).collect();
        ids.extend(
            ledger
                .newest
                .iter()
                .filter(|id| !ids.contains(id))
                .cloned()
                .collect::<Vec<_>>(),
        );
        ledger.set_newest(ids);
    }
}
