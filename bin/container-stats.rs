//! `container-stats`: its documentation is that of `Args`, which `container-stats --info` and its manual page print.

use std::process::ExitCode;

use argh::{ArgsInfo, FromArgs};
use ds01_cli::{
    Command, ExitStatus, Format, Interval, Ui,
    concepts::{self, Concept},
};
use ds01_command::{
    ask, open,
    usage::{HEADINGS, Samples, cells},
};
use ds01_core::{failure::Failure, name::ContainerArg, usage::Usage};
use ds01_host::{ops::Sample, users::login};

/// Show what your running containers use of CPUs, memory and GPUs, beside their limits.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    example = "{command_name}",
    example = "{command_name} thesis --watch",
    example = "{command_name} --format=simple | cut -f1,2",
    note = "The columns are NAME CPU% MEM-USAGE MEM% GPU-MEM GPU% CPUS PIDS. 100% is one CPU; CPUS is the limit on them, PIDS counts threads too. A dash stands for what cannot be told: MIG devices have no GPU%, and CPU% needs two samples of one run.",
    note = "With --format=json: an array of objects with name, uid, id, cpu_percent, cpus, memory_bytes, memory_limit_bytes, memory_percent, processes, processes_limit, and devices, each with slot, uuid, memory_used_bytes, memory_bytes, utilisation; null is no limit, or not known. With --watch, one such array each time.",
    note = "With --watch on a terminal, q or Ctrl-C leaves; elsewhere the samples follow each other.",
    error_code(3, "you have no such container"),
    error_code(4, "it does not run"),
    error_code(7, "--all-users is for admins")
)]
struct Args {
    /// the container; all that run otherwise
    #[argh(positional, arg_name = "container")]
    name: Option<ContainerArg>,

    /// show it again and again
    #[argh(switch, short = 'w')]
    watch: bool,

    /// seconds from one sample to the next, for --watch (default 2)
    #[argh(
        option,
        short = 'i',
        default = "Interval::default()",
        arg_name = "seconds"
    )]
    interval: Interval,

    /// those of all users, for admins
    #[argh(switch)]
    all_users: bool,

    /// how to print them (default table)
    #[argh(option, default = "Format::Table", arg_name = "table|json|simple")]
    format: Format,
}

impl Command for Args {
    const CONCEPTS: &'static [Concept] = &[concepts::CONTAINER, concepts::LIMITS];
    const SEE_ALSO: &'static [&'static str] =
        &["container-list", "gpu-status", "check-limits", "dashboard"];
}

fn main() -> ExitCode {
    ds01_command::main(run)
}

fn run(args: Args, ui: &mut Ui) -> Result<ExitStatus, Failure> {
    let host = open(ui)?;
    ui.explain(
        "as docker stats does: the kernel counts for each container, the driver for each GPU",
    );
    let (format, all_users) = (args.format, args.all_users);
    let sample = Sample {
        name: args.name,
        all_users,
    };
    let mut samples = Samples::default();
    let mut gather = |ui: &mut Ui| {
        let sampled = ask(&host, ui, &sample)?;
        samples.usage(&host, sampled, &sample)
    };
    let draw = |ui: &mut Ui, used: &Vec<Usage>| show(ui, used, format, all_users);
    if args.watch {
        let in_place = format == Format::Table && ui.can_redraw();
        return ui.watch(args.interval, in_place, gather, draw);
    }
    let usage = gather(ui)?;
    draw(ui, &usage).map(|()| ExitStatus(0))
}

fn show(ui: &mut Ui, used: &[Usage], format: Format, all_users: bool) -> Result<(), Failure> {
    let mut headings = vec!["NAME"];
    headings.extend(HEADINGS);
    let row = |used: &Usage| [vec![used.name.to_string()], cells(used).to_vec()].concat();
    let mut rows: Vec<_> = used.iter().map(row).collect();
    if all_users {
        headings.insert(0, "USER");
        let owners = used.iter().map(|used| login(used.uid));
        rows.iter_mut()
            .zip(owners)
            .for_each(|(row, owner)| row.insert(0, owner));
    }
    ui.fitted(format, &headings, &rows, &used)
}
