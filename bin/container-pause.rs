//! `container-pause`: its documentation is that of `Args`, which `container-pause --info` and its manual page print.

use std::process::ExitCode;

use argh::{ArgsInfo, FromArgs};
use ds01_cli::{
    Command, ExitStatus, Ui,
    concepts::{self, Concept},
};
use ds01_command::{ask, containers, open};
use ds01_core::{container::State, failure::Failure, name::ContainerArg};
use ds01_host::ops::Pause;

/// Freeze the processes of a running container. Its memory and its GPUs stay as they are.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    example = "{command_name} thesis",
    example = "{command_name} --all",
    error_code(3, "you have no such container"),
    error_code(4, "it does not run")
)]
struct Args {
    /// the containers
    #[argh(positional, arg_name = "container")]
    names: Vec<ContainerArg>,

    /// all of your running containers
    #[argh(switch, short = 'a')]
    all: bool,
}

impl Command for Args {
    const CONCEPTS: &'static [Concept] = &[concepts::CONTAINER, concepts::STATES];
    const SEE_ALSO: &'static [&'static str] = &["container-unpause", "container-stop"];
}

fn main() -> ExitCode {
    ds01_command::main(run)
}

fn run(args: Args, ui: &mut Ui) -> Result<ExitStatus, Failure> {
    let host = open(ui)?;
    let fits = |state| state == State::Running;
    let names = containers(
        &host,
        ui,
        args.names,
        args.all,
        "Pause which container?",
        fits,
    )?;
    ui.explain("as docker pause does: the processes get no more CPU time, and notice nothing");
    Ok(ui.each(names, |name, ui| ask(&host, ui, &Pause { name }).map(drop)))
}
