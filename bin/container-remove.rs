//! `container-remove`: its documentation is that of `Args`, which `container-remove --info` and its manual page print.

use std::process::ExitCode;

use argh::{ArgsInfo, FromArgs};
use ds01_cli::{
    Command, ExitStatus, Ui,
    concepts::{self, Concept},
};
use ds01_command::{ask, containers, open};
use ds01_core::{
    failure::{Failure, Kind},
    line::gpu_is,
    name::ContainerArg,
};
use ds01_host::ops::Remove;

/// Remove a container and free its GPUs at once. Your workspace stays as it is.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    example = "{command_name} thesis",
    example = "{command_name} thesis --stop",
    example = "{command_name} exp-1 exp-2 exp-3",
    note = "What is lost are files outside /workspace: packages installed by hand, and whatever is in /tmp or the home inside.",
    error_code(1, "it failed, or you thought better of it"),
    error_code(3, "you have no such container"),
    error_code(4, "it runs, and --stop was not given")
)]
struct Args {
    /// the containers
    #[argh(positional, arg_name = "container")]
    names: Vec<ContainerArg>,

    /// stop it first if it runs
    #[argh(switch)]
    stop: bool,

    /// do not ask
    #[argh(switch, short = 'f')]
    force: bool,

    /// all of your containers that do not run; with --stop, all
    #[argh(switch, short = 'a')]
    all: bool,

    /// the project's image too, if nothing else uses it
    #[argh(switch, short = 'i')]
    images: bool,

    /// its anonymous volumes too
    #[argh(switch, short = 'v')]
    volumes: bool,

    /// say what would be removed, and remove nothing
    #[argh(switch)]
    dry_run: bool,
}

impl Command for Args {
    const CONCEPTS: &'static [Concept] =
        &[concepts::CONTAINER, concepts::WORKSPACE, concepts::STATES];
    const SEE_ALSO: &'static [&'static str] = &["container-stop", "container-create"];
}

fn main() -> ExitCode {
    ds01_command::main(run)
}

fn run(args: Args, ui: &mut Ui) -> Result<ExitStatus, Failure> {
    let ask_first = !args.force && !args.dry_run && (args.all || ui.interactive());
    if ask_first {
        ui.may_confirm()?;
    }
    let host = open(ui)?;
    let names = containers(
        &host,
        ui,
        args.names,
        args.all,
        "Remove which container?",
        |state| args.stop || !state.is_up(),
    )?;
    let removal = |name, dry_run| Remove {
        name,
        stop_seconds: args.stop.then_some(10),
        volumes: args.volumes,
        image: args.images,
        dry_run,
    };
    if ask_first && !names.is_empty() {
        // Nobody is asked about what would be refused.
        for name in &names {
            ask(&host, ui, &removal(name.clone(), true))?;
        }
        let list: Vec<_> = names.iter().map(ToString::to_string).collect();
        if !ui.confirm(&format!("Remove {}? The workspace stays.", list.join(", ")))? {
            return Err(Failure::new(Kind::Failed, "nothing was removed"));
        }
    }
    ui.explain("as docker rm does; then the ledger gives its devices to whoever asks next");
    Ok(ui.each(names, |name, ui| {
        let removed = ask(&host, ui, &removal(name, args.dry_run))?;
        if args.dry_run {
            return ui.line(format_args!("{} would be removed", removed.name));
        }
        match removed.slots.as_str() {
            "" => ui.note(format_args!("{} removed", removed.name)),
            slots => ui.note(format_args!(
                "{} removed, {} free",
                removed.name,
                gpu_is(slots)
            )),
        }
        if let Some(image) = removed.image {
            ui.note(format_args!("image {image} removed"));
        }
        Ok(())
    }))
}
