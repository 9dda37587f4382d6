//! What containers use, from counters that only grow: two samples make a rate.
//!
//! What cannot be told is `None`, never a guess.

use serde::{Deserialize, Serialize};

use crate::{
    container::ContainerId,
    device::{Activity, Held, Inventory, Slot, Uuid},
    name::ContainerName,
};

/// The counters of a container's processes at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// When they were read, in nanoseconds of a clock that nobody sets.
    pub at_ns: u64,
    /// Differs from one start of the container to the next: the counters begin anew then.
    pub run: u64,
    /// CPU time used since the start.
    pub cpu_ns: Option<u64>,
    /// Memory, as Docker counts it: without what is only kept of files and could go at once.
    pub memory_bytes: Option<u64>,
    /// Processes and threads.
    pub processes: Option<u64>,
    /// The limit on CPU time, in thousand millionths of a CPU. `None`: there is none.
    pub nano_cpus: Option<u64>,
    /// The limit on memory.
    pub memory_limit_bytes: Option<u64>,
    /// The limit on processes and threads.
    pub processes_limit: Option<u64>,
}

/// A device of a container, and what it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceUse {
    /// The device as users read it.
    pub slot: Slot,
    /// Its uuid.
    pub uuid: Uuid,
    /// Its memory in use.
    pub memory_used_bytes: Option<u64>,
    /// Its memory.
    pub memory_bytes: Option<u64>,
    /// How busy it is, in percent; MIG devices do not tell.
    pub utilisation: Option<u32>,
}

impl DeviceUse {
    /// What the driver tells of a device that a container holds, if it tells anything.
    pub fn of(held: &Held, inventory: Option<&Inventory>) -> Self {
        let mut devices = inventory.into_iter().flat_map(|all| &all.devices);
        let device = devices.find(|device| device.uuid == held.uuid);
        let activity = device.map_or(Activity::default(), |device| device.activity.clone());
        Self {
            slot: device.map_or(held.slot, |device| device.slot),
            uuid: held.uuid.clone(),
            memory_used_bytes: activity.memory_used_bytes,
            memory_bytes: device.map(|device| device.memory_bytes),
            utilisation: activity.utilisation,
        }
    }
}

/// A container at the moment of a sample.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sampled {
    /// Its name.
    pub name: ContainerName,
    /// The owner.
    pub uid: u32,
    /// The engine's id.
    pub id: ContainerId,
    /// `None` if it stopped while it was looked at.
    pub counters: Option<Counters>,
    /// Its devices.
    pub devices: Vec<DeviceUse>,
}

/// What a container uses, from two samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Its name.
    pub name: ContainerName,
    /// The owner.
    pub uid: u32,
    /// The engine's id.
    pub id: ContainerId,
    /// CPU time, in percent of one CPU: 200 is two busy ones.
    pub cpu_percent: Option<f64>,
    /// The limit on it, in CPUs.
    pub cpus: Option<f64>,
    /// Memory in use.
    pub memory_bytes: Option<u64>,
    /// The limit on it.
    pub memory_limit_bytes: Option<u64>,
    /// The one as a part of the other.
    pub memory_percent: Option<f64>,
    /// Processes and threads.
    pub processes: Option<u64>,
    /// The limit on them.
    pub processes_limit: Option<u64>,
    /// Its devices.
    pub devices: Vec<DeviceUse>,
}

impl Usage {
    /// Memory in use of all its devices, and their memory.
    pub fn device_memory(&self) -> Option<(u64, u64)> {
        let each = |device: &DeviceUse| Some((device.memory_used_bytes?, device.memory_bytes?));
        let all: Option<Vec<_>> = self.devices.iter().map(each).collect();
        let all = all.filter(|all| !all.is_empty())?;
        Some(
            all.iter()
                .fold((0, 0), |(used, of), one| (used + one.0, of + one.1)),
        )
    }

    /// How busy its devices are on average, in percent; `None` if one of them does not tell.
    pub fn device_utilisation(&self) -> Option<f64> {
        let each = self.devices.iter().map(|device| device.utilisation);
        let all: Vec<u32> = each.collect::<Option<_>>()?;
        let sum: f64 = all.iter().copied().map(f64::from).sum();
        (!all.is_empty()).then(|| sum / all.len() as f64)
    }
}

/// What every container of the sample `after` uses; rates where `before` has the same run of it.
pub fn usage(before: &[Sampled], after: &[Sampled]) -> Vec<Usage> {
    let earlier = |id: &ContainerId| before.iter().find(|sampled| sampled.id == *id);
    let of = |sampled: &Sampled| {
        let now = sampled.counters.clone().unwrap_or_default();
        let then = earlier(&sampled.id).and_then(|earlier| earlier.counters.as_ref());
        let part = |used: Option<u64>, of: Option<u64>| {
            let of = of.filter(|of| *of > 0)?;
            Some(100.0 * used? as f64 / of as f64)
        };
        Usage {
            name: sampled.name.clone(),
            uid: sampled.uid,
            id: sampled.id.clone(),
            cpu_percent: then.and_then(|then| cpu_percent(then, &now)).map(tenths),
            cpus: now.nano_cpus.map(|nano| nano as f64 / 1e9),
            memory_bytes: now.memory_bytes,
            memory_limit_bytes: now.memory_limit_bytes,
            memory_percent: part(now.memory_bytes, now.memory_limit_bytes).map(tenths),
            processes: now.processes,
            processes_limit: now.processes_limit,
            devices: sampled.devices.clone(),
        }
    };
    after.iter().map(of).collect()
}

/// CPU time per time between two samples, in percent of one CPU.
///
/// `None` if the container was started anew in between, a counter went backwards or is missing,
/// or no time has passed.
pub fn cpu_percent(before: &Counters, after: &Counters) -> Option<f64> {
    if before.run != after.run {
        return None;
    }
    let elapsed = after.at_ns.checked_sub(before.at_ns).filter(|ns| *ns > 0)?;
    let used = after.cpu_ns?.checked_sub(before.cpu_ns?)?;
    Some(100.0 * used as f64 / elapsed as f64)
}

/// Nobody needs more digits.
fn tenths(percent: f64) -> f64 {
    (percent * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::tests::{mig, whole};

    fn at(at_ns: u64, run: u64, cpu_ns: Option<u64>) -> Counters {
        Counters {
            at_ns,
            run,
            cpu_ns,
            ..Counters::default()
        }
    }

    #[test]
    fn a_rate_needs_two_samples_of_one_run_in_order() {
        let second = 1_000_000_000;
        let before = at(second, 7, Some(500));
        for (after, percent, why) in [
            (
                at(2 * second, 7, Some(500 + second / 2)),
                Some(50.0),
                "half a CPU",
            ),
            (
                at(3 * second, 7, Some(500 + 6 * second)),
                Some(300.0),
                "three CPUs",
            ),
            (at(2 * second, 7, Some(500)), Some(0.0), "idle"),
            (at(2 * second, 8, Some(500 + second)), None, "started anew"),
            (at(2 * second, 7, Some(499)), None, "went backwards"),
            (at(2 * second, 7, None), None, "missing"),
            (at(second, 7, Some(501)), None, "no time has passed"),
            (at(0, 7, Some(501)), None, "before the first"),
        ] {
            assert_eq!(cpu_percent(&before, &after), percent, "{why}");
        }
        assert_eq!(cpu_percent(&at(0, 7, None), &before), None);
    }

    fn sampled(id: &str, counters: Option<Counters>) -> Sampled {
        Sampled {
            name: "thesis".parse().unwrap(),
            uid: 1001,
            id: ContainerId(id.into()),
            counters,
            devices: Vec::new(),
        }
    }

    #[test]
    fn containers_are_matched_by_id_and_what_is_unknown_stays_so() {
        let now = Counters {
            memory_bytes: Some(256),
            memory_limit_bytes: Some(1024),
            nano_cpus: Some(1_500_000_000),
            ..at(2_000, 1, Some(500))
        };
        let before = [sampled("a", Some(at(1_000, 1, Some(0))))];
        let after = [
            sampled("a", Some(now.clone())),
            sampled("b", Some(now)),
            sampled("c", None),
        ];
        let usage = usage(&before, &after);
        let cpu: Vec<_> = usage.iter().map(|usage| usage.cpu_percent).collect();
        assert_eq!(cpu, [Some(50.0), None, None]);
        let memory: Vec<_> = usage.iter().map(|usage| usage.memory_percent).collect();
        assert_eq!(memory, [Some(25.0), Some(25.0), None]);
        assert_eq!(usage[0].cpus, Some(1.5));
    }

    #[test]
    fn devices_add_up_only_if_all_of_them_tell() {
        let used = |mut device: crate::device::Device, percent: Option<u32>| {
            device.memory_bytes = 100;
            device.activity.memory_used_bytes = Some(30);
            device.activity.utilisation = percent;
            device
        };
        let devices = [
            used(whole(0), Some(40)),
            used(whole(1), Some(80)),
            used(mig(2, 0, 1), None),
        ];
        let inventory = Inventory {
            devices: devices.to_vec(),
            ..Inventory::default()
        };
        let of = |indices: &[usize]| {
            let held = indices.iter().map(|index| Held::from(&devices[*index]));
            let devices = held.map(|held| DeviceUse::of(&held, Some(&inventory)));
            let mut all = usage(&[], &[sampled("a", None)]);
            all[0].devices = devices.collect();
            (all[0].device_memory(), all[0].device_utilisation())
        };
        assert_eq!(of(&[]), (None, None));
        assert_eq!(of(&[0, 1]), (Some((60, 200)), Some(60.0)));
        assert_eq!(of(&[0, 2]), (Some((60, 200)), None));
        let gone = DeviceUse::of(&Held::from(&devices[0]), None);
        assert_eq!((gone.memory_bytes, gone.utilisation), (None, None));
    }
}
