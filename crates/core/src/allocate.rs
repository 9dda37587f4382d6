//! Which devices a request is given.

use std::{collections::BTreeSet, fmt, time::Duration};

use crate::{
    admit::{Denied, Request, admit},
    device::{Held, Inventory, slot_list},
    gpu_request::GpuRequest,
    ledger::{Allocation, Ledger},
    lifecycle::{ContainerKind, NotExtended},
    limits::Limits,
    line::{Known, Passed, Stay, Terms, Waiter},
    queue::{Applicant, Entry, Join, counts_on, plan, reserved_after},
    time::Timestamp,
};

/// Why somebody is given a device, and not another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// It was kept for them when their turn in the waiting line came.
    Kept,
    /// An admin has reserved it for them.
    Reserved,
    /// Nobody had a right to it, and it leaves the others the most: see [`allocate`].
    Smallest,
    /// The container had it before, and cannot have another one.
    Own,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kept => "kept since its owner's turn came",
            Self::Reserved => "reserved for its owner",
            Self::Smallest => "the first of the smallest that were free",
            Self::Own => "its own before",
        })
    }
}

/// The reasons of a choice as people read them.
pub fn in_words(reasons: &BTreeSet<Reason>) -> String {
    let words: Vec<_> = reasons.iter().map(Reason::to_string).collect();
    words.join(", ")
}

/// The devices that are chosen for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// The devices.
    pub devices: Vec<Held>,
    /// Why these.
    pub reasons: BTreeSet<Reason>,
    /// Whom it passes in line with them.
    pub passes: Option<Passed>,
}

/// Chooses free devices for `request`: those that are kept for its container, or else kept or reserved
/// for its owner, before all; then the smallest, and whole GPUs last, so that they stay whole for those who need them; among
/// equal ones those of the GPU with the fewest free, so that other GPUs stay empty; then in
/// numeric order.
///
/// The request is ranked in the waiting line with all others: where it waits already, or else as one
/// that comes now. It gets no device that is for somebody before it ([`crate::queue`]).
///
/// The same inputs always give the same devices. The caller records them in the ledger.
///
/// # Errors
///
/// Those of [`admit`], which do not change by waiting; those of [`Kind::Busy`], which may.
///
/// [`Kind::Busy`]: crate::failure::Kind::Busy
pub fn allocate(
    request: &Request,
    limits: &Limits,
    inventory: &Inventory,
    ledger: &Ledger,
    now: Timestamp,
) -> Result<Chosen, Denied> {
    let (uid, asked) = (request.container.uid, &request.devices);
    admit(uid, asked, limits, inventory, ledger, now)?;
    if asked.count == 0 {
        return Ok(Chosen {
            devices: Vec::new(),
            reasons: BTreeSet::new(),
            passes: None,
        });
    }
    let devices: Vec<_> = inventory.devices.iter().map(Known::from).collect();
    verdict(request, limits, ledger, &devices, None, now)
}

/// Whether a container whose hold has ended may have its own devices again: they are not for
/// somebody who waits, or for whom they are reserved. `run` is the longest of its kind, `devices`
/// are those of the host as far as they are known. Returns whom it passes in line.
///
/// # Errors
///
/// As [`allocate`].
pub fn allocate_again(
    entry: &Allocation,
    limits: &Limits,
    run: Option<Duration>,
    devices: &[Known],
    ledger: &Ledger,
    now: Timestamp,
) -> Result<Option<Passed>, Denied> {
    let request = again(entry, run);
    let known = with_own(devices, entry);
    let own = Some(&*entry.devices);
    let chosen = verdict(&request, limits, ledger, &known, own, now)?;
    Ok(chosen.passes)
}

/// Whether a container that has stopped and keeps its devices may begin another run, of `run` at
/// most: nobody counts on having them before it and the hold after it are over, whom they would
/// come to without it. `devices` are those of the host as far as they are known.
///
/// # Errors
///
/// [`Denied::Promised`]: they are reserved for others, or it was let in before somebody who waits
/// for them.
pub fn run_again(
    entry: &Allocation,
    limits: &Limits,
    run: Option<Duration>,
    devices: &[Known],
    ledger: &Ledger,
    now: Timestamp,
) -> Result<(), Denied> {
    let Some(freed) = entry.free_at(now) else {
        // It keeps them, whether it runs or not.
        return Ok(());
    };
    let longest = run.zip(entry.hold).map(|(run, hold)| run + hold);
    match promise(entry, limits, (freed, longest), devices, ledger, now) {
        None => Ok(()),
        Some(Promise { whom, from }) => Err(Denied::Promised {
            slots: slot_list(&entry.devices),
            whom,
            from,
            until: longest.map(|longest| now + longest),
        }),
    }
}

/// Whether a container that is to be stopped at `ends` may run until the `later` time: as for
/// another run, nobody counts on having its devices before that and the hold after it are over.
///
/// # Errors
///
/// [`NotExtended::Promised`].
pub fn run_longer(
    entry: &Allocation,
    limits: &Limits,
    (ends, later): (Timestamp, Timestamp),
    devices: &[Known],
    ledger: &Ledger,
    now: Timestamp,
) -> Result<(), NotExtended> {
    let Some(hold) = entry.hold else {
        // It keeps them, whether it runs or not.
        return Ok(());
    };
    let freed = ends.max(now) + hold;
    let until = later + hold;
    let longest = Some(until.since(now));
    match promise(entry, limits, (freed, longest), devices, ledger, now) {
        None => Ok(()),
        Some(Promise { whom, from }) => Err(NotExtended::Promised {
            slots: slot_list(&entry.devices),
            whom,
            from,
            until,
            left: from.since(freed),
        }),
    }
}

/// A promise of a container's devices to somebody else, after it.
struct Promise {
    whom: String,
    from: Timestamp,
}

/// Who counts on devices that a container gives back by `freed`, and would not have them in time
/// if it held them for the `longest` from now on; `None` is for ever. Who is first, if some do.
fn promise(
    entry: &Allocation,
    limits: &Limits,
    (freed, longest): (Timestamp, Option<Duration>),
    devices: &[Known],
    ledger: &Ledger,
    now: Timestamp,
) -> Option<Promise> {
    let known = with_own(devices, entry);
    let reaches = |from: Timestamp| longest.is_none_or(|longest| now + longest > from);
    let passed = entry.passed.filter(|passed| {
        now < passed.served
            && reaches(passed.served)
            && ledger
                .line
                .ticket(passed.ticket)
                .is_some_and(|waiter| counts_on(waiter, &entry.devices, &known, ledger, now))
    });
    let passed = passed.map(|passed| Promise {
        whom: format!("who waits in line with ticket {}", passed.ticket),
        from: passed.served,
    });
    let mut waiter = waiter(&again(entry, None), limits, ledger, now);
    waiter.terms.longest = longest;
    let reserved = reserved_after(&waiter, (&entry.devices, freed), &known, ledger, now);
    let reserved = reserved.map(|reserved| Promise {
        whom: reserved.whom.to_string(),
        from: reserved.from,
    });
    passed
        .into_iter()
        .chain(reserved)
        .min_by_key(|promise| promise.from)
}

/// The request for a container that exists.
fn again(entry: &Allocation, run: Option<Duration>) -> Request {
    Request {
        container: entry.container.clone(),
        devices: GpuRequest::any(entry.devices.len() as u32),
        run,
    }
}

/// What is known of the host, with a container's own devices.
fn with_own(devices: &[Known], entry: &Allocation) -> Vec<Known> {
    let is_known = |own: &&Held| !devices.iter().any(|known| known.device.uuid == own.uuid);
    let own = entry.devices.iter().filter(is_known).map(|own| Known {
        device: own.clone(),
        profile: None,
        busy: false,
    });
    devices.iter().cloned().chain(own).collect()
}

/// What becomes of somebody who asks, among all who wait.
fn verdict(
    request: &Request,
    limits: &Limits,
    ledger: &Ledger,
    devices: &[Known],
    only: Option<&[Held]>,
    now: Timestamp,
) -> Result<Chosen, Denied> {
    let waiter = &waiter(request, limits, ledger, now);
    let entries = plan(ledger, devices, Some(Applicant { waiter, only }), now);
    let mine = |entry: &Entry<'_>| entry.waiter.ticket == waiter.ticket;
    // Somebody who asks is never left out of the plan: it would be nothing that they get.
    let nothing = Denied::none_free(&request.devices, 0, devices.len() as u32);
    let mine = entries.into_iter().find(mine).ok_or(nothing)?;
    Ok(Chosen {
        devices: mine.verdict?,
        reasons: mine.reasons,
        passes: mine.passes,
    })
}

/// Who asks, as they stand in the line: with what their limits are now.
fn waiter(request: &Request, limits: &Limits, ledger: &Ledger, now: Timestamp) -> Waiter {
    let container = &request.container;
    let asks = Join {
        uid: container.uid,
        container: Some(container.name.clone()),
        devices: request.devices.clone(),
        kind: ContainerKind::Ds01,
        terms: Terms::of(limits, request.run),
        stay: Stay::Present {
            process: None,
            until: now,
            offered: None,
        },
    };
    let new = asks.waiter(ledger, now);
    match ledger.line.waits_for(container.uid, &container.name) {
        Some(Waiter { ticket, since, .. }) => Waiter {
            ticket: *ticket,
            since: *since,
            ..new
        },
        None => new,
    }
}

#[cfg(test)]
mod tests;
