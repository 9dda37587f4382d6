//! `image-list`: its documentation is that of `Args`, which `image-list --info` and its manual page print.

use std::process::ExitCode;

use argh::{ArgsInfo, FromArgs};
use ds01_cli::{
    Command, Format, Ui,
    concepts::{self, Concept},
    human,
};
use ds01_command::{ask, open};
use ds01_core::failure::Failure;
use ds01_host::{
    clock,
    ops::{ImageListed, Images},
};

/// List your images, or with --all those that everybody can use too.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    example = "{command_name} --all",
    example = "{command_name} --format=simple | cut -f1",
    note = "The columns are REPOSITORY TAG SIZE CREATED; an image with two names has two lines. The size counts layers that images share in each of them.",
    note = "With --format=json, an array of objects with repository, tag, id, size_bytes, created (seconds since 1970) and shared."
)]
struct Args {
    /// include those that everybody can use
    #[argh(switch, short = 'a')]
    all: bool,

    /// how to print them (default table)
    #[argh(option, default = "Format::Table", arg_name = "table|json|simple")]
    format: Format,
}

impl Command for Args {
    const CONCEPTS: &'static [Concept] = &[concepts::IMAGE];
    const SEE_ALSO: &'static [&'static str] = &["image-delete", "container-create"];
}

fn main() -> ExitCode {
    ds01_command::main(run)
}

fn run(args: Args, ui: &mut Ui) -> Result<(), Failure> {
    let host = open(ui)?;
    ui.explain("as docker images does, for the images that are yours");
    let images = ask(&host, ui, &Images { shared: args.all })?;
    let rows: Vec<_> = images.iter().map(cells).collect();
    let headings = ["REPOSITORY", "TAG", "SIZE", "CREATED"];
    ui.list(args.format, headings, &rows, &images)
}

fn cells(image: &ImageListed) -> [String; 4] {
    let age = clock::now().since(image.created);
    [
        image.repository.clone(),
        image.tag.clone(),
        human::bytes(image.size_bytes),
        format!("{} ago", human::duration(age)),
    ]
}
