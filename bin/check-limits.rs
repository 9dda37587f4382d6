//! `check-limits`: its documentation is that of `Args`, which `check-limits --info` and its manual page print.

use std::process::ExitCode;

use argh::{ArgsInfo, FromArgs};
use ds01_cli::{
    Command, Format, Ui,
    concepts::{self, Concept},
};
use ds01_command::{ask, limits, open};
use ds01_core::failure::Failure;
use ds01_host::ops::MyLimits;

/// Show what you may use, and how much of it you do. The same is written to ~/.ds01-limits.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    example = "{command_name}",
    example = "{command_name} --format=simple | cut -f2",
    note = "The columns are LIMIT USED MAX; 'unlimited' stands for no limit, a dash for what is not counted.",
    note = "With --format=json: login, home, limits (every limit by its name, null for none, times in seconds as its _s says), held in 28ths of a GPU, slots, containers."
)]
struct Args {
    /// how to print them (default table)
    #[argh(option, default = "Format::Table", arg_name = "table|json|simple")]
    format: Format,
}

impl Command for Args {
    const CONCEPTS: &'static [Concept] = &[concepts::LIMITS, concepts::GPU];
    const SEE_ALSO: &'static [&'static str] = &["gpu-status", "container-list"];
    const FILES: &'static [(&'static str, &'static str)] = &[(
        "~/.ds01-limits",
        "your limits as text, written anew each time",
    )];
}

fn main() -> ExitCode {
    ds01_command::main(run)
}

fn run(args: Args, ui: &mut Ui) -> Result<(), Failure> {
    let host = open(ui)?;
    ui.explain("the limits of your group are read, and your containers are counted");
    let status = ask(&host, ui, &MyLimits {})?;
    let rows = limits::rows(&status);
    limits::keep(ui, &status, &rows);
    ui.list(args.format, limits::HEADINGS, &rows, &status)
}
