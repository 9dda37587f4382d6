//! Whether a container is used, from what can be measured of it without asking it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    device::{Activity, Slot, Uuid},
    limits::Lifecycle,
    time::Uptime,
};

/// What one pass measured of a running container. `None` is "cannot be read", never "idle".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// When.
    pub at: Uptime,
    /// Its processes are frozen.
    pub paused: bool,
    /// CPU time used since its start.
    pub cpu_ns: Option<u64>,
    /// Bytes received and sent since its start, by interfaces of its own.
    pub network_bytes: Option<u64>,
    /// The devices that it has.
    pub devices: Vec<DeviceSample>,
    /// It has others of which the driver tells nothing.
    pub lost: bool,
}

/// What the driver tells of one device of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceSample {
    /// The device.
    pub uuid: Uuid,
    /// The device as users read it.
    pub slot: Slot,
    /// What it does.
    pub activity: Activity,
    /// Other containers have it too, so that its use may be theirs: whether a process of this one
    /// is on it.
    pub shared: Option<bool>,
}

/// What is kept of a sample, to compare the next one with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    at: Uptime,
    cpu_ns: Option<u64>,
    network_bytes: Option<u64>,
    /// The memory in use of devices that do not tell how busy they are.
    memory: Vec<(Uuid, u64)>,
}

impl From<&Sample> for Before {
    fn from(sample: &Sample) -> Self {
        let silent = sample
            .devices
            .iter()
            .filter(|device| device.activity.utilisation.is_none());
        let memory = silent.filter_map(|d| Some((d.uuid.clone(), d.activity.memory_used_bytes?)));
        Self {
            at: sample.at,
            cpu_ns: sample.cpu_ns,
            network_bytes: sample.network_bytes,
            memory: memory.collect(),
        }
    }
}

impl Before {
    /// The time from this sample to the next.
    pub(super) fn pause(&self, next: &Sample) -> Duration {
        next.at.since(self.at)
    }
}

/// What a sample means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is used.
    Active,
    /// It is not.
    Idle,
    /// Too little could be read to tell.
    Unknown,
}

/// A judged sample, with the figures that it was judged by.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// What it means.
    pub verdict: Verdict,
    /// How busy each device is, in percent, where it tells.
    pub devices: Vec<(Slot, Option<u32>)>,
    /// CPU time since the sample before, in percent of one CPU.
    pub cpu_percent: Option<f64>,
    /// Bytes a minute since the sample before.
    pub network_per_minute: Option<f64>,
}

/// What one signal says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    Busy,
    Idle,
    /// It works, and leaves it to the others.
    Nothing,
    /// It cannot be read.
    Unreadable,
}

/// Judges a sample by the thresholds of the owner's policy. Exactly at a threshold is busy.
///
/// One busy signal is enough to be in use. To be idle, two of the three (all devices, CPU,
/// network) must say so, and nothing may be unreadable about any device: missing data is no
/// reason to stop anything, and one signal that cannot be read does not keep a container either.
///
/// A MIG device does not tell how busy it is. Without a process it is idle; if its memory has
/// changed it is busy; otherwise a process may only sit on it, and the others decide.
pub fn judge(before: Option<&Before>, sample: &Sample, policy: &Lifecycle) -> Judged {
    let cpu_percent = before.and_then(|before| {
        let used = sample.cpu_ns?.checked_sub(before.cpu_ns?)?;
        Some(100.0 * used as f64 / 1e6 / elapsed_ms(before, sample)?)
    });
    let network_per_minute = before.and_then(|before| {
        let moved = sample.network_bytes?.checked_sub(before.network_bytes?)?;
        Some(60_000.0 * moved as f64 / elapsed_ms(before, sample)?)
    });
    let rate = |rate: Option<f64>, threshold: f64| match rate {
        Some(rate) if rate >= threshold => Says::Busy,
        Some(_) => Says::Idle,
        // Frozen processes do nothing.
        None if sample.paused => Says::Idle,
        None => Says::Unreadable,
    };
    let cpu = rate(cpu_percent, policy.cpu_idle_percent);
    let network = rate(network_per_minute, policy.network_idle_bytes as f64);
    let devices = sample.devices.iter();
    let devices: Vec<_> = devices
        .clone()
        .map(|device| match sample.paused {
            true => Says::Idle,
            false => says(device, before, policy.gpu_idle_percent),
        })
        .collect();
    let all_idle = devices.iter().all(|says| *says == Says::Idle);
    let lost = sample.lost && !sample.paused;
    let idle = [all_idle, cpu == Says::Idle, network == Says::Idle];
    let verdict = if devices.contains(&Says::Busy) || [cpu, network].contains(&Says::Busy) {
        Verdict::Active
    } else if devices.contains(&Says::Unreadable)
        || lost
        || idle.into_iter().filter(|is| *is).count() < 2
    {
        Verdict::Unknown
    } else {
        Verdict::Idle
    };
    let shown = |device: &DeviceSample| (device.slot, device.activity.utilisation);
    Judged {
        verdict,
        devices: sample.devices.iter().map(shown).collect(),
        cpu_percent,
        network_per_minute,
    }
}

/// `None` if no time has passed.
fn elapsed_ms(before: &Before, sample: &Sample) -> Option<f64> {
    let elapsed = before.pause(sample).as_secs_f64() * 1000.0;
    (elapsed > 0.0).then_some(elapsed)
}

fn says(device: &DeviceSample, before: Option<&Before>, threshold: f64) -> Says {
    let Activity {
        memory_used_bytes,
        utilisation,
        processes,
    } = &device.activity;
    let known = before.and_then(|before| {
        let mut memory = before.memory.iter();
        memory.find(|(uuid, _)| *uuid == device.uuid)
    });
    let moved = known
        .zip(*memory_used_bytes)
        .is_some_and(|((_, then), now)| *then != now);
    match (utilisation, processes) {
        _ if device.shared == Some(false) => Says::Idle,
        (Some(percent), _) if f64::from(*percent) >= threshold => Says::Busy,
        (Some(_), _) => Says::Idle,
        (None, _) if moved => Says::Busy,
        (None, Some(processes)) if processes.is_empty() => Says::Idle,
        (None, Some(_)) => Says::Nothing,
        (None, None) => Says::Unreadable,
    }
}

#[cfg(test)]
mod tests;
