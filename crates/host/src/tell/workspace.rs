//! A file in the workspace, for whoever looks at the container from inside.

use std::{
    fs::OpenOptions,
    io,
    os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt},
    path::Path,
};

use nix::{libc, unistd::geteuid};

/// Its name.
const FILE: &str = ".ds01-alerts";

/// Its first line, by which a file of the user's own is told from it.
const HEAD: &str = "# What DS01 had to say about the container of this folder. Yours to delete.\n";

/// Writes to the file in `folder`, as the user of this process. A folder that is gone has none.
///
/// # Errors
///
/// If there is something else in its place, which stays as it is; or it cannot be written.
pub(super) fn note(folder: &Path, line: &str) -> Result<(), String> {
    let path = folder.join(FILE);
    let file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o644)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(&path);
    let written = match file {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => Err(error),
        Ok(file) => {
            // Another notice may cut it. Where there are no locks, it is told all the same.
            let _ = file.lock();
            let about = file.metadata().map_err(|error| error.to_string())?;
            let mut head = [0; HEAD.len()];
            let ours = about.is_file()
                && about.nlink() == 1
                && about.uid() == geteuid().as_raw()
                && (about.len() == 0
                    || file.read_exact_at(&mut head, 0).is_ok() && head == HEAD.as_bytes());
            match ours {
                true => super::append(&file, HEAD, line),
                false => Err(io::Error::other("it is not a file of DS01's")),
            }
        }
    };
    written.map_err(|error| format!("{}: {error}", path.display()))
}
