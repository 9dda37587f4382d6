//! `lifecycle.json`: what the duties remember between two passes, changed by one at a time.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use ds01_core::{
    failure::{Failure, Kind},
    lifecycle::Watch,
};

use nix::{libc, unistd::geteuid};

use crate::{clock, ledger_file::StateError, lock::lock};

const FILE: &str = "lifecycle.json";
const LOCK: &str = "lifecycle.json.lock";

/// How long the lock may take: it is held for milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// The file in the state directory. Lost or damaged, everything begins anew: nobody is stopped for
/// what nobody remembers.
#[derive(Debug, Clone)]
pub(crate) struct WatchFile {
    dir: PathBuf,
    boot: String,
}

impl WatchFile {
    /// That of the state directory `state`, in this boot.
    ///
    /// # Errors
    ///
    /// If the kernel does not tell which boot this is.
    pub(crate) fn new(state: &Path) -> Result<Self, Failure> {
        let boot = clock::boot().ok_or_else(|| {
            Failure::new(
                Kind::Unreachable,
                "the kernel does not tell which boot this is",
            )
            .with_hint("mount /proc")
        })?;
        Ok(Self {
            dir: state.into(),
            boot,
        })
    }

    /// What is remembered now.
    pub(crate) fn read(&self) -> Watch {
        let text = self.text().unwrap_or_default();
        Watch::read(&text, &self.boot).unwrap_or_else(|| Watch::new(&self.boot))
    }

    /// What root wrote, and nothing that a member of a trusted group planted there.
    fn text(&self) -> io::Result<Vec<u8>> {
        let mut options = OpenOptions::new();
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let mut file = options
            .read(true)
            .custom_flags(flags)
            .open(self.dir.join(FILE))?;
        let known = file.metadata()?;
        let mut text = Vec::new();
        if known.is_file() && known.uid() == geteuid().as_raw() {
            file.read_to_end(&mut text)?;
        }
        Ok(text)
    }

    /// Changes it, whole or not at all.
    ///
    /// # Errors
    ///
    /// [`StateError`]: then nothing is changed, and what was decided must not be done.
    pub(crate) fn change<T>(&self, with: impl FnOnce(&mut Watch) -> T) -> Result<T, StateError> {
        let _locked = lock(&self.dir.join(LOCK), Instant::now() + PATIENCE)?;
        let mut watch = self.read();
        let done = with(&mut watch);
        let path = self.dir.join(FILE);
        let new = self.dir.join(format!("{FILE}.new"));
        let text = serde_json::to_vec(&watch).map_err(io::Error::other);
        text.and_then(|text| write(&new, &text))
            .and_then(|()| fs::rename(&new, &path))
            .map_err(|source| {
                let _ = fs::remove_file(&new);
                StateError::Unwritable { path, source }
            })?;
        Ok(done)
    }
}

/// Writes a new file for its owner alone.
fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_changed_is_kept_and_what_is_damaged_begins_anew() {
        let dir = std::env::temp_dir().join(format!("ds01-watch-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let file = WatchFile::new(&dir).unwrap();
        assert_eq!(file.read(), Watch::new(&file.boot));
        file.change(|watch| watch.high_demand = true).unwrap();
        assert!(file.read().high_demand);
        let mut names: Vec<_> = fs::read_dir(&dir)
            .unwrap()
            .map(|file| file.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, [FILE, LOCK]);
        fs::rename(dir.join(FILE), dir.join("elsewhere")).unwrap();
        std::os::unix::fs::symlink("elsewhere", dir.join(FILE)).unwrap();
        assert_eq!(file.read(), Watch::new(&file.boot), "a link");
        fs::remove_file(dir.join(FILE)).unwrap();
        fs::write(dir.join(FILE), "{\"version\":1,").unwrap();
        assert_eq!(file.read(), Watch::new(&file.boot));
        // Somewhere where nothing can be written.
        fs::remove_dir_all(&dir).unwrap();
        assert!(file.change(|_| ()).is_err());
    }
}
