//! `check-limits`: its documentation is that of `Args`, which `check-limits --info` and its manual page print.

use std::{
    fs, io::Write, os::unix::fs::OpenOptionsExt, path::Path, process::ExitCode, time::Duration,
};

use argh::{ArgsInfo, FromArgs};
use ds01_cli::{
    Command, Format, Ui,
    concepts::{self, Concept},
    human,
};
use ds01_command::{ask, open};
use ds01_core::failure::Failure;
use ds01_host::ops::{LimitsStatus, MyLimits};

/// Show what you may use, and how much of it you do. The same is written to ~/.ds01-limits.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    example = "{command_name}",
    example = "{command_name} --format=simple | cut -f2",
    note = "The columns are LIMIT USED MAX; 'unlimited' stands for no limit, a dash for what is not counted.",
    note = "With --format=json: login, home, limits (every limit by its name, null for none), held in 28ths of a GPU, slots, containers."
)]
struct Args {
    /// how to print them (default table)
    #[argh(option, default = "Format::Table", arg_name = "table|json|simple")]
    format: Format,
}

impl Command for Args {
    const CONCEPTS: &'static [Concept] = &[concepts::LIMITS, concepts::GPU];
    const SEE_ALSO: &'static [&'static str] = &["gpu-status", "container-list"];
    const FILES: &'static [(&'static str, &'static str)] = &[(
        "~/.ds01-limits",
        "your limits as text, written anew each time",
    )];
}

fn main() -> ExitCode {
    ds01_command::main(run)
}

fn run(args: Args, ui: &mut Ui) -> Result<(), Failure> {
    let host = open(ui)?;
    ui.explain("the limits of your group are read, and your containers are counted");
    let status = ask(&host, ui, &MyLimits {})?;
    let rows = rows(&status);
    if let Err(error) = keep(&status, &rows) {
        ui.warn(format_args!(
            "{}/.ds01-limits was not written: {error}",
            status.home.display()
        ));
    }
    ui.list(args.format, ["LIMIT", "USED", "MAX"], &rows, &status)
}

fn rows(status: &LimitsStatus) -> Vec<[String; 3]> {
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

/// Writes `~/.ds01-limits`, whole or not at all; a link planted there is replaced, not followed.
fn keep(status: &LimitsStatus, rows: &[[String; 3]]) -> std::io::Result<()> {
    let text: String = rows
        .iter()
        .map(|[what, used, max]| match used.as_str() {
            "-" => format!("{what}: {max}\n"),
            used => format!("{what}: {max} ({used} in use)\n"),
        })
        .collect();
    let path = status.home.join(".ds01-limits");
    let new = Path::new(&path).with_extension(format!("new.{}", std::process::id()));
    let open = || {
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true).mode(0o644).open(&new)
    };
    let written = open()
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .and_then(|()| fs::rename(&new, &path));
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written
}
