//! Makes a new ledger of what the engine has and of our records, when the old one was lost.

use std::collections::BTreeMap;

use crate::{
    container::ContainerId,
    ledger::{Ledger, PENDING},
    reconcile::{Seen, reconcile},
    record::Record,
    time::Timestamp,
};

/// A ledger with every container that a record proves to be ours, and everybody else's devices.
///
/// `seen` must be complete, with the claim of every container. One that no record proves is
/// nobody's, and keeps its devices. Intents are lost: nothing is granted until they would have
/// lapsed.
pub fn rebuild(seen: &Seen, records: &[Record], now: Timestamp) -> Ledger {
    let by_id: BTreeMap<&ContainerId, &Record> = records.iter().map(|r| (&r.id, r)).collect();
    let mut ledger = Ledger {
        grants_after: Some(now + PENDING),
        ..Ledger::default()
    };
    for sighting in &seen.containers {
        let record = by_id.get(&sighting.id);
        let claim = seen.claims.get(&sighting.id);
        if let (Some(record), Some(claim)) = (record, claim) {
            ledger
                .allocations
                .extend(record.proves(sighting, claim.as_ref()));
        }
    }
    reconcile(&mut ledger, seen, now);
    ledger
}
