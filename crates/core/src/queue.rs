//! Who of those who wait is served, with which devices, and why the others are not.
//!
//! **Order.** Priority first (1 to 100, higher first), then recent use (less first, [`crate::recent`]),
//! then who came first. Somebody who asks anew stands in the same line as those who wait: there is
//! no way past it.
//!
//! **Passing.** Who cannot be served yet because devices are with others is the *head*: it must
//! not wait longer because of those behind it, or a large request would be starved by small ones.
//! So devices are reserved for it: the time is worked out at which it can be served at the
//! latest, by what is known of the ends of holds and runs. Those behind it may pass if they will
//! have given their devices back by then, or if it can be served then without them. Where no end is
//! known they may take only what the head could not use. One head is enough: whoever is behind it
//! becomes the head in turn. This is EASY backfilling, as Maui and Slurm (`sched/backfill`) do it.
//!
//! Who waits because of their own quota keeps nobody waiting, as only they can end that.
//!
//! Source: D. Lifka, "The ANL/IBM SP scheduling system", 1995 (EASY); SPEC.md section 5.

mod floor;
mod outlook;
mod serve;

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    admit::Denied,
    allocate::Reason,
    device::Held,
    ledger::Ledger,
    line::{Known, Passed, Waiter},
    recent::Uses,
    reservation::Reservation,
    share::Share,
    time::Timestamp,
};

use floor::{Floor, Head};
pub use outlook::{Outlook, Standing, Survey};
pub use serve::{Join, RequestOutcome, Wait};

/// What a plan decides about one waiter, if all that is known is true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The waiter.
    pub waiter: &'a Waiter,
    /// The devices that are theirs now, or why there are none yet.
    pub verdict: Result<Vec<Held>, Denied>,
    /// Why these devices; none without any.
    pub reasons: BTreeSet<Reason>,
    /// When they are served at the latest; `None` if no end is known of what they wait for.
    pub expected: Option<Timestamp>,
    /// When the first reservation for others begins that needs some of their devices then.
    pub reserved: Option<Timestamp>,
    /// Whom they pass with their devices.
    pub passes: Option<Passed>,
}

/// Somebody whose request is decided now, together with those who wait.
#[derive(Debug, Clone, Copy)]
pub struct Applicant<'a> {
    /// As they stand in the line, in which they may be already.
    pub waiter: &'a Waiter,
    /// The devices that it must be; `None` if any will do.
    pub only: Option<&'a [Held]>,
}

/// Works out who is served at `now`: everybody in the line who is there to be served, and who
/// `asks`. In their order, the first first.
///
/// `devices` are those of the host. Nothing is changed: who is served takes what the entry says.
pub fn plan<'a>(
    ledger: &'a Ledger,
    devices: &[Known],
    asks: Option<Applicant<'a>>,
    now: Timestamp,
) -> Vec<Entry<'a>> {
    // Who asks is not in the line twice.
    let is_other = |w: &&Waiter| asks.is_none_or(|asks| w.ticket != asks.waiter.ticket);
    let waiters = ledger.line.waiters.iter().filter(is_other);
    let waiters = waiters.filter(|w| w.is_there(now));
    let waiters = waiters.chain(asks.map(|asks| asks.waiter)).collect();
    let mut floor = Floor::new(ledger, devices, asks, now);
    let mut promised: BTreeMap<u32, Share> = BTreeMap::new();
    let mut head: Option<Head<'_>> = None;
    let mut entries: Vec<Entry<'_>> = Vec::new();
    for waiter in in_order(waiters, Uses::at(ledger, now), &floor) {
        let promised = promised.entry(waiter.uid).or_default();
        let budget = floor.budget(waiter, *promised);
        let verdict = floor
            .choose(waiter, budget, head.as_ref())
            .and_then(|chosen| floor.within_quota(waiter, *promised, chosen))
            .map_err(|why| why.in_words(&floor, waiter, *promised, entries.len()));
        let expected = match &verdict {
            Ok(chosen) => {
                *promised = *promised + floor.cost(waiter, chosen);
                Some(now)
            }
            // Only they can end that, and nobody waits for it.
            Err(Denied::Quota { .. }) => None,
            Err(_) => floor.queue_up(waiter, budget),
        };
        if verdict.is_err() && head.is_none() {
            head = floor.head(waiter, budget, expected);
        }
        let chosen = verdict.as_ref().ok();
        let each = chosen.into_iter().flatten();
        let reasons = each.map(|at| floor.reason(*at, waiter)).collect();
        let reserved = chosen.and_then(|chosen| floor.reserved_at(waiter, chosen));
        let passes = chosen.zip(head.as_ref());
        let passes = passes.and_then(|(chosen, head)| floor.passes(head, waiter, chosen));
        if let Ok(chosen) = &verdict {
            floor.give(waiter, chosen);
        }
        let devices_of = |chosen: Vec<usize>| chosen.into_iter().map(|at| floor.device(at).clone());
        entries.push(Entry {
            waiter,
            verdict: verdict.map(|chosen| devices_of(chosen).collect()),
            reasons,
            expected,
            reserved,
            passes,
        });
    }
    entries
}

/// Whether `waiter` is kept waiting by others, and could use one of `theirs`, which somebody holds.
pub(crate) fn counts_on(
    waiter: &Waiter,
    theirs: &[Held],
    devices: &[Known],
    ledger: &Ledger,
    now: Timestamp,
) -> bool {
    let floor = Floor::new(ledger, devices, None, now);
    floor.counts_on(waiter, &numbers(theirs, devices))
}

/// The first reservation for others that keeps `waiter` from having `theirs` longer than until `freed`.
pub(crate) fn reserved_after(
    waiter: &Waiter,
    (theirs, freed): (&[Held], Timestamp),
    devices: &[Known],
    ledger: &Ledger,
    now: Timestamp,
) -> Option<Reservation> {
    let floor = Floor::new(ledger, devices, None, now);
    let reserved = floor.reserved_after(waiter, &numbers(theirs, devices), freed);
    reserved.cloned()
}

/// Which of `devices` these are, though they may be told of otherwise by now.
fn numbers(theirs: &[Held], devices: &[Known]) -> Vec<usize> {
    let uuid = |at: usize| &devices[at].device.uuid;
    let is_theirs = |at: &usize| theirs.iter().any(|own| own.uuid == *uuid(*at));
    (0..devices.len()).filter(is_theirs).collect()
}

/// By priority, recent use, and who came first. What somebody would be given counts for their
/// next request, so that who asks a thousand times is served in turn with who asks once.
fn in_order<'a>(
    mut waiters: Vec<&'a Waiter>,
    mut uses: Uses,
    floor: &Floor<'_>,
) -> Vec<&'a Waiter> {
    let mut order = Vec::new();
    while !waiters.is_empty() {
        let key = |w: &&Waiter| {
            let priority = std::cmp::Reverse(w.terms.priority);
            (priority, uses.level(w.uid), w.since, w.ticket)
        };
        let first = (0..waiters.len()).min_by_key(|at| key(&waiters[*at]));
        let first = waiters.remove(first.unwrap_or_default());
        uses.promise(first.uid, floor.least(first));
        order.push(first);
    }
    order
}

#[cfg(test)]
mod tests;
