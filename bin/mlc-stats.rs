//! `mlc-stats`: its documentation is that of `Args`, which `mlc-stats --info` and its manual page print.

use std::process::ExitCode;

use argh::{ArgsInfo, FromArgs};
use ds01_cli::{
    Command, Ui,
    concepts::{self, Concept},
};
use ds01_command::{
    ask,
    mlc::{bracketed, framed},
    open,
    usage::{Samples, cpu, memory},
};
use ds01_core::{failure::Failure, usage::Usage};
use ds01_host::ops::Sample;

/// Show what your running containers use of CPUs and memory, as AIME's MLC does.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    example = "{command_name}",
    note = "The columns are CONTAINER CPU % and MEM USAGE / LIMIT. GPUs, and a view that goes on, are with container-stats."
)]
struct Args {}

impl Command for Args {
    const CONCEPTS: &'static [Concept] = &[concepts::CONTAINER, concepts::LIMITS];
    const SEE_ALSO: &'static [&'static str] = &["container-stats", "mlc-list"];
}

fn main() -> ExitCode {
    ds01_command::main(run)
}

fn run(Args {}: Args, ui: &mut Ui) -> Result<(), Failure> {
    let host = open(ui)?;
    ui.explain("as docker stats does: the kernel counts for each container");
    let sample = Sample {
        name: None,
        all_users: false,
    };
    let sampled = ask(&host, ui, &sample)?;
    let used = Samples::default().usage(&host, sampled, &sample)?;
    let row = |used: &Usage| {
        let [memory, limit] = memory(used);
        [
            bracketed(&used.name),
            cpu(used),
            format!("{memory} / {limit}"),
        ]
    };
    let rows: Vec<_> = used.iter().map(row).collect();
    let headings = ["CONTAINER", "CPU %", "MEM USAGE / LIMIT"];
    framed(ui, "Running ml-containers are:", headings, &rows)
}
