//! What one user may use, after every file has been read.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    share::Share,
    time::{Timestamp, seconds},
};

const GIB: u64 = 1 << 30;
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// What one user may use. `None` is no limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// The policy group that they come from.
    pub group: String,
    /// Some of them are this user's own.
    pub overridden: bool,
    /// Compute across all containers: the lesser of `max_gpu_equivalents` and the aggregate's `gpu_limit`.
    pub quota: Option<Share>,
    /// Devices of one container, whole GPUs and MIG devices alike.
    pub devices_per_container: Option<u32>,
    /// Whole GPUs may be had, not only MIG devices.
    pub whole_gpus: bool,
    /// Containers, stopped ones included.
    pub containers: Option<u32>,
    /// CPU time of one container, in thousand millionths of a CPU.
    pub nano_cpus: Option<u64>,
    /// Memory of one container.
    pub memory_bytes: Option<u64>,
    /// Memory and swap together of one container; never less than `memory_bytes`, which the engine
    /// would refuse.
    pub memory_swap_bytes: Option<u64>,
    /// `/dev/shm` of one container.
    pub shm_bytes: Option<u64>,
    /// Processes and threads of one container.
    pub pids: Option<u64>,
    /// The longest run of a container.
    #[serde(rename = "max_runtime_s", with = "seconds::or_null")]
    pub max_runtime: Option<Duration>,
    /// Idle this long, a container is stopped.
    #[serde(rename = "idle_timeout_s", with = "seconds::or_null")]
    pub idle_timeout: Option<Duration>,
    /// How long a stopped container keeps its devices: zero gives them back at once, `None` never.
    #[serde(rename = "gpu_hold_after_stop_s", with = "seconds::or_null")]
    pub gpu_hold_after_stop: Option<Duration>,
    /// How long a stopped container is kept: zero removes it at once, `None` never.
    #[serde(rename = "container_hold_after_stop_s", with = "seconds::or_null")]
    pub container_hold_after_stop: Option<Duration>,
    /// Processes and threads of the user's slice.
    pub max_tasks: Option<u64>,
    /// Place in the waiting line, 1 to 100, higher first.
    pub priority: u8,
    /// Limits on the user's slice, if the group has any and they are enforced.
    pub aggregate: Option<Aggregate>,
    /// When a container counts as idle, and how it is stopped.
    pub lifecycle: Lifecycle,
}

/// Limits on all containers of one user together. `None` is no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aggregate {
    /// CPU time; 100 is one CPU.
    pub cpu_quota_percent: Option<u64>,
    /// Memory above which the kernel ends processes.
    pub memory_max_bytes: Option<u64>,
    /// Memory above which the kernel slows processes.
    pub memory_high_bytes: Option<u64>,
    /// Processes and threads.
    pub tasks_max: Option<u64>,
    /// Compute; [`Limits::quota`] has it already.
    pub gpu_limit: Option<Share>,
}

/// When a container counts as idle, and how it is stopped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lifecycle {
    /// A GPU used less than this is idle, in percent.
    pub gpu_idle_percent: f64,
    /// A container using less CPU than this is idle, in percent of one CPU.
    pub cpu_idle_percent: f64,
    /// A container receiving and sending fewer bytes than this in a minute is idle.
    pub network_idle_bytes: u64,
    /// Idle checks in a row before anything is done.
    pub idle_checks: u32,
    /// The part of all compute in use, 0 to 1, from which demand is high.
    pub high_demand_threshold: f64,
    /// What idle timeouts are multiplied by while demand is high, 0 to 1.
    pub high_demand_idle_factor: f64,
    /// After its start, a container is not judged for this long.
    #[serde(rename = "grace_s", with = "seconds")]
    pub grace: Duration,
    /// The longest that a `.keep-alive` file is respected.
    #[serde(rename = "keep_alive_s", with = "seconds::or_null")]
    pub keep_alive: Option<Duration>,
    /// By how much a user may extend a run, all extensions together. Zero: not at all.
    #[serde(rename = "max_extension_s", with = "seconds::or_null")]
    pub max_extension: Option<Duration>,
    /// Time to end between the signal to stop and the kill.
    #[serde(rename = "stop_grace_s", with = "seconds")]
    pub stop_grace: Duration,
    /// A container never started is removed after this.
    #[serde(rename = "created_timeout_s", with = "seconds::or_null")]
    pub created_timeout: Option<Duration>,
}

impl Limits {
    /// What holds where no file says anything: the original's defaults, so that nothing is
    /// unlimited because a key is absent.
    pub(crate) fn shipped() -> Self {
        Self {
            group: String::new(),
            overridden: false,
            quota: Some(Share::WHOLE),
            devices_per_container: Some(1),
            whole_gpus: true,
            containers: Some(3),
            nano_cpus: Some(32_000_000_000),
            memory_bytes: Some(32 * GIB),
            // Without a key of its own, the same as the memory: `settle` raises it.
            memory_swap_bytes: Some(0),
            shm_bytes: Some(16 * GIB),
            pids: Some(4096),
            max_runtime: Some(24 * HOUR),
            idle_timeout: Some(30 * MINUTE),
            gpu_hold_after_stop: Some(15 * MINUTE),
            container_hold_after_stop: Some(30 * MINUTE),
            max_tasks: Some(32768),
            priority: 10,
            aggregate: None,
            lifecycle: Lifecycle {
                gpu_idle_percent: 5.0,
                cpu_idle_percent: 2.0,
                network_idle_bytes: 1 << 20,
                idle_checks: 3,
                high_demand_threshold: 0.8,
                high_demand_idle_factor: 0.5,
                grace: 30 * MINUTE,
                keep_alive: Some(24 * HOUR),
                // Nobody runs longer than the limit says until an admin allows it.
                max_extension: Some(Duration::ZERO),
                stop_grace: MINUTE,
                created_timeout: Some(30 * MINUTE),
            },
        }
    }

    /// Makes limits agree that files set one by one; to be called once, after the last of them.
    pub(crate) fn settle(mut self, aggregate_enforced: bool) -> Self {
        let total = self
            .aggregate
            .as_ref()
            .and_then(|aggregate| aggregate.gpu_limit);
        self.quota = match (self.quota, total) {
            (Some(quota), Some(total)) => Some(quota.min(total)),
            (quota, total) => quota.or(total),
        };
        if let Some(all) = self.aggregate.as_ref().filter(|_| aggregate_enforced) {
            // One container never has more than all together: the kernel takes it for a mistake.
            let least = |one: Option<u64>, all: Option<u64>| [one, all].into_iter().flatten().min();
            let nano_cpus = all.cpu_quota_percent.map(|percent| percent * 10_000_000);
            self.nano_cpus = least(self.nano_cpus, nano_cpus);
            self.memory_bytes = least(self.memory_bytes, all.memory_max_bytes);
            self.pids = least(self.pids, all.tasks_max);
        }
        self.memory_swap_bytes = match (self.memory_bytes, self.memory_swap_bytes) {
            (Some(memory), Some(swap)) => Some(swap.max(memory)),
            // The engine takes no limit on swap without one on memory.
            _ => None,
        };
        if !aggregate_enforced {
            self.aggregate = None;
        }
        self
    }
}

/// How long a container may idle and run that was not made by our own commands. `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerType {
    /// Idle this long, it is stopped.
    pub idle_timeout: Option<Duration>,
    /// Its longest run.
    pub max_runtime: Option<Duration>,
    /// Time to end between the signal to stop and the kill.
    pub stop_grace: Duration,
}

/// The rules for each type of container that our own commands did not make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerTypes {
    /// Made by an editor.
    pub devcontainer: ContainerType,
    /// Made by Docker Compose.
    pub compose: ContainerType,
    /// Made by `docker run`.
    pub docker: ContainerType,
    /// Made by the job API.
    pub api: ContainerType,
    /// Made by anything else.
    pub unknown: ContainerType,
}

impl ContainerTypes {
    /// What holds where no file says anything.
    pub(crate) fn shipped() -> Self {
        let of = |idle_minutes: Option<u32>, run_hours: u32, stop_seconds| ContainerType {
            idle_timeout: idle_minutes.map(|minutes| minutes * MINUTE),
            max_runtime: Some(run_hours * HOUR),
            stop_grace: Duration::from_secs(stop_seconds),
        };
        Self {
            devcontainer: of(Some(30), 168, 30),
            compose: of(Some(30), 72, 45),
            docker: of(Some(30), 48, 60),
            api: of(None, 24, 30),
            unknown: of(Some(15), 24, 30),
        }
    }

    /// The type of this name, as files and labels have it.
    pub(crate) fn named(&mut self, name: &str) -> Option<&mut ContainerType> {
        match name {
            "devcontainer" => Some(&mut self.devcontainer),
            "compose" => Some(&mut self.compose),
            "docker" => Some(&mut self.docker),
            "api" => Some(&mut self.api),
            "unknown" => Some(&mut self.unknown),
            _ => None,
        }
    }
}

/// A user whom some rule of the lifecycle does not stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exemption {
    /// The user.
    pub login: String,
    /// Never stopped for idling.
    pub idle_timeout: bool,
    /// Never stopped for running long.
    pub max_runtime: bool,
    /// Its end; `None` is never.
    pub until: Option<Timestamp>,
    /// Why, for people to read.
    pub reason: Option<String>,
}
