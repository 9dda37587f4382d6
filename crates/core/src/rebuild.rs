//! Makes a new ledger of what the engine has and of our records, when the old one was lost.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    container::{ContainerId, State},
    device::Claim,
    ledger::{Allocation, Holding, Ledger, PENDING},
    reconcile::{Seen, reconcile},
    record::Record,
    time::Timestamp,
};

/// A ledger with every container that a record proves to be ours, and everybody else's devices.
///
/// `seen` must be complete, with the claim of every container. Where a record and the engine
/// differ about a container's devices, the engine is right and the owner is in doubt: it is
/// nobody's, and keeps its devices. Where two of ours have the same device, one of them had lost
/// it: it is with the one that runs. Intents are lost: nothing is granted until they would have
/// lapsed.
pub fn rebuild(seen: &Seen, records: &[Record], now: Timestamp) -> Ledger {
    let by_id: BTreeMap<&ContainerId, &Record> = records.iter().map(|r| (&r.id, r)).collect();
    let mut ledger = Ledger {
        // Above that of the lost one, so that who looked before knows less: there are not that
        // many saves in a second.
        generation: now.0 << 20,
        grants_after: Some(now + PENDING),
        ..Ledger::default()
    };
    for sighting in &seen.containers {
        let record = by_id
            .get(&sighting.id)
            .filter(|record| record.container == sighting.name);
        let Some(entry) = record.and_then(|record| record.allocation()) else {
            continue;
        };
        let recorded: BTreeSet<_> = entry
            .devices
            .iter()
            .map(|held| held.uuid.0.clone())
            .collect();
        let claimed = match seen.claims.get(&sighting.id) {
            Some(Some(Claim::Named(names))) => names.iter().cloned().collect(),
            Some(None) => BTreeSet::new(),
            Some(Some(Claim::All)) | None => continue,
        };
        if recorded == claimed {
            ledger.allocations.push(entry);
        }
    }
    reconcile(&mut ledger, seen, now);
    part(&mut ledger, seen, now);
    for entry in &mut ledger.allocations {
        entry.changed = ledger.generation + 1;
    }
    ledger
}

/// Leaves every device with one of ours, the one that runs.
fn part(ledger: &mut Ledger, seen: &Seen, now: Timestamp) {
    let state = |entry: &Allocation| {
        let mut sightings = seen.containers.iter();
        let sighting = sightings.find(|c| Some(&c.id) == entry.id.as_ref());
        sighting.map_or(State::Dead, |sighting| sighting.state)
    };
    ledger.allocations.sort_by_key(|entry| match state(entry) {
        State::Created => 1,
        state if state.is_stopped() => 2,
        _ => 0,
    });
    for at in 0..ledger.allocations.len() {
        let (first, rest) = ledger.allocations.split_at_mut(at);
        let entry = &mut rest[0];
        let holders = first.iter().filter(|other| other.holds(now));
        let mut taken = holders.flat_map(|other| &other.devices);
        if taken.any(|other| entry.devices.iter().any(|held| held.overlaps(other))) {
            entry.holding = match state(entry) {
                State::Running | State::Paused | State::Restarting => Holding::Intruding,
                _ => Holding::Released,
            };
        }
    }
}
