//! A container from a new image, in the place of one from the image of before.

use std::fs;

use ds01_cli::Ui;
use ds01_core::{
    failure::{Failure, Kind},
    gpu_request::GpuRequest,
    image,
    label::Interface,
    name::{ContainerArg, ContainerName},
};
use ds01_host::{
    Host,
    ops::{Create, Created, Describe, Described, Queue, Remove},
    projects::Project,
};

use crate::{
    ask,
    deploy::{deploy, existing},
    patience,
};

/// Seconds between SIGTERM and SIGKILL.
const GRACE: u32 = 10;

/// What can be done with a project's image that was built.
///
/// # Errors
///
/// If the containers cannot be looked at.
pub(crate) fn tell_next(host: &Host, ui: &mut Ui, name: &ContainerName) -> Result<(), Failure> {
    let found = described(host, ui, name)?;
    tell(host, ui, name, found.as_ref());
    Ok(())
}

/// Makes a project's container anew from its new image, if the user agrees: with as many devices,
/// and the same folders. Where nobody can be asked, the command is told. The container that was
/// made.
///
/// # Errors
///
/// Those of the steps; a container that was removed and could not be made again is told of.
pub(crate) fn offer(
    host: &Host,
    ui: &mut Ui,
    project: &Project,
) -> Result<Option<Created>, Failure> {
    let name = &project.name;
    let found = described(host, ui, name)?;
    let own = image::of_project(host.caller().uid, name);
    let Some(about) = found
        .as_ref()
        .filter(|about| about.image == own && about.outdated && ui.interactive())
    else {
        tell(host, ui, name, found.as_ref());
        return Ok(None);
    };
    let mut question = format!(
        "Container {name}, {}, is made from the image of before. Make it anew? What was changed in it \
         by hand goes, the workspace stays.",
        about.state
    );
    if !about.slots.is_empty() && is_wanted(host, ui)? {
        question += " Others wait for GPUs, or have reserved some: its own may go to them.";
    }
    if !ui.confirm(&question)? {
        tell(host, ui, name, Some(about));
        return Ok(None);
    }
    let create = like(project, about);
    ui.explain("it is stopped and removed, as docker stop and docker rm do");
    let remove = Remove {
        name: short(name),
        stop_seconds: Some(GRACE),
        volumes: false,
        image: false,
        dry_run: false,
    };
    ask(host, ui, &remove)?;
    let patience = patience(None, false)?;
    let made = deploy(host, ui, &create, patience).map_err(|mut failure| {
        if failure.kind != Kind::Interrupted {
            let message = format!("container {name} was removed, and is not there any more");
            failure.notices.push(message);
        }
        failure.with_hint(format!("make it with container-deploy {name}"))
    })?;
    Ok(Some(made))
}

/// Whether a GPU that is freed may go to others at once.
fn is_wanted(host: &Host, ui: &mut Ui) -> Result<bool, Failure> {
    let line = ask(host, ui, &Queue {})?;
    Ok(!line.waiting.is_empty() || !line.reserved.is_empty())
}

fn short(name: &ContainerName) -> ContainerArg {
    name.clone().into()
}

/// The caller's container of this name, closely.
fn described(host: &Host, ui: &mut Ui, name: &ContainerName) -> Result<Option<Described>, Failure> {
    match existing(host, ui, name)? {
        Some(_) => ask(host, ui, &Describe { name: short(name) }).map(Some),
        None => Ok(None),
    }
}

/// What there is of containers beside a project's image.
fn tell(host: &Host, ui: &mut Ui, name: &ContainerName, found: Option<&Described>) {
    let Some(about) = found else {
        ui.note(format_args!("next: container-deploy {name}"));
        return;
    };
    let state = about.state;
    let of = match about.image == image::of_project(host.caller().uid, name) {
        true if !about.outdated => {
            ui.note(format_args!(
                "container {name}, {state}, is made from this image"
            ));
            return;
        }
        true => "the image of before",
        false => &about.image,
    };
    ui.note(format_args!(
        "container {name}, {state}, is made from {of}: container-retire {name} && project-launch {name}"
    ));
}

/// One with as many devices as a container has, and its folders.
fn like(project: &Project, about: &Described) -> Create {
    // The project's own folder may be a link, which is followed again.
    let own = fs::canonicalize(&project.folder).ok();
    let slots = about
        .slots
        .split([' ', ','])
        .filter(|slot| !slot.is_empty());
    Create {
        name: project.name.clone(),
        image: None,
        project: None,
        workspace: about
            .workspace
            .clone()
            .filter(|folder| Some(folder) != own.as_ref()),
        data: about.data.clone(),
        gpus: GpuRequest::any(u32::try_from(slots.count()).unwrap_or(u32::MAX)),
        dry_run: false,
        interface: Interface::Orchestration,
        wait: None,
    }
}
