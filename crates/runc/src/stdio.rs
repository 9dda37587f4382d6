//! Standard input, output and error that a container's process inherits.
//!
//! The engine gives a process without any the host's `/dev/null`, which its shim opens. Nobody in a
//! container opens that by its name, but a descriptor is enough to change the mode and the owner of a
//! file: root inside could take it away from everybody, as ids mean the same there.

use std::{
    fs::OpenOptions,
    io::{self, IsTerminal},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd},
        unix::fs::OpenOptionsExt,
    },
};

use nix::{
    fcntl::{FcntlArg, OFlag, fcntl},
    sys::stat::{SFlag, fstat},
    unistd::{dup2_stderr, dup2_stdin, dup2_stdout},
};

use crate::kernel::Tree;

/// Opens what is a device anew, on a mount of its own that is read-only: a device is written to there
/// as ever, but its mode and owner cannot be set (EROFS), and nobody reaches that mount to change it.
/// Only this process has these; what the engine has open stays as it is.
///
/// # Errors
///
/// If a device is not in this mount namespace, or cannot be opened anew.
pub(crate) fn close() -> io::Result<()> {
    let (input, output, error) = (io::stdin(), io::stdout(), io::stderr());
    if let Some(device) = read_only(input.as_fd())? {
        dup2_stdin(device)?;
    }
    if let Some(device) = read_only(output.as_fd())? {
        dup2_stdout(device)?;
    }
    if let Some(device) = read_only(error.as_fd())? {
        dup2_stderr(device)?;
    }
    Ok(())
}

/// The same device on a read-only mount. `None` for what is no device, and for a terminal: that is
/// given to a container by hand alone, and is its user's.
fn read_only(file: BorrowedFd<'_>) -> io::Result<Option<std::fs::File>> {
    let kind = SFlag::from_bits_truncate(fstat(file)?.st_mode) & SFlag::S_IFMT;
    if !matches!(kind, SFlag::S_IFCHR | SFlag::S_IFBLK) || file.is_terminal() {
        return Ok(None);
    }
    let mode = OFlag::from_bits_retain(fcntl(file, FcntlArg::F_GETFL)?);
    let access = mode & OFlag::O_ACCMODE;
    let more = mode & !(OFlag::O_ACCMODE | OFlag::O_CREAT | OFlag::O_TRUNC);
    let tree = Tree::copy_of(file)?;
    tree.read_only()?;
    let opened = OpenOptions::new()
        .read(access != OFlag::O_WRONLY)
        .write(access != OFlag::O_RDONLY)
        .custom_flags((more | OFlag::O_NOCTTY).bits())
        .open(format!("/proc/self/fd/{}", tree.as_fd().as_raw_fd()))?;
    Ok(Some(opened))
}
