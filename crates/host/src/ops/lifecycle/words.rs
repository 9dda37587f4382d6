//! What owners are told of their containers.

use std::{path::PathBuf, time::Duration};

use ds01_core::{
    lifecycle::{Due, Rule, Step, words},
    name::{ContainerName, EngineName},
};

use super::subject::Subject;
use crate::{
    Site,
    tell::{Notice, tell, tell_all},
    users::{Caller, Person, login, person},
};

/// What a step means to the owner, in one line. `extension` is what a longer run can be asked for.
pub(super) fn of_step(
    subject: &Subject,
    due: &Due,
    slots: &str,
    exempt: Option<&str>,
    extension: Option<String>,
) -> String {
    let name = subject.short();
    let container = format!("container {name} with GPU {slots}");
    let elapsed = words(due.elapsed);
    let done = match due.rule {
        Rule::Idle => format!("{container} has been idle for {elapsed}"),
        Rule::Longest if subject.made_elsewhere => {
            format!("{container} has run for {elapsed} since DS01 first saw it")
        }
        Rule::Longest => format!("{container} has run for {elapsed}"),
    };
    match (due.rule, due.step) {
        (_, Step::Exempt) => {
            let exempt = exempt.unwrap_or_default();
            format!(
                "{done} of {}; it is not stopped: {exempt}",
                words(due.limit)
            )
        }
        (Rule::Idle, Step::Warn { left, .. }) => {
            let keep = match subject.ours {
                Some(_) => ", or keep it with touch /workspace/.keep-alive",
                None => "",
            };
            format!(
                "{done} and will be stopped in {}: use it{keep}",
                words(left)
            )
        }
        (Rule::Longest, Step::Warn { left, .. }) => {
            let more = extension.map_or(String::new(), |by| {
                format!(", or let it run longer: container-extend {name} {by}")
            });
            format!(
                "{done} and will be stopped in {}: save your work{more}",
                words(left)
            )
        }
        (_, Step::Stop) => format!(
            "{done} and was stopped, as its limit is {}",
            words(due.limit)
        ),
    }
}

/// What becomes of a container that was stopped: its devices are held for so long, and itself is kept
/// as long as that, or for what the policy says.
pub(in crate::ops) fn of_hold(
    name: &str,
    hold: Option<Duration>,
    kept: Option<Duration>,
) -> String {
    let gpu = match hold {
        Some(Duration::ZERO) => "; its GPU is free for others".into(),
        Some(hold) => format!(
            "; its GPU is kept for {}: container-start {name}",
            words(hold)
        ),
        None => format!("; its GPU is kept: container-start {name}"),
    };
    match hold.zip(kept) {
        Some((hold, kept)) => format!(
            "{gpu}; it is removed in {}: the workspace stays",
            words(hold.max(kept))
        ),
        None => gpu,
    }
}

/// Tells the owner of a container what an admin did to it; who did it themselves knows. `folder` is its
/// workspace.
pub(in crate::ops) fn tell_of_admin(
    site: &Site,
    admin: Caller,
    container: &EngineName,
    folder: Option<PathBuf>,
    text: impl FnOnce(&Person, &str) -> String,
) {
    if admin.uid == container.uid {
        return;
    }
    let Ok(owner) = person(container.uid) else {
        return;
    };
    let text = text(&owner, &login(admin.uid));
    let workspace = folder;
    tell(site, &owner, &Notice { text, workspace });
}

/// A container and its devices, if it has some.
pub(in crate::ops) fn with_gpu(name: &ContainerName, slots: &str) -> String {
    match slots {
        "" => format!("container {name}"),
        slots => format!("container {name} with GPU {slots}"),
    }
}

/// Tells the owners of these containers, as far as anybody knows them. `told` gets the number of each
/// as soon as that is done: of one of ours whose owner cannot be found it is not, and what was not told
/// is no warning.
pub(super) fn tell_owners<'a>(
    site: &Site,
    texts: impl Iterator<Item = (&'a Subject, String)>,
    mut told: impl FnMut(usize),
) {
    let (mut numbers, mut notices) = (Vec::new(), Vec::new());
    for (number, (subject, text)) in texts.enumerate() {
        let Some(person) = &subject.owner.person else {
            match subject.is_of_unknown() {
                true => site.notice(format!(
                    "{} is not stopped: nobody can be warned, as uid {} has no login on this host",
                    subject.name,
                    subject.login()
                )),
                false => told(number),
            }
            continue;
        };
        let record = subject.record(site);
        let folder = record.as_ref().and_then(|record| record.workspace_folder());
        let workspace = folder.map(PathBuf::from);
        numbers.push(number);
        notices.push((person.clone(), Notice { text, workspace }));
    }
    tell_all(site, &notices, |notice| told(numbers[notice]));
}
