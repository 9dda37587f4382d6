//! Brings the ledger in line with the containers that the engine really has.

mod doubt;
mod orphans;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    container::{ContainerId, Sighting, State},
    device::{Claim, Held},
    ledger::{Allocation, Holding, Ledger, ORPHANED, PENDING, Process, Unmanaged},
    line::{Gone, Turn, Waiter},
    name::EngineName,
    record::Record,
    time::Timestamp,
};
use orphans::{forget_orphans, wait_on};

/// What the engine has, as seen after reading the ledger and before locking it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EngineSnapshot {
    /// The ledger's generation before the engine was asked: entries changed since then know better.
    pub generation: u64,
    /// When the engine was asked.
    pub asked_at: Timestamp,
    /// The engine's list; what is newer than the mark comes first, newest first.
    pub containers: Vec<Sighting>,
    /// How many of them are newer than the mark. `None`: the engine was not asked for new ones.
    pub news: Option<usize>,
    /// When the oldest listed container was made of which the engine cannot tell more yet.
    pub untold: Option<Timestamp>,
    /// The ids that the engine was asked for besides. `None`: the list is complete.
    pub asked: Option<BTreeSet<ContainerId>>,
    /// Names of containers that the engine is still making: it lists them, and cannot tell yet
    /// which devices they have.
    pub unfinished: Vec<String>,
    /// Marks whose containers are gone.
    pub vanished: Vec<ContainerId>,
    /// Processes of pending entries, and of those who wait, that were dead before the engine was asked.
    pub dead: Vec<Process>,
    /// When stopped containers stopped, where the ledger did not know.
    pub stopped: BTreeMap<ContainerId, Timestamp>,
    /// What containers without an entry ask for: `None` is no device.
    pub claims: BTreeMap<ContainerId, Option<Claim>>,
    /// Our records of the containers in `claims`.
    pub records: BTreeMap<ContainerId, Record>,
}

/// A change to the ledger that reconciling made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A pending container turned out to exist.
    Confirmed(EngineName),
    /// A container is no more: its entry, and its devices with it, are dropped.
    Gone(Allocation),
    /// An intent that nobody carries out any more gave its devices back; the entry as it was before.
    Lapsed(Allocation),
    /// A stopped container's hold has passed: its devices are free.
    Released(Allocation),
    /// A container of somebody else holds devices.
    Found(Unmanaged),
    /// A request left the waiting line without devices.
    Left(Waiter, Gone),
    /// The devices that were kept for a turn were not used in time, and are free.
    TurnOver(Turn),
}

impl Change {
    /// The user whom the change is about.
    pub fn uid(&self) -> Option<u32> {
        match self {
            Self::Confirmed(container) => Some(container.uid),
            Self::Gone(entry) | Self::Lapsed(entry) | Self::Released(entry) => {
                Some(entry.container.uid)
            }
            Self::Left(waiter, _) => Some(waiter.uid),
            Self::TurnOver(turn) => Some(turn.uid),
            Self::Found(_) => None,
        }
    }
}

/// Applies what was seen of the engine to the ledger. Returns the changes that are worth an event.
pub fn reconcile(ledger: &mut Ledger, seen: &EngineSnapshot, now: Timestamp) -> Vec<Change> {
    let mut changes = Vec::new();
    let by_id: BTreeMap<_, _> = seen.containers.iter().map(|c| (&c.id, c)).collect();
    let next = ledger.generation + 1;
    for mut entry in std::mem::take(&mut ledger.allocations) {
        if entry.changed > seen.generation {
            ledger.allocations.push(entry);
            continue;
        }
        let before = Arc::clone(&entry);
        let keep = match &entry.id {
            Some(id) => match by_id.get(id) {
                Some(sighting) => {
                    follow(&mut entry, sighting, seen, now);
                    true
                }
                None => !seen.is_gone(id),
            },
            None if seen.news.is_none() => true,
            None => match seen.containers.iter().find(|c| before.awaits(c)) {
                Some(sighting) => {
                    adopt(&mut entry, sighting, seen);
                    true
                }
                None => wait_on(&mut entry, seen),
            },
        };
        if keep && entry != before {
            Arc::make_mut(&mut entry).changed = next;
        }
        changes.extend(match (keep, &entry.id) {
            (false, Some(_)) => Some(Change::Gone(Allocation::clone(&entry))),
            (true, Some(_)) if before.id.is_none() => {
                Some(Change::Confirmed(entry.container.clone()))
            }
            // Once: when it stops to hold them.
            (_, None)
                if before.holds(now)
                    && !(keep && entry.holds(now))
                    && !before.devices.is_empty() =>
            {
                Some(Change::Lapsed(Allocation::clone(&before)))
            }
            _ => None,
        });
        if keep {
            ledger.allocations.push(entry);
        }
    }
    for change in &changes {
        if let Change::Lapsed(entry) = change {
            ledger.line.keep_after(entry);
        }
    }
    forget_orphans(ledger, seen);
    add_recorded(ledger, seen, &seen.records, now);
    not_later_than(ledger, now);
    ledger.line_not_later_than(now);
    let (left, over) = ledger.tidy_line(&seen.dead, now);
    changes.extend(
        left.into_iter()
            .map(|(waiter, why)| Change::Left(waiter, why)),
    );
    changes.extend(over.into_iter().map(Change::TurnOver));
    release(ledger, now, &mut changes);
    note_unmanaged(ledger, seen, &mut changes);
    take_again(ledger, &by_id, now);
    note_marks(ledger, seen, now);
    changes
}

/// If the clock was set back, shortens each intent, hold and delay to what one that begins now has.
fn not_later_than(ledger: &mut Ledger, now: Timestamp) {
    let next = ledger.generation + 1;
    ledger.grants_after = ledger.grants_after.map(|until| until.min(now + PENDING));
    for entry in &mut ledger.allocations {
        let (time, latest) = match entry.holding {
            Holding::Pending { lapses, .. } => (lapses, now + PENDING),
            Holding::Orphaned { lapses } => (lapses, now + ORPHANED),
            Holding::Stopped { since } => (since, now),
            Holding::Live | Holding::Intruding | Holding::Released => continue,
        };
        if time <= latest {
            continue;
        }
        let entry = Arc::make_mut(entry);
        entry.changed = next;
        if let Holding::Pending { lapses: time, .. }
        | Holding::Orphaned { lapses: time }
        | Holding::Stopped { since: time } = &mut entry.holding
        {
            *time = latest;
        }
    }
}

impl EngineSnapshot {
    /// Whether the engine would have shown this container if it existed.
    fn is_gone(&self, id: &ContainerId) -> bool {
        self.asked.as_ref().is_none_or(|asked| asked.contains(id))
    }

    fn is_dead(&self, process: Option<&Process>) -> bool {
        process.is_some_and(|process| self.dead.contains(process))
    }
}

/// Takes over the state of a container that exists.
fn follow(entry: &mut Arc<Allocation>, sighting: &Sighting, seen: &EngineSnapshot, now: Timestamp) {
    let stopped = sighting.state.is_stopped();
    let stop = || Holding::Stopped {
        since: seen.stopped.get(&sighting.id).copied().unwrap_or(now),
    };
    let holding = match &entry.holding {
        Holding::Live if stopped => stop(),
        Holding::Intruding if stopped => Holding::Released,
        // Whoever asked for the start may be no more: the engine carries it out all the same.
        Holding::Pending { lapses, .. } if stopped && *lapses <= seen.asked_at => stop(),
        Holding::Pending { creator, lapses }
            if !stopped && (*lapses <= seen.asked_at || seen.is_dead(creator.as_ref())) =>
        {
            Holding::Live
        }
        Holding::Stopped { .. } if !stopped && entry.holds(now) => {
            // Nobody noted when it was started.
            Arc::make_mut(entry).ends = None;
            Holding::Live
        }
        _ => return,
    };
    Arc::make_mut(entry).holding = holding;
}

/// Takes over a container whose maker did not note its id, unless it still may.
fn adopt(entry: &mut Arc<Allocation>, sighting: &Sighting, seen: &EngineSnapshot) {
    let late = entry
        .meant(sighting)
        .filter(|meant| *meant != entry.devices);
    let late = late.map(<[Held]>::to_vec);
    let holding = match &entry.holding {
        // Whoever makes another one now will find its name taken.
        _ if late.is_some() => Holding::Released,
        Holding::Pending {
            creator: Some(maker),
            lapses,
        } if *lapses > seen.asked_at && !seen.is_dead(Some(maker)) => {
            return;
        }
        Holding::Pending { .. } => Holding::Live,
        // An orphan holds nothing: it gets its devices when it starts, if they are free.
        _ => Holding::Released,
    };
    let entry = Arc::make_mut(entry);
    entry.holding = holding;
    if let Some(devices) = late {
        entry.devices = devices;
    }
    entry.late.clear();
    entry.id = Some(sighting.id.clone());
}

/// Adds the containers that are ours by their records and have no entry: the ledger is new, or an
/// old copy, as a power cut or an admin may leave.
///
/// Of two that have the same device one had lost it: it is with the one that holds it now, or to whom
/// it was promised since, then with one that runs.
pub(crate) fn add_recorded(
    ledger: &mut Ledger,
    seen: &EngineSnapshot,
    records: &BTreeMap<ContainerId, Record>,
    now: Timestamp,
) {
    let (up, down): (Vec<_>, Vec<_>) = seen.containers.iter().partition(|c| c.state.is_up());
    for sighting in up.into_iter().chain(down) {
        let (record, claim) = (records.get(&sighting.id), seen.claims.get(&sighting.id));
        let Some(entry) = record
            .zip(claim)
            .and_then(|(r, c)| r.proves(sighting, c.as_ref()))
        else {
            continue;
        };
        if ledger.entry(&entry.container).is_some() {
            continue;
        }
        let mut entry = Arc::new(entry);
        follow(&mut entry, sighting, seen, now);
        let entry = Arc::unwrap_or_clone(entry);
        // Ours from now on.
        ledger.unmanaged.retain(|u| u.id != sighting.id);
        let (holds, holding) = (entry.holds(now), entry.holding.clone());
        ledger.put(Allocation {
            holding: Holding::Released,
            ..entry
        });
        let at = ledger.allocations.len() - 1;
        let holding = match sighting.state.is_up() {
            _ if !holds || is_free(ledger, at, now) => holding,
            true => Holding::Intruding,
            false => Holding::Released,
        };
        Arc::make_mut(&mut ledger.allocations[at]).holding = holding;
    }
}

/// Marks holds that have passed, for good: a clock set back must not revive one
/// whose devices were given to somebody else since.
fn release(ledger: &mut Ledger, now: Timestamp, changes: &mut Vec<Change>) {
    let next = ledger.generation + 1;
    for entry in &mut ledger.allocations {
        if matches!(entry.holding, Holding::Stopped { .. }) && !entry.holds(now) {
            let entry = Arc::make_mut(entry);
            entry.holding = Holding::Released;
            entry.changed = next;
            if !entry.devices.is_empty() {
                changes.push(Change::Released(entry.clone()));
            }
        }
    }
}

fn note_unmanaged(ledger: &mut Ledger, seen: &EngineSnapshot, changes: &mut Vec<Change>) {
    if ledger.unmanaged.is_empty() && seen.claims.is_empty() {
        return;
    }
    let ours = ledger.allocations.iter();
    let ours: BTreeSet<_> = ours.filter_map(|a| a.id.as_ref()).collect();
    let next = ledger.generation + 1;
    let listed: BTreeSet<_> = seen.containers.iter().map(|c| &c.id).collect();
    let gone = |u: &Unmanaged| {
        u.changed <= seen.generation && !listed.contains(&u.id) && seen.is_gone(&u.id)
    };
    ledger
        .unmanaged
        .retain(|u| !ours.contains(&u.id) && !gone(u));
    for sighting in &seen.containers {
        // One that an intent awaits is accounted for once it is confirmed.
        let known = ours.contains(&sighting.id)
            || ledger.unmanaged.iter().any(|u| u.id == sighting.id)
            || ledger.entries().any(|a| a.awaits(sighting));
        if let Some(Some(claim)) = seen.claims.get(&sighting.id).filter(|_| !known) {
            let found = Unmanaged {
                id: sighting.id.clone(),
                name: sighting.name.clone(),
                claim: claim.clone(),
                changed: next,
            };
            changes.push(Change::Found(found.clone()));
            ledger.unmanaged.push(found);
        }
    }
}

/// A container that was started past DS01 holds its devices again. If they went to others it is
/// not to have them, but has them as long as it runs.
fn take_again(ledger: &mut Ledger, by_id: &BTreeMap<&ContainerId, &Sighting>, now: Timestamp) {
    for at in 0..ledger.allocations.len() {
        let entry = &ledger.allocations[at];
        let sighting = entry.id.as_ref().and_then(|id| by_id.get(id));
        let holding = match sighting.map(|sighting| sighting.state) {
            _ if !matches!(entry.holding, Holding::Released | Holding::Intruding) => continue,
            None | Some(State::Created | State::Exited | State::Dead | State::Removing) => continue,
            Some(_) if is_free(ledger, at, now) => Holding::Live,
            Some(_) => Holding::Intruding,
        };
        if entry.holding != holding {
            let entry = Arc::make_mut(&mut ledger.allocations[at]);
            entry.holding = holding;
            entry.ends = None;
            entry.changed = ledger.generation + 1;
        }
    }
}

/// Whether entry number `at` of the ledger may have its devices: no other entry holds any of them.
/// Unless the entry still holds them itself, neither may a container that DS01 did not make, or
/// somebody else whose turn in the waiting line has come.
pub fn is_free(ledger: &Ledger, at: usize, now: Timestamp) -> bool {
    let entry = &ledger.allocations[at];
    let others = ledger.entries().enumerate();
    let others = others.filter(|(n, other)| *n != at && other.holds(now));
    let mut taken = others.flat_map(|(_, other)| &other.devices);
    let its_own = entry.holds(now) && entry.holding != Holding::Intruding;
    let claimed = |u: &Unmanaged| entry.devices.iter().any(|held| u.claim.covers_held(held));
    let uid = Some(entry.container.uid);
    let is_kept = |held: &Held| ledger.line.keeps(held, uid, now).next().is_some();
    let others_claim = || ledger.unmanaged.iter().any(claimed) || entry.devices.iter().any(is_kept);
    !taken.any(|other| entry.devices.iter().any(|held| held.overlaps(other)))
        && (its_own || !others_claim())
}

/// Moves the marks on, if everything that was listed is accounted for.
///
/// Nothing can be listed from one that is gone, so those make room for the living.
fn note_marks(ledger: &mut Ledger, seen: &EngineSnapshot, now: Timestamp) {
    ledger
        .marks
        .retain(|mark| !seen.vanished.contains(&mark.id));
    let Some(news) = seen.news.and_then(|news| seen.containers.get(..news)) else {
        return;
    };
    let free = |c: &Sighting| seen.claims.get(&c.id) == Some(&None);
    // By a look from before its intent it is free, and nobody would list it again to confirm it.
    let awaited = |c: &Sighting| ledger.entries().any(|entry| entry.awaits(c));
    let told = |c: &Sighting| !awaited(c) && (free(c) || ledger.accounts_for(&c.id));
    if news.iter().all(told) {
        // The clock may have been set back since. What is newer than one of which nothing can be told
        // would keep that from being listed again.
        let until = seen.asked_at.min(now);
        ledger.set_marks(news, seen.untold.map_or(until, |made| until.min(made)));
    }
}

#[cfg(test)]
mod tests;
