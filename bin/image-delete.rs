//! `image-delete`: its documentation is that of `Args`, which `image-delete --info` and its manual page print.

use std::process::ExitCode;

use argh::{ArgsInfo, FromArgs};
use ds01_cli::{
    Command, ExitStatus, Ui,
    concepts::{self, Concept},
    human,
};
use ds01_command::{ask, open};
use ds01_core::failure::{Failure, Kind};
use ds01_host::ops::{DeleteImage, Images};

/// Delete images of yours. The Dockerfile stays, so that they can be built again.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    example = "{command_name} thesis",
    example = "{command_name} thesis:old --force",
    note = "An image with several tags stays until its last is deleted: one of them can go while a container runs from it.",
    error_code(1, "it failed, or you thought better of it"),
    error_code(3, "you have no such image"),
    error_code(4, "a container uses it")
)]
struct Args {
    /// the images: a project's name, with a tag or without
    #[argh(positional, arg_name = "own-image")]
    names: Vec<String>,

    /// do not ask
    #[argh(switch, short = 'f')]
    force: bool,

    /// all of your images
    #[argh(switch, short = 'a')]
    all: bool,
}

impl Command for Args {
    const CONCEPTS: &'static [Concept] = &[concepts::IMAGE, concepts::WORKSPACE];
    const SEE_ALSO: &'static [&'static str] = &["image-list", "container-remove"];
}

fn main() -> ExitCode {
    ds01_command::main(run)
}

fn run(args: Args, ui: &mut Ui) -> Result<ExitStatus, Failure> {
    let ask_first = !args.force && (args.all || ui.interactive());
    if ask_first {
        ui.may_confirm()?;
    }
    if args.all && !args.names.is_empty() {
        let message = "a name and --all exclude each other";
        return Err(Failure::new(Kind::Usage, message).with_hint("see image-delete --help"));
    }
    if args.names.is_empty() && !args.all {
        ui.may_ask("image")?;
    }
    let host = open(ui)?;
    let mut names = args.names;
    if names.is_empty() {
        let images = ask(&host, ui, &Images { shared: false })?;
        names = images.iter().map(|image| image.name()).collect();
        if names.is_empty() {
            return Err(Failure::new(Kind::NotFound, "you have no image"));
        }
        if !args.all {
            let rows: Vec<_> = images
                .iter()
                .map(|image| [image.name(), human::bytes(image.size_bytes)])
                .collect();
            names = vec![names.swap_remove(ui.choose("Delete which image?", &rows)?)];
        }
    }
    // What cannot be is said before anybody agrees to it.
    let may = |name: &String, ui: &mut Ui| {
        let name = name.clone();
        let dry_run = true;
        ask(&host, ui, &DeleteImage { name, dry_run }).map(drop)
    };
    if ask_first {
        let mut fits = Vec::new();
        let mut refused = None;
        for name in &names {
            match may(name, ui) {
                Ok(()) => fits.push(name.clone()),
                Err(failure) => refused = refused.or(Some(failure)),
            }
        }
        if let (true, Some(failure)) = (fits.is_empty(), refused) {
            return Err(failure);
        }
        let question = match fits.as_slice() {
            [one] => format!("Delete image {one}?"),
            many => format!("Delete these images: {}?", many.join(", ")),
        };
        if !ui.confirm(&question)? {
            return Err(Failure::new(Kind::Failed, "nothing was deleted"));
        }
    }
    ui.explain("as docker rmi does, without removing the project's files");
    Ok(ui.each(names, |name, ui| {
        let dry_run = false;
        let deleted = ask(&host, ui, &DeleteImage { name, dry_run })?;
        ui.note(format_args!("{deleted} is deleted"));
        Ok(())
    }))
}
