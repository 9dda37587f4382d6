//! The files of a container in which the engine looks up users.
//!
//! At each start and exec the engine opens the container's `/etc/passwd` and `/etc/group` itself, as
//! root and outside the container, and reads them to their end: a pipe there keeps it waiting for ever,
//! at its own start too, and a device or a long file takes its memory. Source: moby/moby 20.10,
//! `daemon/oci_linux.go` (`getUser`), runc's `libcontainer/user`.

use std::{
    fmt,
    fs::{self, File},
    io,
    path::Path,
    time::Duration,
};

use ds01_core::{
    failure::{Failure, Kind},
    name::ContainerName,
};
use nix::{
    errno::Errno,
    fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, open, openat2},
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
    sys::stat::{FileStat, Mode, SFlag, fstat, fstatat},
};
use serde::{Deserialize, Serialize};

use crate::{child_task::ChildTask, engine_namespace, site::fail};

/// The longest that is read: the engine needs 180 times as much memory for one.
const LONGEST: i64 = 1 << 20;

/// More than it takes; a disk that hangs ends it.
const LIMIT: Duration = Duration::from_secs(10);

/// Each file, by its name in `/etc`.
const FILES: [&str; 2] = ["passwd", "group"];

/// A file that the engine is not to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unfit {
    file: String,
    what: String,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "its /etc/{} is {}", self.file, self.what)
    }
}

impl Unfit {
    /// Why a container is left as it is.
    pub(crate) fn failure(&self, name: &ContainerName, what: &str) -> Failure {
        fail(
            Kind::State,
            format!(
                "{what}: {self}; the engine reads it as root, and takes a file of 1 MiB at most"
            ),
            format!(
                "remove it, its workspace stays: container-remove {name}; and make it anew, or from \
                 another image"
            ),
        )
    }
}

/// Looks at a container that does not run, as the engine will see it: its layers, mounted over each
/// other where nobody else sees it.
///
/// # Errors
///
/// If they cannot be mounted or looked at.
pub(crate) fn of_stopped(upper: &Path) -> io::Result<Option<Unfit>> {
    let looked = ChildTask::begin(LIMIT, || mounted(upper).map_err(|error| error.to_string()));
    looked?.finish()?.map_err(io::Error::other)
}

/// Whether the engine on `socket` may look up a user in a container that runs, all of whose files it
/// has in `merged`. Who is root inside can put another file there afterwards.
///
/// # Errors
///
/// Status 4 if it would wait or read for ever; or if it cannot be looked at, as when it has stopped.
pub fn may_look_up_users(
    socket: &Path,
    merged: &Path,
    name: &ContainerName,
) -> Result<(), Failure> {
    let merged = merged.strip_prefix("/").unwrap_or(merged);
    let root = engine_namespace::root(socket).and_then(|root| open_folder(&root.join(merged)));
    match root.and_then(|root| unfit(&root)) {
        Ok(None) => Ok(()),
        Ok(Some(unfit)) => Err(unfit.failure(name, &format!("nothing is run in {name}"))),
        Err(error) => Err(unseen(name, &error)),
    }
}

/// That nobody can tell what a container's files are.
pub(crate) fn unseen(name: &ContainerName, error: &io::Error) -> Failure {
    fail(
        Kind::Failed,
        format!("the files of container {name} cannot be looked at: {error}"),
        "try again; if that is no better, tell an admin".into(),
    )
}

/// Does it in a view of the file system that ends with this process.
fn mounted(upper: &Path) -> io::Result<Option<Unfit>> {
    let none = None::<&str>;
    let folder = upper.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let home = folder.parent().ok_or(io::ErrorKind::InvalidInput)?;
    // The engine's own short names, from its folder: a mount's options fit into one page.
    let lower = fs::read_to_string(folder.join("lower"))?;
    let own = upper.strip_prefix(home).map_err(io::Error::other)?;
    let options = format!("lowerdir={}:{}", own.display(), lower.trim());
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    std::env::set_current_dir(home)?;
    let flags = MsFlags::MS_RDONLY | MsFlags::MS_NODEV | MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    mount(
        Some("overlay"),
        upper,
        Some("overlay"),
        flags,
        Some(&*options),
    )?;
    unfit(&open_folder(upper)?)
}

fn open_folder(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    Ok(open(path, flags, Mode::empty())?.into())
}

/// The first file that the engine is not to read.
fn unfit(root: &File) -> io::Result<Option<Unfit>> {
    for file in FILES {
        if let Some(what) = what_is(root, file)? {
            let file = file.into();
            return Ok(Some(Unfit { file, what }));
        }
    }
    Ok(None)
}

/// What a file is that the engine is not to read; `None` if it may, or there is none.
fn what_is(root: &File, file: &str) -> io::Result<Option<String>> {
    let path = format!("etc/{file}");
    match find(root, &path, OFlag::empty()) {
        Ok(found) => Ok(what_stat_is(&found)),
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => {
            let is_absent = is_absent(root, &path)?;
            // The engine goes on by the words of a link where the kernel finds nothing.
            Ok((!is_absent).then(|| "a link that leads nowhere".into()))
        }
        Err(error) => Err(error.into()),
    }
}

fn find(root: &File, path: &str, more: OFlag) -> nix::Result<FileStat> {
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_CLOEXEC | more)
        .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    fstat(openat2(root, path, how)?)
}

/// Whether there is no such file, in no such folder or in one that no link leads to.
fn is_absent(root: &File, path: &str) -> io::Result<bool> {
    let stat = |path: &str| fstatat(root, path, AtFlags::AT_SYMLINK_NOFOLLOW);
    match stat("etc") {
        Err(Errno::ENOENT) => return Ok(true),
        Ok(etc) if kind(&etc) == SFlag::S_IFDIR => {}
        Ok(_) => return Ok(false),
        Err(error) => return Err(error.into()),
    }
    match stat(path) {
        Err(Errno::ENOENT) => Ok(true),
        Ok(_) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn kind(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT
}

fn what_stat_is(stat: &FileStat) -> Option<String> {
    let what = match kind(stat) {
        SFlag::S_IFREG if stat.st_size <= LONGEST => return None,
        SFlag::S_IFREG => return Some(format!("a file of {} bytes", stat.st_size)),
        SFlag::S_IFIFO => "a pipe (FIFO)",
        SFlag::S_IFCHR | SFlag::S_IFBLK => "a device",
        SFlag::S_IFDIR => "a folder",
        _ => "a socket",
    };
    Some(what.into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use nix::unistd::{mkdtemp, mkfifo};

    use super::*;

    /// What is said of a container with this in it.
    fn said(make: impl FnOnce(&Path)) -> Option<String> {
        let root = mkdtemp(&std::env::temp_dir().join("ds01-passwd-XXXXXX")).unwrap();
        fs::create_dir(root.join("etc")).unwrap();
        make(&root);
        let found = unfit(&open_folder(&root).unwrap()).unwrap();
        fs::remove_dir_all(root).unwrap();
        found.map(|unfit| unfit.to_string())
    }

    fn fifo(path: &Path) {
        mkfifo(path, Mode::S_IRUSR).unwrap();
    }

    #[test]
    fn short_files_and_none_are_fit() {
        assert_eq!(said(|_| ()), None);
        assert_eq!(said(|root| fs::remove_dir(root.join("etc")).unwrap()), None);
        let short = |root: &Path| fs::write(root.join("etc/group"), "a:x:1:\n").unwrap();
        assert_eq!(said(short), None);
        // As some images have them.
        let linked = |root: &Path| {
            fs::create_dir(root.join("store")).unwrap();
            fs::write(root.join("store/passwd"), "").unwrap();
            symlink("/store/passwd", root.join("etc/passwd")).unwrap();
        };
        assert_eq!(said(linked), None);
    }

    #[test]
    fn what_would_hold_the_engine_up_is_unfit() {
        let text = |text: &str| Some(text.to_string());
        assert_eq!(
            said(|root| fifo(&root.join("etc/passwd"))),
            text("its /etc/passwd is a pipe (FIFO)")
        );
        let long = |root: &Path| {
            let file = File::create(root.join("etc/group")).unwrap();
            file.set_len((1 << 20) + 1).unwrap();
        };
        assert_eq!(
            said(long),
            text("its /etc/group is a file of 1048577 bytes")
        );
        let folder = |root: &Path| fs::create_dir(root.join("etc/passwd")).unwrap();
        assert_eq!(said(folder), text("its /etc/passwd is a folder"));
    }

    #[test]
    fn links_are_followed_within_the_container() {
        let to = |link: &'static str| {
            said(move |root| {
                fifo(&root.join("pipe"));
                symlink(link, root.join("etc/passwd")).unwrap();
            })
        };
        let pipe = Some("its /etc/passwd is a pipe (FIFO)".to_string());
        for link in ["/pipe", "../pipe", "../../../../pipe"] {
            assert_eq!(to(link), pipe, "{link}");
        }
        let nowhere = Some("its /etc/passwd is a link that leads nowhere".to_string());
        // The engine finds the pipe by the last two.
        for link in ["/none", "passwd", "/none/../pipe", "/pipe/../pipe"] {
            assert_eq!(to(link), nowhere, "{link}");
        }
        let etc = said(|root| {
            fs::remove_dir(root.join("etc")).unwrap();
            fs::create_dir(root.join("other")).unwrap();
            fifo(&root.join("other/passwd"));
            symlink("none/../other", root.join("etc")).unwrap();
        });
        assert_eq!(etc, nowhere);
    }
}
