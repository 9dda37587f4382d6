//! `ds01-adopt`: its documentation is that of `Args`, which `ds01-adopt --info` and its manual page print.

use std::{path::PathBuf, process::ExitCode};

use argh::{ArgsInfo, FromArgs};
use ds01_cli::{
    Command, ExitStatus, Format, Ui,
    concepts::{self, Concept},
    human,
};
use ds01_command::ask;
use ds01_core::failure::Failure;
use ds01_host::{
    Host,
    ops::{Adopt, Adopted},
    original,
};

/// Take over a host from the original DS01 or AIME's MLC: their containers become DS01's, without a stop. For root.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    example = "{command_name} --dry-run",
    example = "{command_name}",
    example = "{command_name} --undo thesis._.1001",
    note = "The columns are CONTAINER OWNER FROM STATE GPU RESULT. The owner is the one whose uid ends the name: look whether that is so, as labels and names are whatever somebody wrote. From then on the container counts against their limits.",
    note = "A container that has all GPUs of the host, or names them by number, is not adopted: the number can be another GPU's after a reboot. It keeps what it has until it is removed; then let its owner make it anew with container-create.",
    note = "One that is privileged, has capabilities, devices or namespaces of the host, or has folders of the host and does not run as its owner, is left alone as well: whoever starts it can become root. --as-is adopts it all the same, which changes nothing for users who were in the docker group.",
    note = "What runs with a GPU is stopped when it idles or has run too long, whether it is adopted or left alone: when, is said of each, by the owner's group or, of one left alone, by container_types. Its run counts from when ds01-runtime first sees it, not from its start: nothing is stopped for what it did before. ds01-idle --dry-run and ds01-runtime --dry-run show what they would do now. One left alone that root has made with --label ds01.protected=true is never stopped.",
    note = "Then it says what is left of the original system, and what to type to remove it. Nothing of that is removed here. --undo makes what was adopted nobody's again; it keeps its GPUs.",
    note = "With --format=json: name, origin (original or mlc), login, state, slots, unfit: why it is left alone, or null; idle_limit_s and run_limit_s: when it is stopped, or null for never.",
    error_code(1, "some were not adopted"),
    error_code(3, "there is no such container"),
    error_code(7, "you are not root")
)]
struct Args {
    /// the containers, as docker or their owners name them (default: all that are found)
    #[argh(positional, arg_name = "container")]
    names: Vec<String>,

    /// only say what would be done
    #[argh(switch)]
    dry_run: bool,

    /// those too that could make their owner root on the host, as the original and MLC make them
    #[argh(switch)]
    as_is: bool,

    /// give back what was adopted
    #[argh(switch)]
    undo: bool,

    /// the configuration of this host (default: /etc/ds01/ds01.toml)
    #[argh(option, arg_name = "path")]
    config: Option<PathBuf>,

    /// how to print them (default table)
    #[argh(option, default = "Format::Table", arg_name = "table|json|simple")]
    format: Format,
}

impl Command for Args {
    const CONCEPTS: &'static [Concept] = &[concepts::HOST, concepts::GPU];
    const SEE_ALSO: &'static [&'static str] = &["ds01-doctor", "ds01-takeover", "gpu-status"];
    const FILES: &'static [(&'static str, &'static str)] = &[(
        "/var/lib/ds01/container-metadata",
        "whose each container is",
    )];
}

fn main() -> ExitCode {
    ds01_command::main(run)
}

fn run(args: Args, ui: &mut Ui) -> Result<ExitStatus, Failure> {
    let host = Host::of_service(args.config.as_deref(), ui.name(), args.dry_run)?;
    let (dry_run, undo) = (args.dry_run, args.undo);
    ui.explain("each container is looked at: its name, its labels, its folders, its GPUs");
    let adopt = Adopt {
        names: args.names,
        dry_run,
        as_is: args.as_is,
        undo,
    };
    let found = ask(&host, ui, &adopt)?;
    let result = match (undo, dry_run) {
        (false, true) => "would be adopted",
        (false, false) => "adopted",
        (true, true) => "would be given back",
        (true, false) => "given back",
    };
    let rows: Vec<_> = found.iter().map(|one| row(one, result)).collect();
    let headings = ["CONTAINER", "OWNER", "FROM", "STATE", "GPU", "RESULT"];
    ui.list(args.format, headings, &rows, &found)?;
    if !undo {
        for stopped in found.iter().filter_map(stopped) {
            ui.note(stopped);
        }
        for left in original::left() {
            ui.note(format_args!("{}: {}", left.what, left.fix));
        }
    }
    let all = found.iter().all(|one| one.unfit.is_none());
    Ok(ExitStatus(u8::from(!all)))
}

/// When one is stopped.
fn stopped(one: &Adopted) -> Option<String> {
    let idle = one.idle_limit.map(|idle| {
        let idle = human::duration(idle);
        format!("it has idled for {idle}")
    });
    let run = one.run_limit.map(|run| {
        let run = human::duration(run);
        format!("it has run for {run} since ds01-runtime first saw it")
    });
    let when: Vec<_> = idle.into_iter().chain(run).collect();
    let when = when.join(", or ");
    (!when.is_empty()).then(|| format!("{} is stopped when {when}", one.name))
}

fn row(one: &Adopted, result: &str) -> [String; 6] {
    let or_dash = |text: &str| if text.is_empty() { "-" } else { text }.to_string();
    [
        one.name.clone(),
        or_dash(one.login.as_deref().unwrap_or_default()),
        one.origin.to_string(),
        one.state.to_string(),
        or_dash(&one.slots),
        match &one.unfit {
            None => result.to_string(),
            Some(why) => format!("left alone: {why}"),
        },
    ]
}
