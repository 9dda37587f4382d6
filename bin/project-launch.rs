//! `project-launch`: its documentation is that of `Args`, which `project-launch --info` and its manual page print.

use std::process::ExitCode;

use argh::{ArgsInfo, FromArgs};
use ds01_cli::{
    Command, ExitStatus, Ui,
    concepts::{self, Concept},
};
use ds01_command::{launch, open, opens, patience};
use ds01_core::{
    failure::{Failure, Kind},
    name::ContainerArg,
    time::Patience,
};

/// Work on a project: its image is built if it has none, its container made or started.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    example = "{command_name} my-thesis --open",
    example = "{command_name} my-thesis --rebuild --background",
    note = "A project is a folder ~/workspace/<project>. Its image, ds01-<uid>/<project>:latest, is built from its Dockerfile if there is none: on a terminal it asks first, elsewhere it builds unasked. If --rebuild changes the image of a container that exists, it offers to make that anew.",
    note = "The whole folder is sent to the engine: what the image does not need, such as data, belongs into .dockerignore.",
    note = "With --open the exit status is the shell's own; from a pipe, the shell reads its commands from there.",
    note = "If no device is free it waits in line for 3 minutes, or as long as --wait says: by priority, then by who has used less lately, then by who came first. Ctrl-C leaves the line.",
    error_code(1, "the build failed, or you thought better of it"),
    error_code(3, "no such project, or it has neither image nor Dockerfile"),
    error_code(
        4,
        "its container is paused; or it exists, and --rebuild was given without a terminal"
    ),
    error_code(5, "a limit of yours would be passed"),
    error_code(
        6,
        "no device is free, after waiting, or its own went to another container"
    ),
    error_code(8, "the engine, the driver or the ledger cannot be reached")
)]
struct Args {
    /// the project
    #[argh(positional, arg_name = "project")]
    name: Option<ContainerArg>,

    /// open a shell in its container (the default on a terminal)
    #[argh(switch)]
    open: bool,

    /// open no shell (the default elsewhere)
    #[argh(switch)]
    background: bool,

    /// build the image even if there is one
    #[argh(switch)]
    rebuild: bool,

    /// not here: the project's files say how many
    #[argh(option, hidden_help, arg_name = "count")]
    gpu: Option<String>,

    /// how long to wait in line if no device is free: seconds, or 30m or 2h (default 180, 1d at most)
    #[argh(option, arg_name = "time")]
    wait: Option<Patience>,

    /// do not wait: fail at once if no device is free
    #[argh(switch)]
    no_wait: bool,
}

impl Command for Args {
    const CONCEPTS: &'static [Concept] = &[
        concepts::CONTAINER,
        concepts::IMAGE,
        concepts::WORKSPACE,
        concepts::GPU,
    ];
    const SEE_ALSO: &'static [&'static str] =
        &["container-deploy", "container-retire", "container-attach"];
    const FILES: &'static [(&'static str, &'static str)] = &[
        (
            "~/workspace/<project>/Dockerfile",
            "what the image is built from",
        ),
        (
            "~/workspace/<project>/.dockerignore",
            "what is not sent to the engine, in Docker's patterns",
        ),
    ];
}

fn main() -> ExitCode {
    ds01_command::main(run)
}

fn run(args: Args, ui: &mut Ui) -> Result<ExitStatus, Failure> {
    if let Some(gpus) = &args.gpu {
        let message = "how many GPUs a project has stands in its pyproject.toml: there is no --gpu";
        let hint = format!("write it there: gpus = {gpus} in [tool.ds01]");
        return Err(Failure::new(Kind::Usage, message).with_hint(hint));
    }
    let opens = opens(ui, args.open, args.background)?;
    let patience = patience(args.wait, args.no_wait)?;
    let host = open(ui)?;
    launch(&host, ui, args.name, opens, args.rebuild, patience)
}
