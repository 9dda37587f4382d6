//! `container-start`: its documentation is that of `Args`, which `container-start --info` and its manual page print.

use std::process::ExitCode;

use argh::{ArgsInfo, FromArgs};
use ds01_cli::{
    Command, ExitStatus, Ui,
    concepts::{self, Concept},
};
use ds01_command::{ask, containers, open};
use ds01_core::{failure::Failure, name::ContainerArg};
use ds01_host::ops::Start;

/// Start a created or stopped container in the background. It gets the devices that it was made with.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    example = "{command_name} thesis",
    example = "{command_name} exp-1 exp-2",
    note = "A start begins a new run. One that has stopped is not started again if its devices are reserved for others before that run and the hold after it would be over, or promised to somebody in line who let it pass: it says for whom, and from when on.",
    error_code(3, "you have no such container"),
    error_code(4, "it is paused"),
    error_code(
        6,
        "its devices went to another container while it was stopped, or are promised to others"
    )
)]
struct Args {
    /// the containers
    #[argh(positional, arg_name = "container")]
    names: Vec<ContainerArg>,
}

impl Command for Args {
    const CONCEPTS: &'static [Concept] = &[concepts::CONTAINER, concepts::STATES];
    const SEE_ALSO: &'static [&'static str] =
        &["container-run", "container-attach", "container-stop"];
}

fn main() -> ExitCode {
    ds01_command::main(run)
}

fn run(args: Args, ui: &mut Ui) -> Result<ExitStatus, Failure> {
    let host = open(ui)?;
    let names = containers(
        &host,
        ui,
        args.names,
        false,
        "Start which container?",
        |s| !s.is_up(),
    )?;
    ui.explain("its devices are taken again if nobody else has them; then as docker start does");
    Ok(ui.each(names, |name, ui| {
        let started = ask(&host, ui, &Start { name })?;
        if started.already {
            ui.note(format_args!("{} runs already", started.name));
        }
        Ok(())
    }))
}
