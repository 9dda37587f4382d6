//! `gpu-queue`: its documentation is that of `Args`, which `gpu-queue --info` and its manual page print.

use std::process::ExitCode;

use argh::{ArgsInfo, FromArgs};
use ds01_cli::{
    Command, Format, Ui,
    concepts::{self, Concept},
    human,
};
use ds01_command::{ask, expected, open, place, queue::Word};
use ds01_core::{
    failure::{Failure, Kind},
    gpu_request::GpuRequest,
    line::{KEPT, gpu_is},
    name::{ContainerArg, ContainerName},
};
use ds01_host::{
    Host, clock,
    ops::{JoinLine, Joined, Leave, Queue, QueueStatus},
};

/// Wait for a GPU beyond your terminal, and see who waits.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    example = "{command_name} join",
    example = "{command_name} join --gpu=2",
    example = "{command_name} join --gpu=full",
    example = "{command_name} join --launch=my-thesis",
    example = "{command_name} list",
    note = "join: when your turn comes, the GPU is kept for you for 15 minutes, and you are told: on your terminals, at the next login, by mail where the host has that. Any container that you make then has it. With --launch, the container of that project is made and started instead. Your turn, and what is kept, count against your quota.",
    note = "leave: without a ticket or the name of a container, the only request of yours, of several the one that you choose, or with --all every one; what is kept for you is given up too. A command that waits there ends.",
    note = "status shows your own requests and what is kept for you, list those of everybody: TICKET PLACE USER GPUS FOR EXPECTED WHY. PLACE is 'kept' where the turn has come; EXPECTED is after which time somebody is served at the latest, a dash if nobody knows.",
    note = "The line is served by priority, then by who has used less lately, then by who came first. A large request is not passed by small ones that would make it wait longer; small ones may pass if they end in time.",
    note = "With --format=json: waiting, each with standing (ticket, place, of, why, expected), user, mine, container, devices (a number, or with a type a text as full:1), priority, since, away and launch; kept, each with ticket, user, mine, slots, devices, until, container and launch; reserved, as gpu-reserve list has it.",
    error_code(3, "no such request, or no such project"),
    error_code(4, "you wait already, or have such a container"),
    error_code(5, "a limit of yours would be passed"),
    error_code(8, "the driver, the engine or the ledger cannot be reached")
)]
struct Args {
    /// what to do (default status); join takes the container that the GPU is for, leave a ticket or container
    #[argh(positional, arg_name = "join|leave|status|list [name|ticket]")]
    words: Vec<String>,

    /// join: GPUs or MIG devices to wait for, as container-create has it (default 1, or what the project says)
    #[argh(option, arg_name = "[type:]count")]
    gpu: Option<GpuRequest>,

    /// join: start this project's container when the turn comes
    #[argh(option, arg_name = "project")]
    launch: Option<ContainerName>,

    /// leave: all requests of yours
    #[argh(switch, short = 'a')]
    all: bool,

    /// how to print them (default table)
    #[argh(option, default = "Format::Table", arg_name = "table|json|simple")]
    format: Format,
}

impl Command for Args {
    const CONCEPTS: &'static [Concept] = &[concepts::GPU, concepts::LIMITS];
    const SEE_ALSO: &'static [&'static str] = &[
        "gpu-status",
        "container-create",
        "project-launch",
        "check-limits",
        "ds01-queue",
    ];
}

fn main() -> ExitCode {
    ds01_command::main(run)
}

fn run(args: Args, ui: &mut Ui) -> Result<(), Failure> {
    let mut words = args.words.iter();
    let word = words.next().map_or(Ok(Word::Status), |word| word.parse())?;
    let target = words.next();
    if let Some(odd) = words.next() {
        return Err(usage(format!("unexpected argument {odd:?}")));
    }
    let only_join = args.gpu.is_some() || args.launch.is_some();
    match word {
        Word::Join if args.all => Err(usage("--all is for leave".into())),
        Word::Join => join(&args, target, ui),
        _ if only_join => Err(usage("--gpu and --launch are for join".into())),
        Word::Leave => leave(&args, target, ui),
        _ if args.all || target.is_some() => Err(usage(
            "status and list have no arguments: list is of everybody".into(),
        )),
        Word::Status => show(&args, true, ui),
        Word::List => show(&args, false, ui),
    }
}

fn usage(message: String) -> Failure {
    Failure::new(Kind::Usage, message).with_hint("see gpu-queue --help")
}

fn join(args: &Args, target: Option<&String>, ui: &mut Ui) -> Result<(), Failure> {
    let name = target
        .map(|word| word.parse::<ContainerArg>())
        .transpose()?;
    if name.is_some() && args.launch.is_some() {
        return Err(usage(
            "the container of --launch is that of the project: leave the name out".into(),
        ));
    }
    let host = open(ui)?;
    let name = name
        .map(|name| ds01_command::own(&host, ui, name))
        .transpose()?;
    let gpus = match &args.launch {
        Some(project) => ds01_command::queue::gpus_to_launch(&host, ui, project, args.gpu.clone())?,
        None => args.gpu.clone().unwrap_or_default(),
    };
    ui.explain("your limits are read; then you are in the line, which is in the ledger: no process of yours waits");
    let join = JoinLine {
        launch: args.launch.is_some(),
        name: name.or(args.launch.clone()),
        gpus,
    };
    let joined = ask(&host, ui, &join)?;
    if args.format == Format::Json {
        return ui.json(&joined);
    }
    if args.format == Format::Simple {
        return ui.simple(&[[joined.ticket.to_string()]]);
    }
    told(&join, &joined, ui)
}

fn told(join: &JoinLine, joined: &Joined, ui: &mut Ui) -> Result<(), Failure> {
    let ticket = joined.ticket;
    let starts = join.name.as_ref().filter(|_| join.launch);
    if let Some(kept) = &joined.kept {
        let (slots, until) = (&kept.slots, kept.until);
        ui.line(format_args!(
            "{} kept for you until {until}, with ticket {ticket}",
            gpu_is(slots)
        ))?;
        match (starts, &join.name) {
            (Some(project), _) => ui.note(format_args!("{project} is started within a minute")),
            (None, Some(name)) => ui.note(format_args!("use it with container-create {name}")),
            (None, None) => ui.note("use it with container-create <name>"),
        }
        return Ok(());
    }
    let Some(standing) = &joined.standing else {
        return ui.line(format_args!("ticket {ticket}"));
    };
    let place = place(standing, clock::now());
    ui.line(format_args!("ticket {ticket}, {place}"))?;
    match starts {
        Some(project) => ui.note(format_args!(
            "when your turn comes {project} is started, and you are told; leave with gpu-queue leave {ticket}"
        )),
        None => ui.note(format_args!(
            "when your turn comes it is kept for you for {}, and you are told; leave with gpu-queue leave {ticket}",
            human::duration(KEPT)
        )),
    }
    Ok(())
}

fn leave(args: &Args, target: Option<&String>, ui: &mut Ui) -> Result<(), Failure> {
    let host = open(ui)?;
    let tickets = ds01_command::queue::tickets(&host, ui, target.map(String::as_str), args.all)?;
    for ticket in tickets {
        let leave = Leave {
            ticket,
            present: false,
        };
        match ask(&host, ui, &leave)? {
            Some(free) if free.is_empty() => {
                ui.line(format_args!("ticket {ticket} left the line"))?
            }
            Some(free) => ui.line(format_args!(
                "ticket {ticket} gave up its turn, {} free",
                gpu_is(&free)
            ))?,
            // Its turn came and went meanwhile, or it gave up.
            None => ui.note(format_args!("ticket {ticket} is not in the line any more")),
        }
    }
    Ok(())
}

fn show(args: &Args, own: bool, ui: &mut Ui) -> Result<(), Failure> {
    let host: Host = open(ui)?;
    ui.explain("the line is in the ledger: who waits, for whom GPUs are kept, what is reserved");
    let mut status = ask(&host, ui, &Queue {})?;
    if own {
        status.waiting.retain(|waiting| waiting.mine);
        status.kept.retain(|kept| kept.mine);
    }
    let headings = ["TICKET", "PLACE", "USER", "GPUS", "FOR", "EXPECTED", "WHY"];
    ui.list(args.format, headings, &rows(&status), &status)
}

fn rows(status: &QueueStatus) -> Vec<[String; 7]> {
    let now = clock::now();
    let kept = status.kept.iter().map(|kept| {
        [
            kept.ticket.to_string(),
            "kept".into(),
            kept.user.clone(),
            kept.devices.to_string(),
            kept.container
                .as_ref()
                .map_or("-".into(), ToString::to_string),
            "now".into(),
            format!("{} kept until {}", gpu_is(&kept.slots), kept.until),
        ]
    });
    let waiting = status.waiting.iter().map(|waiting| {
        let standing = &waiting.standing;
        let why = standing.why.as_ref();
        [
            standing.ticket.to_string(),
            standing.place.to_string(),
            waiting.user.clone(),
            waiting.devices.to_string(),
            waiting
                .container
                .as_ref()
                .map_or("-".into(), ToString::to_string),
            expected(standing, now).unwrap_or("-".into()),
            why.map_or("its turn has come".into(), ToString::to_string),
        ]
    });
    kept.chain(waiting).collect()
}
