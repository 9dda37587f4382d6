//! What must be true at every moment, and in the end.

use std::fmt::Debug;

use ds01_core::{
    container::{ContainerId, State},
    device::Held,
    ledger::{Allocation, Holding, Ledger, ORPHANED, PENDING},
    name::EngineName,
};

use crate::world::{LIMIT, World};

impl World {
    #[track_caller]
    fn must(&self, holds: bool, or: impl FnOnce() -> String) {
        assert!(holds, "{}\nafter {:#?}", or(), self.story);
    }

    /// Right after a grant of `new` to `name`, decided on a look at a time when `existed` existed.
    pub(crate) fn check_grant(
        &self,
        name: &EngineName,
        new: &[Held],
        existed: &[(ContainerId, State)],
    ) {
        let ledger = self.ledger.as_ref().unwrap();
        let held = ledger.held_by(name.uid, self.now);
        let quota = self.limits(name.uid).quota.unwrap();
        self.must(new.is_empty() || held <= quota, || {
            format!("{name}: {held} of {quota}")
        });
        for (id, state) in existed {
            let Some(container) = self.engine.get(id) else {
                continue;
            };
            let taken = |held: &&Held| match &container.devices {
                // What one of ours may hold was decided when it was given.
                Some(devices) => {
                    *state == State::Running
                        && container.is_up()
                        && devices.iter().any(|other| other.overlaps(held))
                }
                None => container
                    .claim
                    .as_ref()
                    .is_some_and(|claim| claim.covers_held(held)),
            };
            let twice = new.iter().find(taken);
            self.must(twice.is_none(), || {
                format!("{name} was given {twice:?} of {container:#?}, by {ledger:#?}")
            });
        }
    }

    pub(crate) fn check(&self) {
        let holders = self.ledger.iter().flat_map(Ledger::entries);
        let rightful = |entry: &&_| -> bool {
            let entry: &Allocation = entry;
            entry.holds(self.now) && entry.holding != Holding::Intruding
        };
        let holders: Vec<_> = holders.filter(rightful).collect();
        self.no_overlap(&holders, |entry| &entry.devices);
        // Who goes past DS01 takes what they like.
        let ours = |c: &&_| -> bool {
            let c: &crate::engine::Container = c;
            c.is_up() && !c.behind
        };
        let up: Vec<_> = self.engine.containers.iter().filter(ours).collect();
        self.no_overlap(&up, |container| {
            container.devices.as_deref().unwrap_or_default()
        });
    }

    fn no_overlap<T: Debug>(&self, all: &[&T], devices: impl Fn(&T) -> &[Held]) {
        for (at, one) in all.iter().enumerate() {
            for other in &all[at + 1..] {
                let taken = |a: &&Held| devices(other).iter().any(|b| a.overlaps(b));
                let twice = devices(one).iter().find(taken);
                self.must(twice.is_none(), || {
                    format!("{twice:?} is with two: {one:#?} {other:#?}")
                });
            }
        }
    }

    /// Everybody dies; all that was asked of the engine is settled; everything can be used again.
    pub(crate) fn end(&mut self) {
        self.procs.clear();
        self.pass(2 * LIMIT);
        self.look_for_all();
        let ledger = self.ledger.as_ref().unwrap();
        let ours = self
            .engine
            .containers
            .iter()
            .filter(|c| c.devices.is_some());
        for container in ours {
            let id = &container.sighting.id;
            let known = ledger
                .allocations
                .iter()
                .any(|entry| entry.id.as_ref() == Some(id));
            // Whose it is went with the ledger: an admin decides.
            let orphan = container.claim.is_none() || ledger.unmanaged.iter().any(|u| u.id == *id);
            self.must(known || (self.lost && orphan), || {
                format!("nobody can remove {container:#?}, by {ledger:#?}")
            });
        }
        self.engine.containers.clear();
        self.look_for_all();
        let ledger = self.ledger.as_ref().unwrap();
        let mut left = ledger.allocations.iter().filter(|entry| {
            // Nobody knows what became of what it asked for.
            !matches!(entry.holding, Holding::Pending { creator: None, .. })
                && entry.holds(self.now)
        });
        self.must(left.next().is_none() && ledger.unmanaged.is_empty(), || {
            format!("a leak in {ledger:#?}")
        });
        self.pass(PENDING.as_secs());
        self.look_for_all();
        let ledger = self.ledger.as_ref().unwrap();
        let grants = ledger.grants_after.is_none_or(|until| until <= self.now);
        let is_orphan = |entry: &Allocation| matches!(entry.holding, Holding::Orphaned { .. });
        self.must(grants && ledger.entries().all(is_orphan), || {
            format!("names or devices are blocked by {ledger:#?}")
        });
        self.pass(ORPHANED.as_secs());
        self.look_for_all();
        let ledger = self.ledger.as_ref().unwrap();
        self.must(ledger.allocations.is_empty(), || {
            format!("remembered for ever in {ledger:#?}")
        });
    }

    fn look_for_all(&mut self) {
        for uid in 1..4 {
            let look = self.list(self.read(), Some(uid));
            self.change(&look, |_, _| Some(()));
            self.check();
        }
    }
}
