//! Who uses GPUs outside every container.

use std::collections::{BTreeMap, BTreeSet};

use ds01_core::{
    container::{ContainerId, Sighting},
    device::{Device, Slot},
    failure::Failure,
    tracked::Outsider,
};

use crate::{
    Site, clock,
    engine::Query,
    first_process::{is_inside_any, name_of, uid_of},
};

/// The processes on these devices that are in none of the engine's containers, in the order of their
/// pids. `containers` may be a little older than what the devices do.
///
/// # Errors
///
/// If the engine does not answer.
pub(super) fn outsiders(
    site: &Site,
    devices: &[Device],
    containers: &[Sighting],
) -> Result<Vec<Outsider>, Failure> {
    let mut slots: BTreeMap<u32, Vec<Slot>> = BTreeMap::new();
    for device in devices {
        for pid in device.activity.processes.iter().flatten() {
            let of = slots.entry(*pid).or_default();
            if !of.contains(&device.slot) {
                of.push(device.slot);
            }
        }
    }
    keep_outside(&mut slots, containers);
    if !slots.is_empty() {
        // One that was started since the list was made is no outsider.
        keep_outside(&mut slots, &site.engine().list(&Query::All)?);
    }
    let outsider = |(pid, slots)| {
        Some(Outsider {
            process: clock::process(pid)?,
            uid: uid_of(pid)?,
            name: name_of(pid)?,
            slots,
        })
    };
    Ok(slots.into_iter().filter_map(outsider).collect())
}

/// Leaves those that are certainly in none of the containers: of one that has ended nothing is known.
fn keep_outside(slots: &mut BTreeMap<u32, Vec<Slot>>, containers: &[Sighting]) {
    let ids: BTreeSet<&ContainerId> = containers.iter().map(|one| &one.id).collect();
    slots.retain(|pid, _| is_inside_any(*pid, &ids) == Some(false));
}
