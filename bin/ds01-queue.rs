//! `ds01-queue`: its documentation is that of `Args`, which `ds01-queue --info` and its manual page print.

use std::{path::PathBuf, process::ExitCode};

use argh::{ArgsInfo, FromArgs};
use ds01_cli::{
    Command, ExitStatus, Ui,
    concepts::{self, Concept},
};
use ds01_command::ask;
use ds01_core::{failure::Failure, line::gpu_is};
use ds01_host::{
    Host,
    ops::{Handed, ServeLine, Served},
};

/// Hand free GPUs to those who wait for one beyond their terminal, and tell them. A duty of root's, for a timer or cron each minute.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    example = "{command_name} --dry-run",
    example = "* * * * * root ds01-queue >>/var/log/ds01/queue.log 2>&1",
    note = "Who waits at a terminal takes what is free at once, by themselves. For who joined with gpu-queue, this keeps it for 15 minutes and tells them, or makes and starts the container of their project (gpu-queue join --launch), as they would. If that does not start they are told why, and the GPU is kept for them all the same. A turn that is not used in time is over.",
    note = "Nobody is passed in the meantime: what is for who waits is given to nobody else, whether this runs or not. Nearly always nobody waits, and neither the engine nor the driver is asked. Each turn is an event: queue.served, queue.notified. Two at once do no harm.",
    error_code(7, "you are not root"),
    error_code(
        8,
        "the engine, the driver or the ledger cannot be reached, or the host has no limits"
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
    const CONCEPTS: &'static [Concept] = &[concepts::GPU, concepts::LIMITS];
    const SEE_ALSO: &'static [&'static str] = &["gpu-queue", "ds01-holds", "ds01-notices"];
    const FILES: &'static [(&'static str, &'static str)] = &[(
        "/var/lib/ds01/ledger.json",
        "who has which device, and who waits",
    )];
}

fn main() -> ExitCode {
    ds01_command::main(run)
}

fn run(args: Args, ui: &mut Ui) -> Result<ExitStatus, Failure> {
    let host = Host::of_service(args.config.as_deref(), ui.name(), args.dry_run)?;
    let dry_run = args.dry_run;
    ui.explain("the line is compared with what is free, as the driver and the engine tell");
    let passed = ask(&host, ui, &ServeLine { dry_run })?;
    let mut served = passed.served.iter();
    served.try_for_each(|one| ui.line(told(one, dry_run)))?;
    Ok(ui.each(passed.failed, |failure, _| Err(failure)))
}

fn told(one: &Served, dry_run: bool) -> String {
    let (ticket, login, slots) = (one.ticket, &one.login, &one.slots);
    match (&one.what, dry_run) {
        (Handed::Kept(until), false) => {
            format!(
                "ticket {ticket}: {} kept for {login} until {until}, and they were told",
                gpu_is(slots)
            )
        }
        (Handed::Kept(_), true) => {
            format!(
                "ticket {ticket}: GPU {slots} would be kept for {login}, and they would be told"
            )
        }
        (Handed::Launched(name), false) => {
            format!("ticket {ticket}: {name} of {login} runs with GPU {slots}")
        }
        (Handed::Launched(name), true) => {
            format!("ticket {ticket}: {name} of {login} would be started with GPU {slots}")
        }
        (Handed::Failed(name, failure, until), _) => {
            let kept = until.map(|until| format!("; {} kept until {until}", gpu_is(slots)));
            format!(
                "ticket {ticket}: {name} of {login} was not started: {}{}",
                failure.message,
                kept.unwrap_or_default()
            )
        }
    }
}
