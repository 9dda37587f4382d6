//! What `gpu-queue` decides beside the line itself: which word, which project, which tickets.

use std::str::FromStr;

use ds01_cli::{Ui, nearest};
use ds01_core::{
    failure::{Failure, Kind},
    gpu_request::GpuRequest,
    name::{ContainerArg, ContainerName},
};
use ds01_host::{
    Host,
    ops::{Queue, QueueStatus},
};

use crate::{ask, deploy::existing, launch::no_project};

/// What `gpu-queue` is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// To wait.
    Join,
    /// To wait no longer.
    Leave,
    /// To show one's own requests.
    Status,
    /// To show everybody's.
    List,
}

const WORDS: [(&str, Word); 4] = [
    ("join", Word::Join),
    ("leave", Word::Leave),
    ("status", Word::Status),
    ("list", Word::List),
];

impl FromStr for Word {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        let found = WORDS.iter().find(|(word, _)| *word == text);
        found.map(|(_, word)| *word).ok_or_else(|| {
            let meant = nearest(text, WORDS.iter().map(|(word, _)| *word));
            let meant = meant.map_or(String::new(), |meant| format!("; did you mean '{meant}'?"));
            let message = format!("'{text}' is neither join, leave, status nor list{meant}");
            Failure::new(Kind::Usage, message).with_hint("see gpu-queue --help")
        })
    }
}

/// What GPUs a project's container needs, which can be started without its owner.
///
/// # Errors
///
/// Status 3 without the project or its image, 4 if its container exists.
pub fn gpus_to_launch(
    host: &Host,
    ui: &mut Ui,
    name: &ContainerName,
    gpus: Option<GpuRequest>,
) -> Result<GpuRequest, Failure> {
    let Some(project) = host.project(name)? else {
        return Err(no_project(host, "gpu-queue join --launch=", name)?);
    };
    if let Some(found) = existing(host, ui, name)? {
        let message = format!("container {name} exists already: it is {}", found.state);
        let hint = format!("go on with it: project-launch {name}");
        return Err(Failure::new(Kind::State, message).with_hint(hint));
    }
    if host.image_of(name)?.is_none() {
        let message = format!("project {name} has no image yet: nobody is there to see it built");
        let hint = format!("build it first: image-create {name}");
        return Err(Failure::new(Kind::NotFound, message).with_hint(hint));
    }
    match gpus {
        Some(gpus) => Ok(gpus),
        None => Ok(project.settings()?.gpus.unwrap_or_default()),
    }
}

/// The requests of the caller's that are to leave the line.
///
/// # Errors
///
/// Status 2 if it is not clear which, 3 if there is none.
pub fn tickets(
    host: &Host,
    ui: &mut Ui,
    named: Option<&str>,
    all: bool,
) -> Result<Vec<u64>, Failure> {
    let QueueStatus { waiting, kept, .. } = ask(host, ui, &Queue {})?;
    let waiting = waiting.into_iter().filter(|waiting| waiting.mine);
    let waiting = waiting.map(|waiting| (waiting.standing.ticket, waiting.container));
    let kept = kept.into_iter().filter(|kept| kept.mine);
    let own: Vec<_> = kept
        .map(|kept| (kept.ticket, kept.container))
        .chain(waiting)
        .collect();
    let none = |message: String| {
        Failure::new(Kind::NotFound, message)
            .with_hint("see what you wait for with gpu-queue status")
    };
    let tickets =
        |own: Vec<(u64, Option<ContainerName>)>| own.iter().map(|(ticket, _)| *ticket).collect();
    match (named, all) {
        (Some(_), true) => Err(crate::exclude_each_other("a ticket", "--all")),
        (None, true) => Ok(tickets(own)),
        (Some(text), false) => {
            // As everywhere: in capitals, and as the engine has it.
            let named = text.parse::<ContainerArg>().ok();
            let named = named.map(|named| named.name);
            let is = |(ticket, name): &&(u64, Option<ContainerName>)| {
                ticket.to_string() == text || name.is_some() && *name == named
            };
            let found = own.iter().find(is).map(|(ticket, _)| vec![*ticket]);
            found.ok_or_else(|| none(format!("you do not wait in line with {text}")))
        }
        (None, false) => match own.len() {
            0 => Err(none("you do not wait in line".into())),
            1 => Ok(tickets(own)),
            _ if ui.interactive() => {
                let name = |name: &Option<ContainerName>| {
                    name.as_ref().map_or("-".into(), ToString::to_string)
                };
                let rows: Vec<_> = own
                    .iter()
                    .map(|(ticket, of)| [ticket.to_string(), name(of)])
                    .collect();
                let chosen = ui.choose("Which request is to leave the line?", &rows)?;
                Ok(vec![own[chosen].0])
            }
            count => {
                let message = format!("you wait in line {count} times: which is to leave?");
                let hint = "name a ticket or container of gpu-queue status, or leave with --all";
                Err(Failure::new(Kind::Usage, message).with_hint(hint))
            }
        },
    }
}
