//! Where this library was loaded from.

use std::{
    ffi::{CStr, OsStr},
    mem::MaybeUninit,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf, absolute},
    sync::OnceLock,
};

/// The directory of the file that this code was loaded from, as the loader was given it.
pub(crate) fn directory() -> Option<&'static Path> {
    // Found once: a relative path means another place after the process changes its directory.
    static DIRECTORY: OnceLock<Option<PathBuf>> = OnceLock::new();
    DIRECTORY.get_or_init(find).as_deref()
}

fn find() -> Option<PathBuf> {
    static INSIDE: u8 = 0;
    let mut found = MaybeUninit::<libc::Dl_info>::uninit();
    // SAFETY: dladdr only compares the address, and writes a `Dl_info` to the place it is given.
    let known = unsafe { libc::dladdr((&raw const INSIDE).cast(), found.as_mut_ptr()) };
    if known == 0 {
        return None;
    }
    // SAFETY: dladdr succeeded, so `found` is filled in, and its file name is a string that the
    // loader keeps for as long as this library is loaded.
    let file = unsafe { CStr::from_ptr(found.assume_init().dli_fname) };
    let file = absolute(Path::new(OsStr::from_bytes(file.to_bytes()))).ok()?;
    file.parent().map(Path::to_owned)
}
