//! The host as runc sees it while it makes a container: nothing can be written but what is the
//! container's own.
//!
//! runc looks where a mount's destination is, and then makes it by its path, as root: `mkdir`, `open`,
//! `chmod`. A destination in a folder or volume that somebody else writes in can be a link by then, to
//! any file of the host (the class of CVE-2024-45310). Here that file's mount is read-only, and in a
//! user namespace nobody can change that (`mount_namespaces(7)`, "Restrictions on mount namespaces").

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use nix::{
    fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2},
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
    sys::{
        stat::{Mode, fstat},
        statvfs::FsFlags,
    },
};

use crate::{
    kernel::{Tree, close_all},
    spec::{Memory, Needs},
};

/// Mount options that nobody in a user namespace may take away, if a file system has them.
pub(crate) const KEPT: [(FsFlags, &str); 4] = [
    (FsFlags::ST_RDONLY, "ro"),
    (FsFlags::ST_NOSUID, "nosuid"),
    (FsFlags::ST_NODEV, "nodev"),
    (FsFlags::ST_NOEXEC, "noexec"),
];

/// What runc writes that is not a container's: control groups, and how a process stands to them and
/// to the kernel.
const KERNELS: [&str; 2] = ["/proc", "/sys/fs/cgroup"];

const NONE: Option<&str> = None;

/// Closes the host to this process and to what it starts: writable are the container's root and
/// folders, runc's `state` and [`KERNELS`]. The bundle is another one, in memory, with what is `written`
/// as its specification: what runc adds to it is for the caller to take over.
///
/// The container's root is without devices. The device control group is asked when a device is opened,
/// but not for a descriptor with `O_PATH`. That is handed over a socket to a process outside, which
/// opens the device by it: there no control group is in the way. The kernel opens no device on a mount
/// with `nodev`, for anybody (`may_open_dev`, fs/namei.c).
///
/// # Errors
///
/// If anything cannot be mounted so; Linux can since 5.12.
pub(crate) fn close(bundle: &Path, state: &Path, needs: &Needs, written: &[u8]) -> io::Result<()> {
    // It is relative to the bundle, or is not.
    let root = bundle.join(&needs.root);
    unshare(CloneFlags::CLONE_NEWNS)?;
    // What the host unmounts goes here too; what is mounted here stays here.
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_SLAVE, NONE)?;

    let kernels = KERNELS.iter().map(Path::new);
    let folders = needs.folders.iter().map(PathBuf::as_path);
    let mut open: Vec<_> = kernels.chain([state]).chain(folders).collect();
    // One that is in another is mounted on it.
    open.sort_unstable();
    open.dedup();
    // Who is given all of the host by an admin can write it in any case.
    let is_given_all = open.contains(&Path::new("/"));
    open.retain(|path| *path != Path::new("/"));
    let copied = |path: &Path| Tree::copy(path).map_err(|error| named(path, &error));
    let trees: Vec<_> = open
        .iter()
        .map(|path| copied(path))
        .collect::<io::Result<_>>()?;
    let root_tree = copied(&root)?;
    root_tree.without_devices()?;

    if !is_given_all {
        close_all()?;
    }
    in_memory(bundle, MsFlags::MS_NOSUID, "mode=700")?;
    fs::write(bundle.join("config.json"), written)?;
    if root.starts_with(bundle) {
        fs::create_dir_all(&root)?;
    }
    let all = trees.into_iter().zip(open).chain([(root_tree, &*root)]);
    for (tree, path) in all {
        tree.put(path).map_err(|error| named(path, &error))?;
    }
    for memory in &needs.memory {
        fs::create_dir(&memory.source)?;
        let data = mode_of(&root, memory)? + &memory.data;
        in_memory(&memory.source, MsFlags::empty(), &data)?;
    }
    // The bundle may be the folder that this process is in: now there is another one at its path.
    std::env::set_current_dir(std::env::current_dir()?)
}

/// Mounts a file system in memory, without devices.
fn in_memory(at: &Path, flags: MsFlags, data: &str) -> io::Result<()> {
    let (kind, flags) = (Some("tmpfs"), flags | MsFlags::MS_NODEV);
    mount(kind, at, kind, flags, Some(data)).map_err(|error| named(at, &error.into()))
}

/// The option that gives a file system in memory the mode of the folder that it covers, as runc does;
/// empty where there is none.
fn mode_of(root: &Path, memory: &Memory) -> io::Result<String> {
    let folder = OFlag::O_PATH | OFlag::O_CLOEXEC;
    let root = open(root, folder, Mode::empty())?;
    let how = OpenHow::new()
        .flags(folder)
        .resolve(ResolveFlag::RESOLVE_IN_ROOT);
    Ok(match openat2(&root, memory.destination.as_str(), how) {
        Ok(covered) => format!("mode={:o},", fstat(covered)?.st_mode & 0o7777),
        Err(_) => String::new(),
    })
}

/// The error, with what it is about.
pub(crate) fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
