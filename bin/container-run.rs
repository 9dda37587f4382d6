//! `container-run`: its documentation is that of `Args`, which `container-run --info` and its manual page print.

use std::process::ExitCode;

use argh::{ArgsInfo, FromArgs};
use ds01_cli::{
    Command, ExitStatus, Ui,
    concepts::{self, Concept},
};
use ds01_command::{ask, attach, container, open};
use ds01_core::{
    container::State,
    failure::{Failure, Kind},
    name::ContainerArg,
};
use ds01_host::ops::Start;

/// Start a container if it does not run, and open a shell in it.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    example = "{command_name} thesis",
    note = "The exit status is the shell's own. The container runs on when you leave the shell.",
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
    const SEE_ALSO: &'static [&'static str] =
        &["container-start", "container-attach", "container-exit"];
}

fn main() -> ExitCode {
    ds01_command::main(run)
}

fn run(args: Args, ui: &mut Ui) -> Result<ExitStatus, Failure> {
    let host = open(ui)?;
    let name = container(&host, ui, args.name, "Run which container?", |s| {
        s != State::Paused
    })?;
    ui.explain("it is started, as docker start does, unless it runs");
    let started = ask(&host, ui, &Start { name: name.clone() })?;
    ui.explain("a shell is opened, as docker exec -it does; exit or Ctrl-D leaves it");
    attach(&host, ui, &name).map_err(|failure| match failure.kind {
        Kind::State if !started.already => {
            let hint = format!("it ended at once; what it printed says why: docker logs {name}");
            failure.with_hint(hint)
        }
        _ => failure,
    })
}
