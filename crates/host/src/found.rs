//! The records of containers that turned up after whoever made them had gone, and what follows from
//! them.

use ds01_core::{
    container::{ContainerId, Sighting},
    failure::Failure,
    label,
    ledger::Allocation,
    record::{Bind, Record},
};

use crate::{
    engine::Inspected,
    ledger_file::Stored,
    look::{Look, Scope},
    own_file,
    site::Site,
    users::person,
};

/// In the state directory, once no container has a restart policy of before.
const NO_RESTARTS: &str = "no-restarts";

impl Site {
    /// Writes the records of those that have none, and keeps those down that are not to start.
    pub(crate) fn record_found(&self, found: &[(&Allocation, &Sighting)]) {
        let has_none = |(entry, seen): &&(&Allocation, &Sighting)| {
            self.metadata.of(&entry.container, &seen.id).is_none()
        };
        let found: Vec<_> = found.iter().filter(has_none).collect();
        // Asked afterwards: a record goes after its container, so that one which is there still has
        // none because nobody wrote it.
        let told = self.closely(found.iter().map(|(_, seen)| seen.id.clone()).collect());
        for (entry, seen) in found {
            let Some(closely) = told.iter().find(|one| one.id == seen.id) else {
                continue;
            };
            let mut record = Record::of_found(entry, seen, &crate::system::name());
            if record.may_start()
                && let Some((place, binds)) = self.folders_of(entry, seen, closely)
            {
                (record.mounts, record.binds) = (Some(place), binds);
            }
            let written = self.look(&Scope::Nothing).and_then(|look| {
                // Under the lock: whoever makes one, or gives it another name, has written it by then.
                self.change(&look, |ledger, _| {
                    let entry = ledger.entry(&entry.container);
                    let is_its_own = entry.is_some_and(|entry| entry.id.as_ref() == Some(&seen.id));
                    if is_its_own
                        && self
                            .metadata
                            .of(&record.container.parse()?, &seen.id)
                            .is_none()
                    {
                        self.metadata.write(&record.container.parse()?, &record)?;
                    }
                    Ok(())
                })
            });
            if let Err(failure) = written {
                self.notice(failure.one_line());
            }
            self.keep_down(&record, closely);
        }
    }

    /// Does what was left undone when they turned up: the process was killed, or the engine did not
    /// answer.
    ///
    /// # Errors
    ///
    /// If the ledger or the records cannot be read.
    pub(crate) fn look_after_found(&self, look: &Look) -> Result<(), Failure> {
        if let Stored::Whole(ledger) = self.ledger.read()? {
            let seen = |entry: &Allocation| {
                let mut all = look.seen.containers.iter();
                all.find(|c| Some(&c.id) == entry.id.as_ref())
            };
            let all = ledger.entries();
            let all: Vec<_> = all
                .filter_map(|entry| Some((entry, seen(entry)?)))
                .collect();
            self.record_found(&all);
        }
        let records = self.metadata.read_all()?;
        self.end_restarts(&records);
        let down: Vec<_> = records.iter().filter(|one| !one.may_start()).collect();
        for one in self.closely(down.iter().map(|record| record.id.clone()).collect()) {
            let mut of_it = down.iter().filter(|record| record.id == one.id);
            of_it
                .next()
                .into_iter()
                .for_each(|record| self.keep_down(record, &one));
        }
        Ok(())
    }

    /// Takes the restart policies of those away that were made before DS01 made all without: once, as
    /// nobody but an admin gives one anew.
    fn end_restarts(&self, records: &[Record]) {
        let done = self.config().paths.state.join(NO_RESTARTS);
        if done.exists() {
            return;
        }
        let ids: Vec<_> = records.iter().map(|record| record.id.clone()).collect();
        let ended = self.engine().inspect_each(&ids).and_then(|(told, silent)| {
            let mut restart = told.iter().filter(|one| one.restarts);
            restart.try_for_each(|one| self.engine().never_restart(&one.id))?;
            Ok(silent.is_empty())
        });
        let noted = match ended {
            Ok(true) => own_file::replace(&done, b"", 0o640).map_err(Failure::from),
            Ok(false) => Ok(()),
            Err(error) => Err(error.into()),
        };
        if let Err(failure) = noted {
            let message = failure.message;
            self.notice(format!("restart policies of before are left: {message}"));
        }
    }

    /// What the engine tells of these: those that it does not tell of are looked at by the next pass.
    fn closely(&self, ids: Vec<ContainerId>) -> Vec<Inspected> {
        let told = self.engine().inspect(&ids);
        told.unwrap_or_else(|error| {
            self.notice(Failure::from(error).message);
            Vec::new()
        })
    }

    /// Sees to it that one which is not to start is not started by the engine either.
    fn keep_down(&self, record: &Record, closely: &Inspected) {
        if record.may_start() || !closely.restarts {
            return;
        }
        if let Err(error) = self.engine().never_restart(&record.id) {
            let failure = Failure::from(error);
            self.notice(format!("{}: {}", record.container, failure.message));
        }
    }

    /// The place of root's mounts that one of our own commands' has, and the folders that are mounted
    /// there: by its labels, as nothing else tells of them. They are mounted again with its owner's
    /// rights alone.
    fn folders_of(
        &self,
        entry: &Allocation,
        seen: &Sighting,
        closely: &Inspected,
    ) -> Option<(String, Vec<Bind>)> {
        let staged = closely.binds.iter();
        let staged = staged.map(|(path, target)| Some((self.staging.of_path(path)?, target)));
        let mut staged: Vec<_> = staged.collect::<Option<_>>()?;
        staged.sort();
        let label = |key: &str| {
            seen.labels
                .get(key)
                .filter(|text| !text.is_empty())
                .map(str::to_string)
        };
        let home = || {
            person(entry.container.uid)
                .ok()?
                .home
                .to_str()
                .map(String::from)
        };
        let place = staged.first()?.0.0.clone();
        let bind = |(number, ((of, its_number), target)): (usize, ((String, usize), &String))| {
            let source = match target.as_str() {
                "/workspace" => label(label::WORK_MOUNT),
                "/data" => label(label::DATA_MOUNT),
                _ if self.config().containers.mount_home => home(),
                _ => None,
            };
            let target = target.clone();
            let source = source.filter(|_| of == place && its_number == number)?;
            Some(Bind { source, target })
        };
        let binds = staged
            .into_iter()
            .enumerate()
            .map(bind)
            .collect::<Option<_>>()?;
        Some((place, binds))
    }
}
