//! Limits as people read them.

use std::{
    fmt::Write as _,
    fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    time::Duration,
};

use ds01_cli::{Ui, human};
use ds01_host::ops::LimitsStatus;

/// What stands above [`rows`].
pub const HEADINGS: [&str; 3] = ["LIMIT", "USED", "MAX"];

/// A row for each limit: what it limits, how much of it is used, and how much may be.
pub fn rows(status: &LimitsStatus) -> Vec<[String; 3]> {
    let limits = &status.limits;
    let row = |what: &str, used: String, max: String| [what.to_string(), used, max];
    let number = |max: Option<u64>| max.map_or("unlimited".into(), |max| max.to_string());
    let bytes = |max: Option<u64>| max.map_or("unlimited".into(), human::bytes);
    let time = |max: Option<Duration>| max.map_or("unlimited".into(), human::duration);
    let not_counted = || "-".to_string();
    let cpus = limits.nano_cpus.map(|nano| nano as f64 / 1e9);
    vec![
        row("Group", not_counted(), limits.group.clone()),
        row(
            "GPUs",
            status.held.to_string(),
            limits
                .quota
                .map_or("unlimited".into(), |quota| quota.to_string()),
        ),
        row(
            "GPUs per container",
            not_counted(),
            number(limits.devices_per_container.map(u64::from)),
        ),
        row(
            "Whole GPUs",
            not_counted(),
            if limits.whole_gpus {
                "allowed"
            } else {
                "MIG devices only"
            }
            .into(),
        ),
        row(
            "Max Containers",
            status.containers.to_string(),
            number(limits.containers.map(u64::from)),
        ),
        row(
            "CPUs per container",
            not_counted(),
            cpus.map_or("unlimited".into(), |cpus| cpus.to_string()),
        ),
        row(
            "Memory per container",
            not_counted(),
            bytes(limits.memory_bytes),
        ),
        row(
            "Shared memory per container",
            not_counted(),
            bytes(limits.shm_bytes),
        ),
        row(
            "Processes per container",
            not_counted(),
            number(limits.pids),
        ),
        row("Idle timeout", not_counted(), time(limits.idle_timeout)),
        row("Longest run", not_counted(), time(limits.max_runtime)),
        row(
            "Extension of a run",
            not_counted(),
            match limits.lifecycle.max_extension {
                Some(Duration::ZERO) => "none".into(),
                allowed => time(allowed),
            },
        ),
        row(
            "GPU hold after stop",
            not_counted(),
            time(limits.gpu_hold_after_stop),
        ),
        row(
            "Container kept after stop",
            not_counted(),
            time(limits.container_hold_after_stop),
        ),
    ]
}

/// A line for somebody who logs in: what of the limits is used.
pub fn greeting(status: &LimitsStatus) -> String {
    let LimitsStatus { limits, held, .. } = status;
    let mut line = match limits.quota {
        Some(quota) => format!("{held} of {quota} GPUs in use, "),
        None => format!("{held} GPUs in use, "),
    };
    let count = status.containers;
    let _ = match limits.containers {
        Some(max) => write!(line, "{count} of {max} containers"),
        None => write!(line, "{count} containers"),
    };
    line + "; more with check-limits"
}

/// Writes [`rows`] to `~/.ds01-limits` as text. That they could not be written is a warning.
pub fn keep(ui: &mut Ui, status: &LimitsStatus, rows: &[[String; 3]]) {
    let text: String = rows
        .iter()
        .map(|[what, used, max]| match used.as_str() {
            "-" => format!("{what}: {max}\n"),
            used => format!("{what}: {max} ({used} in use)\n"),
        })
        .collect();
    if let Err(error) = write(&status.home.join(".ds01-limits"), &text) {
        ui.warn(format_args!(
            "{}/.ds01-limits was not written: {error}",
            status.home.display()
        ));
    }
}

/// Writes a file whole or not at all; a link planted there is replaced, not followed.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let new = path.with_extension(format!("new.{}", std::process::id()));
    let open = || {
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true).mode(0o644).open(&new)
    };
    let written = open()
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written
}
