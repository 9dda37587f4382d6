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

/// Show what you may use, and how much of it you do. The same is written to ~/.ds01-limits. For admins, with a login, what that user may, which is written nowhere.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    example = "{command_name}",
    example = "{command_name} --format=simple | cut -f2",
    example = "{command_name} bob",
    note = "The columns are LIMIT USED MAX; 'unlimited' stands for no limit, a dash for what is not counted.",
    note = "With --format=json: login, home, limits (every limit by its name, null for none, times in seconds as its _s says), held in 28ths of a GPU, slots, containers.",
    error_code(7, "the limits of others are for admins")
)]
struct Args {
    /// for admins: whose (default yours)
    #[argh(positional, arg_name = "login")]
    login: Option<String>,

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
    match &args.login {
        None => {
            ui.explain("the limits of your group are read, and your containers are counted");
        }
        Some(login) => ui.explain(format_args!(
            "the limits of {login}'s group are read, and their containers are counted"
        )),
    }
    let is_own = args.login.is_none();
    let status = ask(&host, ui, &MyLimits { login: args.login })?;
    let rows = limits::rows(&status);
    if is_own {
        limits::keep(ui, &status, &rows);
    }
    ui.list(args.format, limits::HEADINGS, &rows, &status)
}
