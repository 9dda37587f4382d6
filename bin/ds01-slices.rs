//! `ds01-slices`: its documentation is that of `Args`, which `ds01-slices --info` and its manual page print.

use std::{path::PathBuf, process::ExitCode};

use argh::{ArgsInfo, FromArgs};
use ds01_cli::{
    Command, ExitStatus, Ui,
    concepts::{self, Concept},
};
use ds01_command::ask;
use ds01_core::failure::Failure;
use ds01_host::{Host, ops::LimitSlices};

/// Limit what all containers of each user use together, by the policy as it is now. A duty of root's, for a timer or cron each minute.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    example = "{command_name} --dry-run",
    note = "The containers of a user are in a slice of systemd's, ds01-<group>-<user>.slice: with the limits that aggregate in resource-limits.yaml has, and max_tasks where it has no number of tasks. They are set when a container starts, and here when the policy changes and after a boot; systemd is not reloaded, and nothing is stopped.",
    note = "A line is a slice that has other limits now, as systemd names them. The older cgroups refuse less memory than is used, fewer CPUs than a running container may use alone, and MemoryHigh: what they refused is tried again each time. Two at once do no harm.",
    error_code(1, "systemd refused the limits of a slice"),
    error_code(7, "you are not root"),
    error_code(8, "the state cannot be read, or the host has no limits")
)]
struct Args {
    /// the configuration of this host (default: /etc/ds01/ds01.toml)
    #[argh(option, arg_name = "path")]
    config: Option<PathBuf>,

    /// only say what would be done
    #[argh(switch)]
    dry_run: bool,
}

impl Command for Args {
    const CONCEPTS: &'static [Concept] = &[concepts::LIMITS, concepts::HOST];
    const SEE_ALSO: &'static [&'static str] = &["check-limits", "ds01-doctor"];
    const FILES: &'static [(&'static str, &'static str)] = &[
        ("/etc/ds01/resource-limits.yaml", "aggregate and max_tasks"),
        (
            "/run/systemd/system.control",
            "what systemd was told, until the next boot",
        ),
    ];
}

fn main() -> ExitCode {
    ds01_command::main(run)
}

fn run(args: Args, ui: &mut Ui) -> Result<ExitStatus, Failure> {
    let host = Host::of_service(args.config.as_deref(), ui.name(), args.dry_run)?;
    let dry_run = args.dry_run;
    ui.explain("what systemd was told of each slice is compared with the policy");
    let done = ask(&host, ui, &LimitSlices { dry_run })?;
    for one in done.changed {
        ui.line(format_args!("{} {}", one.slice, one.properties.join(" ")))?;
    }
    for one in done.loose {
        let properties = one.properties.join(", ");
        ui.note(format_args!(
            "{}: the kernel does not take {properties} while more is in use; it is tried again",
            one.slice
        ));
    }
    Ok(ui.each(done.failed, |failure, _| Err(failure)))
}
