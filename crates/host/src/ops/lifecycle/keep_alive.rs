//! The file by which a user keeps an idle container: `.keep-alive` in its workspace.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use ds01_core::time::Timestamp;
use nix::{
    errno::Errno,
    fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat2},
    libc,
    sys::stat::fstat,
};
use serde::{Deserialize, Serialize};

use super::subject::Subject;
use crate::{Site, apart::Apart, users::Person};

const FILE: &str = ".keep-alive";

/// What looking for all of them may take: the server of somebody's files may have gone.
const LIMIT: Duration = Duration::from_secs(5);

/// What is known of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum KeepAlive {
    /// There is none.
    Absent,
    /// When it was touched.
    Touched(Timestamp),
    /// It cannot be read: nothing follows from that.
    Unknown,
}

/// Looks for the file in the workspace of each container, with its owner's rights and following no
/// link. Nothing is looked for in a container that DS01 did not make: nobody knows its folders.
///
/// One process looks for all of them, which is killed if it hangs.
pub(super) fn of_all<'a>(
    site: &Site,
    subjects: impl Iterator<Item = &'a Subject>,
) -> Vec<KeepAlive> {
    let places: Vec<_> = subjects.map(|subject| place(site, subject)).collect();
    if places.iter().all(Option::is_none) {
        return vec![KeepAlive::Absent; places.len()];
    }
    let look = || {
        let looked = places.iter().map(|place| match place {
            Some((person, path)) => look_at(site, person, path),
            None => KeepAlive::Absent,
        });
        looked.collect::<Vec<_>>()
    };
    let looked = Apart::begin(LIMIT, look).and_then(Apart::finish);
    looked.unwrap_or_else(|_| vec![KeepAlive::Unknown; places.len()])
}

/// Whose it would be, and where.
fn place<'a>(site: &Site, subject: &'a Subject) -> Option<(&'a Person, PathBuf)> {
    let person = subject.owner.person.as_ref()?;
    let record = subject.record(site)?;
    Some((person, Path::new(record.workspace_folder()?).join(FILE)))
}

fn look_at(site: &Site, person: &Person, path: &Path) -> KeepAlive {
    match site.as_person(person, || touched(path)) {
        Ok(Ok(at)) => KeepAlive::Touched(at),
        // No file, or no folder; a link is none of ours.
        Ok(Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP)) => KeepAlive::Absent,
        Ok(Err(_)) | Err(_) => KeepAlive::Unknown,
    }
}

fn touched(path: &Path) -> nix::Result<Timestamp> {
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    let file = fstat(&openat2(AT_FDCWD, path, how)?)?;
    match file.st_mode & libc::S_IFMT {
        libc::S_IFREG => Ok(Timestamp(u64::try_from(file.st_mtime).unwrap_or(0))),
        _ => Err(Errno::ENOENT),
    }
}
