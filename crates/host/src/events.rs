//! `events.jsonl`: appended to by every process, a whole line at a time.

mod read;

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown},
    path::{Path, PathBuf},
};

use ds01_core::event::Event;
use nix::{libc, unistd::gettid};

use crate::{ledger_file::write_new, users::in_group};

pub use read::Place;
pub(crate) use read::Reader;

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
                in_group(group, || {
                    chown(dir, None, group)?;
                    fs::set_permissions(dir, Permissions::from_mode(0o2770))
                })?;
            }
        }
        match self.make() {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    }

    /// Makes and opens an empty log, which has its mode and group from the moment that it is there, whatever
    /// the caller's umask: between two writers after a rotation there is no other.
    fn make(&self) -> io::Result<File> {
        let new = self.path.with_file_name(format!(".{FILE}.{}", gettid()));
        let made = write_new(&new, &[])
            .and_then(|()| for_the_group(&new))
            .and_then(|()| open(&new))
            .and_then(|file| fs::hard_link(&new, &self.path).map(|()| file));
        let _ = fs::remove_file(&new);
        made
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Appends one event, in one write.
    ///
    /// # Errors
    ///
    /// If it cannot be written: what it tells of has happened all the same.
    pub fn append(&self, event: &Event) -> io::Result<()> {
        let mut file = loop {
            match open(&self.path) {
                // Renamed by logrotate.
                Err(error) if error.kind() == io::ErrorKind::NotFound => match self.make() {
                    // Another writer was first.
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                    made => break made?,
                },
                opened => break opened?,
            }
        };
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

/// Opens a log to write at its end.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        // A pipe or a link planted there would block us, or send the line elsewhere.
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)
}

/// Gives a new file to the group that may write to its directory, if there is one.
fn for_the_group(file: &Path) -> io::Result<()> {
    let dir = fs::metadata(file.parent().unwrap_or(Path::new("/")))?;
    match dir.mode() & 0o020 != 0 && dir.gid() != fs::metadata(file)?.gid() {
        true => in_group(Some(dir.gid()), || chown(file, None, Some(dir.gid()))),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use ds01_core::time::Timestamp;
    use nix::{
        sys::stat::{Mode, umask},
        unistd::mkdtemp,
    };

    use super::*;

    /// A directory of a trusted group's, as [`EventLog::init`] makes it but for the bit that hands
    /// its group on.
    fn log() -> EventLog {
        let dir = mkdtemp(&std::env::temp_dir().join("ds01-events-XXXXXX")).unwrap();
        chown(&dir, None, Some(4242)).unwrap();
        fs::set_permissions(&dir, Permissions::from_mode(0o770)).unwrap();
        EventLog::new(&dir)
    }

    #[test]
    fn after_a_rotation_the_group_can_write_whatever_the_umask_of_the_first_writer() {
        let log = log();
        let before = umask(Mode::from_bits_truncate(0o077));
        log.append(&Event::new(Timestamp(1), "a.b")).unwrap();
        fs::rename(&log.path, log.path.with_extension("jsonl.1")).unwrap();
        log.append(&Event::new(Timestamp(2), "a.b")).unwrap();
        umask(before);
        for path in [log.path.with_extension("jsonl.1"), log.path.clone()] {
            let known = fs::metadata(path).unwrap();
            assert_eq!((known.mode() & 0o7777, known.gid()), (0o660, 4242));
        }
        let dir = log.path.parent().unwrap();
        assert_eq!(
            fs::read_dir(dir).unwrap().count(),
            2,
            "nothing else is left"
        );
        // A group that may only look at it may not write to it.
        fs::set_permissions(dir, Permissions::from_mode(0o750)).unwrap();
        fs::remove_file(&log.path).unwrap();
        log.append(&Event::new(Timestamp(3), "a.b")).unwrap();
        assert_ne!(fs::metadata(&log.path).unwrap().gid(), 4242);
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn writers_at_once_lose_no_line_while_the_log_is_renamed() {
        let log = log();
        let dir = log.path.parent().unwrap();
        let lines = |path: &Path| fs::read_to_string(path).unwrap_or_default().lines().count();
        thread::scope(|scope| {
            let writers: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        (0..200).for_each(|_| log.append(&Event::new(Timestamp(1), "a.b")).unwrap())
                    })
                })
                .collect();
            let mut number = 0;
            while writers.iter().any(|writer| !writer.is_finished()) {
                number += usize::from(fs::rename(&log.path, dir.join(number.to_string())).is_ok());
            }
        });
        let files = fs::read_dir(dir).unwrap();
        let count: usize = files.map(|file| lines(&file.unwrap().path())).sum();
        assert_eq!(count, 800);
        fs::remove_dir_all(dir).unwrap();
    }
}
