//! `container-remove`: the container goes, its devices are free at once. The workspace stays.

use std::{path::PathBuf, time::Duration};

use ds01_core::{
    container::{ContainerId, Sighting},
    device::slot_list,
    event::Event,
    failure::{Failure, Kind},
    image, label,
    name::{ContainerArg, ContainerName, EngineName},
};
use nix::unistd::geteuid;
use serde::{Deserialize, Serialize};

use super::{account, lifecycle::words, target, target::Target};
use crate::{
    Operation, Site, clock,
    engine::EngineError,
    going::Gone,
    ledger_file::Stored,
    look::Scope,
    removal::{self, remove_volume},
    site::fail,
    users::{Caller, Person, login},
};

/// Asks for a container to be removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remove {
    /// Which.
    pub name: ContainerArg,
    /// Stop it first, with so many seconds between SIGTERM and SIGKILL.
    pub stop_seconds: Option<u32>,
    /// Its anonymous volumes too.
    pub volumes: bool,
    /// The project's image too, if no other container uses it.
    pub image: bool,
    /// Refuse what would be refused, and change nothing.
    pub dry_run: bool,
}

/// A container that is no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// Its name.
    pub name: ContainerName,
    /// The devices that are free again, as users read them.
    pub slots: String,
    /// The image that went with it.
    pub image: Option<String>,
}

impl Operation for Remove {
    const NAME: &'static str = "remove";
    type Answer = Removed;

    fn takes(&self) -> Duration {
        Duration::from_secs(self.stop_seconds.unwrap_or_default().into())
    }

    fn container(&self) -> Option<&ContainerArg> {
        Some(&self.name)
    }

    fn run(&self, site: &Site, caller: Caller) -> Result<Removed, Failure> {
        self.this(site, caller, &target::find(site, caller, &self.name)?)
    }
}

impl Remove {
    /// Removes the container that was found, whatever has its name by now.
    pub(super) fn this(
        &self,
        site: &Site,
        caller: Caller,
        target: &Target,
    ) -> Result<Removed, Failure> {
        let name = target.container.name.clone();
        let engine = site.engine();
        // One that is gone already is what was asked for: its entry goes too.
        let sighting = match target::sight(site, target) {
            Err(failure) if failure.kind == Kind::NotFound => None,
            seen => Some(seen?),
        };
        if let Some(sighting) = sighting.as_ref().filter(|sighting| sighting.state.is_up()) {
            let Some(seconds) = self.stop_seconds else {
                let message = format!("container {name} is {}", sighting.state);
                let hint = format!("stop it first, or use container-remove {name} --stop");
                return Err(fail(Kind::State, message, hint));
            };
            if !self.dry_run {
                engine.stop(&target.id, Duration::from_secs(seconds.into()))?;
            }
        }
        if self.dry_run {
            let (slots, image) = (String::new(), None);
            return Ok(Removed { name, slots, image });
        }
        // With it, its record goes.
        let record = site.metadata.of(&target.container, &target.id);
        let removed = match remove_container(site, target, self.volumes) {
            Err(EngineError::Refused { status: 404, .. }) => false,
            other => other.map(|()| true)?,
        };
        if let Some(sighting) = &sighting {
            remove_name(site, sighting);
        }
        let struck = strike(site, &target.container, &target.id, removed)?;
        let event = |kind: &str| {
            let event = Event::new(clock::now(), kind).of(login(caller.uid));
            event.with("container", &target.container)
        };
        // Of several who remove it at once, who takes its entry tells; without an entry, who removed it.
        let is_teller = struck.is_some() || removed && !target.listed;
        if is_teller {
            site.log(event("container.remove"));
        }
        let slots = struck.unwrap_or_default();
        if !slots.is_empty() {
            site.log(event("gpu.release").with("gpus", &slots));
        }
        if is_teller {
            let folder = record.as_ref().and_then(|record| record.workspace_folder());
            let container = &target.container;
            let text = |_: &Person, admin: &str| {
                let what = words::with_gpu(&container.name, &slots);
                format!("{what} was removed by {admin}; the workspace stays")
            };
            words::tell_of_admin(site, caller, container, folder.map(PathBuf::from), text);
        }
        let image =
            sighting.and_then(|sighting| Some(sighting.labels.get(label::IMAGE)?.to_string()));
        let image = image.filter(|image| {
            self.image && image.starts_with(&format!("ds01-{}/", target.container.uid))
        });
        Ok(Removed {
            name,
            slots,
            image: image.filter(|image| remove_image(site, image, target.container.uid)),
        })
    }
}

/// Has the engine remove it; its files and its anonymous volumes, if they are to go, we remove ourselves
/// where we may.
fn remove_container(site: &Site, target: &Target, volumes: bool) -> Result<(), EngineError> {
    let engine = site.engine();
    if !geteuid().is_root() {
        return engine.remove(&target.id, volumes);
    }
    let unnamed = match volumes {
        true => engine.unnamed_volumes(&target.id)?,
        false => Vec::new(),
    };
    let uid = target.container.uid;
    delete(site, removal::remove_container(engine, (uid, &target.id))?);
    for volume in unnamed {
        match remove_volume(engine, site.config(), (uid, &volume), false) {
            Ok(files) => delete(site, files),
            // As docker does: others have it.
            Err(failure) if failure.kind == Kind::State => {}
            Err(failure) => site.notice(failure.one_line()),
        }
    }
    Ok(())
}

/// Deletes the files of what is gone, unless the gateway does, which hears of it.
pub(super) fn delete(site: &Site, files: Option<Gone>) {
    if let Some(files) = files.filter(|_| !site.is_for_others()) {
        // What is left, the gateway finds.
        let _ = files.delete();
    }
}

/// Takes a container that is no more out of our records. Its devices that are free again, as
/// users read them; `None` if somebody else has taken it out.
///
/// `removed`: the engine has removed it for us. Else it had no such container, and may have it again.
pub(super) fn strike(
    site: &Site,
    container: &EngineName,
    id: &ContainerId,
    removed: bool,
) -> Result<Option<String>, Failure> {
    let (freed, mounts) = site.change(&site.look(&Scope::Nothing)?, |ledger, now| {
        let entry = ledger.entry(container);
        let ours = entry.is_some_and(|entry| entry.id.as_ref() == Some(id));
        let entry = ours.then(|| ledger.remove(container)).flatten();
        let freed = entry.map(|entry| match entry.holds(now) {
            true => slot_list(&entry.devices),
            false => String::new(),
        });
        let known = site.metadata.of(container, id);
        let known = known.or_else(|| site.metadata.of_gone(container, id));
        // Before the entry: whoever dies here leaves an entry of what is gone, which the next
        // look drops.
        match removed {
            true => site.forget(container, id),
            false => site.note(site.metadata.put_aside(container, id)),
        }
        Ok((freed, known.and_then(|record| record.mounts)))
    })?;
    site.clear(container, mounts.as_deref());
    Ok(freed)
}

/// Takes the name from an image that it had for the sake of a container which is no more, unless
/// there is another one of that name again; the image goes with it, if that was its last.
pub(super) fn remove_name(site: &Site, gone: &Sighting) {
    let Some(of) = image::sake(&gone.image, &gone.name) else {
        return;
    };
    let again = match site.ledger.read() {
        Ok(Stored::Whole(ledger)) => ledger
            .entry(&of)
            .is_some_and(|entry| entry.id.as_ref() != Some(&gone.id)),
        _ => true,
    };
    if !again {
        // One that stays is in nobody's way, and goes with the next sweep.
        let _ = site.engine().remove_image(&gone.image);
    }
}

/// Whether the image went; why not is told.
fn remove_image(site: &Site, image: &str, uid: u32) -> bool {
    let why = match account::remove_image(site, image, uid) {
        Ok(removed) => return removed,
        Err(failure) if failure.kind == Kind::State => "a container uses it".into(),
        Err(failure) => failure.message,
    };
    site.notice(format!("the image {image} stays: {why}"));
    false
}
