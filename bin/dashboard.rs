//! `dashboard`: its documentation is that of `Args`, which `dashboard --info` and its manual page print.

use std::process::ExitCode;

use argh::{ArgsInfo, FromArgs};
use ds01_cli::{
    Command, ExitStatus, Format, Interval, Ui,
    concepts::{self, Concept},
};
use ds01_command::{
    ask,
    dashboard::{Part, Screen},
    open,
    usage::Samples,
};
use ds01_core::failure::Failure;
use ds01_host::ops::{Overview, Sample};

/// Show the host on one screen: GPUs, your containers, users, and what is not as it should be.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    example = "{command_name}",
    example = "{command_name} gpu",
    example = "{command_name} --watch",
    note = "You see your own containers and limits, who holds which GPU, and what all others have together; admins see everybody's. With a word, that part alone: gpu, containers, users, system, allocations, which tells when devices are free, or reserved, which tells what is set aside for whom.",
    note = "With --watch on a terminal, q or Ctrl-C leaves; columns and lines that have no room are left out. Elsewhere the screens follow each other.",
    note = "With --format=json: host, time (seconds since 1970), admin, alerts (about, message), and of these what the word asks for: gpu (driver, devices as gpu-status has them), containers (name, user, id, state, image, slots, usage as container-stats has it or null), users (login or null for all others, group, held and quota in 28ths of a GPU, containers, containers_limit), system (load, cpus, memory and disk with used_bytes and bytes), allocations (slot, user, owner_by, container, state, until), reserved (as gpu-reserve list has them). With --format=simple, a line begins with its part: alert, or one of those words; allocations are told by their own word only.",
    error_code(8, "the engine cannot be reached")
)]
struct Args {
    /// this part alone
    #[argh(
        positional,
        arg_name = "gpu|containers|users|system|allocations|reserved"
    )]
    part: Option<Part>,

    /// show it again and again
    #[argh(switch, short = 'w')]
    watch: bool,

    /// seconds from one look to the next, for --watch (default 2)
    #[argh(
        option,
        short = 'i',
        default = "Interval::default()",
        arg_name = "seconds"
    )]
    interval: Interval,

    /// how to print it (default table)
    #[argh(option, default = "Format::Table", arg_name = "table|json|simple")]
    format: Format,
}

impl Command for Args {
    const CONCEPTS: &'static [Concept] = &[concepts::GPU, concepts::LIMITS, concepts::STATES];
    const SEE_ALSO: &'static [&'static str] = &[
        "gpu-status",
        "container-stats",
        "check-limits",
        "ds01-doctor",
    ];
}

fn main() -> ExitCode {
    ds01_command::main(run)
}

fn run(args: Args, ui: &mut Ui) -> Result<ExitStatus, Failure> {
    let host = open(ui)?;
    ui.explain(
        "the driver, the engine, the ledger and the kernel are asked, and nothing is changed",
    );
    let (part, format) = (args.part, args.format);
    let mut samples = Samples::default();
    let mut gather = |ui: &mut Ui| {
        let status = ask(&host, ui, &Overview {})?;
        // Of no other part: the first look takes two samples, a moment apart.
        if !Part::Containers.is_shown(part) {
            return Ok(Screen::new(status, Vec::new(), part));
        }
        let again = Sample {
            name: None,
            all_users: status.admin,
        };
        let used = samples.usage(&host, status.samples.clone(), &again)?;
        Ok(Screen::new(status, used, part))
    };
    let draw = |ui: &mut Ui, screen: &Screen| match format {
        Format::Json => ui.json(screen),
        _ => ui.sections(format, &screen.sections()),
    };
    if args.watch {
        let in_place = format == Format::Table && ui.can_redraw();
        return ui.watch(args.interval, in_place, gather, draw);
    }
    let screen = gather(ui)?;
    draw(ui, &screen).map(|()| ExitStatus(0))
}
