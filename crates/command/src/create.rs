//! A container from an image that may be named by its framework, and may have to be fetched.

use std::{
    path::{self, PathBuf},
    time::Duration,
};

use ds01_cli::{Interruptions, Ui, nearest};
use ds01_core::{
    catalogue::{NoImage, Wish, choose},
    device::slot_list,
    failure::{Failure, Kind},
    image,
    label::Interface,
};
use ds01_host::{
    Host,
    ops::{Catalogue, Create, Created},
};

use crate::{ask, wait::create_in_line};

/// Makes a container, which waits in line for its devices as long as `patience` says. An image that
/// this host does not have, but its catalogue, by that name, is the catalogue's; it is fetched if
/// need be.
///
/// # Errors
///
/// Those of [`Create`]; status 3 if nothing of the framework works here; those of the fetch.
pub fn create(
    host: &Host,
    ui: &mut Ui,
    create: &Create,
    patience: Option<Duration>,
) -> Result<Created, Failure> {
    let made = of_name(host, ui, &with_folders(create), patience)?;
    // Whoever names a project means one that is there.
    if made.is_new
        && let Some(project) = &create.project
    {
        let done = match create.dry_run {
            true => "would be made",
            false => "was made",
        };
        ui.note(format_args!(
            "there was no project {project}: its workspace {} {done}",
            made.workspace.display()
        ));
    }
    let project = create.project.as_ref().unwrap_or(&create.name);
    let own_image = image::of_project(host.caller().uid, project);
    if create.image.is_none()
        && made.image != own_image
        && let Some(found) = host.project(project)?
        && matches!(found.dockerfile(), Ok(Some(_)))
    {
        ui.note(format_args!(
            "project {project} has no image yet: made from {}; build its own with image-create {project}",
            made.image
        ));
    }
    if made.is_new
        && let Some(other) = host.in_capitals(project)?
    {
        let (workspace, other) = (made.workspace.display(), other.display());
        ui.note(format_args!(
            "its workspace is {workspace}, and not {other}: --workspace={other} mounts that"
        ));
    }
    Ok(made)
}

/// The same from what the image's name stands for.
fn of_name(
    host: &Host,
    ui: &mut Ui,
    create: &Create,
    patience: Option<Duration>,
) -> Result<Created, Failure> {
    // First as it is named: nearly always that is an image, and nothing else need be asked.
    let failure = match explained(host, ui, create, patience) {
        Err(failure) if failure.kind == Kind::NotFound => failure,
        made => return made,
    };
    let Some(image) = of_catalogue(host, ui, create, &failure)? else {
        return Err(match create.image {
            None => failure.with_hint(no_image(host, create)?),
            Some(_) => failure,
        });
    };
    of_image(host, ui, create, image, patience)
}

/// Makes a container from the newest image of a framework that works here, which is fetched if need
/// be.
///
/// # Errors
///
/// As [`create`].
pub fn create_of(
    host: &Host,
    ui: &mut Ui,
    create: &Create,
    wish: &Wish,
    patience: Option<Duration>,
) -> Result<Created, Failure> {
    let offered = ask(host, ui, &Catalogue {})?;
    let image = &choose(&offered.entries, wish, &offered.hardware)?.image;
    explain(ui, wish, image);
    of_image(host, ui, &with_folders(create), image.clone(), patience)
}

/// With folders as they are named from here: whoever makes it is elsewhere.
fn with_folders(create: &Create) -> Create {
    // One's home is known there.
    let from_here = |folder: &PathBuf| match folder.starts_with("~") {
        true => folder.clone(),
        false => path::absolute(folder).unwrap_or(folder.clone()),
    };
    Create {
        workspace: create.workspace.as_ref().map(from_here),
        data: create.data.as_ref().map(from_here),
        ..create.clone()
    }
}

fn explain(ui: &mut Ui, wish: &Wish, image: &str) {
    ui.explain(format_args!("of the catalogue, {wish} is {image} here"));
}

/// Makes a container, and tells why it has its devices, and not others.
fn explained(
    host: &Host,
    ui: &mut Ui,
    create: &Create,
    patience: Option<Duration>,
) -> Result<Created, Failure> {
    let made = create_in_line(host, ui, create, patience)?;
    if !made.devices.is_empty() {
        let (slots, reason) = (slot_list(&made.devices), &made.reason);
        ui.explain(format_args!("the choice is GPU {slots}: {reason}"));
    }
    Ok(made)
}

/// The same from an image that may have to be fetched.
fn of_image(
    host: &Host,
    ui: &mut Ui,
    create: &Create,
    image: String,
    patience: Option<Duration>,
) -> Result<Created, Failure> {
    if host.find_image(&image)?.is_none() {
        if create.dry_run {
            let message = format!("the image {image} is not on this host yet");
            return Err(Failure::new(Kind::NotFound, message)
                .with_hint("it is fetched when a container is made, without --dry-run"));
        }
        fetch(host, ui, &image)?;
    }
    let create = Create {
        image: Some(image),
        ..create.clone()
    };
    explained(host, ui, &create, patience)
}

/// The image that the catalogue has for what was named; `None` if it is no framework of it.
fn of_catalogue(
    host: &Host,
    ui: &mut Ui,
    create: &Create,
    failure: &Failure,
) -> Result<Option<String>, Failure> {
    let named = match &create.image {
        Some(name) => match name.parse::<Wish>() {
            Ok(wish) if host.find_image(name)?.is_none() => Some(wish),
            _ => return Ok(None),
        },
        None => None,
    };
    let offered = ask(host, ui, &Catalogue {})?;
    let default = || offered.default_image.as_deref()?.parse().ok();
    let Some(wish) = named.or_else(default) else {
        return Ok(None);
    };
    match choose(&offered.entries, &wish, &offered.hardware) {
        Ok(entry) => {
            explain(ui, &wish, &entry.image);
            Ok(Some(entry.image.clone()))
        }
        Err(NoImage::Framework { framework, known })
            if create.image.is_some() && !known.is_empty() =>
        {
            let hint = frameworks(&framework, known);
            Err(failure.clone().with_hint(hint))
        }
        Err(NoImage::Framework { .. }) => Ok(None),
        Err(none) => Err(Failure {
            notices: failure.notices.clone(),
            ..none.into()
        }),
    }
}

/// What an image that there is not may have been meant to be: a framework of the catalogue, the likeliest
/// first.
fn frameworks(framework: &str, mut known: Vec<String>) -> String {
    known.sort();
    let meant = nearest(framework, known.iter().map(String::as_str)).map(str::to_string);
    known.sort_by_key(|one| Some(one) != meant.as_ref());
    let meant = meant.map_or(String::new(), |meant| format!("did you mean {meant}? "));
    let known = known.join(", ");
    format!("{meant}frameworks here: {known}; or name an image of image-list --all")
}

/// Fetches an image, with what goes on shown on a terminal.
fn fetch(host: &Host, ui: &mut Ui, image: &str) -> Result<(), Failure> {
    ui.note(format_args!(
        "fetching {image}, which this host does not have yet"
    ));
    let interruptions = Interruptions::held()?;
    let fetched = host.fetch(image, &mut |said| {
        interruptions.check()?;
        if let Some(said) = said {
            ui.progress(said);
        }
        Ok(())
    });
    ui.progress_ends();
    fetched
}

/// What to do for a container that has no image: its project's, if it has a project.
fn no_image(host: &Host, create: &Create) -> Result<String, Failure> {
    let project = create.project.as_ref().unwrap_or(&create.name);
    let own = match host.project(project)? {
        Some(found) if found.dockerfile()?.is_some() => {
            format!("build it with image-create {project}")
        }
        Some(_) => format!("make one with image-create {project}"),
        None => format!("make a project first, with project-init {project}"),
    };
    let name = &create.name;
    let command = match create.interface {
        Interface::Atomic => "container-create",
        _ => "container-deploy",
    };
    Ok(format!(
        "{own}; or choose from image-list --all: {command} {name} --image=<image>"
    ))
}
