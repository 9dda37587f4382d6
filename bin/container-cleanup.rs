//! `container-cleanup`: its documentation is that of `Args`, which `container-cleanup --info` and its manual page print.

use std::{path::PathBuf, process::ExitCode};

use argh::{ArgsInfo, FromArgs};
use ds01_cli::{
    Command, ExitStatus, Ui,
    concepts::{self, Concept},
    human,
};
use ds01_command::{ask, open};
use ds01_core::{
    container::State,
    failure::{Failure, Kind},
    line::gpu_is,
    time::Age,
};
use ds01_host::{
    Caller, Host, clock,
    ops::{Discard, Leftover, Leftovers, Sweep},
};

/// Remove your stopped containers. Their sizes are shown first; your workspaces stay.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    example = "{command_name}",
    example = "{command_name} --older-than=2d --dry-run",
    example = "{command_name} --all --force",
    note = "The columns are NAME STATUS SINCE SIZE GPU HELD: when it stopped or was made, what it fills of the disk beyond its image, the devices that are kept for it, and how long still. What is lost are files outside /workspace.",
    note = "With --system, for root and cron: those of all users that were kept for container_hold_after_stop_h after they stopped, or created_container_timeout_m without a start, as resource-limits.yaml has it; none that still holds GPUs after a stop. Time for which the host was off does not count: its clock may have been wrong. Their owners are told. One that fails does not keep the others. Two at once do no harm.",
    error_code(1, "one could not be removed, or you thought better of it"),
    error_code(4, "one was used meanwhile, and stays"),
    error_code(7, "--system is for root"),
    error_code(8, "the engine, the policy or the ledger cannot be reached")
)]
struct Args {
    /// those that were never started too
    #[argh(switch, short = 'a')]
    all: bool,

    /// only those that stopped (or were made) at least so long ago: 12h, 2d
    #[argh(option, arg_name = "age")]
    older_than: Option<Age>,

    /// do not ask
    #[argh(switch, short = 'f')]
    force: bool,

    /// show what would be removed, and remove nothing
    #[argh(switch)]
    dry_run: bool,

    /// those of all users whose time is over by the policy, unasked, for root
    #[argh(switch)]
    system: bool,

    /// with --system, the configuration of this host (default: /etc/ds01/ds01.toml)
    #[argh(option, arg_name = "path")]
    config: Option<PathBuf>,
}

impl Command for Args {
    const CONCEPTS: &'static [Concept] =
        &[concepts::CONTAINER, concepts::WORKSPACE, concepts::STATES];
    const SEE_ALSO: &'static [&'static str] =
        &["container-remove", "container-list", "check-limits"];
    const FILES: &'static [(&'static str, &'static str)] = &[
        (
            "/etc/ds01/resource-limits.yaml",
            "container_hold_after_stop_h and created_container_timeout_m",
        ),
        (
            "/var/lib/ds01/at-rest.json",
            "for how long --system has seen each at rest",
        ),
    ];
}

fn main() -> ExitCode {
    ds01_command::main(run)
}

fn run(args: Args, ui: &mut Ui) -> Result<ExitStatus, Failure> {
    if args.system {
        return sweep(&args, ui);
    }
    if args.config.is_some() {
        let hint = format!("see {} --help", ui.name());
        return Err(Failure::new(Kind::Usage, "--config is for --system").with_hint(hint));
    }
    let ask_first = !args.force && !args.dry_run;
    let host = open(ui)?;
    ui.explain("the engine is asked for the sizes of your containers that do not run");
    let leftovers = Leftovers {
        created: args.all,
        older_than: args.older_than.map(|age| age.0),
    };
    let found = ask(&host, ui, &leftovers)?;
    if found.is_empty() {
        return nothing(&host, ui, leftovers);
    }
    if ask_first {
        ui.may_confirm()?;
    }
    if ask_first || args.dry_run {
        show(ui, &found)?;
    }
    if args.dry_run {
        return Ok(ExitStatus(0));
    }
    let question = match found.len() {
        1 => "Remove it? The workspace stays.".to_string(),
        count => format!("Remove these {count}? The workspaces stay."),
    };
    if ask_first && !ui.confirm(&question)? {
        return Err(Failure::new(Kind::Failed, "nothing was removed"));
    }
    ui.explain("as docker rm does; then the ledger gives their devices to whoever asks next");
    Ok(ui.each(found, |one, ui| remove(&host, ui, one)))
}

/// Says so; and how many are left out that were never started.
fn nothing(host: &Host, ui: &mut Ui, leftovers: Leftovers) -> Result<ExitStatus, Failure> {
    let all = Leftovers {
        created: true,
        ..leftovers
    };
    let never = match leftovers.created {
        true => 0,
        false => ask(host, ui, &all)?.len(),
    };
    let nothing = "you have no container to clean up";
    match never {
        0 => ui.note(nothing),
        1 => ui.note(format_args!("{nothing}; 1 was never started: --all")),
        _ => ui.note(format_args!("{nothing}; {never} were never started: --all")),
    }
    Ok(ExitStatus(0))
}

fn remove(host: &Host, ui: &mut Ui, one: Leftover) -> Result<(), Failure> {
    let discard = Discard {
        name: one.name.into(),
        id: one.id,
        last_end: one.last_end,
    };
    let removed = ask(host, ui, &discard)?;
    let size = human::bytes(one.size_bytes);
    match removed.slots.as_str() {
        "" => ui.note(format_args!("{} removed, {size} freed", removed.name)),
        slots => ui.note(format_args!(
            "{} removed, {size} freed, {} free",
            removed.name,
            gpu_is(slots)
        )),
    }
    Ok(())
}

fn show(ui: &mut Ui, found: &[Leftover]) -> Result<(), Failure> {
    let now = clock::now();
    let row = |one: &Leftover| {
        let since = human::duration(now.since(one.since));
        let (slots, held) = match (one.slots.as_str(), one.until) {
            ("", _) => ("-".into(), "-".into()),
            (slots, None) => (slots.to_string(), "until removed".into()),
            (slots, Some(until)) => (slots.to_string(), human::duration(until.since(now))),
        };
        let state = match one.state {
            State::Created => "never started".into(),
            state => state.to_string(),
        };
        [
            one.name.to_string(),
            state,
            format!("{since} ago"),
            human::bytes(one.size_bytes),
            slots,
            held,
        ]
    };
    let rows: Vec<_> = found.iter().map(row).collect();
    ui.table(["NAME", "STATUS", "SINCE", "SIZE", "GPU", "HELD"], &rows)
}

/// The sweep over everybody's.
fn sweep(args: &Args, ui: &mut Ui) -> Result<ExitStatus, Failure> {
    if args.all || args.older_than.is_some() {
        let message = "--system goes by the policy: --all and --older-than are for your own";
        let hint = format!("see {} --help", ui.name());
        return Err(Failure::new(Kind::Usage, message).with_hint(hint));
    }
    if Caller::of_this_process().uid != 0 {
        return Err(Failure::new(Kind::Forbidden, "--system is for root")
            .with_hint(format!("clean up your own with {}", ui.name())));
    }
    let dry_run = args.dry_run;
    let host = Host::of_service(args.config.as_deref(), ui.name(), dry_run)?;
    let swept = ask(&host, ui, &Sweep { dry_run })?;
    let verb = if dry_run {
        "would be removed"
    } else {
        "removed"
    };
    for gone in swept.gone {
        let gpus = match gone.slots.as_str() {
            "" => String::new(),
            slots => format!(", GPU {slots}"),
        };
        ui.line(format_args!(
            "{} of {} {verb}: {}{gpus}",
            gone.name, gone.login, gone.why
        ))?;
    }
    Ok(ui.each(swept.failed, |failure, _| Err(failure)))
}
