//! Files in the state directory that root's duties keep for themselves, and may show to others.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
};

use nix::{libc, unistd::geteuid};

use crate::ledger_file::StateError;

/// What root or this process's user wrote, and nothing that a member of a trusted group planted there.
///
/// # Errors
///
/// If it cannot be read, or somebody else wrote it.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut options = OpenOptions::new();
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let mut file = options.read(true).custom_flags(flags).open(path)?;
    let known = file.metadata()?;
    if !known.is_file() || ![0, geteuid().as_raw()].contains(&known.uid()) {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    Ok(text)
}

/// Puts a file of this mode in the place of the one that is there, whole or not at all. One at a time.
///
/// # Errors
///
/// [`StateError::Unwritable`]: then nothing is changed.
pub(crate) fn replace(path: &Path, text: &[u8], mode: u32) -> Result<(), StateError> {
    replace_with(path, |new| {
        write(new, text, mode).and_then(|_| fs::rename(new, path))
    })
}

/// The same, and it stays so whatever happens to the host.
///
/// # Errors
///
/// [`StateError::Unwritable`]: then it is as it was, or as it was to be.
pub(crate) fn replace_for_good(path: &Path, text: &[u8], mode: u32) -> Result<(), StateError> {
    replace_with(path, |new| {
        write(new, text, mode)?.sync_all()?;
        fs::rename(new, path)?;
        let dir = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
        File::open(dir)?.sync_all()
    })
}

fn replace_with(
    path: &Path,
    replace: impl FnOnce(&Path) -> io::Result<()>,
) -> Result<(), StateError> {
    let new = path.with_added_extension("new");
    replace(&new).map_err(|source| {
        let _ = fs::remove_file(&new);
        let path = path.into();
        StateError::Unwritable { path, source }
    })
}

/// Writes a new file.
fn write(path: &Path, text: &[u8], mode: u32) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(text)?;
    Ok(file)
}
