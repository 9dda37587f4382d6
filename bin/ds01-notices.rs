//! `ds01-notices`: its documentation is that of `Args`, which `ds01-notices --info` and its manual page print.

use std::{
    io::{self, IsTerminal},
    process::ExitCode,
};

use argh::{ArgsInfo, FromArgs};
use ds01_cli::{
    Command, Ui,
    concepts::{self, Concept},
    human,
};
use ds01_command::{ask, limits, open};
use ds01_core::failure::Failure;
use ds01_host::{
    Host, clock,
    ops::{MyLimits, TakeNotices},
};

/// Read what you were told while you were away: warnings about your containers, and turns in the waiting line.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    example = "{command_name}",
    note = "Each notice is shown once, oldest first. They were also written to your terminals, and to .ds01-alerts in the workspace of the container that they are about.",
    error_code(8, "what is kept for you cannot be read")
)]
struct Args {
    /// for login scripts: first what of your limits is in use, as ~/.ds01-limits has it then; not a word without a terminal
    #[argh(switch)]
    login: bool,
}

impl Command for Args {
    const CONCEPTS: &'static [Concept] = &[concepts::LIMITS];
    const SEE_ALSO: &'static [&'static str] = &["check-limits", "container-list"];
    const FILES: &'static [(&'static str, &'static str)] = &[(
        "~/.ds01-limits",
        "your limits as text, written anew at each login",
    )];
}

fn main() -> ExitCode {
    ds01_command::main(run)
}

fn run(args: Args, ui: &mut Ui) -> Result<(), Failure> {
    if args.login && !(ui.interactive() && io::stdout().is_terminal()) {
        return Ok(());
    }
    let host = open(ui)?;
    if args.login {
        // Without it there may still be something to read.
        if let Err(failure) = greet(&host, ui) {
            ui.failure(&failure);
        }
    }
    let notices = ask(&host, ui, &TakeNotices {})?;
    if notices.is_empty() && !args.login {
        ui.note("nothing new");
    }
    let now = clock::now();
    for notice in notices {
        let ago = human::duration(now.since(notice.at));
        ui.line(format_args!("{ago} ago: {}", notice.text))?;
    }
    Ok(())
}

fn greet(host: &Host, ui: &mut Ui) -> Result<(), Failure> {
    let status = ask(host, ui, &MyLimits::default())?;
    limits::keep(ui, &status, &limits::rows(&status));
    ui.line(limits::greeting(&status))
}
