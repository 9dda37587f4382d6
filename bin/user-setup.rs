//! `user-setup`: its documentation is that of `Args`, which `user-setup --info` and its manual page print.

use std::process::ExitCode;

use argh::{ArgsInfo, FromArgs};
use ds01_cli::{
    Command, Ui,
    concepts::{self, Concept},
};
use ds01_command::{Setup, exclude_each_other, open, setup};
use ds01_core::{failure::Failure, name::ContainerName};

/// Set yourself up on this host: your limits, an SSH key, a first project, your editor.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    example = "{command_name}",
    example = "{command_name} --no-key --no-project",
    example = "{command_name} --key --project=my-thesis",
    note = "Each step can be skipped, and all of it be run again: what is there already is said, and never changed.",
    note = "Elsewhere than on a terminal nothing is asked: --key or --no-key, and --project or --no-project, must be given. A key that is made there has no passphrase.",
    error_code(1, "a step failed"),
    error_code(2, "without a terminal, a step is not answered"),
    error_code(8, "the engine or the ledger cannot be reached")
)]
struct Args {
    /// make an SSH key if there is none, unasked
    #[argh(switch)]
    key: bool,

    /// make no SSH key
    #[argh(switch)]
    no_key: bool,

    /// make this project, unless it exists
    #[argh(option, arg_name = "project")]
    project: Option<ContainerName>,

    /// make no project
    #[argh(switch)]
    no_project: bool,
}

impl Command for Args {
    const CONCEPTS: &'static [Concept] = &[
        concepts::CONTAINER,
        concepts::WORKSPACE,
        concepts::LIMITS,
        concepts::GPU,
    ];
    const SEE_ALSO: &'static [&'static str] = &["project-init", "project-launch", "check-limits"];
    const FILES: &'static [(&'static str, &'static str)] = &[
        (
            "~/.ds01-limits",
            "your limits as text, as check-limits writes them",
        ),
        ("~/.ssh/id_ed25519", "the SSH key, if it makes one"),
        ("~/workspace/<project>", "the first project"),
    ];
}

fn main() -> ExitCode {
    ds01_command::main(run)
}

fn run(args: Args, ui: &mut Ui) -> Result<(), Failure> {
    let key = match (args.key, args.no_key) {
        (true, true) => return Err(exclude_each_other("--key", "--no-key")),
        (false, false) => None,
        (key, _) => Some(key),
    };
    let project = match (args.project, args.no_project) {
        (Some(_), true) => return Err(exclude_each_other("--project", "--no-project")),
        (None, false) => None,
        (project, _) => Some(project),
    };
    let answers = Setup { key, project };
    answers.may_run(ui)?;
    let host = open(ui)?;
    setup(&host, ui, answers)
}
