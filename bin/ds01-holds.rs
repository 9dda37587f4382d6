//! `ds01-holds`: its documentation is that of `Args`, which `ds01-holds --info` and its manual page print.

use std::{path::PathBuf, process::ExitCode};

use argh::{ArgsInfo, FromArgs};
use ds01_cli::{
    Command, Ui,
    concepts::{self, Concept},
    human,
};
use ds01_command::ask;
use ds01_core::{failure::Failure, line::gpu_is};
use ds01_host::{
    Host,
    ops::{EndHolds, Healed, Learned},
};

/// Free the GPUs of containers that stopped a while ago, and bring the ledger in line with the engine. A duty of root's, for a timer or cron each minute.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    example = "{command_name} --dry-run",
    example = "* * * * * root ds01-holds >>/var/log/ds01/holds.log 2>&1",
    note = "A stopped container keeps its GPUs for gpu_hold_after_stop_h, by the policy of its owner: 0 gives them back at once, null never. Then they are free; the container stays, and a later start takes the same ones if they are free still.",
    note = "A hold ends by the clock, whoever looks: this makes it an event (gpu.release) in time, and wakes who waits for a GPU. It also drops what is gone, of which it keeps for 30 days whose it was, should the engine list it again; gives up intents that nobody carries out, and finds containers that were made behind DS01's back. Two at once do no harm.",
    error_code(7, "you are not root"),
    error_code(
        8,
        "the engine or the state cannot be reached, or the host has no limits"
    )
)]
struct Args {
    /// the configuration of this host (default: /etc/ds01/ds01.toml)
    #[argh(option, arg_name = "path")]
    config: Option<PathBuf>,

    /// only say what would be done
    #[argh(switch)]
    dry_run: bool,
}

impl Command for Args {
    const CONCEPTS: &'static [Concept] = &[concepts::GPU, concepts::STATES];
    const SEE_ALSO: &'static [&'static str] = &["container-cleanup", "ds01-idle", "gpu-status"];
    const FILES: &'static [(&'static str, &'static str)] =
        &[("/var/lib/ds01/ledger.json", "who has which device")];
}

fn main() -> ExitCode {
    ds01_command::main(run)
}

fn run(args: Args, ui: &mut Ui) -> Result<(), Failure> {
    let host = Host::of_service(args.config.as_deref(), ui.name(), args.dry_run)?;
    let dry_run = args.dry_run;
    ui.explain("the ledger is compared with what the engine has, and with the clock");
    let learned = ask(&host, ui, &EndHolds { dry_run })?;
    learned
        .iter()
        .try_for_each(|one| ui.line(told(one, dry_run)))
}

fn told(one: &Healed, dry_run: bool) -> String {
    let name = match &one.login {
        Some(login) => format!("{} of {login}", one.name),
        None => one.name.clone(),
    };
    let free = match (one.slots.as_str(), dry_run) {
        ("", _) => String::new(),
        (slots, false) => format!(", {} free", gpu_is(slots)),
        (slots, true) => format!(", GPU {slots} would be free"),
    };
    match one.what {
        Learned::Released { held } => {
            let held = held.map_or(String::new(), |held| {
                format!(" of {}", human::duration(held))
            });
            format!("{name}: its hold{held} after the stop has ended{free}")
        }
        Learned::Gone => format!("{name} is gone{free}"),
        Learned::Lapsed => format!("{name} was never created{free}"),
        Learned::Found => format!("{name} was made by a command that died"),
        Learned::Left => format!("{name} has left the waiting line"),
        Learned::TurnOver => format!("{name} did not use its turn in time{free}"),
        Learned::Unmanaged => format!("{name} has GPUs, and DS01 did not make it"),
    }
}
