//! The ledger on disk: one file, replaced whole by whoever holds its lock.
//!
//! Whoever finds `ledger.json.lock` free takes it: to wake somebody who sleeps would take as long as
//! what a holder does. Others wait for `ledger.json.turn`, nearly always in the order in which they
//! came, and holding that for the lock: first asleep, then insisting on it (`lock_as_next`). Nobody
//! is promised it, but all have it long before the deadline: of 32 who never ceased to ask, nobody was
//! seen to wait for more than 63 ms. (Locks of threads are made much like it: `parking_lot`'s are
//! "eventually fair".) Neither file is ever removed: a lock on a file that was replaced holds nobody.
//!
//! The new ledger is written to a spare file, and the two exchange their names: at once for every
//! process, whatever dies. Nothing is synced, and no file is made or dropped: a rename over a
//! file makes ext4 write out the new one there and then, 0.5 ms against 0.02 for the exchange.
//! After a power cut the file may be old or torn; `core::ledger_text` tells, and it is rebuilt.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use ds01_core::{
    failure::{Kind, UserError},
    ledger::Ledger,
    ledger_text::{self, Damage, Known},
};
use nix::{
    errno::Errno,
    fcntl::{AT_FDCWD, RenameFlags, renameat2},
    libc,
};

use crate::{
    lock::{lock, lock_as_next, lock_if_free},
    users::in_group,
};

/// How long the lock may take: a holder needs a tenth of a millisecond, with a thousand entries one.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

const LEDGER: &str = "ledger.json";
/// Whoever changes the ledger holds it. Never removed.
pub(crate) const LOCK: &str = "ledger.json.lock";
const TURN: &str = "ledger.json.turn";
const SPARE: &str = "ledger.json.new";

/// What DS01 knows of each container, beside the ledger.
pub const METADATA: &str = "container-metadata";

/// Why the state cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A file cannot be read or locked.
    #[error("cannot use {}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file cannot be written: nothing was changed.
    #[error("cannot write {}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Somebody holds the lock for too long.
    #[error("another process does not let go of {}", path.display())]
    Locked {
        /// The lock.
        path: PathBuf,
    },
}

impl UserError for StateError {
    fn kind(&self) -> Kind {
        Kind::Unreachable
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Locked { path } => format!("see who holds it with fuser -v {}", path.display()),
            Self::Unwritable { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                "tell an admin: the disk is full".into()
            }
            _ => "tell an admin".into(),
        })
    }
}

/// What the file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// A ledger that is whole.
    Whole(Arc<Ledger>),
    /// Something else: it has to be rebuilt.
    Damaged(Damage),
}

impl Stored {
    /// The ledger's generation; 0 if it is damaged.
    pub fn generation(&self) -> u64 {
        match self {
            Self::Whole(ledger) => ledger.generation,
            Self::Damaged(_) => 0,
        }
    }
}

/// The state directory's ledger.
#[derive(Debug)]
pub struct LedgerFile {
    dir: PathBuf,
    /// What was read or saved last: under the lock it is nearly always the same again.
    last: Mutex<Option<Known>>,
}

impl LedgerFile {
    /// The ledger in `dir`.
    pub fn new(dir: &Path) -> Self {
        Self {
            dir: dir.into(),
            last: Mutex::default(),
        }
    }

    /// The directory that it is in.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Makes a new state directory with an empty ledger, at once: it never exists without one.
    /// Nothing happens if there is one.
    ///
    /// With `group`, its members may use it; without, its owner alone.
    ///
    /// # Errors
    ///
    /// [`StateError::Unwritable`].
    pub fn init(&self, group: Option<u32>) -> Result<(), StateError> {
        if self.dir.exists() {
            return Ok(());
        }
        let draft = self
            .dir
            .with_extension(format!("new.{}", std::process::id()));
        let unwritable = |source| StateError::Unwritable {
            path: self.dir.clone(),
            source,
        };
        let made = in_group(group, || make_state_dir(&draft, group))
            .and_then(|()| fs::rename(&draft, &self.dir));
        let lost_race = made.is_err() && self.dir.exists();
        if made.is_err() {
            let _ = fs::remove_dir_all(&draft);
        }
        if lost_race {
            Ok(())
        } else {
            made.map_err(unwritable)
        }
    }

    /// Reads the ledger as it is now, without waiting for anybody.
    ///
    /// # Errors
    ///
    /// [`StateError::Unusable`] if it is there and cannot be read.
    pub fn read(&self) -> Result<Stored, StateError> {
        let path = self.dir.join(LEDGER);
        let mut damaged = None;
        loop {
            let bytes = match fs::read(&path) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    let source = error;
                    return Err(StateError::Unusable { path, source });
                }
                Err(_) if self.dir.exists() => return Ok(Stored::Damaged(Damage::Missing)),
                Err(_) => return Ok(Stored::Whole(Arc::default())),
            };
            let mut last = self.known();
            let is_same = |known: &&Known| known.text().as_bytes() == bytes;
            if let Some(known) = last.as_ref().filter(is_same) {
                return Ok(Stored::Whole(Arc::clone(known.ledger())));
            }
            match ledger_text::read(&bytes, last.as_ref()) {
                Ok(known) => {
                    let ledger = Arc::clone(known.ledger());
                    *last = Some(known);
                    return Ok(Stored::Whole(ledger));
                }
                // Two saves while we read have made it the spare, and written to it: what is
                // damaged in truth stays as it is.
                Err(_) if damaged.as_ref() != Some(&bytes) => damaged = Some(bytes),
                Err(damage) => return Ok(Stored::Damaged(damage)),
            }
        }
    }

    fn known(&self) -> MutexGuard<'_, Option<Known>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the lock and reads the ledger under it.
    ///
    /// # Errors
    ///
    /// [`StateError`]; the lock is never skipped.
    pub fn lock(&self) -> Result<Locked<'_>, StateError> {
        let deadline = Instant::now() + PATIENCE;
        let path = self.dir.join(LOCK);
        let locks = match lock_if_free(&path)? {
            Some(lock) => (lock, None),
            None => {
                let turn = lock(&self.dir.join(TURN), deadline)?;
                // What the one before changes is little beside the rest, which is known by then.
                let lock = lock_as_next(&path, deadline, || drop(self.read()))?;
                (lock, Some(turn))
            }
        };
        let stored = self.read()?;
        Ok(Locked {
            file: self,
            stored,
            _locks: locks,
        })
    }
}

/// The ledger while nobody else can change it. Dropping it lets the next one in.
pub struct Locked<'a> {
    file: &'a LedgerFile,
    /// What it was when it was locked.
    pub stored: Stored,
    /// With the turn, if it had to wait: whom it has just made wait would find that free before who sleeps
    /// for it wakes up.
    _locks: (File, Option<File>),
}

impl Locked<'_> {
    /// Replaces the ledger, one generation on.
    ///
    /// # Errors
    ///
    /// [`StateError::Unwritable`]: the old one is still there.
    pub fn save(&self, mut ledger: Ledger) -> Result<(), StateError> {
        ledger.generation += 1;
        let (spare, path) = (self.file.dir.join(SPARE), self.file.dir.join(LEDGER));
        let written = ledger_text::write(ledger, self.file.known().as_ref());
        let written = written.map_err(io::Error::other);
        let written = written.and_then(|known| {
            write_spare(&spare, known.text().as_bytes())?;
            exchange(&spare, &path)?;
            Ok(known)
        });
        let known = written.map_err(|source| {
            let _ = fs::remove_file(&spare);
            StateError::Unwritable { path, source }
        })?;
        debug_assert!(
            ledger_text::read(known.text().as_bytes(), None)
                .is_ok_and(|read| read.ledger() == known.ledger())
        );
        *self.file.known() = Some(known);
        Ok(())
    }

    /// Puts a damaged ledger out of the way, for an admin to look at. Its new name, if there was one.
    ///
    /// # Errors
    ///
    /// [`StateError::Unwritable`].
    pub fn set_aside(&self, at: u64) -> Result<Option<PathBuf>, StateError> {
        let path = self.file.dir.join(LEDGER);
        let aside = self.file.dir.join(format!("{LEDGER}.damaged-{at}"));
        match fs::rename(&path, &aside) {
            Ok(()) => Ok(Some(aside)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StateError::Unwritable {
                path: aside,
                source,
            }),
        }
    }
}

/// Writes a file that does not exist, readable by the group that the directory gives it.
///
/// One left by a process that died may belong to another member of the group: it is replaced.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o660)
        .open(path)?;
    // Whatever the caller's umask.
    file.set_permissions(Permissions::from_mode(0o660))?;
    file.write_all(bytes)
}

/// Writes to the file that was the ledger before this one, or to a new one.
fn write_spare(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let spare = OpenOptions::new()
        .write(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path);
    let known = spare.and_then(|file| file.metadata().map(|known| (file, known)));
    match known {
        // A file of more names was planted there, to be overwritten; one of another mode was left
        // half made, and others could not read it.
        Ok((file, known))
            if known.is_file() && known.nlink() == 1 && known.mode() & 0o777 == 0o660 =>
        {
            file.write_all_at(bytes, 0)?;
            let length = bytes.len() as u64;
            if known.len() > length {
                file.set_len(length)?;
            }
            Ok(())
        }
        _ => write_new(path, bytes),
    }
}

/// Gives each file the other's name.
fn exchange(spare: &Path, path: &Path) -> io::Result<()> {
    match renameat2(
        AT_FDCWD,
        spare,
        AT_FDCWD,
        path,
        RenameFlags::RENAME_EXCHANGE,
    ) {
        Ok(()) => Ok(()),
        // No ledger, or a file system that cannot.
        Err(Errno::ENOENT | Errno::EINVAL | Errno::ENOSYS | Errno::EOPNOTSUPP) => {
            fs::rename(spare, path)
        }
        Err(error) => Err(error.into()),
    }
}

fn make_state_dir(dir: &Path, group: Option<u32>) -> io::Result<()> {
    let mode = if group.is_some() { 0o2770 } else { 0o700 };
    for path in [dir.to_path_buf(), dir.join(METADATA)] {
        DirBuilder::new().mode(0o700).create(&path)?;
        if group.is_some() {
            chown(&path, None, group)?;
        }
        fs::set_permissions(&path, Permissions::from_mode(mode))?;
    }
    let ledger = ledger_text::write(Ledger::default(), None).map_err(io::Error::other)?;
    let ledger = ledger.text().as_bytes();
    for (name, bytes) in [(LOCK, &[][..]), (TURN, &[]), (LEDGER, ledger)] {
        write_new(&dir.join(name), bytes)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
