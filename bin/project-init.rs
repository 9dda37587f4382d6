//! `project-init`: its documentation is that of `Args`, which `project-init --info` and its manual page print.

use std::process::ExitCode;

use argh::{ArgsInfo, FromArgs};
use ds01_cli::{
    Command, Ui,
    concepts::{self, Concept},
};
use ds01_command::{Init, init, open, own};
use ds01_core::{failure::Failure, name::ContainerArg, project::Topic};

/// Make a new project: a folder in ~/workspace with all that an image is built from.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    example = "{command_name}",
    example = "{command_name} my-thesis --type=cv --quick",
    example = "{command_name} old-code --force --devcontainer",
    note = "On a terminal it asks for what is not given. Elsewhere, or with --quick, the name is needed and all else has a default.",
    note = "A file that exists is never changed. A folder that has files is only added to, if you say so or give --force; its pyproject.toml, requirements.txt and environment.yml then say what the new Dockerfile installs.",
    note = "The image begins from the one that --image names; else base-image of [tool.ds01] in pyproject.toml; else the newest of the host's catalogue with its framework that the GPUs and the driver support; where it has neither, from the host's default, or the newest with PyTorch. If there is none, no Dockerfile is made.",
    note = "[tool.ds01] has framework, base-image, apt (a list of Debian's packages), groups (those of [project.optional-dependencies] to install) and gpus (what project-launch gives the container).",
    error_code(1, "a file could not be made, or you thought better of it"),
    error_code(2, "a name or a file cannot be understood"),
    error_code(4, "the folder has files, and nobody agreed to more"),
    error_code(130, "interrupted: nothing was made")
)]
struct Args {
    /// name of the project
    #[argh(positional, arg_name = "name")]
    name: Option<ContainerArg>,

    /// what it is about, which decides about its first packages (default ml)
    #[argh(
        option,
        long = "type",
        short = 't',
        arg_name = "ml|cv|nlp|rl|llm|ts|audio|custom"
    )]
    topic: Option<Topic>,

    /// image to begin from
    #[argh(option, arg_name = "image")]
    image: Option<String>,

    /// ask nothing
    #[argh(switch)]
    quick: bool,

    /// only the folder, a README and pyproject.toml
    #[argh(switch)]
    blank: bool,

    /// no git repository
    #[argh(switch)]
    no_git: bool,

    /// a .devcontainer for editors too
    #[argh(switch)]
    devcontainer: bool,

    /// add what is missing to a folder that has files, unasked
    #[argh(switch, short = 'f')]
    force: bool,
}

impl Command for Args {
    const CONCEPTS: &'static [Concept] = &[concepts::WORKSPACE, concepts::IMAGE];
    const SEE_ALSO: &'static [&'static str] = &["project-launch", "image-list", "user-setup"];
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
            "~/workspace/<project>/pyproject.toml",
            "the project's name, and [tool.ds01]",
        ),
        (
            "/etc/ds01/ml_images.repo",
            "the catalogue: framework, version, architecture and image, a line each",
        ),
    ];
}

fn main() -> ExitCode {
    ds01_command::main(run)
}

fn run(args: Args, ui: &mut Ui) -> Result<(), Failure> {
    let host = open(ui)?;
    let name = args.name.map(|name| own(&host, ui, name)).transpose()?;
    let asked = Init {
        name,
        topic: args.topic,
        image: args.image,
        quick: args.quick,
        blank: args.blank,
        no_git: args.no_git,
        devcontainer: args.devcontainer,
        force: args.force,
    };
    init(&host, ui, asked).map(drop)
}
