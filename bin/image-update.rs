//! `image-update`: its documentation is that of `Args`, which `image-update --info` and its manual page print.

use std::{path::PathBuf, process::ExitCode};

use argh::{ArgsInfo, FromArgs};
use ds01_cli::{
    Command, Ui,
    concepts::{self, Concept},
};
use ds01_command::{How, ImageUpdate, image_update, open};
use ds01_core::{
    edit::{Change, apt, wanted},
    failure::{Failure, Kind},
};

/// Change the packages of a project's image, and build it again. Without options a menu asks.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    example = "{command_name} thesis",
    example = "{command_name} thesis --add 'numpy>=1.26 einops' --apt ffmpeg",
    example = "{command_name} thesis --remove scipy",
    example = "{command_name} thesis --rebuild",
    note = "A package is changed in the file that lists it: requirements.txt, pyproject.toml or environment.yml, as far as the Dockerfile takes packages from there; comments, order and all other lines stay as they are. A Dockerfile that installs none of them gets a block between two comments, and is otherwise left alone.",
    note = "Packages are named as pip has them, with version, extras, address or marker; one with a marker is the last of its list. The options for packages can be given more than once; names without an option belong to the only one of them that is given: {command_name} thesis --add numpy einops.",
    note = "What pyproject.toml and environment.yml list, the Dockerfile repeats, and it begins from what base-image or framework of [tool.ds01] in pyproject.toml named when it was made. One that DS01 wrote and nobody edited is written anew before it is built, if they have changed; of one that was edited, if only in FROM, it is said what it lacks, and what to type.",
    note = "The image is built after every change, and with --rebuild or --no-cache in any case. If that fails or is interrupted, the image of before stays, and the change too. On a terminal it is then offered to make the project's container anew.",
    error_code(1, "the build failed, or you thought better of it"),
    error_code(3, "no such project or package, or it has no Dockerfile"),
    error_code(4, "a file cannot be changed without losing something"),
    error_code(8, "the engine cannot be reached"),
    error_code(130, "interrupted: the image of before stays")
)]
struct Args {
    /// the project
    #[argh(positional, arg_name = "project")]
    words: Vec<String>,

    /// packages for pip to install, with blanks between; in the place of what is listed of the same
    #[argh(option, arg_name = "packages")]
    add: Vec<String>,

    /// packages to take out of the lists again, pip's or Debian's
    #[argh(option, arg_name = "packages")]
    remove: Vec<String>,

    /// packages of Debian's to install, with blanks between
    #[argh(option, short = 's', arg_name = "packages")]
    apt: Vec<String>,

    /// file that lists more Python packages
    #[argh(option, short = 'r', arg_name = "path")]
    requirements: Option<PathBuf>,

    /// edit the Dockerfile, with VISUAL or EDITOR
    #[argh(switch)]
    edit: bool,

    /// build the image, even if nothing was changed here
    #[argh(switch)]
    rebuild: bool,

    /// build it, with every step taken anew
    #[argh(switch)]
    no_cache: bool,
}

impl Command for Args {
    const CONCEPTS: &'static [Concept] = &[concepts::IMAGE, concepts::WORKSPACE];
    const SEE_ALSO: &'static [&'static str] = &[
        "image-create",
        "project-launch",
        "container-retire",
        "image-list",
    ];
    const FILES: &'static [(&'static str, &'static str)] = &[
        (
            "~/workspace/<project>/Dockerfile",
            "what the image is built from, yours to edit",
        ),
        (
            "~/workspace/<project>/requirements.txt",
            "what pip installs into the image",
        ),
        (
            "~/.cache/ds01/<project>.build.log",
            "all that the last build printed",
        ),
    ];
}

fn main() -> ExitCode {
    ds01_command::main(run)
}

fn run(mut args: Args, ui: &mut Ui) -> Result<(), Failure> {
    let mut words = args.words.into_iter();
    let name = words.next().map(|name| name.parse()).transpose()?;
    let more: Vec<_> = words.collect();
    if let Some(first) = more.first() {
        let lists = [&mut args.add, &mut args.remove, &mut args.apt];
        let given = lists.into_iter().filter(|list| !list.is_empty());
        match given.collect::<Vec<_>>().as_mut_slice() {
            [list] => list.extend(more),
            _ => {
                let message = format!("unexpected argument {first:?}");
                let hint = "one project at a time; of several packages say what they are for: --add, --remove, --apt";
                return Err(Failure::new(Kind::Usage, message).with_hint(hint));
            }
        }
    }
    let mut change = Change::default();
    for list in &args.add {
        change.add.extend(wanted(list)?);
    }
    for list in &args.apt {
        change.apt.extend(apt(list)?);
    }
    // A version says nothing more: there is one of each name.
    let name_of = |word: &str| {
        word.split(['=', '<', '>', '!', '~', '[', ';'])
            .next()
            .map(String::from)
    };
    let remove = args.remove.iter().flat_map(|list| list.split_whitespace());
    change.remove = remove.filter_map(name_of).collect();
    let asked = ImageUpdate {
        name,
        change,
        requirements: args.requirements,
        edit: args.edit,
        rebuild: args.rebuild,
        how: How {
            no_cache: args.no_cache,
            ..How::default()
        },
    };
    let host = open(ui)?;
    image_update(&host, ui, &asked)
}
