//! `container-metadata/`: one file per container of ours.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use ds01_core::{
    container::ContainerId,
    name::EngineName,
    record::{OfGone, Record},
};
use nix::{
    fcntl::AT_FDCWD,
    sys::{
        stat::{UtimensatFlags, utimensat},
        time::TimeSpec,
    },
};

use crate::ledger_file::{METADATA, StateError, write_new};

/// What the names of records end with whose container is gone.
const GONE: &str = "gone";

/// The records of containers. Whoever writes, moves or deletes one holds the ledger's lock.
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

    /// That of a container that is gone.
    fn path_of_gone(&self, container: &EngineName, id: &ContainerId) -> PathBuf {
        self.dir.join(format!("{container}.{id}.{GONE}"))
    }

    /// The record of the container with this id, which the engine did not list any more.
    pub(crate) fn of_gone(&self, container: &EngineName, id: &ContainerId) -> Option<Record> {
        serde_json::from_slice(&fs::read(self.path_of_gone(container, id)).ok()?).ok()
    }

    /// The records of those, by the names of their files.
    ///
    /// # Errors
    ///
    /// As [`Metadata::read_all`].
    pub(crate) fn all_of_gone(&self) -> Result<Vec<OfGone>, StateError> {
        let of_gone = |path: PathBuf| {
            let name = path.file_name()?.to_str()?;
            let name = name.strip_suffix(GONE)?.strip_suffix('.')?;
            let (container, id) = name.rsplit_once('.')?;
            Some(OfGone {
                container: container.parse().ok()?,
                id: ContainerId(id.into()),
                since: fs::metadata(&path).ok()?.modified().ok()?.into(),
            })
        };
        Ok(self.paths()?.filter_map(of_gone).collect())
    }

    fn paths(&self) -> Result<impl Iterator<Item = PathBuf>, StateError> {
        let files = fs::read_dir(&self.dir).map_err(|source| StateError::Unusable {
            path: self.dir.clone(),
            source,
        })?;
        Ok(files.filter_map(|file| Some(file.ok()?.path())))
    }

    /// Reads all that can be read: a file that cannot proves nothing.
    ///
    /// # Errors
    ///
    /// [`StateError::Unusable`] if the folder itself cannot be read.
    pub fn read_all(&self) -> Result<Vec<Record>, StateError> {
        // Not what somebody who was killed had begun to write.
        let records = self
            .paths()?
            .filter(|path| path.extension().is_some_and(|end| end == "json"));
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
        let own = self.of(container, id).map(|_| self.path(container));
        for path in own.into_iter().chain([self.path_of_gone(container, id)]) {
            if_there(fs::remove_file(&path), path)?;
        }
        Ok(())
    }

    /// Keeps the record of a container that the engine does not list any more, should it do so again.
    ///
    /// # Errors
    ///
    /// [`StateError::Unwritable`].
    pub(crate) fn put_aside(
        &self,
        container: &EngineName,
        id: &ContainerId,
    ) -> Result<(), StateError> {
        if self.of(container, id).is_none() {
            return Ok(());
        }
        let path = self.path(container);
        let now = &TimeSpec::UTIME_NOW;
        let dated = utimensat(AT_FDCWD, &path, now, now, UtimensatFlags::NoFollowSymlink);
        let moved = dated.map_err(io::Error::from);
        let moved = moved.and_then(|()| fs::rename(&path, self.path_of_gone(container, id)));
        if_there(moved, path).map(drop)
    }

    /// Takes it back, as the engine lists the container again. `false` if there is none.
    ///
    /// # Errors
    ///
    /// [`StateError::Unwritable`].
    pub(crate) fn take_back(
        &self,
        container: &EngineName,
        id: &ContainerId,
    ) -> Result<bool, StateError> {
        let kept = self.path_of_gone(container, id);
        if !kept.exists() {
            return Ok(false);
        }
        // Of a container that had its name meanwhile.
        if let Some(other) = self.read(container) {
            self.put_aside(container, &other.id)?;
        }
        if_there(fs::rename(kept, self.path(container)), self.path(container))
    }
}

/// Whether there was what this was done to.
fn if_there(done: io::Result<()>, path: PathBuf) -> Result<bool, StateError> {
    match done {
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(false),
        done => done
            .map(|()| true)
            .map_err(|source| StateError::Unwritable { path, source }),
    }
}

/// Whether a file with this name is the record of a container that is gone.
pub(crate) fn is_of_gone(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == GONE)
}

#[cfg(test)]
mod tests {
    use nix::unistd::mkdtemp;

    use super::*;

    /// A record of `thesis` with this id.
    fn record(id: &str) -> Record {
        let text = format!(
            r#"{{"version":1,"container":"thesis._.1001","id":"{id}","login":"alice","group":"","slice":"",
            "project":"","image":"","workspace":"","binds":[],"mounts":null,"as_owner":true,"devices":[],
            "hold":null,"created":0,"node":""}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_record_that_is_aside_is_of_no_container_until_it_is_taken_back() {
        let state = mkdtemp(&std::env::temp_dir().join("ds01-metadata-XXXXXX")).unwrap();
        let metadata = Metadata::new(&state);
        fs::create_dir(state.join(METADATA)).unwrap();
        let name = "thesis._.1001".parse().unwrap();
        let [old, new] = ["0a", "0b"].map(|id| ContainerId(id.into()));
        let aside = || {
            let mut all = metadata.all_of_gone().unwrap();
            all.sort_by(|a, b| a.id.0.cmp(&b.id.0));
            all.into_iter().map(|gone| gone.id).collect::<Vec<_>>()
        };
        let is =
            |id: &ContainerId| metadata.read(&name).map(|record| record.id).as_ref() == Some(id);
        metadata.write(&name, &record("0a")).unwrap();
        metadata.put_aside(&name, &new).unwrap();
        assert!(is(&old) && aside().is_empty(), "it is another one's");
        metadata.put_aside(&name, &old).unwrap();
        metadata.put_aside(&name, &old).unwrap();
        assert_eq!(
            (metadata.read_all().unwrap(), aside()),
            (Vec::new(), vec![old.clone()])
        );
        assert_eq!(metadata.of_gone(&name, &old), Some(record("0a")));
        assert!(!metadata.take_back(&name, &new).unwrap());
        // The next of that name, and the first one again.
        metadata.write(&name, &record("0b")).unwrap();
        assert!(metadata.take_back(&name, &old).unwrap());
        assert!(is(&old) && aside() == [new.clone()]);
        assert!(!metadata.take_back(&name, &old).unwrap());
        // Deleted is whichever there is.
        metadata.delete(&name, &new).unwrap();
        assert!(is(&old) && aside().is_empty());
        metadata.delete(&name, &old).unwrap();
        assert_eq!(fs::read_dir(state.join(METADATA)).unwrap().count(), 0);
        fs::remove_dir_all(&state).unwrap();
    }
}
