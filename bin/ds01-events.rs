//! `ds01-events`: its documentation is that of `Args`, which `ds01-events --info` and its manual page print.

use std::process::ExitCode;

use argh::{ArgsInfo, FromArgs};
use ds01_cli::{
    Command, ExitStatus, Format, Interval, Ui,
    concepts::{self, Concept},
};
use ds01_command::{ask, exclude_each_other, open};
use ds01_core::{
    event::{Event, Filter, Types},
    failure::Failure,
    name::EngineName,
    time::Moment,
};
use ds01_host::{
    Host, clock,
    events::Place,
    ops::{EventsRead, ReadEvents},
};

/// How many lines of the past are shown before those that come, unless told otherwise.
const BEFORE: usize = 10;

/// Show what happened to your containers and GPUs, or follow what happens; for admins, to everybody's.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    example = "{command_name} --since=1d --type=maintenance",
    example = "{command_name} --follow --type=gpu.* --type=queue.*",
    example = "{command_name} --container=thesis -n 20 --format=json",
    note = "The columns are TIME TYPE USER CONTAINER DETAILS, the time in UTC, on a terminal without the year if it is this one. USER is who did it: an admin too, to a container of yours. Types are container, gpu, queue, maintenance (idle and longest run), detection (what was made past DS01), alert and others; --type takes one by its name, a category, or a pattern with *.",
    note = "Those about the waiting line (queue.joined, served, notified and left) have the ticket, and the container that the GPU is for if that is known. Of one user 60 joins in an hour are told, with what becomes of them; the last of these says until when there are no more (quiet_until).",
    note = "What the ledger learns, such as gpu.release at the end of a hold, is told once at least: twice if the command that learned it was killed at that moment.",
    note = "Files that logrotate has turned are read too, as long as they are kept (not compressed ones), and followed over the turn. A line that is torn or no event is skipped, which is said once.",
    note = "With --format=json: a list of timestamp, event_type, user, source (the command), details (facts, all as text), schema_version; with --follow each in a line of its own.",
    error_code(7, "the events of others are for admins"),
    error_code(8, "the log cannot be read")
)]
struct Args {
    /// go on with what happens from now on, until Ctrl-C
    #[argh(switch, short = 'f')]
    follow: bool,

    /// only from then on: 30m or 2d ago, or a day or time in UTC, as '2026-11-05 10:30'
    #[argh(option, arg_name = "when")]
    since: Option<Moment>,

    /// only until then, in the same form
    #[argh(option, arg_name = "when")]
    until: Option<Moment>,

    /// only events of this type, category or pattern; several times for several
    #[argh(option, long = "type", arg_name = "type")]
    types: Vec<Types>,

    /// only those of this user
    #[argh(option, arg_name = "login")]
    user: Option<String>,

    /// only those about this container
    #[argh(option, arg_name = "name")]
    container: Option<String>,

    /// only the last so many (with --follow 10, unless --since is given)
    #[argh(option, short = 'n', arg_name = "number")]
    lines: Option<usize>,

    /// how to print them (default table)
    #[argh(option, default = "Format::Table", arg_name = "table|json|simple")]
    format: Format,
}

impl Command for Args {
    const CONCEPTS: &'static [Concept] = &[concepts::CONTAINER, concepts::GPU, concepts::STATES];
    const SEE_ALSO: &'static [&'static str] = &["ds01-notices", "dashboard", "gpu-status"];
    const FILES: &'static [(&'static str, &'static str)] = &[
        (
            "/var/log/ds01/events.jsonl",
            "the log, a line of JSON for each event",
        ),
        (
            "/var/log/ds01/events.jsonl.1",
            "what logrotate has turned last",
        ),
    ];
}

fn main() -> ExitCode {
    ds01_command::main(run)
}

fn run(args: Args, ui: &mut Ui) -> Result<ExitStatus, Failure> {
    if args.follow && args.until.is_some() {
        return Err(exclude_each_other("--follow", "--until"));
    }
    let now = clock::now();
    let before = (args.follow && args.since.is_none()).then_some(BEFORE);
    let mut lines = args.lines.or(before);
    let mut log = Log {
        host: open(ui)?,
        filter: Filter {
            since: args.since.map(|when| when.at(now)),
            until: args.until.map(|when| when.at(now)),
            types: args.types,
            user: args.user,
            container: args.container,
        },
        place: None,
        warned: false,
    };
    ui.explain("the log is read from the oldest file that is kept, and whoever is no admin is shown their own, and what is about their containers");
    if args.follow {
        return ui.watch(
            Interval::SECOND,
            false,
            |ui| log.rest(ui, lines.take()),
            |ui, events| follow(ui, args.format, events),
        );
    }
    let events = log.rest(ui, lines)?;
    let rows: Vec<_> = events.iter().map(cells).collect();
    match args.format {
        Format::Json => ui.json(&events)?,
        Format::Simple => ui.simple(&rows)?,
        Format::Table => {
            let headings = ["TIME", "TYPE", "USER", "CONTAINER", "DETAILS"];
            let rows: Vec<_> = rows.into_iter().map(|row| for_people(ui, row)).collect();
            ui.telling(Some(headings), &rows)?;
        }
    }
    Ok(ExitStatus(0))
}

/// The log, as far as it is read.
struct Log {
    host: Host,
    filter: Filter,
    place: Option<Place>,
    /// What is no event has been told of.
    warned: bool,
}

impl Log {
    /// What there is beyond what was read, or the last `lines` of it.
    fn rest(&mut self, ui: &mut Ui, lines: Option<usize>) -> Result<Vec<Event>, Failure> {
        let mut all = Vec::new();
        loop {
            let after = self.place.take();
            let filter = self.filter.clone();
            let read = ask(&self.host, ui, &ReadEvents { filter, after })?;
            let EventsRead {
                events,
                torn,
                place,
                end,
            } = read;
            self.place = Some(place);
            if torn > 0 && !self.warned {
                self.warned = true;
                ui.warn("the log has lines that are torn or no events; they are skipped");
            }
            all.extend(events);
            if let Some(lines) = lines {
                all.drain(..all.len().saturating_sub(lines));
            }
            if end {
                return Ok(all);
            }
        }
    }
}

/// Prints events as they come: how wide the columns will be, nobody knows.
fn follow(ui: &mut Ui, format: Format, events: &[Event]) -> Result<(), Failure> {
    for event in events {
        match format {
            Format::Json => ui.json_line(event)?,
            Format::Simple => ui.simple(&[cells(event)])?,
            Format::Table => {
                let [time, kind, user, container, details] = for_people(ui, cells(event));
                let (kind, user) = (format!("{kind:<24}"), format!("{user:<10}"));
                let container = format!("{container:<16}");
                ui.telling(None, &[[time, kind, user, container, details]])?;
            }
        }
    }
    Ok(())
}

/// A row as a terminal shows it: a time of this year without the year.
fn for_people(ui: &Ui, mut row: [String; 5]) -> [String; 5] {
    let now = clock::now().to_string();
    let (year, _) = now.split_at(5);
    if let Some(time) = row[0].strip_prefix(year).filter(|_| ui.shows()) {
        row[0] = time.trim_end_matches('Z').replace('T', " ");
    }
    row
}

fn cells(event: &Event) -> [String; 5] {
    let none = || "-".to_string();
    let named = |name: &String| match name.parse::<EngineName>() {
        Ok(ours) => ours.name.to_string(),
        Err(_) => name.clone(),
    };
    let facts = event.details.iter().filter(|(key, _)| *key != "container");
    let fact = |(key, value): (&String, &String)| match value.contains(char::is_whitespace) {
        true => format!("{key}={value:?}"),
        false => format!("{key}={value}"),
    };
    [
        event.timestamp.to_string(),
        event.event_type.clone(),
        event.user.clone().unwrap_or_else(none),
        event.details.get("container").map_or_else(none, named),
        facts.map(fact).collect::<Vec<_>>().join(" "),
    ]
}
