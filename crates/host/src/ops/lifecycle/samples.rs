//! What can be measured of containers from outside: files of the kernel, and the driver.

use ds01_core::{
    device::{Activity, Device, Inventory},
    lifecycle::{DeviceSample, Sample},
    time::Now,
};

use super::{
    runs::Running,
    subject::{Devices, Subject},
};
use crate::{
    cgroup::Cgroups,
    first_process::{FirstProcess, is_inside},
    nvml::NO_MIG_DEVICES,
};

/// A sample of each container, in their order.
pub(super) fn samples(all: &[Running], inventory: &Inventory, now: Now) -> Vec<Sample> {
    let cgroups = Cgroups::of_this_host();
    let sharers = |device: &Device| all.iter().filter(|one| one.subject.has(device)).count();
    let shared: Vec<_> = inventory
        .devices
        .iter()
        .filter(|device| sharers(device) > 1)
        .map(|device| &device.uuid)
        .collect();
    let sample = |one: &Running| {
        let subject = &one.subject;
        let of = |device: &Device| DeviceSample {
            uuid: device.uuid.clone(),
            slot: device.slot,
            activity: device.activity.clone(),
            shared: match shared.contains(&&device.uuid) {
                true => is_on(subject, &device.activity),
                false => None,
            },
        };
        let told = inventory
            .devices
            .iter()
            .filter(|device| subject.has(device));
        Sample {
            at: now.uptime,
            paused: subject.paused,
            cpu_ns: cgroups.cpu_ns(&subject.id, &subject.slice),
            network_bytes: one.process.as_ref().and_then(FirstProcess::network_bytes),
            devices: told.map(of).collect(),
            lost: has_lost(subject, inventory),
        }
    };
    all.iter().map(sample).collect()
}

/// Whether the driver may be silent about a device of this container.
fn has_lost(subject: &Subject, inventory: &Inventory) -> bool {
    match &subject.devices {
        Devices::Held(held) => held.iter().any(|held| {
            let mut devices = inventory.devices.iter();
            devices.all(|device| device.uuid != held.uuid)
        }),
        // Which devices these are, only the driver could tell.
        Devices::Claimed(_) => {
            let lost = |problem: &String| !problem.ends_with(NO_MIG_DEVICES);
            let none = !inventory.devices.iter().any(|device| subject.has(device));
            none || inventory.problems.iter().any(lost)
        }
    }
}

/// Whether a process of this container is on a device; `None` if that cannot be told.
fn is_on(subject: &Subject, activity: &Activity) -> Option<bool> {
    let processes = activity.processes.as_ref()?;
    let mut all = processes.iter().map(|pid| is_inside(*pid, &subject.id));
    let unsure = all.clone().any(|inside| inside.is_none());
    match all.any(|inside| inside == Some(true)) {
        true => Some(true),
        false if unsure => None,
        false => Some(false),
    }
}
