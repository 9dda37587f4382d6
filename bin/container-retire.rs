//! `container-retire`: its documentation is that of `Args`, which `container-retire --info` and its manual page print.

use std::process::ExitCode;

use argh::{ArgsInfo, FromArgs};
use ds01_cli::{
    Command, ExitStatus, Ui,
    concepts::{self, Concept},
};
use ds01_command::{Retire, containers, exclude_each_other, open, retire};
use ds01_core::{failure::Failure, name::ContainerArg};

/// Stop and remove a container, and free its GPUs at once. Your workspace stays as it is.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    example = "{command_name} thesis",
    example = "{command_name} thesis --save-packages",
    example = "{command_name} exp-1 exp-2 --force",
    note = "What is lost are files outside /workspace. Packages that were installed by hand can be saved: as pinned lines at the end of requirements.txt in the workspace, but for those that it names already; what only conda knows becomes a comment there.",
    note = "On a terminal it asks first, and offers to save packages and to remove the project's own image. Elsewhere, and with --force, it does what the options say.",
    error_code(1, "it failed, or you thought better of it"),
    error_code(3, "you have no such container"),
    error_code(7, "packages are saved by the owner of a container alone")
)]
struct Args {
    /// the containers
    #[argh(positional, arg_name = "container")]
    names: Vec<ContainerArg>,

    /// do not ask, and offer nothing
    #[argh(switch, short = 'f')]
    force: bool,

    /// do not offer to remove the image
    #[argh(switch)]
    keep_image: bool,

    /// remove the project's image too, unasked, if nothing else uses it
    #[argh(switch, short = 'i')]
    images: bool,

    /// save packages that were installed by hand, unasked
    #[argh(switch)]
    save_packages: bool,

    /// say what would be done, and do nothing
    #[argh(switch)]
    dry_run: bool,
}

impl Command for Args {
    const CONCEPTS: &'static [Concept] =
        &[concepts::CONTAINER, concepts::WORKSPACE, concepts::STATES];
    const SEE_ALSO: &'static [&'static str] = &[
        "container-deploy",
        "project-launch",
        "container-stop",
        "container-remove",
    ];
    const FILES: &'static [(&'static str, &'static str)] = &[(
        "~/workspace/<project>/requirements.txt",
        "where packages are saved",
    )];
}

fn main() -> ExitCode {
    ds01_command::main(run)
}

fn run(args: Args, ui: &mut Ui) -> Result<ExitStatus, Failure> {
    if args.keep_image && args.images {
        return Err(exclude_each_other("--keep-image", "--images"));
    }
    let host = open(ui)?;
    let prompt = "Retire which container?";
    let names = containers(&host, ui, args.names, false, prompt, |_| true)?;
    let how = Retire {
        force: args.force,
        keep_image: args.keep_image,
        images: args.images,
        save_packages: args.save_packages,
        dry_run: args.dry_run,
    };
    retire(&host, ui, names, how)
}
