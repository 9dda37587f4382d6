//! Which devices a request is given.

use std::time::Duration;

use crate::{
    admit::{Denied, Request, admit},
    device::{Held, Inventory},
    ledger::{Allocation, Ledger},
    limits::Limits,
    line::{Known, Stay, Terms, Waiter},
    queue::{Asks, Entry, Join, plan},
    time::Timestamp,
};

/// Chooses free devices for `request`: those that are kept or reserved for its owner before all;
/// then the smallest, and whole GPUs last, so that they stay whole for those who need them; among
/// equal ones those of the GPU with the fewest free, so that other GPUs stay empty; then in
/// numeric order.
///
/// Who asks stands in the waiting line with all others, at the place of the request of theirs that
/// waits for this container, or else at that of somebody who comes now: nobody is given what is
/// for those before them ([`crate::queue`]).
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
) -> Result<Vec<Held>, Denied> {
    admit(request, limits, inventory, ledger, now)?;
    if request.devices == 0 {
        return Ok(Vec::new());
    }
    let devices: Vec<_> = inventory.devices.iter().map(Known::from).collect();
    verdict(request, limits, ledger, &devices, None, now)
}

/// Whether a container whose hold has ended may have its own devices again: they are not for
/// somebody who waits, or for whom they are reserved. `run` is the longest of its kind.
///
/// # Errors
///
/// As [`allocate`].
pub fn allocate_again(
    entry: &Allocation,
    limits: &Limits,
    run: Option<Duration>,
    ledger: &Ledger,
    now: Timestamp,
) -> Result<(), Denied> {
    let request = Request {
        container: entry.container.clone(),
        devices: entry.devices.len() as u32,
        run,
    };
    let mut known = ledger.line.devices.clone();
    for device in &entry.devices {
        if !known.iter().any(|known| known.device.uuid == device.uuid) {
            let (device, busy) = (device.clone(), false);
            known.push(Known { device, busy });
        }
    }
    verdict(&request, limits, ledger, &known, Some(&entry.devices), now).map(drop)
}

/// What becomes of somebody who asks, among all who wait.
fn verdict(
    request: &Request,
    limits: &Limits,
    ledger: &Ledger,
    devices: &[Known],
    only: Option<&[Held]>,
    now: Timestamp,
) -> Result<Vec<Held>, Denied> {
    let waiter = &waiter(request, limits, ledger, now);
    let mut entries = plan(ledger, devices, Some(Asks { waiter, only }), now);
    let mine = |entry: &Entry<'_>| entry.waiter.ticket == waiter.ticket;
    // It is there: somebody who asks is never left out of the plan.
    let at = entries.iter().position(mine).unwrap_or_default();
    entries.swap_remove(at).verdict
}

/// Who asks, as they stand in the line: with what their limits are now.
fn waiter(request: &Request, limits: &Limits, ledger: &Ledger, now: Timestamp) -> Waiter {
    let container = &request.container;
    let asks = Join {
        uid: container.uid,
        container: Some(container.name.clone()),
        devices: request.devices,
        terms: Terms::of(limits, request.run),
        stay: Stay::Away { launch: None },
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
