//! Now, and which process this is.

use std::{fs, os::unix::fs::MetadataExt, sync::OnceLock, time::SystemTime};

use ds01_core::{
    ledger::Process,
    time::{Now, Timestamp, Uptime},
};
use nix::{
    errno::Errno,
    sys::signal::kill,
    time::{ClockId, clock_gettime},
    unistd::{Pid, SysconfVar, sysconf},
};

use crate::kernel_file;

/// The time.
pub fn now() -> Timestamp {
    SystemTime::now().into()
}

/// The time by both clocks.
pub fn both() -> Now {
    let uptime = clock_gettime(ClockId::CLOCK_BOOTTIME).map(std::time::Duration::from);
    Now {
        wall: now(),
        uptime: Uptime::default() + uptime.unwrap_or_default(),
    }
}

/// Nanoseconds of a clock that nobody sets, the same for all processes until the next boot.
pub fn steady_ns() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map(std::time::Duration::from);
    now.map_or(0, |now| u64::try_from(now.as_nanos()).unwrap_or(u64::MAX))
}

/// This process, as others can recognise it.
pub fn this_process() -> Option<Process> {
    process(std::process::id())
}

/// The process that has this pid now, as others can recognise it.
pub fn process(pid: u32) -> Option<Process> {
    Some(Process {
        pid,
        started: stat(pid)?.started,
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
    match stat(process.pid) {
        // One that nobody has waited for yet has ended all the same.
        Some(stat) => stat.ended || stat.started != process.started,
        // A /proc mounted with hidepid shows nobody else's processes; the kernel still knows them.
        None => {
            let pid = i32::try_from(process.pid).map(Pid::from_raw);
            pid.is_ok_and(|pid| kill(pid, None) == Err(Errno::ESRCH))
        }
    }
}

/// The kernel's id of this boot, which no process outlives, and of the namespace of our pid.
pub(crate) fn boot() -> Option<String> {
    static BOOT: OnceLock<Option<String>> = OnceLock::new();
    let read = || {
        let id = kernel_file::read("/proc/sys/kernel/random/boot_id").ok()?;
        let namespace = fs::metadata("/proc/self/ns/pid").ok()?.ino();
        Some(format!("{} {namespace}", id.trim()))
    };
    BOOT.get_or_init(read).clone()
}

/// What the kernel tells of a process.
struct Stat {
    /// In clock ticks since boot.
    started: u64,
    /// Only its parent has still to take note of its end.
    ended: bool,
}

/// When the process of this proc(5)'s stat was started.
pub(crate) fn began(stat: &str) -> Option<Uptime> {
    let per_second = u64::try_from(sysconf(SysconfVar::CLK_TCK).ok()??).ok()?;
    let ms = parsed(stat)?.started.checked_mul(1000)?;
    Some(Uptime(ms.checked_div(per_second)?))
}

fn stat(pid: u32) -> Option<Stat> {
    parsed(&kernel_file::read(format!("/proc/{pid}/stat")).ok()?)
}

/// Fields 3 and 22 of proc(5)'s stat, counted after the name, which may hold anything.
fn parsed(stat: &str) -> Option<Stat> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let ended = matches!(fields.next()?, "Z" | "X");
    let started = fields.nth(18)?.parse().ok()?;
    Some(Stat { started, ended })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_began_before_now() {
        let stat = fs::read_to_string("/proc/self/stat").unwrap();
        let (began, now) = (began(&stat).unwrap(), both().uptime);
        assert!(began <= now, "{began:?} {now:?}");
        assert!(now.since(began) < std::time::Duration::from_secs(3600));
        assert_eq!(super::began("1 (a) b) S 1"), None);
    }

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

    #[test]
    fn a_process_has_ended_before_its_parent_knows() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let process = process(child.id()).unwrap();
        assert!(!is_dead(&process));
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
        kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
        while !is_dead(&process) {
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert!(is_dead(&process));
    }
}
