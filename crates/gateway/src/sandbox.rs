//! Gives up all privileges.

use std::{io, path::Path};

use nix::{
    libc,
    sys::{
        prctl::{set_dumpable, set_no_new_privs, set_pdeathsig},
        resource::{Resource, getrlimit, setrlimit},
        signal::Signal,
    },
    unistd::{Gid, Uid, chdir, chroot, setgid, setgroups, setuid},
};

use crate::context::LONGEST;

/// Nobody and nogroup, who own nothing, on every Linux.
const NOBODY: u32 = 65534;

/// Descriptors of a process: for each connection of a user the client's, three more looks at it, the
/// channel, two to the engine, and the folder of a build.
const SOCKETS: u64 = 8192;

/// Bytes of memory: what a user sends never takes the host's.
const MEMORY: u64 = 1 << 30;

/// Closes whatever else this process was started with, as a descriptor of the keeper's own
/// starter. Only where nothing is open yet.
pub(crate) fn close_inherited() -> io::Result<()> {
    const FIRST: libc::c_uint = 3;
    // SAFETY: nothing in this process has a descriptor yet but the standard ones.
    #[expect(unsafe_code, reason = "descriptors are numbers")]
    match unsafe { libc::syscall(libc::SYS_close_range, FIRST, libc::c_uint::MAX, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Leaves this process nothing but its sockets, and `empty`, a directory, for all files there are.
/// Not even another process of the same user can look into it.
pub(crate) fn enter(empty: &Path) -> io::Result<()> {
    chroot(empty)?;
    chdir("/")?;
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let sockets = most.min(SOCKETS);
    setrlimit(Resource::RLIMIT_NOFILE, sockets, sockets)?;
    setrlimit(Resource::RLIMIT_FSIZE, LONGEST, LONGEST)?;
    setrlimit(Resource::RLIMIT_AS, MEMORY, MEMORY)?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    setrlimit(Resource::RLIMIT_NPROC, 1, 1)?;
    setgroups(&[])?;
    setgid(Gid::from_raw(NOBODY))?;
    setuid(Uid::from_raw(NOBODY))?;
    set_no_new_privs()?;
    set_dumpable(false)?;
    // Last: a change of user takes it back.
    set_pdeathsig(Signal::SIGKILL)?;
    Ok(())
}
