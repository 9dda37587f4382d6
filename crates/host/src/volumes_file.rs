//! `volumes.json`: what volumes were used for, written by the gateway and its operations.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use ds01_core::{
    docker::{Unsettled, UsedVolumes},
    failure::{Failure, Kind},
    name::EngineName,
};
use nix::unistd::geteuid;

use crate::{
    clock,
    ledger_file::{LedgerFile, StateError, Stored},
    lock::lock,
    own_file,
};

const FILE: &str = "volumes.json";
const LOCK: &str = "volumes.json.lock";

/// How long the lock may take: nobody has it for longer than a write.
const PATIENCE: Duration = Duration::from_secs(60);

/// The file in the state directory. Without it, nobody knows anything about any volume.
#[derive(Debug, Clone)]
pub struct VolumesFile {
    dir: PathBuf,
}

impl VolumesFile {
    /// That of the state directory `state`.
    pub fn new(state: &Path) -> Self {
        Self { dir: state.into() }
    }

    /// What is known now.
    ///
    /// # Errors
    ///
    /// [`StateError::Unusable`] if it cannot be read.
    pub fn read(&self) -> Result<UsedVolumes, StateError> {
        let path = self.dir.join(FILE);
        let text = match own_file::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Default::default()),
            text => text,
        };
        let known = text.and_then(|text| Ok(serde_json::from_slice(&text)?));
        known.map_err(|source| StateError::Unusable { path, source })
    }

    /// Changes it, one at a time: on the disk, once this returns.
    ///
    /// # Errors
    ///
    /// [`StateError`], or that of `change`: then it is as it was.
    pub fn change<T, E: Into<Failure>>(
        &self,
        change: impl FnOnce(&mut UsedVolumes) -> Result<T, E>,
    ) -> Result<T, Failure> {
        let _lock: File = lock(&self.dir.join(LOCK), Instant::now() + PATIENCE)?;
        let known = self.read()?;
        let mut changed = known.clone();
        let done = change(&mut changed).map_err(Into::into)?;
        if changed != known {
            let path = self.dir.join(FILE);
            let text = serde_json::to_vec(&changed).map_err(|error| StateError::Unwritable {
                path: path.clone(),
                source: error.into(),
            })?;
            own_file::replace_for_good(&path, &text, 0o640)?;
        }
        Ok(done)
    }

    /// Notes that a container is about to be made with these volumes, see [`UsedVolumes::begin`].
    ///
    /// # Errors
    ///
    /// If they cannot be used now, or that cannot be noted: the engine is not to be asked then.
    pub(crate) fn begin(
        &self,
        volumes: &[String],
        by: (&EngineName, bool),
        seen: &UsedVolumes,
    ) -> Result<(), Failure> {
        if volumes.is_empty() {
            return Ok(());
        }
        self.change(|known| {
            let begun = known.begin(volumes.iter(), by, seen, clock::now());
            begun.map_err(|why| unsettled(why, by.0.uid))
        })
    }

    /// Notes that the engine has answered. What cannot be noted now is learnt from the container.
    pub(crate) fn end(&self, volumes: &[String], refused: bool, seen: &UsedVolumes) {
        if !volumes.is_empty() {
            let _ = self.change(|known| {
                known.end(volumes.iter(), refused, seen);
                Ok::<_, Failure>(())
            });
        }
    }

    /// Notes that a container is gone, which may have turned up late. Where there is no gateway
    /// there is nothing to note.
    pub(crate) fn gone(&self, container: &EngineName, ledger: &LedgerFile) {
        if !geteuid().is_root() {
            return;
        }
        let _ = self.change(|known| {
            // Who makes the next of that name is in the ledger before noting here what that fills.
            if let Stored::Whole(ledger) = ledger.read()?
                && ledger.entry(container).is_none()
            {
                known.gone(container);
            }
            Ok::<_, Failure>(())
        });
    }
}

/// As users read it. `uid` is whose volume it is.
pub fn unsettled(why: Unsettled, uid: u32) -> Failure {
    let own = |volume: String| volume.replace(&format!("._.{uid}"), "");
    match why {
        Unsettled::Filling(volume) => {
            let volume = own(volume);
            let message = format!(
                "the engine may still be copying an image's files into the volume {volume}, for a \
                 container whose making was given up"
            );
            let hint = format!(
                "use another volume; or remove that container if docker ps -a shows it, then \
                 docker volume rm {volume}: its name can be used again an hour later"
            );
            Failure::new(Kind::State, message).with_hint(hint)
        }
        Unsettled::Changed(volume) => {
            let message = format!("the volume {} is being changed", own(volume));
            Failure::new(Kind::State, message).with_hint("try again")
        }
    }
}
