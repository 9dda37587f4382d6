//! `container-stop`: its documentation is that of `Args`, which `container-stop --info` and its manual page print.

use std::{process::ExitCode, time::Duration};

use argh::{ArgsInfo, FromArgs};
use ds01_cli::{
    Command, ExitStatus, Ui,
    concepts::{self, Concept},
    human,
};
use ds01_command::{ask, containers, open, show};
use ds01_core::{
    container::State,
    failure::{Failure, Kind},
    line::gpu_is,
    name::ContainerArg,
};
use ds01_host::ops::{LONGEST, Stop};

/// End the processes of a running container. It keeps its files, and for a while its GPUs.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    example = "{command_name} thesis",
    example = "{command_name} exp-1 exp-2 --timeout=60",
    note = "Its GPUs are free when the hold after stop has passed (check-limits shows it), or at once with container-remove.",
    note = "A container that stays stopped is removed after a while (check-limits shows that as well): the workspace stays, and what was written elsewhere in it is lost.",
    error_code(1, "it failed, or you thought better of it"),
    error_code(3, "you have no such container"),
    error_code(4, "it was never started")
)]
struct Args {
    /// the containers
    #[argh(positional, arg_name = "container")]
    names: Vec<ContainerArg>,

    /// do not ask
    #[argh(switch, short = 'f')]
    force: bool,

    /// seconds for the processes to end by themselves before they are killed (default 10)
    #[argh(
        option,
        short = 't',
        default = "10",
        arg_name = "seconds",
        from_str_fn(seconds)
    )]
    timeout: u32,

    /// all of your running containers
    #[argh(switch, short = 'a')]
    all: bool,
}

impl Command for Args {
    const CONCEPTS: &'static [Concept] = &[concepts::CONTAINER, concepts::STATES];
    const SEE_ALSO: &'static [&'static str] =
        &["container-start", "container-remove", "container-pause"];
}

fn main() -> ExitCode {
    ds01_command::main(run)
}

fn run(args: Args, ui: &mut Ui) -> Result<ExitStatus, Failure> {
    let ask_first = !args.force && (args.all || ui.interactive());
    if ask_first {
        ui.may_confirm()?;
    }
    let host = open(ui)?;
    let names = containers(
        &host,
        ui,
        args.names,
        args.all,
        "Stop which container?",
        State::is_up,
    )?;
    if ask_first {
        let mut up = 0;
        for name in &names {
            up += usize::from(show(&host, ui, name)?.state.is_up());
        }
        let question = match up {
            0 => None,
            1 => Some("Stop it?"),
            _ => Some("Stop them?"),
        };
        if let Some(question) = question
            && !ui.confirm(question)?
        {
            return Err(Failure::new(Kind::Failed, "nothing was stopped"));
        }
    }
    ui.explain("as docker stop does: SIGTERM, and SIGKILL to what is left after the timeout");
    Ok(ui.each(names, |name, ui| {
        let stop = Stop {
            name,
            grace_seconds: args.timeout,
            kill: false,
        };
        let stopped = ask(&host, ui, &stop)?;
        if stopped.already {
            ui.note(format_args!("{} had stopped already", stopped.name));
        } else if !stopped.slots.is_empty() {
            let (name, slots) = (stopped.name, stopped.slots);
            match stopped.hold {
                None => ui.note(format_args!("{name} keeps GPU {slots} until it is removed")),
                Some(Duration::ZERO) => {
                    ui.note(format_args!("{name} stopped, {} free", gpu_is(&slots)))
                }
                Some(hold) => {
                    let hold = human::duration(hold);
                    ui.note(format_args!("{name} keeps GPU {slots} for {hold}"));
                }
            }
        }
        Ok(())
    }))
}

fn seconds(text: &str) -> Result<u32, String> {
    let longest = LONGEST.as_secs();
    let seconds = text.parse().ok();
    seconds
        .filter(|seconds| u64::from(*seconds) <= longest)
        .ok_or_else(|| format!("expected a number of seconds, {longest} at most"))
}
