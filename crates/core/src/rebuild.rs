//! Makes a new ledger of what the engine has and of our records, when the old one was lost.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    container::ContainerId,
    device::Claim,
    ledger::{Ledger, PENDING},
    reconcile::{Seen, reconcile},
    record::Record,
    time::Timestamp,
};

/// A ledger with every container that a record proves to be ours, and everybody else's devices.
///
/// `seen` must be complete, with the claim of every container. Where a record and the engine
/// differ about a container's devices, the engine is right and the owner is in doubt: it is
/// nobody's, and keeps its devices. Intents are lost: nothing is granted until they would have
/// lapsed.
pub fn rebuild(seen: &Seen, records: &[Record], now: Timestamp) -> Ledger {
    let by_id: BTreeMap<&ContainerId, &Record> = records.iter().map(|r| (&r.id, r)).collect();
    let mut ledger = Ledger {
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
    ledger
}
