//! Whether somebody may be given devices, found out by trying: not by how the plan is made.
//!
//! Whoever stands before them in the line must be served as soon as without it, in whatever order
//! those who hold devices give them back.

use ds01_core::{
    device::Held,
    ledger::{Allocation, Holding, Ledger},
    line::Waiter,
    name::EngineName,
    queue::plan,
    share::Share,
};

use crate::world::{World, known};

/// Fails if by giving `devices` to `container`, which waited with `ticket` or has just come,
/// somebody before it is not given what was for them, or the first who is kept waiting might wait
/// longer. `before` is the ledger without that.
pub(crate) fn may_be_given(
    before: &Ledger,
    world: &World,
    ticket: u64,
    container: &EngineName,
    devices: &[Held],
) {
    // What is kept for them was decided when it was.
    let turns = before
        .line
        .turns
        .iter()
        .filter(|turn| turn.uid == container.uid);
    let kept: Vec<_> = turns.flat_map(|turn| &turn.devices).collect();
    let devices: Vec<_> = devices
        .iter()
        .filter(|d| !kept.contains(d))
        .cloned()
        .collect();
    let entries = plan(before, &known(&world.inventory), None, world.now);
    let own = entries
        .iter()
        .position(|entry| entry.waiter.ticket == ticket);
    let mut ledger = before.clone();
    for entry in &entries[..own.unwrap_or(entries.len())] {
        let waiter = entry.waiter;
        // Where somebody stands who has just come is not known but by priority.
        if own.is_none() && waiter.terms.priority <= world.priority(container.uid) {
            break;
        }
        if let Ok(theirs) = &entry.verdict {
            let taken = theirs
                .iter()
                .any(|one| devices.iter().any(|d| d.overlaps(one)));
            world.must(!taken, || {
                format!("{container} was given {devices:?}, which were for {waiter:?}")
            });
            // They are about to take them.
            give(&mut ledger, world, waiter.uid, theirs);
            continue;
        }
        if world.minds_an_amount(before, waiter) {
            // Whatever anybody is given may be what makes it short.
            return;
        }
        // What they hold themselves is theirs to give back.
        let others = ledger.allocations.iter();
        let others = others.filter(|a| a.holds(world.now) && a.container.uid != waiter.uid);
        let holders: Vec<_> = others.map(|a| a.container.clone()).collect();
        let served = |given: bool| {
            let mut ledger = ledger.clone();
            if given {
                give(&mut ledger, world, container.uid, &devices);
            }
            is_served_after(ledger, world, waiter, &holders)
        };
        let Some(without) = served(false) else {
            // They wait for their own quota.
            continue;
        };
        // By known ends, others may pass who end in time: in time, and not in this order.
        world.must(
            entry.expected.is_some() || served(true) == Some(without),
            || format!("{container} was given {devices:?}, and {waiter:?} waits longer"),
        );
        // Behind this one, who is kept waiting may wait longer.
        return;
    }
}

pub(crate) fn give(ledger: &mut Ledger, world: &World, uid: u32, devices: &[Held]) {
    let number = ledger.allocations.len();
    ledger.put(Allocation {
        container: format!("given{number}._.{uid}").parse().unwrap(),
        id: None,
        devices: devices.into(),
        holding: Holding::Live,
        hold: None,
        group: world.limits(uid).group,
        ends: None,
        passed: None,
        late: Vec::new(),
        changed: 0,
    });
}

/// How many of `holders` have to give back what they have, one after the other, until a waiter is
/// served who is alone in the line. `None` if that is never.
fn is_served_after(
    mut ledger: Ledger,
    world: &World,
    waiter: &Waiter,
    holders: &[EngineName],
) -> Option<usize> {
    ledger.line.waiters = vec![waiter.clone()];
    (0..=holders.len() + 1).find(|gone| {
        match gone.checked_sub(1).map(|last| holders.get(last)) {
            Some(Some(last)) => ledger.allocations.retain(|a| a.container != *last),
            // What is kept for others comes last, and strangers go.
            Some(None) => {
                ledger.line.turns.retain(|turn| turn.uid == waiter.uid);
                ledger.unmanaged.clear();
            }
            None => {}
        }
        let entries = plan(&ledger, &known(&world.inventory), None, world.now);
        entries.iter().any(|entry| entry.verdict.is_ok())
    })
}

impl World {
    /// Fails if a device is with two, or somebody has more than their quota.
    pub(crate) fn check(&self) {
        let held = self.ledger.allocations.iter().filter(|a| a.holds(self.now));
        let held = held.flat_map(|a| a.devices.iter().map(move |d| (a.container.uid, d)));
        let turns = self.ledger.line.turns.iter().filter(|t| self.now < t.until);
        let turns = turns.flat_map(|t| t.devices.iter().map(move |d| (t.uid, d)));
        let all: Vec<_> = held.chain(turns).collect();
        for (at, (uid, one)) in all.iter().enumerate() {
            let twice = all[at + 1..].iter().any(|(_, other)| one.overlaps(other));
            self.must(!twice, || format!("{one:?} of {uid} is with two"));
        }
        for uid in 1..5 {
            let theirs = all.iter().filter(|(of, _)| *of == uid);
            let held: Share = theirs.map(|(_, device)| device.share).sum();
            let quota = self.limits(uid).quota.unwrap();
            self.must(held <= quota, || format!("{uid} has {held} of {quota}"));
        }
    }
}
