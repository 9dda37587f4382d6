//! CPU, memory and processes of a container, within its owner's limits.

use std::fmt::Display;

use crate::{limits::Limits, size::bytes as size};

use super::{body::number, host_config::HostConfig, plan::Rules, refused::Refused};

const NANO: u64 = 1_000_000_000;

/// The engine's, where a request has a quota alone. Microseconds.
const CPU_PERIOD: i64 = 100_000;

/// What every container has: more would be taken from those of others.
const CPU_SHARES: i64 = 1024;

/// Brings what `host` asks for within the limits; nothing asked for, or no limit, is the limit.
///
/// # Errors
///
/// [`Refused::Value`] for numbers that contradict each other.
pub(super) fn settle(
    host: &mut HostConfig,
    to: &Rules<'_>,
    warnings: &mut Vec<String>,
) -> Result<(), Refused> {
    let limits = to.limits;
    let host_cpus = u64::from(to.host_cpus).saturating_mul(NANO);
    let cpus = limits
        .nano_cpus
        .map_or(host_cpus, |cpus| cpus.min(host_cpus));
    let asked = nano_cpus(host)?;
    host.nano_cpus = within(("--cpus", in_cpus), asked, Some(cpus), warnings);
    (host.cpu_period, host.cpu_quota) = (None, None);

    let shares = number(host.cpu_shares);
    if shares > CPU_SHARES {
        warnings.push(passed("--cpu-shares", shares, CPU_SHARES));
    }
    // Left out, it is what every container has, in whatever unit the kernel counts.
    host.cpu_shares = positive(host.cpu_shares).filter(|shares| *shares <= CPU_SHARES);

    // The kernel's own differs with how it counts: none can be told that is never above it.
    if let Some(weight) = host.blkio_weight.take().filter(|weight| *weight > 0) {
        warnings.push(format!(
            "--blkio-weight: {weight} asked for, every container has the same"
        ));
    }

    let memory = number(host.memory);
    host.memory = within(("--memory", size), memory, limits.memory_bytes, warnings);
    host.memory_swap = swap(host.memory, number(host.memory_swap), limits, warnings);
    host.memory_reservation = positive(host.memory_reservation)
        .map(|reservation| host.memory.map_or(reservation, |all| reservation.min(all)));
    host.kernel_memory = positive(host.kernel_memory);
    host.kernel_memory_tcp = positive(host.kernel_memory_tcp);

    let shm = number(host.shm_size);
    host.shm_size = within(("--shm-size", size), shm, limits.shm_bytes, warnings);
    let pids = match (limits.pids, limits.max_tasks) {
        (Some(pids), Some(tasks)) => Some(pids.min(tasks)),
        (pids, tasks) => pids.or(tasks),
    };
    host.pids_limit = within(
        ("--pids-limit", count),
        number(host.pids_limit),
        pids,
        warnings,
    );
    Ok(())
}

/// What is asked for: within the limit, or the limit. A warning has it as the option of `docker run`,
/// in its unit.
fn within(
    (option, shown): (&str, fn(u64) -> String),
    asked: i64,
    limit: Option<u64>,
    warnings: &mut Vec<String>,
) -> Option<i64> {
    // The engine takes 0 for no limit.
    let limit = limit.map(|limit| signed(limit).max(1));
    match limit {
        Some(limit) if asked > limit || asked < 0 => {
            let asked = u64::try_from(asked).map_or("unlimited".into(), shown);
            warnings.push(passed(option, asked, shown(limit.unsigned_abs())));
            Some(limit)
        }
        _ if asked > 0 => Some(asked),
        _ => limit,
    }
}

/// What a user is told who asked for more, in the words of `docker run`.
fn passed(option: &str, asked: impl Display, limit: impl Display) -> String {
    format!("{option} {asked} asked for, your limit is {limit}")
}

fn in_cpus(nano: u64) -> String {
    (nano as f64 / NANO as f64).to_string()
}

fn count(count: u64) -> String {
    count.to_string()
}

/// CPU time, whichever way it is written; negative is unlimited.
fn nano_cpus(host: &HostConfig) -> Result<i64, Refused> {
    let (nano, quota) = (number(host.nano_cpus), number(host.cpu_quota));
    let period = number(host.cpu_period);
    if nano != 0 && (quota > 0 || period > 0) {
        let why = "either NanoCpus, or CpuQuota and CpuPeriod";
        return Err(Refused::value("NanoCpus", nano.to_string(), why));
    }
    if quota == 0 {
        return Ok(nano);
    }
    if quota < 0 {
        return Ok(-1);
    }
    let period = match period {
        0 => CPU_PERIOD,
        1_000..=1_000_000 => period,
        other => {
            let why = "1000 to 1000000 microseconds";
            return Err(Refused::value("CpuPeriod", other.to_string(), why));
        }
    };
    let nano = i128::from(quota) * i128::from(NANO) / i128::from(period);
    Ok(i64::try_from(nano).unwrap_or(i64::MAX).max(1))
}

/// Memory and swap together. The engine counts memory in: less than memory is refused, and alone
/// it means nothing; left out, it would take twice the memory.
fn swap(
    memory: Option<i64>,
    asked: i64,
    limits: &Limits,
    warnings: &mut Vec<String>,
) -> Option<i64> {
    let memory = memory?;
    // Swap is limited only where memory is, as everywhere.
    let limit = limits.memory_bytes.and(limits.memory_swap_bytes);
    let limit = limit.map(|limit| limit.max(memory.unsigned_abs()));
    let asked = if asked > 0 { asked.max(memory) } else { asked };
    Some(within(("--memory-swap", size), asked, limit, warnings).unwrap_or(-1))
}

fn positive(value: Option<i64>) -> Option<i64> {
    value.filter(|value| *value > 0)
}

/// The engine counts in signed numbers; no machine has more than 2^63 of anything.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
