//! `mlc-stop`: its documentation is that of `Args`, which `mlc-stop --info` and its manual page print.

use std::process::ExitCode;

use argh::{ArgsInfo, FromArgs};
use ds01_cli::{
    Command, Ui,
    concepts::{self, Concept},
};
use ds01_command::{ask, container, mlc::bracketed, open, show};
use ds01_core::{
    container::State,
    failure::{Failure, Kind},
    name::ContainerArg,
};
use ds01_host::ops::Stop;

/// Seconds between SIGTERM and SIGKILL.
const GRACE: u32 = 10;

/// End the processes of a running container, as AIME's MLC does. For a while it keeps its GPUs.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    example = "{command_name} my-container",
    example = "{command_name} my-container -Y",
    error_code(1, "it failed, or you thought better of it"),
    error_code(3, "you have no such container"),
    error_code(4, "it was never started")
)]
struct Args {
    /// the container
    #[argh(positional, arg_name = "container")]
    name: Option<ContainerArg>,

    /// do not ask
    #[argh(switch, short = 'Y')]
    yes: bool,

    /// the same
    #[argh(switch, short = 'f')]
    force: bool,
}

impl Command for Args {
    const CONCEPTS: &'static [Concept] = &[concepts::CONTAINER, concepts::STATES];
    const SEE_ALSO: &'static [&'static str] = &["container-stop", "mlc-start", "mlc-remove"];
}

fn main() -> ExitCode {
    ds01_command::main(run)
}

fn run(args: Args, ui: &mut Ui) -> Result<(), Failure> {
    let host = open(ui)?;
    let name = container(&host, ui, args.name, "Stop which container?", State::is_up)?;
    let asks = ui.interactive() && !args.yes && !args.force;
    if asks && show(&host, ui, &name)?.state.is_up() && !ui.confirm("Stop it?")? {
        return Err(Failure::new(Kind::Failed, "nothing was stopped"));
    }
    ui.explain("as docker stop does: SIGTERM, and SIGKILL to what is left after 10 seconds");
    let stop = Stop {
        name,
        grace_seconds: GRACE,
        kill: false,
    };
    let stopped = ask(&host, ui, &stop)?;
    let name = bracketed(&stopped.name);
    match stopped.already {
        true => ui.line(format_args!("{name} container not running")),
        false => ui.line(format_args!("{name} container stopped")),
    }
}
