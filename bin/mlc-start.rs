//! `mlc-start`: its documentation is that of `Args`, which `mlc-start --info` and its manual page print.

use std::process::ExitCode;

use argh::{ArgsInfo, FromArgs};
use ds01_cli::{
    Command, Ui,
    concepts::{self, Concept},
};
use ds01_command::{ask, container, mlc::bracketed, open};
use ds01_core::{failure::Failure, name::ContainerArg};
use ds01_host::ops::Start;

/// Start a container without a shell, as AIME's MLC does. It gets the devices that it was made with.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    example = "{command_name} my-container",
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
    const SEE_ALSO: &'static [&'static str] = &["container-start", "mlc-open", "mlc-stop"];
}

fn main() -> ExitCode {
    ds01_command::main(run)
}

fn run(args: Args, ui: &mut Ui) -> Result<(), Failure> {
    let host = open(ui)?;
    let name = container(&host, ui, args.name, "Start which container?", |state| {
        !state.is_up()
    })?;
    ui.explain("its devices are taken again if nobody else has them; then as docker start does");
    let started = ask(&host, ui, &Start { name })?;
    let name = bracketed(&started.name);
    match started.already {
        true => ui.line(format_args!("{name} container already running")),
        false => ui.line(format_args!(
            "{name} container started. Open a shell in it with: mlc-open {}",
            started.name
        )),
    }
}
