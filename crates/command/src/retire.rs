//! A container goes, and what should not go with it is kept.

use std::path::PathBuf;

use ds01_cli::{ExitStatus, Ui};
use ds01_core::{
    failure::{Failure, Kind},
    image,
    line::gpu_is,
    name::ContainerArg,
    packages::{Installer, Package, missing, with},
    sources::REQUIREMENTS,
};
use ds01_host::{
    Host,
    ops::{Describe, Installed, List, Remove},
    text_file::TextFile,
};

use crate::{ask, show};

/// Seconds between SIGTERM and SIGKILL.
const GRACE: u32 = 10;

/// What becomes of what is around the containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retire {
    /// Ask nothing, and offer nothing.
    pub force: bool,
    /// Do not offer to remove the image.
    pub keep_image: bool,
    /// Remove the image unasked.
    pub images: bool,
    /// Save packages unasked.
    pub save_packages: bool,
    /// Only say what would be done.
    pub dry_run: bool,
}

/// A container that is to be retired, as the engine has it.
struct RetiringContainer {
    image: String,
    /// Its devices as users read them.
    slots: String,
    /// Another of the caller's containers has the same image.
    shares_image: bool,
}

/// Packages that were installed by hand, and the file that does not name them yet.
struct Unsaved {
    requirements: TextFile,
    shown: PathBuf,
    packages: Vec<Package>,
}

/// Stops and removes containers, after one question; the status of the first failure.
///
/// # Errors
///
/// If the user declines, or one of them does not exist: then nothing was done.
pub fn retire(
    host: &Host,
    ui: &mut Ui,
    names: Vec<ContainerArg>,
    how: Retire,
) -> Result<ExitStatus, Failure> {
    let asks = !how.force && !how.dry_run && ui.interactive();
    if asks {
        for name in &names {
            show(host, ui, name)?;
        }
        let them = if names.len() == 1 { "it" } else { "them" };
        if !ui.confirm(&format!(
            "Retire {them}? The workspace stays, all else in {them} goes."
        ))? {
            return Err(Failure::new(Kind::Failed, "nothing was retired"));
        }
    }
    Ok(ui.each(names, |name, ui| one(host, ui, name, how, asks)))
}

fn one(
    host: &Host,
    ui: &mut Ui,
    name: ContainerArg,
    how: Retire,
    asks: bool,
) -> Result<(), Failure> {
    let seen = seen(host, ui, &name)?;
    // Every question first: who leaves at one of them has everything as it was.
    let unsaved = match how.save_packages || asks {
        true => unsaved(host, ui, &name, how)?,
        false => None,
    };
    let image = match &seen {
        Some(seen) => image_to_remove(host, ui, &name, seen, how, asks)?,
        None => false,
    };
    if how.dry_run {
        return would(host, ui, &name, seen, unsaved, image);
    }
    if let Some(unsaved) = unsaved {
        save(ui, &name, &unsaved)?;
    }
    ui.explain(
        "as docker stop and docker rm do; then the ledger gives its devices to whoever asks next",
    );
    let remove = Remove {
        name,
        stop_seconds: Some(GRACE),
        volumes: false,
        image,
        dry_run: false,
    };
    let removed = ask(host, ui, &remove)?;
    match removed.slots.as_str() {
        "" => ui.note(format_args!("{} retired", removed.name)),
        slots => ui.note(format_args!(
            "{} retired, {} free",
            removed.name,
            gpu_is(slots)
        )),
    }
    if let Some(image) = removed.image {
        ui.note(format_args!("image {image} removed"));
    }
    Ok(())
}

fn is_own(host: &Host, name: &ContainerArg) -> bool {
    let caller = host.caller().uid;
    name.uid.unwrap_or(caller) == caller
}

/// What is told of a container; nothing of one that does not exist, or that the engine has lost:
/// whether it can be removed all the same is not decided here.
fn seen(
    host: &Host,
    ui: &mut Ui,
    name: &ContainerArg,
) -> Result<Option<RetiringContainer>, Failure> {
    if !is_own(host, name) {
        let about = ask(host, ui, &Describe { name: name.clone() }).ok();
        return Ok(about.map(|about| RetiringContainer {
            image: about.image,
            slots: about.slots,
            shares_image: false,
        }));
    }
    let list = List {
        stopped: true,
        all_users: false,
    };
    let all = ask(host, ui, &list)?;
    let found = all.iter().find(|container| container.name == name.name);
    Ok(found.map(|found| RetiringContainer {
        image: found.image.clone(),
        slots: found.slots.join(" "),
        shares_image: all
            .iter()
            .any(|other| other.image == found.image && other.id != found.id),
    }))
}

/// The packages to save, if that is wanted and there are any.
fn unsaved(
    host: &Host,
    ui: &mut Ui,
    name: &ContainerArg,
    how: Retire,
) -> Result<Option<Unsaved>, Failure> {
    let short = &name.name;
    if !is_own(host, name) {
        return match how.save_packages {
            true => {
                let message = format!("the packages of {short} are its owner's to save");
                let hint = "leave --save-packages out";
                Err(Failure::new(Kind::Forbidden, message).with_hint(hint))
            }
            false => Ok(None),
        };
    }
    let looked = ask(host, ui, &Installed { name: name.clone() }).and_then(|found| {
        let packages = found.packages;
        let read = |shown: PathBuf| {
            TextFile::of(&shown, REQUIREMENTS).map(|requirements| Unsaved {
                packages: missing(requirements.text(), &packages),
                shown: shown.join(REQUIREMENTS),
                requirements,
            })
        };
        match found.workspace {
            Some(workspace) if !packages.is_empty() => read(workspace).map(Some),
            None if !packages.is_empty() => {
                let message = format!("{short} has no workspace to save packages in");
                Err(Failure::new(Kind::State, message).with_hint("leave --save-packages out"))
            }
            _ => Ok(None),
        }
    });
    let unsaved = match looked {
        Ok(unsaved) => unsaved.filter(|unsaved| !unsaved.packages.is_empty()),
        // What was asked for fails; what would only be offered is not.
        Err(failure) if how.save_packages => return Err(failure),
        Err(failure) => {
            ui.warn(format_args!(
                "packages cannot be saved: {}",
                failure.message
            ));
            None
        }
    };
    let Some(unsaved) = unsaved else {
        if how.save_packages {
            ui.note(format_args!("{short} has no packages to save"));
        }
        return Ok(None);
    };
    if how.save_packages {
        return Ok(Some(unsaved));
    }
    ui.note(format_args!(
        "installed by hand: {}",
        lines(&unsaved.packages)
    ));
    let question = format!("Save them in {}?", unsaved.shown.display());
    Ok(ui.confirm(&question)?.then_some(unsaved))
}

fn lines(packages: &[Package]) -> String {
    let lines: Vec<_> = packages.iter().map(Package::line).collect();
    lines.join(", ")
}

fn save(ui: &mut Ui, name: &ContainerArg, unsaved: &Unsaved) -> Result<(), Failure> {
    let (packages, file) = (&unsaved.packages, unsaved.shown.display());
    let requirements = &unsaved.requirements;
    requirements.replace(&with(requirements.text(), packages))?;
    ui.note(format_args!("saved in {file}: {}", lines(packages)));
    if packages
        .iter()
        .any(|package| package.installer == Installer::Conda)
    {
        ui.note("what conda installed is a comment there: add it to the Dockerfile");
    }
    ui.note(format_args!(
        "project-launch {} --rebuild takes them into the image, if its Dockerfile installs that file",
        name.name
    ));
    Ok(())
}

/// Whether the image goes too: the owner's own, if nothing else uses it.
fn image_to_remove(
    host: &Host,
    ui: &mut Ui,
    name: &ContainerArg,
    seen: &RetiringContainer,
    how: Retire,
    asks: bool,
) -> Result<bool, Failure> {
    let image = &seen.image;
    let uid = host.caller().uid;
    let stays = match image::owner(image) {
        _ if !is_own(host, name) => Some("it is its owner's to remove"),
        Some(owner) if owner == uid && !seen.shares_image => None,
        Some(owner) if owner == uid => Some("another container of yours uses it"),
        Some(_) => Some("it is somebody else's"),
        None => Some("it is shared"),
    };
    match stays {
        Some(why) if how.images => {
            ui.note(format_args!("image {image} stays: {why}"));
            Ok(false)
        }
        None if how.images => Ok(true),
        None if asks && !how.keep_image => ui.confirm(&format!(
            "Remove its image {image} too? It can be built again from its Dockerfile."
        )),
        _ => Ok(false),
    }
}

/// Says what would be done.
fn would(
    host: &Host,
    ui: &mut Ui,
    name: &ContainerArg,
    seen: Option<RetiringContainer>,
    unsaved: Option<Unsaved>,
    image: bool,
) -> Result<(), Failure> {
    let refused = Remove {
        name: name.clone(),
        stop_seconds: Some(GRACE),
        volumes: false,
        image,
        dry_run: true,
    };
    let removed = ask(host, ui, &refused)?;
    if let Some(unsaved) = unsaved {
        let (packages, file) = (lines(&unsaved.packages), unsaved.shown.display());
        ui.line(format_args!("{packages} would be saved in {file}"))?;
    }
    match seen.as_ref().map_or("", |seen| &seen.slots) {
        "" => ui.line(format_args!("{} would be retired", removed.name))?,
        slots => ui.line(format_args!(
            "{} would be retired, GPU {slots} would be free",
            removed.name
        ))?,
    }
    match (image, seen) {
        (true, Some(seen)) => ui.line(format_args!("image {} would be removed", seen.image)),
        _ => Ok(()),
    }
}
