//! `lifecycle.json`: what the duties remember between two passes, changed by one at a time. And
//! `first-seen.json`, of which less is lost with it, and `at-rest.json`, of the sweep.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use ds01_core::{
    container::ContainerId,
    failure::{Failure, Kind},
    lifecycle::{FirstSeen, Watch},
    sweep::AtRest,
    time::{Timestamp, Uptime},
};

use serde::Serialize;

use crate::{clock, ledger_file::StateError, lock::lock, own_file};

const FILE: &str = "lifecycle.json";
const SEEN: &str = "first-seen.json";
const AT_REST: &str = "at-rest.json";
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
        let text = own_file::read(&self.dir.join(FILE)).unwrap_or_default();
        Watch::read(&text, &self.boot).unwrap_or_else(|| Watch::new(&self.boot))
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
        self.write(FILE, &watch, 0o600)?;
        Ok(done)
    }

    /// Since when containers are known that something else made. Those who may read the directory may
    /// read it.
    pub(crate) fn seen(&self) -> FirstSeen {
        let text = own_file::read(&self.dir.join(SEEN)).unwrap_or_default();
        FirstSeen::read(&text, &self.boot).unwrap_or_else(|| FirstSeen::new(&self.boot))
    }

    /// Takes in those of them that are there `now`, all of them.
    ///
    /// # Errors
    ///
    /// [`StateError`]: then nothing is changed, and none of them may be stopped.
    pub(crate) fn see<'a>(
        &self,
        there: impl IntoIterator<Item = &'a ContainerId>,
        now: Uptime,
    ) -> Result<FirstSeen, StateError> {
        let _locked = lock(&self.dir.join(LOCK), Instant::now() + PATIENCE)?;
        let before = self.seen();
        let mut seen = before.clone();
        seen.see(there, now);
        if seen != before {
            self.write(SEEN, &seen, 0o640)?;
        }
        Ok(seen)
    }

    /// How long containers have not run, as far as the last sweep knew.
    pub(crate) fn at_rest(&self) -> AtRest {
        let text = own_file::read(&self.dir.join(AT_REST)).unwrap_or_default();
        AtRest::read(&text, &self.boot).unwrap_or_else(|| AtRest::new(&self.boot))
    }

    /// Keeps that for the next one. Of two sweeps at once, either knows enough.
    ///
    /// # Errors
    ///
    /// [`StateError`]: then nothing is changed.
    pub(crate) fn keep_at_rest(&self, at_rest: &AtRest) -> Result<(), StateError> {
        let _locked = lock(&self.dir.join(LOCK), Instant::now() + PATIENCE)?;
        self.write(AT_REST, at_rest, 0o600)
    }

    /// Puts it in the place of what is there, by whoever has the lock.
    fn write(&self, name: &str, what: &impl Serialize, mode: u32) -> Result<(), StateError> {
        let path = self.dir.join(name);
        let text = serde_json::to_vec(what).map_err(|error| StateError::Unwritable {
            path: path.clone(),
            source: error.into(),
        })?;
        own_file::replace(&path, &text, mode)
    }
}

/// When a pass has last written the file of the state directory `state`: each does, whatever it
/// found. `None` if none ever has.
///
/// # Errors
///
/// If that cannot be seen.
pub(crate) fn written(state: &Path) -> io::Result<Option<Timestamp>> {
    match fs::symlink_metadata(state.join(FILE)).and_then(|known| known.modified()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        written => written.map(|at| Some(at.into())),
    }
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
