//! `check-limits`: its documentation is that of `Args`, which `check-limits --info` and its manual page print.

use std::{fs, io::Write, os::unix::fs::OpenOptionsExt, path::Path, process::ExitCode};

use argh::{ArgsInfo, FromArgs};
use ds01_cli::{
    Command, Format, Ui,
    concepts::{self, Concept},
};
use ds01_command::{ask, limits, open};
use ds01_core::failure::Failure;
use ds01_host::ops::{LimitsStatus, MyLimits};

/// Show what you may use, and how much of it you do. The same is written to ~/.ds01-limits.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    example = "{command_name}",
    example = "{command_name} --format=simple | cut -f2",
    note = "The columns are LIMIT USED MAX; 'unlimited' stands for no limit, a dash for what is not counted.",
    note = "With --format=json: login, home, limits (every limit by its name, null for none), held in 28ths of a GPU, slots, containers."
)]
struct Args {
    /// how to print them (default table)
    #[argh(option, default = "Format::Table", arg_name = "table|json|simple")]
    format: Format,
}

impl Command for Args {
    const CONCEPTS: &'static [Concept] = &[concepts::LIMITS, concepts::GPU];
    const SEE_ALSO: &'static [&'static str] = &["gpu-status", "container-list"];
    const FILES: &'static [(&'static str, &'static str)] = &[(
        "~/.ds01-limits",
        "your limits as text, written anew each time",
    )];
}

fn main() -> ExitCode {
    ds01_command::main(run)
}

fn run(args: Args, ui: &mut Ui) -> Result<(), Failure> {
    let host = open(ui)?;
    ui.explain("the limits of your group are read, and your containers are counted");
    let status = ask(&host, ui, &MyLimits {})?;
    let rows = limits::rows(&status);
    if let Err(error) = keep(&status, &rows) {
        ui.warn(format_args!(
            "{}/.ds01-limits was not written: {error}",
            status.home.display()
        ));
    }
    ui.list(args.format, limits::HEADINGS, &rows, &status)
}

/// Writes `~/.ds01-limits`, whole or not at all; a link planted there is replaced, not followed.
fn keep(status: &LimitsStatus, rows: &[[String; 3]]) -> std::io::Result<()> {
    let text: String = rows
        .iter()
        .map(|[what, used, max]| match used.as_str() {
            "-" => format!("{what}: {max}\n"),
            used => format!("{what}: {max} ({used} in use)\n"),
        })
        .collect();
    let path = status.home.join(".ds01-limits");
    let new = Path::new(&path).with_extension(format!("new.{}", std::process::id()));
    let open = || {
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true).mode(0o644).open(&new)
    };
    let written = open()
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .and_then(|()| fs::rename(&new, &path));
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written
}
