//! Now, and which process this is.

use std::{fs, sync::OnceLock, time::SystemTime};

use ds01_core::{ledger::Process, time::Timestamp};

/// The time.
pub fn now() -> Timestamp {
    SystemTime::now().into()
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
    let Some(boot) = boot() else { return false };
    boot != process.boot
        || match fs::read_to_string(format!("/proc/{}/stat", process.pid)) {
            Ok(stat) => start_time(&stat).is_some_and(|started| started != process.started),
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        }
}

/// The kernel's id of this boot, which no process outlives.
fn boot() -> Option<String> {
    static BOOT: OnceLock<Option<String>> = OnceLock::new();
    let read = || {
        let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        Some(id.trim().to_string())
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
