//! Every key of a section with limits: its spellings, its value, and the limit that it sets.

use std::fmt;

use super::{
    PolicyError, Warning,
    read::{NO_EFFECT, UNKNOWN},
    values::{self, Read, nullable},
    yaml::{At, Map, Node},
};
use crate::limits::Limits;

/// One key of a file, ready to be laid over what less particular files say.
pub(super) struct Setting(Box<dyn Fn(&mut Limits) + Send + Sync>);

impl Setting {
    pub(super) fn apply(&self, limits: &mut Limits) {
        (self.0)(limits);
    }
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Setting")
    }
}

fn set<T>(value: Read<T>, field: fn(&mut Limits) -> &mut T) -> Option<Read<Setting>>
where
    T: Clone + Send + Sync + 'static,
{
    Some(value.map(|value| Setting(Box::new(move |limits| *field(limits) = value.clone()))))
}

/// The setting of a key, `None` if there is no such key.
type Table = fn(&str, &Node) -> Option<Read<Setting>>;

fn limit(key: &str, node: &Node) -> Option<Read<Setting>> {
    match key {
        QUOTA => set(nullable(node, values::gpus), |l| &mut l.quota),
        DEVICES => set(nullable(node, values::count), |l| {
            &mut l.devices_per_container
        }),
        "allow_full_gpu" => set(values::flag(node), |l| &mut l.whole_gpus),
        "max_cpus" => set(nullable(node, values::cpus), |l| &mut l.nano_cpus),
        "memory" => set(nullable(node, values::memory), |l| &mut l.memory_bytes),
        "memory_swap" => set(nullable(node, values::memory), |l| &mut l.memory_swap_bytes),
        "shm_size" => set(nullable(node, values::shm), |l| &mut l.shm_bytes),
        "pids_limit" => set(nullable(node, values::tasks), |l| &mut l.pids),
        "max_containers_per_user" => set(nullable(node, values::count), |l| &mut l.containers),
        "max_runtime_h" => set(nullable(node, values::hours), |l| &mut l.max_runtime),
        "idle_timeout_h" => set(nullable(node, values::hours), |l| &mut l.idle_timeout),
        "gpu_hold_after_stop_h" => set(nullable(node, values::hold_hours), |l| {
            &mut l.gpu_hold_after_stop
        }),
        "container_hold_after_stop_h" => set(nullable(node, values::hold_hours), |l| {
            &mut l.container_hold_after_stop
        }),
        "max_tasks" => set(nullable(node, values::tasks), |l| &mut l.max_tasks),
        "priority" => set(values::priority(node), |l| &mut l.priority),
        _ => None,
    }
}

fn aggregate(key: &str, node: &Node) -> Option<Read<Setting>> {
    match key {
        "cpu_quota" => set(nullable(node, values::cpu_quota), |l| {
            &mut l.aggregate.get_or_insert_default().cpu_quota_percent
        }),
        "memory_max" => set(nullable(node, values::memory), |l| {
            &mut l.aggregate.get_or_insert_default().memory_max_bytes
        }),
        "memory_high" => set(nullable(node, values::memory), |l| {
            &mut l.aggregate.get_or_insert_default().memory_high_bytes
        }),
        "tasks_max" => set(nullable(node, values::tasks), |l| {
            &mut l.aggregate.get_or_insert_default().tasks_max
        }),
        "gpu_limit" => set(nullable(node, values::gpus), |l| {
            &mut l.aggregate.get_or_insert_default().gpu_limit
        }),
        _ => None,
    }
}

fn policy(key: &str, node: &Node) -> Option<Read<Setting>> {
    match key {
        "gpu_idle_threshold" => set(values::percent(node), |l| &mut l.lifecycle.gpu_idle_percent),
        "cpu_idle_threshold" => set(values::percent(node), |l| &mut l.lifecycle.cpu_idle_percent),
        "network_idle_threshold" => {
            set(values::bytes(node), |l| &mut l.lifecycle.network_idle_bytes)
        }
        "idle_detection_window" => set(values::checks(node), |l| &mut l.lifecycle.idle_checks),
        "high_demand_threshold" => set(values::fraction(node), |l| {
            &mut l.lifecycle.high_demand_threshold
        }),
        "high_demand_idle_reduction" => set(values::fraction(node), |l| {
            &mut l.lifecycle.high_demand_idle_factor
        }),
        "grace_period_m" => set(values::minutes(node), |l| &mut l.lifecycle.grace),
        "keepalive_max_duration_h" => set(nullable(node, values::hold_hours), |l| {
            &mut l.lifecycle.keep_alive
        }),
        "max_extension_h" => set(nullable(node, values::hold_hours), |l| {
            &mut l.lifecycle.max_extension
        }),
        GRACE => set(values::grace(node), |l| &mut l.lifecycle.stop_grace),
        "created_container_timeout_m" => set(nullable(node, values::minutes), |l| {
            &mut l.lifecycle.created_timeout
        }),
        _ => None,
    }
}

pub(super) const GRACE: &str = "sigterm_grace_s";
pub(super) const QUOTA: &str = "max_gpu_equivalents";
const DEVICES: &str = "max_gpu_slots_per_container";

/// Spellings of older releases are read as the ones that replaced them.
pub(super) fn current(key: &str) -> &str {
    match key {
        "max_gpu_slots" | "max_gpus_per_user" | "max_mig_instances" => QUOTA,
        "max_gpus_per_container" | "max_mig_per_container" => DEVICES,
        other => other,
    }
}

/// Keys that the original knows, and never acted on.
const WITHOUT_EFFECT: [&str; 15] = [
    "gpu_memory",
    "io_read_bps",
    "io_write_bps",
    "ulimit_nofile",
    "storage_workspace",
    "storage_data",
    "storage_tmp",
    "gpu_hold_after_manual_stop_m",
    "auto_stop_idle",
    "checkpoint_warning",
    "require_workspace_mount",
    "enforce_storage_quotas",
    "soft_limit_threshold",
    "graceful_errors",
    "suggest_alternatives",
];

/// Reads the limits of one section: of `defaults`, a group or a user.
///
/// Its keys among `others` are for the caller.
pub(super) fn section(
    at: At,
    map: &Map,
    others: &[&str],
    warnings: &mut Vec<Warning>,
) -> Result<Vec<Setting>, PolicyError> {
    let mut settings = Vec::new();
    for (key, node) in map {
        match key.as_str() {
            "aggregate" => {
                let at = at.child(key);
                table(at, at.map(node)?, aggregate, &mut settings, warnings)?;
            }
            "policies" => policies(at.child(key), node, &mut settings, warnings)?,
            _ => {}
        }
    }
    let elsewhere = |key: &str| matches!(key, "aggregate" | "policies") || others.contains(&key);
    let limits = map.iter().filter(|(key, _)| !elsewhere(key));
    table(at, limits, limit, &mut settings, warnings)?;
    Ok(settings)
}

/// Reads the `policies` of a section, or of all users.
pub(super) fn policies(
    at: At,
    node: &Node,
    settings: &mut Vec<Setting>,
    warnings: &mut Vec<Warning>,
) -> Result<(), PolicyError> {
    table(at, at.map(node)?, policy, settings, warnings)
}

fn table<'a>(
    at: At,
    entries: impl IntoIterator<Item = &'a (String, Node)>,
    table: Table,
    settings: &mut Vec<Setting>,
    warnings: &mut Vec<Warning>,
) -> Result<(), PolicyError> {
    let mut seen: Vec<&(String, Node)> = Vec::new();
    for entry @ (key, node) in entries {
        let at = at.child(key);
        if let Some((other, value)) = seen
            .iter()
            .find(|(other, _)| current(other) == current(key))
            && value != node
        {
            return Err(at.error(format!("is {node}, but its other name {other} is {value}")));
        }
        seen.push(entry);
        match table(current(key), node) {
            Some(Ok(setting)) => {
                let shortened = (key == GRACE).then(|| values::shortened(node)).flatten();
                warnings.extend(shortened.map(|what| at.warning(what)));
                settings.push(setting);
            }
            Some(Err(wrong)) => return Err(at.error(wrong.instead_of(node))),
            None if WITHOUT_EFFECT.contains(&key.as_str()) => warnings.push(at.warning(NO_EFFECT)),
            None => warnings.push(at.warning(UNKNOWN)),
        }
    }
    Ok(())
}
