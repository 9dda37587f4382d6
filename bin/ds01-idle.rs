//! `ds01-idle`: its documentation is that of `Args`, which `ds01-idle --info` and its manual page print.

use std::{path::PathBuf, process::ExitCode};

use argh::{ArgsInfo, FromArgs};
use ds01_cli::{
    Command, ExitStatus, Ui,
    concepts::{self, Concept},
};
use ds01_command::{ask, duty};
use ds01_core::failure::Failure;
use ds01_host::{Host, ops::IdleCheck};

/// Look for containers with GPUs that nobody uses: their owners are warned twice, then they are stopped. A duty of root's, for a timer or cron each minute.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    example = "{command_name} --dry-run",
    example = "* * * * * root ds01-idle >>/var/log/ds01/idle.log 2>&1",
    note = "A container is in use if one of its GPUs or MIG devices, its CPU time or its network is at its threshold or above (policies in resource-limits.yaml). MIG devices do not tell how busy they are: one without a process is idle, one whose memory changes is in use, else CPU and network decide. A paused one is not in use. What cannot be read counts neither way, and nothing is measured inside.",
    note = "How long it may idle is by its owner's group, or by container_types for those of other tools; less while demand is high. Warned at 75 and at 90 percent, then stopped, each in a pass of its own; a touched /workspace/.keep-alive puts it off, an exemption does without it. Containers without a GPU are never stopped.",
    note = "Before the stop, /workspace/.ds01-hooks/pre-stop is run inside, if it is there and executable, for 30 s at most; DS01_REASON and DS01_GRACE_SECONDS are in its environment. Then SIGTERM, and SIGKILL after the grace.",
    note = "Each step is a line here and an event with its figures: maintenance.idle_warning, .idle_kill, .idle_exempt. Between passes it remembers what it saw in lifecycle.json; lost, everything begins anew. Two at once do no harm.",
    error_code(1, "one could not be stopped"),
    error_code(7, "you are not root"),
    error_code(
        8,
        "the engine, the driver or the ledger does not answer, or the host has no limits: nothing was done"
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
    const SEE_ALSO: &'static [&'static str] = &["ds01-runtime", "container-cleanup"];
    const FILES: &'static [(&'static str, &'static str)] = &[
        (
            "/etc/ds01/resource-limits.yaml",
            "idle_timeout_h, policies and container_types",
        ),
        (
            "/etc/ds01/lifecycle-exemptions.yaml",
            "who is never stopped, and until when",
        ),
        (
            "/var/lib/ds01/lifecycle.json",
            "what was seen before, by container and run",
        ),
    ];
}

fn main() -> ExitCode {
    ds01_command::main(run)
}

fn run(args: Args, ui: &mut Ui) -> Result<ExitStatus, Failure> {
    let host = Host::of_service(args.config.as_deref(), ui.name(), args.dry_run)?;
    let dry_run = args.dry_run;
    ui.explain(
        "the driver, the engine and the kernel are asked what each container with a GPU does",
    );
    let passed = ask(&host, ui, &IdleCheck { dry_run })?;
    duty::passed(ui, passed, dry_run)
}
