//! Gives up all privileges.

use std::{io, path::Path};

use nix::{
    sys::{
        prctl::{set_dumpable, set_no_new_privs, set_pdeathsig},
        resource::{Resource, getrlimit, setrlimit},
        signal::Signal,
    },
    unistd::{Gid, Uid, chdir, chroot, setgid, setgroups, setuid},
};

/// Nobody and nogroup, who own nothing, on every Linux.
const NOBODY: u32 = 65534;

/// Sockets of a process: two for each connection of a user, and one to the engine.
const SOCKETS: u64 = 4096;

/// Leaves this process nothing but its sockets, and `empty`, a directory, for all files there are.
/// Not even another process of the same user can look into it.
pub(crate) fn enter(empty: &Path) -> io::Result<()> {
    set_pdeathsig(Signal::SIGKILL)?;
    chroot(empty)?;
    chdir("/")?;
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let sockets = most.min(SOCKETS);
    setrlimit(Resource::RLIMIT_NOFILE, sockets, sockets)?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    setrlimit(Resource::RLIMIT_NPROC, 1, 1)?;
    setgroups(&[])?;
    setgid(Gid::from_raw(NOBODY))?;
    setuid(Uid::from_raw(NOBODY))?;
    set_no_new_privs()?;
    set_dumpable(false)?;
    Ok(())
}
