//! A container from a new image, in the place of one from the image of before.

use std::fs;

use ds01_cli::Ui;
use ds01_core::{
    failure::{Failure, Kind},
    image,
    name::{ContainerArg, ContainerName},
};
use ds01_host::{
    Host,
    ops::{Create, Describe, Described, Listed, Remove},
    projects::Project,
};

use crate::{
    ask,
    deploy::{deploy, existing, with_gpu},
    patience,
};

/// Seconds between SIGTERM and SIGKILL.
const GRACE: u32 = 10;

/// What can be done with a new image.
pub(crate) fn tell_next(ui: &mut Ui, name: &ContainerName, found: Option<&Listed>) {
    match found {
        Some(found) => ui.note(format_args!(
            "container {name}, {}, is made from the image of before: container-retire {name} && project-launch {name}",
            found.state
        )),
        None => ui.note(format_args!("next: container-deploy {name}")),
    }
}

/// Makes a project's container anew from its new image, if the user agrees: with as many devices,
/// and the same folders. Where nobody can be asked, the command is told.
///
/// # Errors
///
/// Those of the steps; a container that was removed and could not be made again is told of.
pub(crate) fn offer(host: &Host, ui: &mut Ui, project: &Project) -> Result<(), Failure> {
    let name = &project.name;
    let found = existing(host, ui, name)?;
    let own = image::of_project(host.caller().uid, name);
    let Some(found) = found
        .as_ref()
        .filter(|found| found.image == own && ui.interactive())
    else {
        tell_next(ui, name, found.as_ref());
        return Ok(());
    };
    let question = format!(
        "Container {name}, {}, is made from the image of before. Make it anew? What was changed in it \
         by hand goes, the workspace stays.",
        found.state
    );
    if !ui.confirm(&question)? {
        tell_next(ui, name, Some(found));
        return Ok(());
    }
    let short = ContainerArg {
        name: name.clone(),
        uid: None,
    };
    let about = ask(
        host,
        ui,
        &Describe {
            name: short.clone(),
        },
    )?;
    let create = like(project, &about);
    ui.explain("it is stopped and removed, as docker stop and docker rm do");
    let remove = Remove {
        name: short,
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
    ui.note(format_args!("{name} runs {}", with_gpu(&made.devices)));
    Ok(())
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
        gpus: u32::try_from(slots.count()).unwrap_or(u32::MAX),
        dry_run: false,
        wait: None,
    }
}
