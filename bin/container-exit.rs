//! `container-exit`: its documentation is that of `Args`, which `container-exit --info` and its manual page print.

use std::process::ExitCode;

use argh::{ArgsInfo, FromArgs};
use ds01_cli::{
    Command, Ui,
    concepts::{self, Concept},
    no_names,
};
use ds01_core::failure::Failure;

/// Leave the shell of a container, when typed inside it. Outside, as here, it explains what leaving means.
#[derive(FromArgs, ArgsInfo)]
#[argh(example = "{command_name}")]
struct Args {}

impl Command for Args {
    const CONCEPTS: &'static [Concept] = &[concepts::CONTAINER, concepts::STATES];
    const SEE_ALSO: &'static [&'static str] = &["container-attach", "container-stop"];
}

fn main() -> ExitCode {
    ds01_cli::main(run, no_names)
}

fn run(_: Args, ui: &mut Ui) -> Result<(), Failure> {
    for line in [
        "You are not inside a container.",
        "",
        "To leave a container's shell, type there: exit, container-exit, or Ctrl-D.",
        "The container runs on, and keeps its GPU. To come back: container-attach <name>",
        "",
        "To end its processes, its GPU kept a while: container-stop <name>",
        "To remove it, and free its GPU at once:     container-retire <name>",
        "Files in /workspace stay in every case.",
    ] {
        ui.line(line)?;
    }
    Ok(())
}
