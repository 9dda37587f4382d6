//! `container-extend`: its documentation is that of `Args`, which `container-extend --info` and its manual page print.

use std::process::ExitCode;

use argh::{ArgsInfo, FromArgs};
use ds01_cli::{
    Command, Ui,
    concepts::{self, Concept},
    human,
};
use ds01_command::{ask, container, open};
use ds01_core::{
    container::State,
    failure::{Failure, Kind},
    name::ContainerArg,
    time::Age,
};
use ds01_host::ops::Extend;

/// Let a running container with a GPU run longer than the limit, as far as your group's policy allows.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    example = "{command_name} thesis 12h",
    example = "{command_name} thesis '1d 6h'",
    note = "Extensions of a run add up; how much they may in all is policies.max_extension_h of resource-limits.yaml, and check-limits shows it. The next start begins a new run, without them. A run is not extended into a time for which its devices are promised to others: by gpu-reserve, or to who waits in line and was passed. Being idle is another matter: see /workspace/.keep-alive.",
    error_code(3, "you have no such container"),
    error_code(4, "it does not run, or runs for as long as you like"),
    error_code(5, "your policy does not allow so much"),
    error_code(6, "its GPU is promised to others by then")
)]
struct Args {
    /// the container, and how much longer it may run: 90m, 12h, 2d
    #[argh(positional, arg_name = "container duration")]
    words: Vec<String>,
}

impl Command for Args {
    const CONCEPTS: &'static [Concept] = &[concepts::CONTAINER, concepts::LIMITS];
    const SEE_ALSO: &'static [&'static str] = &["check-limits", "container-list", "ds01-runtime"];
}

fn main() -> ExitCode {
    ds01_command::main(run)
}

fn run(args: Args, ui: &mut Ui) -> Result<(), Failure> {
    let mut words = args.words.into_iter();
    let name = words
        .next()
        .map(|word| word.parse::<ContainerArg>())
        .transpose()?;
    let by = words.next().map(|word| age(&word)).transpose()?;
    if let Some(odd) = words.next() {
        let message = format!("unexpected argument {odd:?}");
        return Err(Failure::new(Kind::Usage, message)
            .with_hint("a length of time of several words needs quotes: '1d 6h'"));
    }
    if name.is_none() {
        ui.may_ask("container")?;
    } else if by.is_none() {
        ui.may_ask("duration")?;
    }
    let host = open(ui)?;
    let name = container(
        &host,
        ui,
        name,
        "Extend the run of which container?",
        State::is_up,
    )?;
    let by = match by {
        Some(by) => by,
        None => ui.input("By how much?", "12h", age)?,
    };
    ui.explain("the extension is noted in the record of the container, for this run of it");
    let extended = ask(&host, ui, &Extend { name, by: by.0 })?;
    let in_all = human::duration(extended.by);
    let allowed = match extended.allowed {
        Some(allowed) => format!(" of {}", human::duration(allowed)),
        None => String::new(),
    };
    ui.line(format_args!(
        "{} may run until {}, extended by {in_all}{allowed}",
        extended.name, extended.until
    ))
}

fn age(word: &str) -> Result<Age, Failure> {
    word.parse().map_err(|reason| {
        let message = format!("invalid value '{word}' for <duration>: {reason}");
        Failure::new(Kind::Usage, message).with_hint("see container-extend --help")
    })
}
