//! `gpu-reserve`: its documentation is that of `Args`, which `gpu-reserve --info` and its manual page print.

use std::{process::ExitCode, time::Duration};

use argh::{ArgsInfo, FromArgs};
use ds01_cli::{
    Command, Format, Ui,
    concepts::{self, Concept},
};
use ds01_command::{ask, exclude_each_other, open, reserve};
use ds01_core::{
    failure::{Failure, Kind},
    reservation::Reservation,
    time::Age,
};
use ds01_host::{
    clock,
    ops::{CancelReservation, Party, Queue, Reserve},
};

/// How long before its beginning others mind a reservation, unless it says.
const LEAD: Duration = Duration::from_secs(24 * 3600);

/// Set GPUs aside for a user or a group, for a time. For admins; everybody may see them.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    example = "{command_name} add --for=alice --gpu=0,1 --from='2026-12-01 09:00' --until=2d",
    example = "{command_name} add --group=researcher --amount=2 --until=8h",
    example = "{command_name} cancel 3",
    note = "While it lasts, others are given none of it, and before it nothing that they might hold still when it begins, by the longest run that their group allows; that from --lead before it on. Nothing is taken away: what others hold as it begins stays theirs, for the run that they have: that is not extended, and once it has stopped it is not started again.",
    note = "--gpu sets these devices aside; --amount so much compute on whichever devices, what they hold already included. The quota of those for whom it is holds all the same.",
    note = "Times are UTC. --until can be a length of time after the beginning, --from one after now.",
    note = "With --format=json: a list of id, by, whom (user or group), what (devices, or an amount in 28ths of a GPU), from, until and lead_s in seconds.",
    error_code(3, "no such group, device or reservation"),
    error_code(4, "it is reserved already, or there is not so much"),
    error_code(7, "you are no admin")
)]
struct Args {
    /// what to do (default list); cancel takes the number of a reservation
    #[argh(positional, arg_name = "add|list|cancel [id]")]
    words: Vec<String>,

    /// add: the user for whom it is
    #[argh(option, long = "for", arg_name = "login")]
    login: Option<String>,

    /// add: the policy group for whom it is
    #[argh(option, arg_name = "group")]
    group: Option<String>,

    /// add: the devices, such as 0,1:2
    #[argh(option, arg_name = "devices")]
    gpu: Option<String>,

    /// add: or how many GPUs, such as 1.5
    #[argh(option, arg_name = "GPUs")]
    amount: Option<f64>,

    /// add: when it begins (default now)
    #[argh(option, default = "\"now\".into()", arg_name = "time")]
    from: String,

    /// add: when it ends
    #[argh(option, arg_name = "time")]
    until: Option<String>,

    /// add: how long before its beginning others have to mind it (default 24h)
    #[argh(option, arg_name = "time")]
    lead: Option<Age>,

    /// how to print them (default table)
    #[argh(option, default = "Format::Table", arg_name = "table|json|simple")]
    format: Format,
}

impl Command for Args {
    const CONCEPTS: &'static [Concept] = &[concepts::GPU, concepts::LIMITS];
    const SEE_ALSO: &'static [&'static str] = &["gpu-queue", "gpu-status", "check-limits"];
}

fn main() -> ExitCode {
    ds01_command::main(run)
}

fn run(args: Args, ui: &mut Ui) -> Result<(), Failure> {
    let words: Vec<_> = args.words.iter().map(String::as_str).collect();
    match words[..] {
        [] | ["list"] => list(&args, ui),
        ["add"] => add(&args, ui),
        ["cancel", id] => {
            let id = id
                .parse()
                .map_err(|_| usage(format!("{id:?} is no number of a reservation")))?;
            let gone = ask(&open(ui)?, ui, &CancelReservation { id })?;
            ui.line(format_args!(
                "no longer reserved for {}: {}",
                gone.whom, gone.what
            ))
        }
        _ => Err(usage("one of add, list and cancel <id> is expected".into())),
    }
}

fn usage(message: String) -> Failure {
    Failure::new(Kind::Usage, message).with_hint("see gpu-reserve --help")
}

fn add(args: &Args, ui: &mut Ui) -> Result<(), Failure> {
    let whom = match (args.login.clone(), args.group.clone()) {
        (Some(login), None) => Party::User(login),
        (None, Some(group)) => Party::Group(group),
        (Some(_), Some(_)) => return Err(exclude_each_other("--for", "--group")),
        (None, None) => return Err(usage("say for whom, with --for or --group".into())),
    };
    let what = reserve::wanted(args.gpu.as_deref(), args.amount)?;
    let from = reserve::moment(&args.from, clock::now())?;
    let Some(until) = &args.until else {
        return Err(usage("say when it ends, with --until".into()));
    };
    let asked = Reserve {
        whom,
        what,
        from,
        until: reserve::moment(until, from)?,
        lead: args.lead.map_or(LEAD, |Age(lead)| lead),
    };
    let host = open(ui)?;
    ui.explain("the reservation is noted in the ledger, which everybody minds who asks for a GPU");
    let made = ask(&host, ui, &asked)?;
    ui.line(format_args!(
        "reservation {}: {} for {} from {} until {}",
        made.id, made.what, made.whom, made.from, made.until
    ))
}

fn list(args: &Args, ui: &mut Ui) -> Result<(), Failure> {
    let reserved = ask(&open(ui)?, ui, &Queue {})?.reserved;
    let rows: Vec<_> = reserved.iter().map(cells).collect();
    let headings = ["ID", "WHAT", "FOR", "FROM", "UNTIL", "BY"];
    ui.list(args.format, headings, &rows, &reserved)
}

fn cells(reserved: &Reservation) -> [String; 6] {
    [
        reserved.id.to_string(),
        reserved.what.to_string(),
        reserved.whom.to_string(),
        reserved.from.to_string(),
        reserved.until.to_string(),
        reserved.by.clone(),
    ]
}
