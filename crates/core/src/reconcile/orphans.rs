//! Intents of which nothing has come yet.

use std::{collections::BTreeMap, sync::Arc};

use super::EngineSnapshot;
use crate::{
    ledger::{Allocation, Holding, Ledger, ORPHANED, PENDING},
    time::Timestamp,
};

/// An intent whose container does not exist yet. `false` when it is given up.
pub(super) fn wait_on(entry: &mut Arc<Allocation>, seen: &EngineSnapshot) -> bool {
    match &entry.holding {
        Holding::Orphaned { lapses } => *lapses > seen.asked_at,
        // By then: it may have come about since. Some engines take longer than anybody waits.
        Holding::Pending { creator, lapses }
            if *lapses <= seen.asked_at || seen.is_dead(creator.as_ref()) =>
        {
            let lapses = seen.asked_at + ORPHANED;
            Arc::make_mut(entry).holding = Holding::Orphaned { lapses };
            true
        }
        _ => true,
    }
}

/// Forgets the oldest of a user's intents of which nothing came: whoever begins many and ends them
/// keeps no more than these in the ledger.
pub(super) fn forget_orphans(ledger: &mut Ledger, seen: &EngineSnapshot) {
    /// Of each user.
    const MOST: usize = 8;
    let mut lapses: BTreeMap<u32, Vec<Timestamp>> = BTreeMap::new();
    let of = |entry: &Allocation| match entry.holding {
        Holding::Orphaned { lapses } => Some((entry.container.uid, lapses)),
        _ => None,
    };
    for (uid, at) in ledger.entries().filter_map(of) {
        lapses.entry(uid).or_default().push(at);
    }
    for all in lapses.values_mut() {
        all.sort_unstable_by_key(|at| std::cmp::Reverse(*at));
    }
    // What is as new as an intent may be stays in any case.
    let is_old = |at: Timestamp| at + PENDING <= seen.asked_at + ORPHANED;
    ledger.allocations.retain(|entry| {
        of(entry).is_none_or(|(uid, at)| {
            let last = lapses.get(&uid).and_then(|all| all.get(MOST - 1));
            !is_old(at) || last.is_none_or(|last| at >= *last)
        })
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::tests::{NOW, intent, ledger, seconds};

    #[test]
    fn of_a_users_old_ones_the_newest_are_kept() {
        let orphan = |uid: u32, age: u64| {
            let lapses = NOW + ORPHANED - seconds(age);
            intent(
                &format!("x{age}._.{uid}"),
                &[],
                Holding::Orphaned { lapses },
            )
        };
        let ages = [0, 1, 179, 180, 181, 182, 183, 184, 185, 186];
        let mut all: Vec<_> = ages.iter().map(|age| orphan(1, *age)).collect();
        all.push(orphan(2, 3600));
        let seen = |asked_at| EngineSnapshot {
            asked_at,
            ..EngineSnapshot::default()
        };
        let mut some = ledger(&all);
        forget_orphans(&mut some, &seen(NOW));
        let kept = [&all[..8], &all[10..]].concat();
        assert!(some.entries().eq(&kept));
        // As new as an intent may be, all are.
        let mut new = ledger(&all);
        forget_orphans(&mut new, &seen(NOW - PENDING));
        assert!(new.entries().eq(&all));
    }
}
