//! What was seen, and may be no more.

use super::EngineSnapshot;
use crate::{container::Sighting, ledger::Ledger};

impl EngineSnapshot {
    /// Whether `ledger` has changed since, and knows nothing of a container that was seen: it may be
    /// one that was made and removed meanwhile, of which no entry is left that could tell.
    pub fn is_doubted_by(&self, ledger: &Ledger) -> bool {
        let is_known = |c: &Sighting| {
            ledger.accounts_for(&c.id) || ledger.entries().any(|entry| entry.awaits(c))
        };
        let mut new = self
            .containers
            .iter()
            .filter(|c| self.claims.contains_key(&c.id));
        ledger.generation > self.generation && !new.all(is_known)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{
        container::State,
        device::tests::whole,
        ledger::{
            Holding,
            tests::{entry, ledger, sighting},
        },
    };

    #[test]
    fn what_a_later_ledger_does_not_know_may_be_no_more() {
        let (name, devices) = ("thesis._.1001", [whole(0)]);
        let known = ledger(&[entry(name, &devices, Holding::Live)]);
        let unknown = ledger(&[]);
        let there = sighting(name, &devices, State::Created);
        let seen = |generation| EngineSnapshot {
            generation,
            claims: BTreeMap::from([(there.id.clone(), None)]),
            containers: vec![there.clone()],
            ..EngineSnapshot::default()
        };
        let before = unknown.generation - 1;
        assert!(seen(before).is_doubted_by(&unknown));
        assert!(!seen(before).is_doubted_by(&known));
        assert!(!seen(unknown.generation).is_doubted_by(&unknown));
        let of_ours = EngineSnapshot {
            claims: BTreeMap::new(),
            ..seen(before)
        };
        assert!(!of_ours.is_doubted_by(&unknown));
    }
}
