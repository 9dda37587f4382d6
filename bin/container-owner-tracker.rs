//! `container-owner-tracker`: its documentation is that of `Args`, which `container-owner-tracker --info` and its manual page print.

use std::{path::PathBuf, process::ExitCode};

use argh::{ArgsInfo, FromArgs};
use ds01_cli::{
    Command, Ui,
    concepts::{self, Concept},
};
use ds01_command::{ask, track};
use ds01_core::failure::Failure;
use ds01_host::{Host, ops::Track};

/// Find out whose the containers are that DS01 did not make, and who uses GPUs outside containers. A service of root's, or with --once a duty for cron.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    example = "{command_name} --dry-run",
    example = "systemctl --no-reload enable --now ds01-owner-tracker",
    note = "It looks whenever the engine tells that a container was made, started, ended or renamed, and once a minute at everything: at the processes on GPUs too. An engine that is started again is waited for. Nothing is run inside containers.",
    note = "The owner is found, first match wins, by a folder of a user's home that the container has and that is theirs (mount); by labels of an editor (devcontainer) or compose that name one; by the labels ds01.user (label) or aime.mlc.USER (aime_label); by a name that ends in a uid (name). All but the first are only what somebody wrote there, and shown as \"perhaps\" theirs. It gives nobody a right: it is for gpu-status, the dashboard's alerts, and for warnings before a stop.",
    note = "What is new is a line here and an event: detection.container_discovered, detection.host_gpu_process_discovered and ..._exited. Each is told once, whatever ends the tracker. Two at once do no harm.",
    error_code(7, "you are not root"),
    error_code(
        8,
        "the host has no limits; with --once: the engine or the state cannot be reached"
    )
)]
struct Args {
    /// the configuration of this host (default: /etc/ds01/ds01.toml)
    #[argh(option, arg_name = "path")]
    config: Option<PathBuf>,

    /// look once at everything, and end
    #[argh(switch)]
    once: bool,

    /// look once, and only say what is new
    #[argh(switch)]
    dry_run: bool,
}

impl Command for Args {
    const CONCEPTS: &'static [Concept] = &[concepts::CONTAINER, concepts::GPU];
    const SEE_ALSO: &'static [&'static str] = &["gpu-status", "ds01-holds", "ds01-events"];
    const FILES: &'static [(&'static str, &'static str)] = &[
        (
            "/var/lib/ds01/container-owners.json",
            "what is known, by container and process",
        ),
        ("/var/log/ds01/events.jsonl", "what was new"),
    ];
}

fn main() -> ExitCode {
    ds01_command::main(run)
}

fn run(args: Args, ui: &mut Ui) -> Result<(), Failure> {
    let host = Host::of_service(args.config.as_deref(), ui.name(), args.dry_run)?;
    ui.explain("the engine is asked for all containers, and the driver for the processes on GPUs");
    if !args.once && !args.dry_run {
        return track::follow(&host, ui);
    }
    let track = Track {
        dry_run: args.dry_run,
        full: true,
        driver: true,
    };
    let passed = ask(&host, ui, &track)?;
    track::silence(&passed).iter().for_each(|why| ui.warn(why));
    track::show(ui, &passed)
}
