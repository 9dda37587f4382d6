//! The names that a shell is offered for an argument.

use std::{sync::mpsc::channel, thread, time::Duration};

use ds01_cli::Candidate;
use ds01_core::image;
use ds01_host::{
    Host,
    ops::{Images, List, Queue, QueueStatus},
};

/// How long a shell waits: whoever types on has had enough.
const PATIENCE: Duration = Duration::from_secs(1);

/// What can stand for the argument of this name, as the usage has it. Nothing where the host
/// cannot be asked, or is slow to answer: a shell has no place for an error.
pub(crate) fn names(argument: &str) -> Vec<Candidate> {
    let (sender, receiver) = channel();
    let argument = argument.to_owned();
    // Whatever it still waits for ends with the process.
    thread::spawn(move || sender.send(found(&argument)));
    receiver.recv_timeout(PATIENCE).unwrap_or_default()
}

fn found(argument: &str) -> Vec<Candidate> {
    let Ok(host) = Host::open("completion") else {
        return Vec::new();
    };
    let found = match argument {
        "container" => containers(&host),
        "image" => images(&host),
        "own-image" => own_images(&host),
        // What a container is to be called that joins the line: there is none of that name yet.
        "name" | "project" | "join" => projects(&host),
        "leave" => requests(&host),
        _ => None,
    };
    found.unwrap_or_default()
}

fn containers(host: &Host) -> Option<Vec<Candidate>> {
    let list = List {
        stopped: true,
        all_users: false,
    };
    let listed = host.ask(&list).ok()?.value.into_iter();
    let candidate = |container: ds01_host::ops::Listed| Candidate {
        word: container.name.to_string(),
        about: format!("{}, {}", container.state, container.image),
    };
    Some(listed.map(candidate).collect())
}

/// The user's own in the waiting line, by ticket and by container.
fn requests(host: &Host) -> Option<Vec<Candidate>> {
    let QueueStatus { waiting, kept, .. } = host.ask(&Queue {}).ok()?.value;
    let waiting = waiting.into_iter().filter(|waiting| waiting.mine);
    let waiting = waiting.map(|waiting| (waiting.standing.ticket, waiting.container));
    let kept = kept.into_iter().filter(|kept| kept.mine);
    let kept = kept.map(|kept| (kept.ticket, kept.container));
    let candidates = kept.chain(waiting).flat_map(|(ticket, container)| {
        let about = container
            .as_ref()
            .map_or("any container".into(), ToString::to_string);
        let ticket = ticket.to_string();
        let by_name = container.map(|name| Candidate {
            word: name.to_string(),
            about: format!("ticket {ticket}"),
        });
        let by_ticket = Candidate {
            word: ticket,
            about,
        };
        [Some(by_ticket), by_name].into_iter().flatten()
    });
    Some(candidates.collect())
}

fn images(host: &Host) -> Option<Vec<Candidate>> {
    let images = host.ask(&Images { shared: true }).ok()?.value.into_iter();
    let candidate = |image: ds01_host::ops::ImageListed| Candidate {
        about: match image.shared {
            true => "shared".into(),
            false => "yours".into(),
        },
        word: image.name(),
    };
    Some(images.map(candidate).collect())
}

/// The user's own, as they type them: without the owner, and the tag that is meant anyway.
fn own_images(host: &Host) -> Option<Vec<Candidate>> {
    let images = host.ask(&Images { shared: false }).ok()?.value.into_iter();
    let candidate = |image: ds01_host::ops::ImageListed| {
        let name = image.name();
        let word = image::shown(&name, host.caller().uid);
        Candidate {
            word: word.strip_suffix(":latest").unwrap_or(word).into(),
            about: name.clone(),
        }
    };
    Some(images.map(candidate).collect())
}

fn projects(host: &Host) -> Option<Vec<Candidate>> {
    let candidate = |project: ds01_core::name::ContainerName| Candidate {
        word: project.to_string(),
        about: "project".into(),
    };
    Some(host.projects().ok()?.into_iter().map(candidate).collect())
}
