//! Whose containers are that DS01 did not make, as this host's users and files tell.

use std::{fs, io, os::unix::fs::MetadataExt, path::Path, time::Duration};

use ds01_core::{
    container::Sighting,
    owner::{Owner, Users, owner},
};

use crate::{helper_process::HelperProcess, users};

/// What looking at the folders of all of them may take, and asking for their users.
const LIMIT: Duration = Duration::from_secs(5);

/// The longest login that is looked up.
const LONGEST: usize = 256;

/// Somebody who looks whose containers are. It gives nobody a right: see [`ds01_core::owner`].
///
/// What labels and mounts name can be anywhere, on a file system that hangs among others, so a
/// process of its own looks. Only for a process with one thread.
#[derive(Debug)]
pub(crate) struct Owners(HelperProcess<Vec<Sighting>, Vec<Option<Owner>>>);

impl Default for Owners {
    fn default() -> Self {
        let find = |containers: Vec<Sighting>| {
            let owners = containers.iter().map(|one| owner(one, &ThisHost));
            owners.collect()
        };
        Self(HelperProcess::new(find))
    }
}

impl Owners {
    /// Who seems to own each of these containers.
    ///
    /// # Errors
    ///
    /// If that takes too long.
    pub(crate) fn of(&mut self, containers: &[&Sighting]) -> io::Result<Vec<Option<Owner>>> {
        if containers.is_empty() {
            return Ok(Vec::new());
        }
        let containers: Vec<_> = containers.iter().copied().cloned().collect();
        self.0.ask(&containers, LIMIT)
    }
}

/// The users of this host.
struct ThisHost;

impl Users for ThisHost {
    fn uid_of(&self, login: &str) -> Option<u32> {
        let known = (login.len() <= LONGEST).then(|| users::uid_of(login).ok());
        known.flatten()
    }

    fn has_login(&self, uid: u32) -> bool {
        users::person(uid).is_ok()
    }

    fn at_home(&self, folder: &str) -> Option<u32> {
        let folder = Path::new(folder);
        if !folder.is_absolute() || folder.components().any(|part| part.as_os_str() == "..") {
            return None;
        }
        let owner = users::person(fs::metadata(folder).ok()?.uid()).ok()?;
        // That of some services is the root of all.
        let is_home = owner.home.parent().is_some() && folder.starts_with(&owner.home);
        is_home.then_some(owner.uid)
    }
}
