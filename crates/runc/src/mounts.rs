//! The container's root, mounted so that no device node in it can be opened.

use std::{io, path::Path};

use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
    sys::statvfs::{FsFlags, statvfs},
};

/// Mount options that nobody in a user namespace may take away, if a file system has them.
pub(crate) const KEPT: [(FsFlags, MsFlags, &str); 4] = [
    (FsFlags::ST_RDONLY, MsFlags::MS_RDONLY, "ro"),
    (FsFlags::ST_NOSUID, MsFlags::MS_NOSUID, "nosuid"),
    (FsFlags::ST_NODEV, MsFlags::MS_NODEV, "nodev"),
    (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC, "noexec"),
];

/// Mounts a container's root anew, without devices, where only this process and runc see it.
///
/// The device control group is asked when a device is opened, but not for a descriptor with `O_PATH`.
/// That is handed over a socket to a process outside, which opens the device by it: there no control
/// group is in the way. The kernel opens no device on a mount with `nodev`, for anybody
/// (`may_open_dev`, fs/namei.c), and a container cannot take that from a mount that it got from
/// another user namespace (`mount_namespaces(7)`, "Restrictions on mount namespaces").
///
/// # Errors
///
/// If it cannot be mounted so.
pub(crate) fn without_devices(root: &Path) -> io::Result<()> {
    const NONE: Option<&str> = None;
    unshare(CloneFlags::CLONE_NEWNS)?;
    // What the host unmounts goes here too; what is mounted here stays here.
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_SLAVE, NONE)?;
    mount(Some(root), root, NONE, MsFlags::MS_BIND, NONE)?;
    let set = statvfs(root)?.flags();
    let kept = KEPT.into_iter().filter(|(flag, ..)| set.contains(*flag));
    let kept = kept.map(|(_, flag, _)| flag).collect::<MsFlags>();
    let anew = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_NODEV;
    mount(NONE, root, NONE, anew | kept, NONE)?;
    Ok(())
}
