//! `mlc-remove`: its documentation is that of `Args`, which `mlc-remove --info` and its manual page print.

use std::process::ExitCode;

use argh::{ArgsInfo, FromArgs};
use ds01_cli::{
    Command, Ui,
    concepts::{self, Concept},
};
use ds01_command::{ask, container, mlc::bracketed, open};
use ds01_core::{
    failure::{Failure, Kind},
    name::ContainerArg,
};
use ds01_host::ops::Remove;

/// Remove a container that does not run, as AIME's MLC does. Its GPUs are free at once; your workspace stays.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    example = "{command_name} my-container",
    example = "{command_name} my-container -Y",
    note = "An image that was made for this container alone goes with it. What is lost are files outside /workspace.",
    error_code(1, "it failed, or you thought better of it"),
    error_code(3, "you have no such container"),
    error_code(4, "it runs")
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
    const CONCEPTS: &'static [Concept] =
        &[concepts::CONTAINER, concepts::WORKSPACE, concepts::STATES];
    const SEE_ALSO: &'static [&'static str] = &["container-remove", "mlc-stop", "mlc-create"];
}

fn main() -> ExitCode {
    ds01_command::main(run)
}

fn run(args: Args, ui: &mut Ui) -> Result<(), Failure> {
    let host = open(ui)?;
    let name = container(&host, ui, args.name, "Remove which container?", |state| {
        !state.is_up()
    })?;
    let removal = |dry_run| Remove {
        name: name.clone(),
        stop_seconds: None,
        volumes: false,
        image: false,
        dry_run,
    };
    if ui.interactive() && !args.yes && !args.force {
        // Nobody is asked about what would be refused.
        ask(&host, ui, &removal(true))?;
        if !ui.confirm(&format!("Remove {name}? The workspace stays."))? {
            return Err(Failure::new(Kind::Failed, "nothing was removed"));
        }
    }
    ui.explain("as docker rm does; then the ledger gives its devices to whoever asks next");
    let removed = ask(&host, ui, &removal(false))?;
    ui.line(format_args!(
        "{} container removed",
        bracketed(&removed.name)
    ))
}
