//! Why the engine did not start a container, in words of ours.

use std::path::Path;

use ds01_core::{
    failure::{Failure, Kind},
    ledger::Allocation,
};

use super::{folders, start::anew};
use crate::{Site, nvml::Probe, site::fail, users::person};

/// The workspace of a container, if it is not there any more.
fn lost_folder(site: &Site, entry: &Allocation) -> Option<String> {
    let record = site.metadata.read(&entry.container)?;
    let folder = record.workspace_folder()?;
    let owner = person(entry.container.uid).ok()?;
    let there = folders::there(site, Path::new(folder), &owner).ok()?;
    (there.as_deref() != Some(Path::new(folder))).then(|| folder.to_string())
}

/// The engine's own words on a folder or a device that is gone are hard to read: says it plainly.
pub(super) fn explained(site: &Site, entry: &Allocation, failure: Failure) -> Failure {
    if let Some(folder) = lost_folder(site, entry) {
        let mut told = folders::gone(&entry.container.name, &folder);
        told.hint = Some(anew(site, entry));
        told.causes = vec![failure.message];
        return told;
    }
    if entry.devices.is_empty() {
        return failure;
    }
    let asked = Probe::begin(site.config().gpu.library.as_deref()).and_then(Probe::finish);
    let inventory = match asked {
        Ok(inventory) => inventory,
        Err(error) => return error.into(),
    };
    let exists = |uuid| inventory.devices.iter().any(|device| device.uuid == uuid);
    match entry.devices.iter().find(|held| !exists(held.uuid.clone())) {
        Some(gone) => {
            let name = &entry.container.name;
            let mut told = fail(
                Kind::Busy,
                format!(
                    "GPU {} ({}) of {name} is not on this host any more",
                    gone.slot, gone.uuid
                ),
                anew(site, entry),
            );
            told.causes = vec![failure.message];
            told
        }
        None => failure,
    }
}
