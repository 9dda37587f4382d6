//! `container-unpause`: its documentation is that of `Args`, which `container-unpause --info` and its manual page print.

use std::process::ExitCode;

use argh::{ArgsInfo, FromArgs};
use ds01_cli::{
    Command, ExitStatus, Ui,
    concepts::{self, Concept},
};
use ds01_command::{ask, containers, open};
use ds01_core::{container::State, failure::Failure, name::ContainerArg};
use ds01_host::ops::Unpause;

/// Let the processes of a paused container go on.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    example = "{command_name} thesis",
    example = "{command_name} --all",
    error_code(3, "you have no such container"),
    error_code(4, "it is not paused")
)]
struct Args {
    /// the containers
    #[argh(positional, arg_name = "container")]
    names: Vec<ContainerArg>,

    /// all of your paused containers
    #[argh(switch, short = 'a')]
    all: bool,
}

impl Command for Args {
    const CONCEPTS: &'static [Concept] = &[concepts::CONTAINER, concepts::STATES];
    const SEE_ALSO: &'static [&'static str] = &["container-pause", "container-stop"];
}

fn main() -> ExitCode {
    ds01_command::main(run)
}

fn run(args: Args, ui: &mut Ui) -> Result<ExitStatus, Failure> {
    let host = open(ui)?;
    let fits = |state| state == State::Paused;
    let names = containers(
        &host,
        ui,
        args.names,
        args.all,
        "Resume which container?",
        fits,
    )?;
    ui.explain("as docker unpause does: the processes go on where they were");
    Ok(ui.each(names, |name, ui| {
        ask(&host, ui, &Unpause { name }).map(drop)
    }))
}
