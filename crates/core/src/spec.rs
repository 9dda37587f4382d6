//! The container that the engine is asked to create.

use std::collections::BTreeMap;

use crate::{
    account::Account,
    device::{Held, Uuid},
    docker::SELECTORS,
    limits::Limits,
    name::EngineName,
};

/// What keeps a container up until it is told to end: coreutils and busybox both have it.
pub const IDLE: [&str; 3] = ["tail", "-f", "/dev/null"];

/// A folder of the host in the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// On the host, absolute.
    pub source: String,
    /// In the container, absolute.
    pub target: String,
}

/// What decides a [`Spec`].
#[derive(Debug, Clone, Copy)]
pub struct Plan<'a> {
    /// Its name and owner.
    pub container: &'a EngineName,
    /// Who it runs as.
    pub account: &'a Account,
    /// The image to make it from, by the name that it has for this container's sake.
    pub image: &'a str,
    /// Its labels.
    pub labels: &'a BTreeMap<String, String>,
    /// Its devices.
    pub devices: &'a [Held],
    /// Its owner's limits.
    pub limits: &'a Limits,
    /// CPUs of this host: the engine refuses a limit above.
    pub host_cpus: u32,
    /// The slice, where the engine's cgroup driver is systemd's.
    pub cgroup_parent: Option<&'a str>,
    /// The engine gives these devices by CDI, not by NVIDIA's hook.
    pub by_cdi: bool,
    /// Its folders from the host.
    pub mounts: &'a [Mount],
}

/// A container as the engine needs to know it. Sizes in bytes; `None` is no limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// `name._.uid`.
    pub name: String,
    /// The host name inside.
    pub hostname: String,
    /// The image, by a name that only DS01 gives.
    pub image: String,
    /// `uid:gid`.
    pub user: String,
    /// `KEY=value`, and `KEY` for one of the image's that is taken away.
    pub env: Vec<String>,
    /// What its first process runs.
    pub command: Vec<String>,
    /// See [`crate::label`].
    pub labels: BTreeMap<String, String>,
    /// Devices, requested by uuid.
    pub devices: Vec<Uuid>,
    /// By CDI, not by NVIDIA's hook.
    pub by_cdi: bool,
    /// Billionths of a CPU.
    pub nano_cpus: Option<u64>,
    /// Memory.
    pub memory_bytes: Option<u64>,
    /// Memory and swap together.
    pub memory_swap_bytes: Option<u64>,
    /// `/dev/shm`.
    pub shm_bytes: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u64>,
    /// The slice.
    pub cgroup_parent: Option<String>,
    /// Folders from the host.
    pub mounts: Vec<Mount>,
}

/// Works out what to ask the engine for.
///
/// The container runs as its owner, without capabilities beyond Docker's own, without new
/// privileges, without the host's network. `NVIDIA_VISIBLE_DEVICES` is always set: an image's
/// own would give every GPU where NVIDIA's runtime is the default. The other variables by which
/// that gives more of the host are taken away.
pub fn spec(plan: &Plan<'_>) -> Spec {
    let Plan {
        container,
        account,
        limits,
        ..
    } = *plan;
    let devices: Vec<Uuid> = plan.devices.iter().map(|held| held.uuid.clone()).collect();
    let visible = match devices
        .iter()
        .map(|uuid| &*uuid.0)
        .collect::<Vec<_>>()
        .join(",")
    {
        none if none.is_empty() => "void".into(),
        uuids => uuids,
    };
    let most_cpus = u64::from(plan.host_cpus) * 1_000_000_000;
    Spec {
        name: container.to_string(),
        hostname: container.name.to_string(),
        image: plan.image.into(),
        user: format!("{}:{}", account.uid, account.gid),
        env: [
            format!("HOME={}", account.home),
            format!("USER={}", account.login),
            format!("LOGNAME={}", account.login),
            format!("NVIDIA_VISIBLE_DEVICES={visible}"),
        ]
        .into_iter()
        .chain(SELECTORS.map(String::from))
        .collect(),
        command: IDLE.map(String::from).into(),
        labels: plan.labels.clone(),
        devices,
        by_cdi: plan.by_cdi,
        nano_cpus: limits.nano_cpus.map(|cpus| cpus.min(most_cpus)),
        memory_bytes: limits.memory_bytes,
        // The engine counts memory in: less than memory is refused, and alone it means nothing.
        memory_swap_bytes: limits
            .memory_bytes
            .and_then(|memory| limits.memory_swap_bytes.map(|swap| swap.max(memory))),
        shm_bytes: limits.shm_bytes,
        pids: match (limits.pids, limits.max_tasks) {
            (Some(pids), Some(tasks)) => Some(pids.min(tasks)),
            (pids, tasks) => pids.or(tasks),
        },
        cgroup_parent: plan.cgroup_parent.map(String::from),
        mounts: plan.mounts.to_vec(),
    }
}

#[cfg(test)]
mod tests;
