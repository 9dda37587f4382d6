//! `gpu`: its documentation is that of `Args`, which `gpu --info` and its manual page print.

use std::{convert::Infallible, process::ExitCode};

use argh::{ArgsInfo, FromArgs};
use ds01_cli::{
    Command, Ui,
    concepts::{self, Concept},
    no_names,
};
use ds01_core::failure::Failure;

/// See the GPUs of this host, and wait for one. What follows is the command.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    example = "{command_name} status",
    example = "{command_name} queue join"
)]
struct Args {
    /// what to do, and its arguments; without it a menu
    #[argh(positional, greedy, arg_name = "command")]
    words: Vec<String>,
}

impl Command for Args {
    const CONCEPTS: &'static [Concept] = &[concepts::GPU];
    const SEE_ALSO: &'static [&'static str] = &["container", "check-limits"];
    const FAMILY: Option<&'static str> = Some("gpu");
}

fn main() -> ExitCode {
    ds01_cli::main(run, no_names)
}

fn run(args: Args, ui: &mut Ui) -> Result<Infallible, Failure> {
    ui.dispatch("gpu", args.words)
}
