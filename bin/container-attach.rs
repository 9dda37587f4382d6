//! `container-attach`: its documentation is that of `Args`, which `container-attach --info` and its manual page print.

use std::process::ExitCode;

use argh::{ArgsInfo, FromArgs};
use ds01_cli::{
    Command, ExitStatus, Ui,
    concepts::{self, Concept},
};
use ds01_command::{attach, container, open};
use ds01_core::{container::State, failure::Failure, name::ContainerArg};

/// Open a shell in a running container. From a pipe or a heredoc, the shell reads its commands from there.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    example = "{command_name} thesis",
    example = "echo 'python train.py' | {command_name} thesis",
    note = "The exit status is the shell's own. The container runs on when you leave the shell.",
    error_code(3, "you have no such container"),
    error_code(4, "it does not run")
)]
struct Args {
    /// the container
    #[argh(positional, arg_name = "container")]
    name: Option<ContainerArg>,
}

impl Command for Args {
    const CONCEPTS: &'static [Concept] = &[concepts::CONTAINER, concepts::STATES];
    const SEE_ALSO: &'static [&'static str] =
        &["container-run", "container-start", "container-exit"];
}

fn main() -> ExitCode {
    ds01_command::main(run)
}

fn run(args: Args, ui: &mut Ui) -> Result<ExitStatus, Failure> {
    let host = open(ui)?;
    let running = |state| state == State::Running;
    let name = container(&host, ui, args.name, "Attach to which container?", running)?;
    ui.explain("a shell is opened, as docker exec -it does; exit or Ctrl-D leaves it");
    attach(&host, ui, &name)
}
