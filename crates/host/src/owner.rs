//! Whose containers are that DS01 did not make, as this host's users and files tell.

use std::{fs, io, os::unix::fs::MetadataExt, path::Path, time::Duration};

use ds01_core::{
    container::Sighting,
    owner::{Owner, Users, owner},
};

use crate::{apart::Apart, users};

/// What looking at the folders of all of them may take, and asking for their users.
const LIMIT: Duration = Duration::from_secs(5);

/// The longest login that is looked up.
const LONGEST: usize = 256;

/// Who seems to own each of these containers. It gives nobody a right: see [`ds01_core::owner`].
///
/// What labels and mounts name can be anywhere, on a file system that hangs among others, so a
/// process of its own looks. Only for a process with one thread.
///
/// # Errors
///
/// If that process takes too long.
pub fn owners(containers: &[&Sighting]) -> io::Result<Vec<Option<Owner>>> {
    if containers.is_empty() {
        return Ok(Vec::new());
    }
    let find = || {
        let owners = containers.iter().map(|one| owner(one, &ThisHost));
        owners.collect()
    };
    Apart::begin(LIMIT, find)?.finish()
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
