//! `ds01-runtime`: its documentation is that of `Args`, which `ds01-runtime --info` and its manual page print.

use std::{path::PathBuf, process::ExitCode};

use argh::{ArgsInfo, FromArgs};
use ds01_cli::{
    Command, ExitStatus, Ui,
    concepts::{self, Concept},
};
use ds01_command::{ask, duty};
use ds01_core::failure::Failure;
use ds01_host::{Host, ops::LongestRun};

/// Look for containers with GPUs that have run for as long as they may: their owners are warned twice, then they are stopped. A duty of root's, for a timer or cron each minute.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    example = "{command_name} --dry-run",
    example = "* * * * * root ds01-runtime >>/var/log/ds01/runtime.log 2>&1",
    note = "How long one may run is by its owner's group, or by container_types for those of other tools; a start begins a new run. One of a container that something else made, adopted or not, counts from when this first saw it. Warned at 75 and at 90 percent, then stopped, each in a pass of its own. Owners lengthen a run with container-extend, as far as their policy allows; who is exempt is told once and not stopped. Containers without a GPU are never stopped.",
    note = "Before the stop, /workspace/.ds01-hooks/pre-stop is run inside, if it is there and executable, for 30 s at most; DS01_REASON and DS01_GRACE_SECONDS are in its environment. Then SIGTERM, and SIGKILL after the grace.",
    note = "Each step is a line here and an event with its figures: maintenance.runtime_warning, .runtime_kill, .runtime_exempt. Durations are by a clock that nobody sets. Two at once do no harm.",
    error_code(1, "one could not be stopped"),
    error_code(7, "you are not root"),
    error_code(
        8,
        "the engine or the ledger does not answer, or the host has no limits: nothing was done"
    )
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
    const CONCEPTS: &'static [Concept] = &[concepts::CONTAINER, concepts::GPU, concepts::STATES];
    const SEE_ALSO: &'static [&'static str] = &["ds01-idle", "container-cleanup"];
    const FILES: &'static [(&'static str, &'static str)] = &[
        (
            "/etc/ds01/resource-limits.yaml",
            "max_runtime_h and container_types",
        ),
        (
            "/etc/ds01/lifecycle-exemptions.yaml",
            "who is never stopped, and until when",
        ),
        (
            "/var/lib/ds01/lifecycle.json",
            "who was warned, by container and run",
        ),
        (
            "/var/lib/ds01/first-seen.json",
            "since when containers are known that something else made",
        ),
    ];
}

fn main() -> ExitCode {
    ds01_command::main(run)
}

fn run(args: Args, ui: &mut Ui) -> Result<ExitStatus, Failure> {
    let host = Host::of_service(args.config.as_deref(), ui.name(), args.dry_run)?;
    let dry_run = args.dry_run;
    ui.explain("the engine is asked since when each container with a GPU runs");
    let passed = ask(&host, ui, &LongestRun { dry_run })?;
    duty::passed(ui, passed, dry_run)
}
