//! `mlc-list`: its documentation is that of `Args`, which `mlc-list --info` and its manual page print.

use std::process::ExitCode;

use argh::{ArgsInfo, FromArgs};
use ds01_cli::{
    Command, Ui,
    concepts::{self, Concept},
};
use ds01_command::{
    ask,
    mlc::{bracketed, framed},
    open,
};
use ds01_core::failure::{Failure, Kind};
use ds01_host::ops::{List, Listed};

/// List your containers as AIME's MLC does, stopped ones too.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    example = "{command_name}",
    example = "{command_name} --all",
    note = "The columns are CONTAINER FRAMEWORK STATUS, and with --all CONTAINER USER STATUS. For scripts there is container-list --format=json."
)]
struct Args {
    /// those of all users, for admins; others see their own
    #[argh(switch, short = 'a')]
    all: bool,
}

impl Command for Args {
    const CONCEPTS: &'static [Concept] = &[concepts::CONTAINER, concepts::STATES];
    const SEE_ALSO: &'static [&'static str] = &["container-list", "mlc-create", "mlc-open"];
}

fn main() -> ExitCode {
    ds01_command::main(run)
}

fn run(args: Args, ui: &mut Ui) -> Result<(), Failure> {
    let host = open(ui)?;
    ui.explain("as docker ps -a does, for the containers that are yours");
    let mut list = |all_users| {
        let stopped = true;
        ask(&host, ui, &List { stopped, all_users })
    };
    let containers = match list(args.all) {
        Err(failure) if args.all && failure.kind == Kind::Forbidden => {
            let own = list(false)?;
            ui.note("these are yours: only admins see the containers of all users");
            own
        }
        listed => listed?,
    };
    let row = |container: &Listed| {
        let owner_or_framework = match args.all {
            true => &container.login,
            false => &container.framework,
        };
        let name = bracketed(&container.name);
        [name, owner_or_framework.clone(), container.status.clone()]
    };
    let rows: Vec<_> = containers.iter().map(row).collect();
    let second = if args.all { "USER" } else { "FRAMEWORK" };
    let headings = ["CONTAINER", second, "STATUS"];
    framed(ui, "Available ml-containers are:", headings, &rows)
}
