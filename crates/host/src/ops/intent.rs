//! The intent to start a container, from the ledger's yes until the engine's is noted.
//!
//! It lapses. What lies between, such as the file system of somebody's folder, may take longer than
//! that: so it is looked at again before the engine is asked, and before its answer is noted.

use ds01_core::{
    allocate::Reason,
    device::slot_list,
    event::Event,
    failure::{Failure, Kind},
    ledger::{Allocation, Holding, Ledger, PENDING, SETTLED},
    line::Turn,
    name::{ContainerName, EngineName},
    time::Timestamp,
};

use super::create::allocated;
use crate::{
    Site, clock, engine::EngineError, ledger_file::Stored, look::Scope, site::fail, users::login,
};

/// What was taken for a container that is to run.
pub(super) struct Intent {
    /// Its entry before.
    pub(super) before: Allocation,
    /// Its hold had ended: it has its devices anew.
    pub(super) is_anew: bool,
    /// What of its devices was kept for its owner, whose turn had come.
    pub(super) used: Vec<Turn>,
}

/// Whether an intent still stands.
enum Standing {
    /// Its devices are its own.
    Yes,
    /// Others may have them. What it holds by now.
    GivenUp(Holding),
    /// There is no entry of its container: that is no more.
    Gone,
}

/// What an entry holds by while this process asks for its container to be made, or to run.
pub(super) fn pending(now: Timestamp) -> Holding {
    Holding::Pending {
        creator: clock::this_process(),
        lapses: now + PENDING,
    }
}

/// Whether another process asks for the container to run, and may yet.
pub(super) fn is_of_another(entry: &Allocation, now: Timestamp) -> bool {
    let Holding::Pending {
        creator: Some(creator),
        lapses,
    } = &entry.holding
    else {
        return false;
    };
    *lapses > now && !is_of_this_process(entry) && !clock::is_dead(creator)
}

pub(super) fn is_of_this_process(entry: &Allocation) -> bool {
    matches!(&entry.holding, Holding::Pending { creator, .. } if *creator == clock::this_process())
}

/// Whether the devices were the entry's all the time: whatever gives them up leaves its mark.
fn is_kept(entry: &Allocation, now: Timestamp) -> bool {
    entry.devices.is_empty() || entry.holds(now) && entry.holding != Holding::Intruding
}

impl Intent {
    /// Makes sure that it lasts as long as any call to the engine may take.
    ///
    /// # Errors
    ///
    /// Status 6 if it has lapsed, and the devices were given up; 4 if the container was removed.
    pub(super) fn renew(&self, site: &Site) -> Result<(), Failure> {
        let enough = clock::now() + SETTLED;
        let lasts = |entry: &Allocation| {
            matches!(entry.holding, Holding::Pending { lapses, .. } if lapses > enough)
                && is_of_this_process(entry)
        };
        if let Stored::Whole(ledger) = site.ledger.read()?
            && self.entry(&ledger).is_some_and(lasts)
        {
            return Ok(());
        }
        let kept = self.keep(site, |entry, now| {
            // Another one may be as far as this, or further.
            if is_of_this_process(entry) || matches!(entry.holding, Holding::Stopped { .. }) {
                entry.holding = pending(now);
            }
        })?;
        match kept {
            Standing::Yes => Ok(()),
            Standing::GivenUp(_) => Err(self.lost()),
            Standing::Gone => Err(self.gone()),
        }
    }

    /// Logs that the container has its devices anew. For who started it, and who does not know: either way
    /// they are its own until they are released.
    pub(super) fn log_anew(&self, site: &Site) {
        if self.is_anew {
            let entry = &self.before;
            let event = Event::new(clock::now(), "gpu.allocate").of(login(entry.container.uid));
            let event = event.with("container", &entry.container);
            let reason = Reason::Own.to_string();
            site.log(allocated(event, &entry.devices, &reason));
        }
    }

    /// The container runs: `with` notes that.
    ///
    /// # Errors
    ///
    /// Status 6 if the intent had lapsed before, and the devices were given up: then the container
    /// runs no more. One that has ended and is gone already, as with `docker run --rm`, did run; as did
    /// one that was stopped meanwhile, and keeps nothing after a stop.
    pub(super) fn confirm(
        &self,
        site: &Site,
        with: impl FnOnce(&mut Allocation),
    ) -> Result<(), Failure> {
        let holding = match self.keep(site, |entry, _| with(entry))? {
            Standing::Yes | Standing::Gone => return Ok(()),
            Standing::GivenUp(holding) => holding,
        };
        let stopped = matches!(holding, Holding::Stopped { .. } | Holding::Released);
        let mut lost = self.lost();
        let killed = self.before.id.as_ref().map(|id| site.engine().kill(id));
        match killed {
            Some(Err(EngineError::Refused {
                status: 404 | 409, ..
            })) if stopped => return Ok(()),
            // It has ended by itself, or is gone.
            Some(Err(EngineError::Refused {
                status: 404 | 409, ..
            })) => {}
            Some(Err(error)) => lost.causes.push(Failure::from(error).message),
            Some(Ok(())) | None => {}
        }
        Err(lost)
    }

    /// The engine did not say whether it starts: the devices stay its own until that is seen, or
    /// this lapses.
    pub(super) fn leave(&self, site: &Site) -> Result<(), Failure> {
        let left = self.keep(site, |entry, now| {
            if is_of_this_process(entry) {
                entry.ends = None;
                entry.holding = Holding::Pending {
                    creator: None,
                    lapses: now + PENDING,
                };
            }
        });
        left.map(drop)
    }

    /// It did not start: all is as it was before, unless others have taken it from there.
    pub(super) fn put_back(self, site: &Site) -> Result<(), Failure> {
        site.change(&site.look(&Scope::Nothing)?, |ledger, _| {
            let ours = self
                .entry(ledger)
                .filter(|entry| is_of_this_process(entry))
                .map(|entry| entry.container.clone());
            if let Some(container) = ours {
                ledger.change(&container, |entry| {
                    (entry.holding, entry.passed) = (self.before.holding, self.before.passed);
                    entry.ends = None;
                });
                ledger.line.keep_again(self.used);
            }
            Ok(())
        })
    }

    /// Changes the entry, by whatever name the container goes by now, if its devices are kept for it.
    fn keep(
        &self,
        site: &Site,
        with: impl FnOnce(&mut Allocation, Timestamp),
    ) -> Result<Standing, Failure> {
        site.change(&site.look(&Scope::Nothing)?, |ledger, now| {
            let Some(entry) = self.entry(ledger) else {
                return Ok(Standing::Gone);
            };
            if !is_kept(entry, now) {
                return Ok(Standing::GivenUp(entry.holding.clone()));
            }
            let container: EngineName = entry.container.clone();
            ledger.change(&container, |entry| with(entry, now));
            Ok(Standing::Yes)
        })
    }

    fn entry<'a>(&self, ledger: &'a Ledger) -> Option<&'a Allocation> {
        let all = &mut ledger.entries();
        all.find(|entry| entry.id.is_some() && entry.id == self.before.id)
    }

    fn lost(&self) -> Failure {
        let (name, slots) = (&self.before.container.name, slot_list(&self.before.devices));
        fail(
            Kind::Busy,
            format!("the start took too long: GPU {slots} of {name} was given up meanwhile"),
            format!("see what is free with gpu-status, and try again: container-start {name}"),
        )
    }

    fn gone(&self) -> Failure {
        gone(&self.before.container.name)
    }
}

/// Status 4: it was there a moment ago.
pub(super) fn gone(name: &ContainerName) -> Failure {
    fail(
        Kind::State,
        format!("container {name} was removed meanwhile"),
        "see what you have with container-list --all".into(),
    )
}
