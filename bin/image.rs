//! `image`: its documentation is that of `Args`, which `image --info` and its manual page print.

use std::{convert::Infallible, process::ExitCode};

use argh::{ArgsInfo, FromArgs};
use ds01_cli::{
    Command, Ui,
    concepts::{self, Concept},
    no_names,
};
use ds01_core::failure::Failure;

/// Build the images that containers are made from, change, see and delete them. What follows is the command.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    example = "{command_name} create thesis",
    example = "{command_name} update thesis --add einops",
    example = "{command_name} list",
    example = "{command_name} delete thesis"
)]
struct Args {
    /// what to do, and its arguments; without it a menu
    #[argh(positional, greedy, arg_name = "command")]
    words: Vec<String>,
}

impl Command for Args {
    const CONCEPTS: &'static [Concept] = &[concepts::IMAGE];
    const SEE_ALSO: &'static [&'static str] = &["container", "project"];
    const FAMILY: Option<&'static str> = Some("image");
}

fn main() -> ExitCode {
    ds01_cli::main(run, no_names)
}

fn run(args: Args, ui: &mut Ui) -> Result<Infallible, Failure> {
    ui.dispatch("image", args.words)
}
