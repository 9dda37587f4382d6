//! `image-create`: its documentation is that of `Args`, which `image-create --info` and its manual page print.

use std::{collections::BTreeMap, path::PathBuf, process::ExitCode};

use argh::{ArgsInfo, FromArgs};
use ds01_cli::{
    Command, Ui,
    concepts::{self, Concept},
};
use ds01_command::{Base, How, ImageCreate, exclude_each_other, image_create, open};
use ds01_core::{
    catalogue::Wish,
    failure::{Failure, Kind},
    name::ContainerArg,
    project::Topic,
    sources::is_requirement,
};

/// Build the image of a project from its Dockerfile, which is made if there is none.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    example = "{command_name} thesis",
    example = "{command_name} thesis --framework=pytorch --type=cv",
    example = "{command_name} thesis -f jax -p 'numpy>=1.26 einops' --no-build",
    note = "A Dockerfile that is there is built as it is, once it has what the project's files say by now: see image-update. What would make another (-f, --image, -t, -p, -s, -r) asks first, or needs --force; the one of now is kept as Dockerfile.old.",
    note = "A framework is looked up in the host's catalogue: the newest image, or the newest of the version that you name, which the GPUs and the driver of this host support. Without either the image is what pyproject.toml says in [tool.ds01]; else the host's default; else the newest with PyTorch.",
    note = "Packages of --type, --packages and --requirements are added to requirements.txt, which the new Dockerfile installs; those that pyproject.toml and environment.yml list are installed too.",
    note = "The image is ds01-<uid>/<project>:latest. If the build fails or is interrupted, the one of before stays; what the build printed is in ~/.cache/ds01/<project>.build.log.",
    note = "A Dockerfile with ARG DS01_USER_ID, DS01_GROUP_ID or DS01_USERNAME is told who builds it.",
    error_code(1, "the build failed, or you thought better of it"),
    error_code(3, "no such project, or no image to begin from"),
    error_code(4, "there is a Dockerfile, and nobody agreed to another"),
    error_code(8, "the engine cannot be reached"),
    error_code(130, "interrupted: the image of before stays")
)]
struct Args {
    /// the project
    #[argh(positional, arg_name = "project")]
    name: Option<ContainerArg>,

    /// framework of the image that a new Dockerfile begins from: pytorch, tensorflow:2.20, jax, pytorch-cpu
    #[argh(option, short = 'f', arg_name = "framework")]
    framework: Option<Wish>,

    /// image that a new Dockerfile begins from
    #[argh(option, arg_name = "image")]
    image: Option<String>,

    /// what the project is about, which decides about packages
    #[argh(
        option,
        long = "type",
        short = 't',
        arg_name = "ml|cv|nlp|rl|llm|ts|audio|custom"
    )]
    topic: Option<Topic>,

    /// packages for pip to install, with blanks between
    #[argh(option, short = 'p', arg_name = "packages")]
    packages: Vec<String>,

    /// packages of Debian's to install, with blanks between
    #[argh(option, short = 's', arg_name = "packages")]
    system: Vec<String>,

    /// file that lists more Python packages
    #[argh(option, short = 'r', arg_name = "path")]
    requirements: Option<PathBuf>,

    /// take every step anew, whatever was built before
    #[argh(switch)]
    no_cache: bool,

    /// make the Dockerfile, and build nothing
    #[argh(switch)]
    no_build: bool,

    /// value of an ARG of the Dockerfile: NAME=value
    #[argh(option, arg_name = "argument")]
    build_arg: Vec<String>,

    /// write the Dockerfile anew, unasked
    #[argh(switch)]
    force: bool,
}

impl Command for Args {
    const CONCEPTS: &'static [Concept] = &[concepts::IMAGE, concepts::WORKSPACE];
    const SEE_ALSO: &'static [&'static str] = &[
        "project-init",
        "project-launch",
        "image-update",
        "image-list",
        "image-delete",
        "container-create",
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
            "~/workspace/<project>/.dockerignore",
            "what is not sent to the engine, in Docker's patterns",
        ),
        (
            "/etc/ds01/ml_images.repo",
            "the catalogue: framework, version, architecture and image, a line each",
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

fn run(args: Args, ui: &mut Ui) -> Result<(), Failure> {
    let base = match (args.image, args.framework) {
        (Some(_), Some(_)) => return Err(exclude_each_other("--image", "--framework")),
        (Some(image), None) => Some(Base::Image(image)),
        (None, Some(framework)) => Some(Base::Framework(framework)),
        (None, None) => None,
    };
    let asked = ImageCreate {
        name: args.name,
        base,
        topic: args.topic,
        packages: packages(&args.packages)?,
        apt: words(&args.system),
        requirements: args.requirements,
        build: !args.no_build,
        force: args.force,
        how: How {
            no_cache: args.no_cache,
            arguments: arguments(&args.build_arg)?,
        },
    };
    let host = open(ui)?;
    image_create(&host, ui, &asked)
}

fn words(lists: &[String]) -> Vec<String> {
    let words = lists.iter().flat_map(|list| list.split_whitespace());
    words.map(String::from).collect()
}

fn packages(lists: &[String]) -> Result<Vec<String>, Failure> {
    let words = words(lists);
    match words.iter().find(|word| !is_requirement(word)) {
        Some(odd) => Err(Failure::new(Kind::Usage, format!("{odd:?} is no package"))
            .with_hint("as pip has them: numpy>=1.26; what has blanks, in requirements.txt")),
        None => Ok(words),
    }
}

fn arguments(given: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let pair = |text: &String| {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        match text.contains('=') && !name.is_empty() && name.chars().all(is_name) {
            true => Ok((name.to_string(), value.to_string())),
            false => Err(
                Failure::new(Kind::Usage, format!("{text:?} is no value of an ARG"))
                    .with_hint("as docker has them: --build-arg NAME=value"),
            ),
        }
    };
    given.iter().map(pair).collect()
}
