//! The ledger on disk: one file, replaced whole by whoever holds its lock.
//!
//! Two lock files, so that those who wait are served in turn: a process waits for
//! `ledger.json.turn`, and holding that for `ledger.json.lock`; once it has the lock it passes
//! the turn on. The kernel serves waiters of one file in order, but lets whoever comes as it
//! is freed go first; here that one only becomes the next. Neither is ever removed: a lock on
//! a file that was replaced holds nobody.
//!
//! Nothing is synced: rename makes the change at once for every process, whatever dies. After a
//! power cut the file may be old or torn; `core::ledger_text` tells, and it is rebuilt.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown},
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use ds01_core::{
    failure::{Kind, UserError},
    ledger::Ledger,
    ledger_text::{self, Damage},
};
use nix::{libc, unistd::geteuid};

/// How long the lock may take: each holder needs a millisecond, so this is thousands of them.
const PATIENCE: Duration = Duration::from_secs(10);

const LEDGER: &str = "ledger.json";
const LOCK: &str = "ledger.json.lock";
const TURN: &str = "ledger.json.turn";
const NEW: &str = "ledger.json.new";

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
    Whole(Ledger),
    /// Something else: it has to be rebuilt.
    Damaged(Damage),
}

/// The state directory's ledger.
#[derive(Debug, Clone)]
pub struct LedgerFile {
    dir: PathBuf,
}

impl LedgerFile {
    /// The ledger in `dir`.
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.into() }
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
        let made = make_state_dir(&draft, group).and_then(|()| fs::rename(&draft, &self.dir));
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
        match fs::read(&path) {
            Ok(bytes) => Ok(match ledger_text::read(&bytes) {
                Ok(ledger) => Stored::Whole(ledger),
                Err(damage) => Stored::Damaged(damage),
            }),
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StateError::Unusable {
                path,
                source: error,
            }),
            Err(_) if self.dir.exists() => Ok(Stored::Damaged(Damage::Missing)),
            Err(_) => Ok(Stored::Whole(Ledger::default())),
        }
    }

    /// Waits for the lock and reads the ledger under it.
    ///
    /// # Errors
    ///
    /// [`StateError`]; the lock is never skipped.
    pub fn lock(&self) -> Result<Locked<'_>, StateError> {
        let deadline = Instant::now() + PATIENCE;
        let turn = lock(&self.dir.join(TURN), deadline)?;
        let lock = lock(&self.dir.join(LOCK), deadline)?;
        drop(turn);
        let stored = self.read()?;
        Ok(Locked {
            file: self,
            stored,
            _lock: lock,
        })
    }

    /// Puts a damaged ledger out of the way, for an admin to look at. Its new name, if there was one.
    ///
    /// # Errors
    ///
    /// [`StateError::Unwritable`].
    fn set_aside(&self, at: u64) -> Result<Option<PathBuf>, StateError> {
        let path = self.dir.join(LEDGER);
        let aside = self.dir.join(format!("{LEDGER}.damaged-{at}"));
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

/// The ledger while nobody else can change it. Dropping it lets the next one in.
pub struct Locked<'a> {
    file: &'a LedgerFile,
    /// What it was when it was locked.
    pub stored: Stored,
    _lock: File,
}

impl Locked<'_> {
    /// Replaces the ledger, one generation on.
    ///
    /// # Errors
    ///
    /// [`StateError::Unwritable`]: the old one is still there.
    pub fn save(&self, ledger: &mut Ledger) -> Result<(), StateError> {
        ledger.generation += 1;
        let (new, path) = (self.file.dir.join(NEW), self.file.dir.join(LEDGER));
        let bytes = ledger_text::write(ledger).map_err(io::Error::other);
        let written = bytes.and_then(|bytes| write_new(&new, &bytes));
        written
            .and_then(|()| fs::rename(&new, &path))
            .map_err(|source| {
                let _ = fs::remove_file(&new);
                StateError::Unwritable { path, source }
            })
    }

    /// Puts the damaged ledger out of the way. Its new name, if there was one.
    ///
    /// # Errors
    ///
    /// [`StateError::Unwritable`].
    pub fn set_aside(&self, at: u64) -> Result<Option<PathBuf>, StateError> {
        self.file.set_aside(at)
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

/// Locks a file within the deadline. It is made if need be, and never removed.
///
/// # Errors
///
/// [`StateError::Locked`] if somebody else keeps it.
pub(crate) fn lock(path: &Path, deadline: Instant) -> Result<File, StateError> {
    let unusable = |source| StateError::Unusable {
        path: path.into(),
        source,
    };
    loop {
        let open = || {
            OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o660)
                .custom_flags(libc::O_NOFOLLOW)
                .open(path)
        };
        let file = open().map_err(unusable)?;
        let here = file.metadata().map_err(unusable)?;
        // Just made: the others must get in, whatever the caller's umask.
        if here.mode() & 0o777 != 0o660 && here.uid() == geteuid().as_raw() {
            let open_to_all = Permissions::from_mode(0o660);
            file.set_permissions(open_to_all).map_err(unusable)?;
        }
        let file = match fs2::FileExt::try_lock_exclusive(&file) {
            Ok(()) => file,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait_for(file, deadline)
                .map_err(unusable)?
                .ok_or_else(|| StateError::Locked { path: path.into() })?,
            Err(error) => return Err(unusable(error)),
        };
        // Somebody may have replaced the file while we waited: that lock holds nobody.
        match fs::metadata(path) {
            Ok(there) if there.ino() == here.ino() && there.dev() == here.dev() => return Ok(file),
            _ => {}
        }
    }
}

/// Waits in the kernel's line, which a time limit cannot end: so another thread does.
fn wait_for(file: File, deadline: Instant) -> io::Result<Option<File>> {
    let (send, receive) = mpsc::channel();
    thread::Builder::new().spawn(move || {
        let locked = fs2::FileExt::lock_exclusive(&file).map(|()| file);
        // Nobody may be listening any more: then the file is closed, and the lock with it.
        let _ = send.send(locked);
    })?;
    match receive.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        Ok(locked) => locked.map(Some),
        Err(_) => Ok(None),
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
    let ledger = ledger_text::write(&Ledger::default()).map_err(io::Error::other)?;
    for (name, bytes) in [(LOCK, &[][..]), (TURN, &[]), (LEDGER, &ledger)] {
        write_new(&dir.join(name), bytes)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A state directory that is removed at the end.
    struct Dir(PathBuf);

    impl Dir {
        fn new(name: &str) -> Self {
            let dir = std::env::temp_dir().join(format!("ds01-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&dir);
            LedgerFile::new(&dir).init(None).unwrap();
            Self(dir)
        }

        fn ledger(&self) -> LedgerFile {
            LedgerFile::new(&self.0)
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn ledger_of(stored: &Stored) -> Ledger {
        match stored {
            Stored::Whole(ledger) => ledger.clone(),
            Stored::Damaged(damage) => panic!("{damage}"),
        }
    }

    #[test]
    fn no_change_is_lost_among_many_writers() {
        let dir = Dir::new("writers");
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let file = dir.ledger();
                        let locked = file.lock().unwrap();
                        let mut ledger = ledger_of(&locked.stored);
                        locked.save(&mut ledger).unwrap();
                    }
                });
            }
        });
        assert_eq!(ledger_of(&dir.ledger().read().unwrap()).generation, 400);
    }

    #[test]
    fn a_lock_file_that_was_replaced_lets_nobody_in_beside_the_holder() {
        let dir = Dir::new("replaced");
        let file = dir.ledger();
        let old = File::open(dir.0.join(LOCK)).unwrap();
        fs2::FileExt::lock_exclusive(&old).unwrap();
        thread::scope(|scope| {
            let waiter = scope.spawn(|| file.lock().map(drop));
            fs::remove_file(dir.0.join(LOCK)).unwrap();
            drop(old);
            waiter.join().unwrap().unwrap();
        });
        // Whoever waited holds the new file's lock, or none would exclude the next.
        assert!(dir.0.join(LOCK).exists());
    }

    #[test]
    fn a_state_directory_without_its_ledger_has_lost_it() {
        let dir = Dir::new("lost");
        fs::remove_file(dir.0.join(LEDGER)).unwrap();
        assert_eq!(
            dir.ledger().read().unwrap(),
            Stored::Damaged(Damage::Missing)
        );
        let new = LedgerFile::new(&dir.0.join("none"));
        assert_eq!(new.read().unwrap(), Stored::Whole(Ledger::default()));
    }
}
