//! System calls for mounts that neither the standard library nor nix has.
//!
//! Sources: `open_tree(2)`, `move_mount(2)`, `mount_setattr(2)`; `linux/mount.h` for the numbers.

use std::{
    ffi::{CStr, CString},
    io,
    mem::size_of,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
};

use libc::{AT_EMPTY_PATH, AT_FDCWD, AT_RECURSIVE, c_int, c_long, c_uint};

const OPEN_TREE_CLONE: c_uint = 1;
const OPEN_TREE_CLOEXEC: c_uint = libc::O_CLOEXEC.cast_unsigned();
const MOVE_MOUNT_F_EMPTY_PATH: c_uint = 4;

/// Attributes of a mount: as [`set`] takes them.
pub(crate) const READ_ONLY: u64 = 1;
pub(crate) const NO_DEVICES: u64 = 4;

/// Mounts that are not anywhere: copies of those at a place and below it, as they were.
pub(crate) struct Tree(OwnedFd);

/// `struct mount_attr`.
#[repr(C)]
struct Attributes {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

impl Tree {
    /// Copies the mounts at `path` and below.
    ///
    /// # Errors
    ///
    /// If there is nothing, or who asks may not.
    pub(crate) fn copy(path: &Path) -> io::Result<Self> {
        Self::copied(AT_FDCWD, &c_string(path)?, AT_RECURSIVE)
    }

    /// Copies the mount that a file was opened on, with the file alone in it.
    ///
    /// # Errors
    ///
    /// If that is not of this mount namespace, or who asks may not.
    pub(crate) fn copy_of(file: BorrowedFd<'_>) -> io::Result<Self> {
        Self::copied(file.as_raw_fd(), c"", AT_EMPTY_PATH)
    }

    fn copied(at: c_int, path: &CStr, flags: c_int) -> io::Result<Self> {
        let flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | flags.cast_unsigned();
        // SAFETY: the path is a string that lives as long as the call.
        #[expect(unsafe_code, reason = "there is no other way to this call")]
        let fd = unsafe { libc::syscall(libc::SYS_open_tree, at, path.as_ptr(), flags) };
        let fd = c_int::try_from(checked(fd)?).map_err(io::Error::other)?;
        // SAFETY: the kernel has just given it to us.
        #[expect(unsafe_code, reason = "as above")]
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Lets no device be opened at its top.
    ///
    /// # Errors
    ///
    /// If it cannot be set.
    pub(crate) fn without_devices(&self) -> io::Result<()> {
        set(self.0.as_raw_fd(), c"", AT_EMPTY_PATH, NO_DEVICES)
    }

    /// Lets nothing be changed at its top.
    ///
    /// # Errors
    ///
    /// If it cannot be set.
    pub(crate) fn read_only(&self) -> io::Result<()> {
        set(self.0.as_raw_fd(), c"", AT_EMPTY_PATH, READ_ONLY)
    }

    /// Mounts it at `path`.
    ///
    /// # Errors
    ///
    /// If it cannot be mounted there.
    pub(crate) fn put(self, path: &Path) -> io::Result<()> {
        let path = c_string(path)?;
        // SAFETY: both paths are strings that live as long as the call.
        #[expect(unsafe_code, reason = "as above")]
        let done = unsafe {
            libc::syscall(
                libc::SYS_move_mount,
                self.0.as_raw_fd(),
                c"".as_ptr(),
                AT_FDCWD,
                path.as_ptr(),
                MOVE_MOUNT_F_EMPTY_PATH,
            )
        };
        checked(done).map(drop)
    }
}

/// Makes all mounts of this mount namespace read-only.
///
/// # Errors
///
/// If one of them cannot be.
pub(crate) fn close_all() -> io::Result<()> {
    set(AT_FDCWD, c"/", AT_RECURSIVE, READ_ONLY)
}

impl AsFd for Tree {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn set(at: c_int, path: &CStr, flags: c_int, attributes: u64) -> io::Result<()> {
    let attributes = Attributes {
        set: attributes,
        clear: 0,
        propagation: 0,
        user_namespace: 0,
    };
    // SAFETY: the path and the attributes live as long as the call, which is told the size of these.
    #[expect(unsafe_code, reason = "as above")]
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            at,
            path.as_ptr(),
            flags,
            &raw const attributes,
            size_of::<Attributes>(),
        )
    };
    checked(done).map(drop)
}

fn c_string(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(io::Error::other)
}

fn checked(returned: c_long) -> io::Result<c_long> {
    match returned {
        -1 => Err(io::Error::last_os_error()),
        returned => Ok(returned),
    }
}
