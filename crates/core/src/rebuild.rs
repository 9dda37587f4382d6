//! Makes a new ledger of what the engine has and of our records, when the old one was lost.

use crate::{
    ledger::{Ledger, PENDING},
    reconcile::{EngineSnapshot, add_recorded, reconcile},
    record::Record,
    time::Timestamp,
};

/// A ledger with every container that a record proves to be ours, and everybody else's devices.
///
/// `seen` must be complete, with the claim of every container. One that no record proves is
/// nobody's, and keeps its devices. Intents are lost: nothing is granted until they would have
/// lapsed.
pub fn rebuild(seen: &EngineSnapshot, records: &[Record], now: Timestamp) -> Ledger {
    let mut ledger = Ledger {
        // Above that of the lost one, so that who looked before knows less: there are not that
        // many saves in a second.
        generation: now.0 << 20,
        grants_after: Some(now + PENDING),
        ..Ledger::default()
    };
    let records = records
        .iter()
        .map(|record| (record.id.clone(), record.clone()))
        .collect();
    // Before reconciling adds those of `seen`, some of which were put aside as gone: these are surer,
    // so that of two with the same device theirs has it.
    add_recorded(&mut ledger, seen, &records, now);
    reconcile(&mut ledger, seen, now);
    ledger
}

#[cfg(test)]
mod tests;
