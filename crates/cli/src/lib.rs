//! Everything between a terminal or script and a command: arguments, help, output, prompts,
//! errors, exit status and manual pages.
//!
//! A command declares its arguments with argh and has a `run`; [`main`] does the rest:
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use argh::{ArgsInfo, FromArgs};
//! use ds01_cli::{Command, Ui, concepts::{self, Concept}};
//! use ds01_core::{failure::Failure, name::ContainerArg};
//!
//! /// Start a container that exists.
//! #[derive(FromArgs, ArgsInfo)]
//! #[argh(example = "{command_name} thesis", error_code(3, "no such container"))]
//! struct Args {
//!     /// the container to start
//!     #[argh(positional, arg_name = "container")]
//!     name: ContainerArg,
//! }
//!
//! impl Command for Args {
//!     const CONCEPTS: &'static [Concept] = &[concepts::CONTAINER, concepts::STATES];
//!     const SEE_ALSO: &'static [&'static str] = &["container-stop"];
//! }
//!
//! fn main() -> ExitCode {
//!     ds01_cli::main(run, ds01_cli::no_names)
//! }
//!
//! fn run(args: Args, ui: &mut Ui) -> Result<(), Failure> {
//!     ui.line(format_args!("{} is running", args.name))
//! }
//! ```

mod ask;
mod complete;
pub mod concepts;
mod family;
mod format;
pub mod human;
mod interrupt;
mod live;
mod man;
mod narrow;
mod nearest;
mod page;
mod progress;
mod section;
pub mod shell;
mod shim;
mod table;
mod text;
mod ui;

use std::{convert::Infallible, ffi::OsString, path::Path, process::ExitCode};

use argh::{ArgsInfo, TopLevelCommand};
use argh_shared::CommandInfoWithArgs;
use ds01_core::{
    failure::{Failure, Kind},
    printable::printable,
};

pub use crate::{
    complete::{Candidate, Names, no_names},
    format::Format,
    interrupt::Interruptions,
    live::Interval,
    nearest::nearest,
    progress::meanwhile,
    section::Section,
    ui::Ui,
};
use crate::{
    concepts::Concept,
    page::Page,
    shim::{HelpPage, Invocation, Line},
};

/// The arguments of a command, and what its pages say beyond them.
pub trait Command: TopLevelCommand + ArgsInfo {
    /// What `--concepts` explains, in this order.
    const CONCEPTS: &'static [Concept];

    /// Commands whose manual pages help further.
    const SEE_ALSO: &'static [&'static str] = &[];

    /// Paths that the command reads or writes, and what they hold.
    const FILES: &'static [(&'static str, &'static str)] = &[];

    /// The first word of the commands that this one becomes, by [`Ui::dispatch`].
    const FAMILY: Option<&'static str> = None;
}

/// What a command that did its work says to its caller.
pub trait Outcome {
    /// The exit status.
    fn status(self) -> u8;
}

impl Outcome for () {
    fn status(self) -> u8 {
        0
    }
}

impl Outcome for Infallible {
    fn status(self) -> u8 {
        match self {}
    }
}

/// An exit status that is not ours to choose: of a shell in a container, or of the first target that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExitStatus(pub u8);

impl Outcome for ExitStatus {
    fn status(self) -> u8 {
        self.0
    }
}

/// Runs a command as this process: reads its arguments, calls `run`, reports, and ends with the
/// status. `names` is what a shell is offered for its arguments.
pub fn main<C: Command, O: Outcome>(
    run: fn(C, &mut Ui) -> Result<O, Failure>,
    names: Names,
) -> ExitCode {
    let (mut ui, args) = begin();
    let info = C::get_args_info();
    let result = match arguments::<C>(args, &info, names, &mut ui) {
        Ok(Some(args)) => run(args, &mut ui).map(Outcome::status),
        Ok(None) => Ok(0),
        Err(Refused::Line(mistake)) => {
            ui.misused(&mistake);
            return ExitCode::from(Kind::Usage.status());
        }
        Err(Refused::Failed(failure)) => Err(failure),
    };
    ExitCode::from(ui.end(result))
}

/// Runs a command whose arguments are all for another program: `run` becomes that program, or
/// tells why it cannot.
pub fn pass_on(run: fn(Vec<OsString>) -> Result<Infallible, Failure>) -> ExitCode {
    let (mut ui, args) = begin();
    let Err(failure) = run(args);
    ExitCode::from(ui.end(Err(failure)))
}

/// The standard streams under the name by which this process was called, and its arguments.
fn begin() -> (Ui, Vec<OsString>) {
    let mut args = std::env::args_os();
    let called = args.next().unwrap_or_default();
    let name = Path::new(&called)
        .file_name()
        .unwrap_or("ds01".as_ref())
        .to_string_lossy();
    (Ui::new(printable(&name).into_owned()), args.collect())
}

/// Why there are no arguments to run with.
enum Refused {
    /// The command line is wrong.
    Line(String),
    /// A page could not be written.
    Failed(Failure),
}

/// The arguments to run with; none if a page was asked for, and printed.
fn arguments<C: Command>(
    args: Vec<OsString>,
    info: &CommandInfoWithArgs<'static>,
    names: Names,
    ui: &mut Ui,
) -> Result<Option<C>, Refused> {
    let name = ui.name().to_owned();
    let page = Page::of::<C>(&name, info);
    let Some(line) = line(args, &page, C::CONCEPTS, names, ui)? else {
        return Ok(None);
    };
    ui.set_guided(line.guided);
    let parsed = C::from_args(&[&name], &line.for_argh());
    parsed
        .map(Some)
        .map_err(|refused| Refused::Line(line.mistake(&refused.output)))
}

/// The line to hand to argh; none if a page was asked for, and printed. Apart from
/// [`arguments`], so that it is compiled once and not into every command.
fn line(
    args: Vec<OsString>,
    page: &Page<'_>,
    concepts: &[Concept],
    names: Names,
    ui: &mut Ui,
) -> Result<Option<Line>, Refused> {
    let args = args
        .into_iter()
        .map(OsString::into_string)
        .collect::<Result<Vec<_>, _>>();
    let args = args.map_err(|odd| Refused::Line(format!("argument is not UTF-8: {odd:?}")))?;
    if let [ask, words @ ..] = args.as_slice()
        && ask == "--complete"
    {
        let lines = match (page.family, words) {
            (Some(family), [_, _, ..]) => {
                family::complete(family, words).map_err(Refused::Failed)?
            }
            (Some(family), _) => {
                complete::candidates(page.info, words, &|_| family::candidates(family))
            }
            (None, _) => complete::candidates(page.info, words, &names),
        };
        return ui.text(&lines).map(|()| None).map_err(Refused::Failed);
    }
    if let [generate] = args.as_slice()
        && let Some(form) = generate.strip_prefix("--generate=")
    {
        let written = match form {
            "man" => ui.text(&man::roff(page)),
            "json" => ui.json(&man::described(page)),
            "index" => ui.text(&format!("{}\t{}\n", page.name, page.summary())),
            _ => return Err(Refused::Line("--generate makes man, json or index".into())),
        };
        return written.map(|()| None).map_err(Refused::Failed);
    }
    let ask = match shim::read(args, page.info).map_err(Refused::Line)? {
        Invocation::Run(line) => return Ok(Some(line)),
        Invocation::Page(ask) => ask,
    };
    let look = ui.look();
    let text = match ask {
        HelpPage::Help => text::render(&page.help(), look),
        HelpPage::Info => text::render(&page.reference(), look),
        HelpPage::Concepts => concepts::render(concepts, look),
        HelpPage::Version => format!("{} (DS01) {}\n", page.name, env!("CARGO_PKG_VERSION")),
    };
    ui.text(&text).map(|()| None).map_err(Refused::Failed)
}
