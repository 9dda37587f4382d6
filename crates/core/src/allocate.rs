//! Which devices a request is given.

use crate::{
    admit::{Denied, Request, admit, usable},
    device::{Device, Held, Inventory, Uuid},
    ledger::Ledger,
    limits::Limits,
    share::Share,
    time::Timestamp,
};

/// Chooses free devices for `request`: the smallest first, and whole GPUs last, so that they stay
/// whole for those who need them; among equal ones those of the GPU with the fewest free, so that
/// other GPUs stay empty; then in numeric order.
///
/// The same inputs always give the same devices. The caller records them in the ledger.
///
/// # Errors
///
/// Those of [`admit`], which do not change by waiting; [`Denied::NoneFree`] and
/// [`Denied::NoneFits`], which may.
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
    let exist = usable(limits, inventory).count() as u32;
    let mut free: Vec<&Device> = usable(limits, inventory)
        .filter(|device| is_free(device, ledger, now))
        .collect();
    let asked = request.devices;
    if free.len() < asked as usize {
        return Err(Denied::NoneFree {
            asked,
            free: free.len() as u32,
            exist,
        });
    }
    let on_gpu = |gpu: &Uuid, all: &[&Device]| all.iter().filter(|d| d.gpu == *gpu).count();
    let crowd: Vec<_> = free
        .iter()
        .map(|device| on_gpu(&device.gpu, &free))
        .collect();
    let mut order: Vec<usize> = (0..free.len()).collect();
    let is_whole = |at: usize| free[at].slot.mig.is_none();
    order.sort_by_key(|&at| (free[at].share, is_whole(at), crowd[at], free[at].slot));
    free = order
        .into_iter()
        .take(asked as usize)
        .map(|at| free[at])
        .collect();

    let share: Share = free.iter().map(|device| device.share).sum();
    let held = ledger.held_by(request.container.uid, now);
    if let Some(quota) = limits.quota.filter(|quota| held + share > *quota) {
        return Err(Denied::NoneFits {
            held,
            asked: share,
            quota,
        });
    }
    Ok(free.into_iter().map(Held::from).collect())
}

/// Whether nobody holds `device`, and no process outside every container computes on it.
///
/// A device of nobody's with processes is in use on the bare host, or not yet let go by a
/// container that just ended: it is given once they are gone.
pub fn is_free(device: &Device, ledger: &Ledger, now: Timestamp) -> bool {
    ledger.holders_of(device, now).next().is_none()
        && device.activity.processes.as_ref().is_none_or(Vec::is_empty)
}

#[cfg(test)]
mod tests;
