//! Containers that are gone: what was kept about them, and their mounts.
//!
//! What DS01 itself removed is forgotten at once. Of any other the record is kept for a while: an engine
//! that was started without its disk lists no container, and lists them all again once an admin has
//! mounted that. Then each is its owner's as before.

use std::collections::BTreeSet;

use ds01_core::{
    container::ContainerId,
    failure::Failure,
    ledger::{Allocation, Ledger, PENDING},
    name::EngineName,
    reconcile::{Change, EngineSnapshot},
    record::outdated,
};

use crate::{
    clock,
    ledger_file::{StateError, Stored},
    look::{Look, Scope},
    site::Site,
    volumes_file::VolumesFile,
};

impl Site {
    /// Deletes what was kept about a container that DS01 removed. Under the ledger's lock.
    pub(crate) fn forget(&self, container: &EngineName, id: &ContainerId) {
        self.note(self.metadata.delete(container, id));
    }

    /// The same under a name that is not the container's any more, or never came to be: unless the
    /// ledger, which is locked for it, says by now that it is.
    pub(crate) fn forget_name(&self, container: &EngineName, id: &ContainerId) {
        let forgotten = self.look(&Scope::Nothing).and_then(|look| {
            self.change(&look, |ledger, _| {
                let entry = ledger.entry(container);
                if entry.is_none_or(|entry| entry.id.as_ref() != Some(id)) {
                    self.forget(container, id);
                }
                Ok(())
            })
        });
        if let Err(failure) = forgotten {
            self.notice(failure.one_line());
        }
    }

    /// Keeps the records of those that the engine does not list any more. Under the ledger's lock, once
    /// that says so: whoever dies in between leaves one that the next sweep finds.
    pub(crate) fn put_aside(&self, changes: &[Change]) {
        for change in changes {
            if let Change::Gone(entry) = change
                && let Some(id) = &entry.id
            {
                self.note(self.metadata.put_aside(&entry.container, id));
            }
        }
    }

    /// Takes the records back of those that the engine lists again. Under the ledger's lock, before that
    /// says so: no container of ours is without one. The entries of those.
    ///
    /// # Errors
    ///
    /// If one cannot be taken back.
    pub(crate) fn take_back(
        &self,
        ledger: &Ledger,
        seen: &EngineSnapshot,
    ) -> Result<Vec<Allocation>, StateError> {
        let mut back = Vec::new();
        for record in seen.records.values() {
            let entry = ledger.entries().find(|a| a.id.as_ref() == Some(&record.id));
            if let Some(entry) = entry
                && self.metadata.take_back(&entry.container, &record.id)?
            {
                back.push(entry.clone());
            }
        }
        Ok(back)
    }

    /// Takes away what is left of a container that is no more, and of which the ledger knows that.
    pub(crate) fn clear(&self, container: &EngineName, mounts: Option<&str>) {
        mounts.into_iter().for_each(|place| self.unstage(place));
        let volumes = VolumesFile::new(&self.config().paths.state);
        volumes.gone(container, &self.ledger);
    }

    /// Takes away the mounts of a container that is no more, if this process may.
    pub(crate) fn unstage(&self, place: &str) {
        if nix::unistd::geteuid().is_root()
            && let Err(error) = self.staging.unstage(place)
        {
            self.notice(format!("the mounts of {place} stay: {error}"));
        }
    }

    /// Takes away the mounts of containers that are no more, and that nobody took away then.
    ///
    /// A container that is being made has mounts before it has a record: those stay for as long as
    /// its maker may take.
    ///
    /// # Errors
    ///
    /// If the records cannot be read.
    pub fn sweep_mounts(&self) -> Result<(), Failure> {
        let records = self.metadata.read_all()?;
        let used = |place: &String| records.iter().any(|r| r.mounts.as_ref() == Some(place));
        let places = self.staging.places(PENDING).into_iter();
        places
            .filter(|place| !used(place))
            .for_each(|place| self.unstage(&place));
        Ok(())
    }

    /// Puts the records aside that somebody who died has left of containers which are no more, and
    /// deletes those that have been aside for long enough. `look` shows every container.
    ///
    /// # Errors
    ///
    /// If the records or the ledger cannot be read, or not be changed.
    pub(crate) fn sweep_records(&self, look: &Look) -> Result<(), Failure> {
        let there: BTreeSet<_> = look.seen.containers.iter().map(|c| &c.id).collect();
        let is_known = |ledger: &Ledger, id: &ContainerId| {
            there.contains(id) || ledger.entries().any(|entry| entry.id.as_ref() == Some(id))
        };
        let left = self.metadata.read_all()?.into_iter();
        let left: Vec<(EngineName, ContainerId)> = match self.ledger.read()? {
            Stored::Whole(ledger) => left
                .filter(|record| !is_known(&ledger, &record.id))
                .filter_map(|record| Some((record.container.parse().ok()?, record.id)))
                .collect(),
            Stored::Damaged(_) => return Ok(()),
        };
        let over = outdated(self.metadata.all_of_gone()?, clock::now());
        if left.is_empty() && over.is_empty() {
            return Ok(());
        }
        self.change(&self.look(&Scope::Nothing)?, |ledger, _| {
            for (container, id) in left.iter().filter(|(_, id)| !is_known(ledger, id)) {
                self.metadata.put_aside(container, id)?;
            }
            for gone in over.iter().filter(|gone| !is_known(ledger, &gone.id)) {
                self.metadata.delete(&gone.container, &gone.id)?;
            }
            Ok(())
        })
    }
}
