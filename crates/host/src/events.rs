//! `events.jsonl`: appended to by every process, a whole line at a time.

use std::{
    fs::{DirBuilder, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, chown},
    path::{Path, PathBuf},
};

use ds01_core::event::Event;
use nix::libc;

const FILE: &str = "events.jsonl";

/// The log of what happened.
#[derive(Debug, Clone)]
pub struct EventLog {
    path: PathBuf,
}

impl EventLog {
    /// The log in `dir`.
    pub fn new(dir: &Path) -> Self {
        Self {
            path: dir.join(FILE),
        }
    }

    /// Makes the directory and an empty log, if there is none; for members of `group` to append to.
    ///
    /// # Errors
    ///
    /// If that cannot be.
    pub fn init(&self, group: Option<u32>) -> io::Result<()> {
        let dir = self.path.parent().unwrap_or(Path::new("/"));
        if !dir.exists() {
            DirBuilder::new().mode(0o750).create(dir)?;
            if group.is_some() {
                chown(dir, None, group)?;
                std::fs::set_permissions(dir, Permissions::from_mode(0o2770))?;
            }
        }
        match OpenOptions::new()
            .append(true)
            .create_new(true)
            .mode(0o660)
            .open(&self.path)
        {
            Ok(_) => std::fs::set_permissions(&self.path, Permissions::from_mode(0o660)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Appends one event, in one write.
    ///
    /// # Errors
    ///
    /// If it cannot be written: what it tells of has happened all the same.
    pub fn append(&self, event: &Event) -> io::Result<()> {
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o660)
            // A pipe or a link planted there would block us, or send the line elsewhere.
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(&self.path)?;
        let line = event.line();
        match file.write(line.as_bytes())? {
            count if count == line.len() => Ok(()),
            count => Err(io::Error::other(format!(
                "only {count} of {} bytes",
                line.len()
            ))),
        }
    }
}
