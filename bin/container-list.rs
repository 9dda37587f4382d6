//! `container-list`: its documentation is that of `Args`, which `container-list --info` and its manual page print.

use std::process::ExitCode;

use argh::{ArgsInfo, FromArgs};
use ds01_cli::{
    Command, Format, Ui,
    concepts::{self, Concept},
};
use ds01_command::{ask, open};
use ds01_core::failure::Failure;
use ds01_host::ops::{List, Listed};

/// List your running containers, or with --all the stopped ones too.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    example = "{command_name} --all",
    example = "{command_name} --format=simple | cut -f1",
    note = "The columns are NAME STATUS IMAGE GPU UPTIME. With --format=json, an array of objects with name, uid, login, id, state (created, running, paused, restarting, removing, exited or dead), image, project, slots, created (seconds since 1970), uptime, status (in the engine's words) and framework.",
    error_code(7, "--all-users is for admins")
)]
struct Args {
    /// include containers that do not run
    #[argh(switch, short = 'a')]
    all: bool,

    /// those of all users, for admins
    #[argh(switch)]
    all_users: bool,

    /// how to print them (default table)
    #[argh(option, default = "Format::Table", arg_name = "table|json|simple")]
    format: Format,
}

impl Command for Args {
    const CONCEPTS: &'static [Concept] = &[concepts::CONTAINER, concepts::STATES];
    const SEE_ALSO: &'static [&'static str] = &["container-create", "gpu-status"];
}

fn main() -> ExitCode {
    ds01_command::main(run)
}

fn run(args: Args, ui: &mut Ui) -> Result<(), Failure> {
    let host = open(ui)?;
    ui.explain("as docker ps does, for the containers that are yours");
    let list = List {
        stopped: true,
        all_users: args.all_users,
    };
    let mut containers = ask(&host, ui, &list)?;
    let count = containers.len();
    containers.retain(|container| args.all || container.state.is_up());
    let hidden = count - containers.len();
    if args.all_users {
        let rows: Vec<_> = containers
            .iter()
            .map(|container| {
                let [name, rest @ ..] = cells(container);
                let [status, image, gpu, uptime] = rest;
                [container.login.clone(), name, status, image, gpu, uptime]
            })
            .collect();
        let headings = ["USER", "NAME", "STATUS", "IMAGE", "GPU", "UPTIME"];
        ui.list(args.format, headings, &rows, &containers)?;
    } else {
        let rows: Vec<_> = containers.iter().map(cells).collect();
        let headings = ["NAME", "STATUS", "IMAGE", "GPU", "UPTIME"];
        ui.list(args.format, headings, &rows, &containers)?;
    }
    if hidden > 0 && args.format == Format::Table && ui.shows() && ui.interactive() {
        let all_users = if args.all_users { " --all-users" } else { "" };
        ui.note(format_args!(
            "{hidden} more not running: container-list --all{all_users}"
        ));
    }
    Ok(())
}

fn cells(container: &Listed) -> [String; 5] {
    let or_dash = |text: &str| {
        if text.is_empty() {
            "-".to_string()
        } else {
            text.to_string()
        }
    };
    [
        container.name.to_string(),
        container.state.to_string(),
        container.image.clone(),
        or_dash(&container.slots.join(" ")),
        or_dash(&container.uptime),
    ]
}
