//! A container is made and started, or there is none.

use std::time::Duration;

use ds01_cli::{ExitStatus, Interruptions, Ui};
use ds01_core::{
    container::State,
    device::Held,
    failure::{Failure, Kind},
    name::{ContainerArg, ContainerName},
};
use ds01_host::{
    Host,
    ops::{Create, Created, List, Listed, Locate, Remove, Settle, Start},
};

use crate::{ask, attach};

/// Makes a container, which waits in line for its devices as long as `patience` says, and starts it.
/// If it does not start, or the user interrupts it, it is removed again.
///
/// # Errors
///
/// Those of its steps; status 4 if there is such a container.
pub fn deploy(
    host: &Host,
    ui: &mut Ui,
    create: &Create,
    patience: Option<Duration>,
) -> Result<Created, Failure> {
    if let Some(found) = existing(host, ui, &create.name)? {
        return Err(exists(&found));
    }
    let interruptions = Interruptions::held()?;
    ui.explain("your limits are read, and devices are chosen that nobody holds");
    let made = crate::create(host, ui, create, patience)?;
    explain_create(host, ui, &made);
    let name = ContainerArg::from(made.name.clone());
    let started = interruptions.check().and_then(|()| {
        ui.explain("it is started, as docker start does");
        let one_by_one = format!(
            "to see more, take the steps one by one: container-create {} --image={} --gpu={} && container-start {}",
            made.name, made.image, create.gpus, made.name
        );
        ask(host, ui, &Start { name: name.clone() })
            .map_err(|failure| failure.with_hint(one_by_one))?;
        stays_up(host, ui, &name)?;
        interruptions.check()
    });
    match started {
        Ok(()) => Ok(made),
        Err(failure) => {
            let failure = undo(host, ui, &made, name, failure);
            // Interrupted while it failed, it is both.
            let kind = interruptions
                .check()
                .map_or_else(|i| i.kind, |()| failure.kind);
            Err(Failure { kind, ..failure })
        }
    }
}

/// Makes a container, and removes it again if the user interrupts that.
///
/// # Errors
///
/// Those of [`create`](crate::create()); [`Kind::Interrupted`].
pub fn create_or_undo(
    host: &Host,
    ui: &mut Ui,
    create: &Create,
    patience: Option<Duration>,
) -> Result<Created, Failure> {
    let interruptions = Interruptions::held()?;
    let made = crate::create(host, ui, create, patience)?;
    match interruptions.check() {
        Err(failure) if made.id.is_some() => {
            let name = made.name.clone().into();
            Err(undo(host, ui, &made, name, failure))
        }
        checked => checked.map(|()| made),
    }
}

/// Looks whether a container that was started stays up.
///
/// # Errors
///
/// Status 1 if it ended at once, with what it printed last.
pub(crate) fn stays_up(host: &Host, ui: &mut Ui, name: &ContainerArg) -> Result<(), Failure> {
    let Some(ended) = ask(host, ui, &Settle { name: name.clone() })? else {
        return Ok(());
    };
    let status = ended
        .status
        .map_or(String::new(), |status| format!(", with status {status}"));
    let message = format!(
        "container {} ended as soon as it was started{status}",
        name.name
    );
    let mut failure = Failure::new(Kind::Failed, message).with_hint(
        "an image needs a shell and tail, which every Linux system has: choose from image-list --all",
    );
    failure.causes = ended.said;
    Err(failure)
}

/// The caller's container of this name, in whatever state.
pub(crate) fn existing(
    host: &Host,
    ui: &mut Ui,
    name: &ContainerName,
) -> Result<Option<Listed>, Failure> {
    let all = List {
        stopped: true,
        all_users: false,
    };
    let mut all = ask(host, ui, &all)?.into_iter();
    Ok(all.find(|container| container.name == *name))
}

/// Status 4, with the command for the state that it is in.
fn exists(found: &Listed) -> Failure {
    let (name, state) = (&found.name, found.state);
    let hint = match state {
        State::Running | State::Restarting => {
            format!("open a shell in it with container-attach {name}")
        }
        State::Paused => format!("let it go on with container-unpause {name}"),
        State::Created | State::Exited => {
            format!("start it with container-start {name}, or container-run {name} for a shell")
        }
        State::Removing | State::Dead => format!("remove it with container-remove {name}"),
    };
    let message = format!("container {name} exists already: it is {state}");
    Failure::new(Kind::State, message).with_hint(hint)
}

fn explain_create(host: &Host, ui: &mut Ui, made: &Created) {
    let uuids: Vec<_> = made
        .devices
        .iter()
        .map(|held| held.uuid.to_string())
        .collect();
    let gpus = match uuids.as_slice() {
        [] => String::new(),
        uuids => format!("--gpus '\"device={}\"' ", uuids.join(",")),
    };
    ui.explain(format_args!(
        "a container is made within your limits, as docker create --name {}._.{} {gpus}-v {}:/workspace {} does",
        made.name,
        host.caller().uid,
        made.workspace.display(),
        made.image
    ));
}

/// Removes what was made; the failure, which says too if that did not work.
fn undo(host: &Host, ui: &mut Ui, made: &Created, name: ContainerArg, failure: Failure) -> Failure {
    let short = &made.name;
    let remove = Remove {
        name: name.clone(),
        stop_seconds: Some(0),
        volumes: true,
        image: false,
        dry_run: false,
    };
    let removed = ask(host, ui, &Locate { name }).and_then(|found| {
        // Another of that name is not ours to remove.
        match Some(&found.id) == made.id.as_ref() {
            true => ask(host, ui, &remove).map(drop),
            false => Ok(()),
        }
    });
    match removed {
        Err(why) if why.kind != Kind::NotFound => {
            let mut failure =
                failure.with_hint(format!("remove it with container-remove {short} --stop"));
            failure.notices.push(format!(
                "{short} was made, and could not be removed again: {}",
                why.one_line()
            ));
            failure
        }
        _ => {
            ui.note(format_args!("{short} was removed again"));
            failure
        }
    }
}

/// What a container has, in words: `with GPU 0:1`.
pub fn with_gpu(devices: &[Held]) -> String {
    let slots: Vec<_> = devices.iter().map(|held| held.slot.to_string()).collect();
    with_slots(&slots)
}

pub(crate) fn with_slots(slots: &[String]) -> String {
    match slots {
        [] => "without GPU".into(),
        slots => format!("with GPU {}", slots.join(" ")),
    }
}

/// The end of what makes a container run: it is said, `open` gives a shell in it.
///
/// # Errors
///
/// As [`attach`].
pub fn shell(
    host: &Host,
    ui: &mut Ui,
    name: &ContainerName,
    runs: &str,
    open: bool,
) -> Result<ExitStatus, Failure> {
    if !open {
        ui.line(format_args!("{name} {runs}"))?;
        return Ok(ExitStatus(0));
    }
    // Standard output is the shell's, and a script needs no words.
    if ui.interactive() {
        ui.note(format_args!(
            "{name} {runs}; exit or Ctrl-D leaves it running"
        ));
    }
    ui.explain("a shell is opened, as docker exec -it does");
    let name = ContainerArg::from(name.clone());
    attach(host, ui, &name)
}
