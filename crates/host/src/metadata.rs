//! `container-metadata/`: one file per container of ours.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use ds01_core::{container::ContainerId, name::EngineName, record::Record};

use crate::ledger_file::{METADATA, StateError, write_new};

/// The records of containers.
#[derive(Debug, Clone)]
pub struct Metadata {
    dir: PathBuf,
}

impl Metadata {
    /// The records in the state directory `state`.
    pub fn new(state: &Path) -> Self {
        Self {
            dir: state.join(METADATA),
        }
    }

    fn path(&self, container: &EngineName) -> PathBuf {
        self.dir.join(format!("{container}.json"))
    }

    /// Reads the record of a container; `None` if there is none that can be read.
    pub fn read(&self, container: &EngineName) -> Option<Record> {
        serde_json::from_slice(&fs::read(self.path(container)).ok()?).ok()
    }

    /// The same of the container with this id: a record may be of another of that name.
    pub(crate) fn of(&self, container: &EngineName, id: &ContainerId) -> Option<Record> {
        self.read(container).filter(|record| record.id == *id)
    }

    /// Reads all that can be read: a file that cannot proves nothing.
    ///
    /// # Errors
    ///
    /// [`StateError::Unusable`] if the folder itself cannot be read.
    pub fn read_all(&self) -> Result<Vec<Record>, StateError> {
        let unusable = |source| StateError::Unusable {
            path: self.dir.clone(),
            source,
        };
        let files = fs::read_dir(&self.dir).map_err(unusable)?;
        let paths = files.filter_map(|file| Some(file.ok()?.path()));
        // Not what somebody who was killed had begun to write.
        let records = paths.filter(|path| path.extension().is_some_and(|end| end == "json"));
        let texts = records.filter_map(|path| fs::read(path).ok());
        Ok(texts
            .filter_map(|text| serde_json::from_slice(&text).ok())
            .collect())
    }

    /// Writes a record, whole or not at all.
    ///
    /// # Errors
    ///
    /// [`StateError::Unwritable`].
    pub fn write(&self, container: &EngineName, record: &Record) -> Result<(), StateError> {
        let path = self.path(container);
        let new = self
            .dir
            .join(format!(".{container}.{}", std::process::id()));
        let bytes = serde_json::to_vec(record).map_err(io::Error::other);
        let written = bytes.and_then(|bytes| write_new(&new, &bytes));
        written
            .and_then(|()| fs::rename(&new, &path))
            .map_err(|source| {
                let _ = fs::remove_file(&new);
                StateError::Unwritable { path, source }
            })
    }

    /// Deletes the record of the container with this id. One that is not there is no error, and
    /// the record of the next container of that name stays.
    ///
    /// # Errors
    ///
    /// [`StateError::Unwritable`].
    pub fn delete(&self, container: &EngineName, id: &ContainerId) -> Result<(), StateError> {
        if self.of(container, id).is_none() {
            return Ok(());
        }
        match fs::remove_file(self.path(container)) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(StateError::Unwritable {
                    path: self.path(container),
                    source,
                })
            }
            _ => Ok(()),
        }
    }
}
