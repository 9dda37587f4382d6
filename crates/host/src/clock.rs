//! Now, and which process this is.

use std::{fs, os::unix::fs::MetadataExt, sync::OnceLock, time::SystemTime};

use ds01_core::{ledger::Process, time::Timestamp};
use nix::{
    errno::Errno,
    sys::signal::kill,
    time::{ClockId, clock_gettime},
    unistd::Pid,
};

/// The time.
pub fn now() -> Timestamp {
    SystemTime::now().into()
}

/// Nanoseconds of a clock that nobody sets, the same for all processes until the next boot.
pub fn steady_ns() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map(std::time::Duration::from);
    now.map_or(0, |now| u64::try_from(now.as_nanos()).unwrap_or(u64::MAX))
}

/// This process, as others can recognise it.
pub fn this_process() -> Option<Process> {
    let pid = std::process::id();
    Some(Process {
        pid,
        started: started(pid)?,
        boot: boot()?,
    })
}

/// Whether a process is certainly no more. Unsure is alive.
pub fn is_dead(process: &Process) -> bool {
    let Some(here) = boot() else { return false };
    if here != process.boot {
        // Of this boot, it is in another pid namespace, of which nothing can be told from here.
        let boot = |id: &str| id.split(' ').next().map(str::to_string);
        return boot(&here) != boot(&process.boot);
    }
    match started(process.pid) {
        Some(started) => started != process.started,
        // A /proc mounted with hidepid shows nobody else's processes; the kernel still knows them.
        None => {
            let pid = i32::try_from(process.pid).map(Pid::from_raw);
            pid.is_ok_and(|pid| kill(pid, None) == Err(Errno::ESRCH))
        }
    }
}

/// The kernel's id of this boot, which no process outlives, and of the namespace of our pid.
fn boot() -> Option<String> {
    static BOOT: OnceLock<Option<String>> = OnceLock::new();
    let read = || {
        let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let namespace = fs::metadata("/proc/self/ns/pid").ok()?.ino();
        Some(format!("{} {namespace}", id.trim()))
    };
    BOOT.get_or_init(read).clone()
}

fn started(pid: u32) -> Option<u64> {
    start_time(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Field 22 of proc(5)'s stat, counted after the name, which may hold anything.
fn start_time(stat: &str) -> Option<u64> {
    stat.rsplit_once(')')?
        .1
        .split_whitespace()
        .nth(19)?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pid_used_again_is_another_process() {
        let this = this_process().unwrap();
        assert!(!is_dead(&this));
        assert!(is_dead(&Process {
            started: this.started + 1,
            ..this.clone()
        }));
        assert!(is_dead(&Process {
            boot: "another".into(),
            ..this
        }));
    }
}
