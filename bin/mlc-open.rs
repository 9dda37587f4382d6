//! `mlc-open`: its documentation is that of `Args`, which `mlc-open --info` and its manual page print.

use std::process::ExitCode;

use argh::{ArgsInfo, FromArgs};
use ds01_cli::{
    Command, ExitStatus, Ui,
    concepts::{self, Concept},
};
use ds01_command::{ask, attach, container, mlc::bracketed, open};
use ds01_core::{container::State, failure::Failure, name::ContainerArg};
use ds01_host::ops::Start;

/// Open a shell in a container, as AIME's MLC does. It is started if it does not run.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    example = "{command_name} my-container",
    note = "The exit status is the shell's own. The container runs on when you leave the shell, unlike AIME's, which stops when its last shell has ended: mlc-stop stops it.",
    error_code(3, "you have no such container"),
    error_code(4, "it is paused"),
    error_code(6, "its devices went to another container while it was stopped")
)]
struct Args {
    /// the container
    #[argh(positional, arg_name = "container")]
    name: Option<ContainerArg>,
}

impl Command for Args {
    const CONCEPTS: &'static [Concept] = &[concepts::CONTAINER, concepts::STATES];
    const SEE_ALSO: &'static [&'static str] = &[
        "container-run",
        "container-attach",
        "container-exit",
        "mlc-stop",
    ];
}

fn main() -> ExitCode {
    ds01_command::main(run)
}

fn run(args: Args, ui: &mut Ui) -> Result<ExitStatus, Failure> {
    let host = open(ui)?;
    let name = container(&host, ui, args.name, "Open which container?", |state| {
        state != State::Paused
    })?;
    ui.explain("it is started, as docker start does, unless it runs");
    let started = ask(&host, ui, &Start { name: name.clone() })?;
    // Standard output is the shell's, and a script needs no words.
    if ui.interactive() {
        let shown = bracketed(&started.name);
        match started.already {
            true => ui.note(format_args!("{shown} container already running")),
            false => ui.note(format_args!("{shown} container started")),
        }
    }
    ui.explain("a shell is opened, as docker exec -it does; exit or Ctrl-D leaves it");
    attach(&host, ui, &name)
}
