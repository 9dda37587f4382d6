//! The engine's mount namespace.
//!
//! A systemd service can have a mount namespace of its own, in which little can be written; the
//! engine does not see what is mounted there.

use std::{
    fs::{self, File},
    io,
    os::unix::{fs::MetadataExt, net::UnixStream},
    path::{Path, PathBuf},
};

use nix::{
    sched::{CloneFlags, setns},
    sys::socket::{getsockopt, sockopt::PeerCredentials},
};

/// Runs `act` in the mount namespace of the engine that listens on `socket`.
///
/// Only for a process with one thread, and with absolute paths: the kernel refuses to move one of
/// several threads, and changes the current folder.
///
/// # Errors
///
/// Those of `act`; or if there is no such engine, or this process may not go there.
pub(crate) fn enter<T>(socket: &Path, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let own = File::open("/proc/self/ns/mnt")?;
    let Some(engines) = namespace(socket)? else {
        return act();
    };
    let id = |namespace: &File| namespace.metadata().map(|file| (file.dev(), file.ino()));
    if id(&own)? == id(&engines)? {
        return act();
    }
    setns(&engines, CloneFlags::CLONE_NEWNS)?;
    let done = act();
    setns(&own, CloneFlags::CLONE_NEWNS)?;
    done
}

/// The root of the engine that listens on `socket`, as a folder here.
///
/// # Errors
///
/// If there is no such engine.
pub(crate) fn root(socket: &Path) -> io::Result<PathBuf> {
    let pid = maker(socket)?;
    Ok(pid.map_or("/".into(), |pid| format!("/proc/{pid}/root").into()))
}

/// The mount namespace of whoever made the socket: the engine, or systemd for it. `None` for others,
/// as in tests, which are in that of this process.
fn namespace(socket: &Path) -> io::Result<Option<File>> {
    let open = |pid| File::open(format!("/proc/{pid}/ns/mnt"));
    maker(socket)?.map(open).transpose()
}

/// Who made it.
fn maker(socket: &Path) -> io::Result<Option<i32>> {
    let listener = getsockopt(&UnixStream::connect(socket)?, PeerCredentials)?;
    let pid = listener.pid();
    let is_engine = || fs::read(format!("/proc/{pid}/comm")).is_ok_and(|name| name == b"dockerd\n");
    if listener.uid() != 0 || (pid != 1 && !is_engine()) {
        return Ok(None);
    }
    Ok(Some(pid))
}
