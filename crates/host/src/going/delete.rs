//! The deletion of files that others may still change, as they have folders of them open.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::{fd::AsRawFd, unix::fs::OpenOptionsExt},
    path::{Path, PathBuf},
};

use nix::libc::{O_DIRECTORY, O_NOFOLLOW};

/// How often folders are emptied that somebody fills meanwhile.
const AGAIN: usize = 10_000;

/// A folder in it is emptied by its descriptor, and what is in that goes to the place itself, where
/// nobody else comes.
///
/// # Errors
///
/// If something cannot be deleted, or somebody goes on filling it.
pub(super) fn delete(place: &Path) -> io::Result<()> {
    let (mut number, mut again) = (0_u64, 0);
    while again < AGAIN {
        let mut empty = true;
        for entry in fs::read_dir(place)? {
            empty = false;
            let path = entry?.path();
            if !fs::symlink_metadata(&path)?.is_dir() {
                fs::remove_file(&path)?;
                continue;
            }
            hollow(&path, || {
                number += 1;
                place.join(number.to_string())
            })?;
            // Somebody may have put something into it meanwhile.
            match fs::remove_dir(&path) {
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => again += 1,
                other => other?,
            }
        }
        if empty {
            return fs::remove_dir(place);
        }
    }
    Err(io::Error::other("somebody goes on putting files there"))
}

/// Takes everything out of a folder: files are deleted, folders go to where `next` says.
fn hollow(path: &Path, mut next: impl FnMut() -> PathBuf) -> io::Result<()> {
    let folder: File = OpenOptions::new()
        .read(true)
        .custom_flags(O_DIRECTORY | O_NOFOLLOW)
        .open(path)?;
    // The folder itself, whatever has its name.
    let folder = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()));
    for entry in fs::read_dir(&folder)? {
        let path = folder.join(entry?.file_name());
        // What was a file may be a folder by now, and gone a moment later.
        let deleted = match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => fs::rename(&path, next()),
            other => other,
        };
        match deleted {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
