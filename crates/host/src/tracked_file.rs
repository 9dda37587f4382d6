//! `container-owners.json`: what the owner tracker knows, written by it and read by everybody.

use std::{
    fs::File,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use ds01_core::tracked::Tracked;

use crate::{ledger_file::StateError, lock::lock, own_file};

const FILE: &str = "container-owners.json";
const LOCK: &str = "container-owners.json.lock";

/// How long the lock may take: a pass takes no longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// The file in the state directory. Lost or damaged, all is found anew.
#[derive(Debug, Clone)]
pub(crate) struct TrackedFile {
    dir: PathBuf,
}

impl TrackedFile {
    /// That of the state directory `state`.
    pub(crate) fn new(state: &Path) -> Self {
        Self { dir: state.into() }
    }

    /// What is known now.
    pub(crate) fn read(&self) -> Tracked {
        let text = own_file::read(&self.dir.join(FILE)).unwrap_or_default();
        Tracked::read(&text).unwrap_or_default()
    }

    /// Keeps others from changing it, for as long as what is returned lives.
    ///
    /// # Errors
    ///
    /// [`StateError`]; another tracker may be at work.
    pub(crate) fn lock(&self) -> Result<File, StateError> {
        lock(&self.dir.join(LOCK), Instant::now() + PATIENCE)
    }

    /// Writes it, by whoever has the lock. Those who may read the directory may read it.
    ///
    /// # Errors
    ///
    /// [`StateError::Unwritable`]: then it is as it was.
    pub(crate) fn write(&self, tracked: &Tracked) -> Result<(), StateError> {
        let path = self.dir.join(FILE);
        let text = serde_json::to_vec(tracked).map_err(|error| StateError::Unwritable {
            path: path.clone(),
            source: error.into(),
        })?;
        own_file::replace(&path, &text, 0o640)
    }
}
