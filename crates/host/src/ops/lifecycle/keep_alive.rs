//! The file by which a user keeps an idle container: `.keep-alive` in its workspace.

use std::{
    collections::BTreeMap,
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
use crate::{Site, child_task::ChildTask, users::Person};

const FILE: &str = ".keep-alive";

/// What looking for them may take: the server of somebody's files may have gone.
const LIMIT: Duration = Duration::from_secs(5);

/// What is known of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum KeepAlive {
    /// There is none.
    Absent,
    /// When it was touched.
    Touched(Timestamp),
    /// Nobody can tell: it may be there for as long as one may keep a container.
    Unknown,
}

/// Looks for the file in the workspace of each container, with its owner's rights and following no
/// link. Nothing is looked for in a container that DS01 did not make: nobody knows its folders.
///
/// For each owner one process looks, which is killed if it hangs: on whose files it does is nobody
/// else's matter.
pub(super) fn of_all<'a>(
    site: &Site,
    subjects: impl Iterator<Item = &'a Subject>,
) -> Vec<KeepAlive> {
    let (places, mut all): (Vec<_>, Vec<_>) = subjects
        .map(|subject| {
            let unless_seen = match subject.is_of_unknown() {
                true => KeepAlive::Unknown,
                false => KeepAlive::Absent,
            };
            (place(site, subject), unless_seen)
        })
        .unzip();
    let mut of_owners: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (at, place) in places.iter().enumerate() {
        if let Some((person, _)) = place {
            of_owners.entry(person.uid).or_default().push(at);
        }
    }
    let begin = |theirs: Vec<usize>| {
        let look = || {
            let theirs = theirs.iter().filter_map(|at| places[*at].as_ref());
            let looked = theirs.map(|(person, path)| look_at(site, person, path));
            looked.collect::<Vec<_>>()
        };
        (ChildTask::begin(LIMIT, look), theirs)
    };
    let begun: Vec<_> = of_owners.into_values().map(begin).collect();
    for (looking, theirs) in begun {
        let looked = looking.and_then(ChildTask::finish);
        let looked = looked.unwrap_or_else(|_| vec![KeepAlive::Unknown; theirs.len()]);
        for (at, file) in theirs.into_iter().zip(looked) {
            all[at] = file;
        }
    }
    all
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
        // Refused, too: a server may want a ticket that its owner has only while at work.
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
