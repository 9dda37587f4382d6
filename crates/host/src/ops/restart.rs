//! `docker restart`: a stop, and a start of the same container.

use std::time::Duration;

use ds01_core::{
    admit::Denied,
    allocate::run_again,
    container::ContainerId,
    failure::{Failure, Kind},
    ledger::{Allocation, Holding},
    name::{ContainerArg, EngineName},
};
use serde::{Deserialize, Serialize};

use super::{
    intent::{is_of_this_process, pending},
    owner::{Terms, terms},
    start::{Start, Started, anew, told},
    stop::Stop,
    target,
};
use crate::{Operation, Site, look::Scope, reading::Starting, users::Caller};

/// Asks for a container's processes to end, and for it to run once more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restart {
    /// Which.
    pub name: ContainerArg,
    /// Seconds between SIGTERM and SIGKILL.
    pub grace_seconds: u32,
}

impl Operation for Restart {
    const NAME: &'static str = "restart";
    type Answer = Started;

    fn takes(&self) -> Duration {
        Duration::from_secs(self.grace_seconds.into())
    }

    fn container(&self) -> Option<&ContainerArg> {
        Some(&self.name)
    }

    fn run(&self, site: &Site, caller: Caller) -> Result<Started, Failure> {
        let target = target::find(site, caller, &self.name)?;
        // What would not be started is not stopped.
        drop(Starting::begin(site, &target.id, &target.container.name)?);
        let kept = self.keep(site, caller)?;
        let stop = Stop {
            name: self.name.clone(),
            grace_seconds: self.grace_seconds,
            kill: false,
        };
        let started = match stop.run(site, caller) {
            // It was never started.
            Err(failure) if failure.kind != Kind::State => Err(failure),
            _ => {
                let name = self.name.clone();
                Start { name }.run(site, caller)
            }
        };
        if let Some(kept) = kept.filter(|_| started.is_err()) {
            let _ = kept.let_go(site);
        }
        started
    }
}

/// A container that runs, whose devices are kept for its next run: who asks for them while it
/// stops is behind it, for as long as an intent lasts.
struct Again {
    container: EngineName,
    id: ContainerId,
    before: Allocation,
}

impl Again {
    /// It does not run again: it has them as before, or as what has stopped.
    fn let_go(self, site: &Site) -> Result<(), Failure> {
        let look = site.look(&Scope::Only(self.id.clone()))?;
        let seen = look.seen.containers.iter();
        let has_stopped = seen.map(|c| c.state.is_stopped()).next();
        site.change(&look, |ledger, now| {
            ledger.change(&self.container, |entry| {
                if entry.id.as_ref() != Some(&self.id) || !is_of_this_process(entry) {
                    return;
                }
                match has_stopped {
                    Some(true) => entry.holding = Holding::Stopped { since: now },
                    _ => {
                        let before = self.before;
                        entry.holding = before.holding;
                        (entry.hold, entry.passed) = (before.hold, before.passed);
                    }
                }
            });
            Ok(())
        })
    }
}

impl Restart {
    /// Refuses while it still runs what would be refused once it has stopped. What the stop would
    /// give up is kept for its next run.
    fn keep(&self, site: &Site, caller: Caller) -> Result<Option<Again>, Failure> {
        let target = target::find(site, caller, &self.name)?;
        let look = site.look(&Scope::Of(target.container.uid))?;
        let record = site.metadata.of(&target.container, &target.id);
        let seen = look.seen.containers.iter().find(|c| c.id == target.id);
        let Some(seen) = seen.filter(|c| c.state.is_up()) else {
            // Nothing is stopped, and the start decides.
            return Ok(None);
        };
        let terms = terms(site, target.container.uid, record.as_ref(), Some(seen));
        let limits = terms.as_ref().ok().map(|terms| &terms.limits);
        let told = limits.and_then(|limits| {
            let hold = limits.gpu_hold_after_stop;
            let is_kept = hold.is_none_or(|hold| hold.as_secs() > 0);
            told(site, &target, &look, limits, is_kept)
        });
        site.change(&look, |ledger, now| {
            let ours = ledger.entry(&target.container);
            let ours = ours.filter(|entry| entry.id.as_ref() == Some(&target.id));
            // What is with others by now is not kept for it either.
            let has = |entry: &&Allocation| {
                !entry.devices.is_empty() && entry.holding != Holding::Intruding
            };
            let Some(before) = ours.filter(has).cloned() else {
                return Ok(None);
            };
            let stopped = Allocation {
                holding: Holding::Stopped { since: now },
                // As the stop will say.
                hold: limits.map_or(before.hold, |limits| limits.gpu_hold_after_stop),
                ..before.clone()
            };
            let is_promised = before.passed.is_some() || ledger.line.reserved(now).next().is_some();
            if stopped.holds(now) && !is_promised {
                return Ok(None);
            }
            let Terms { limits, run, .. } = terms.as_ref().map_err(Failure::clone)?;
            let told = told.clone().transpose()?;
            let known = told.as_ref().unwrap_or(&ledger.line.devices);
            let checked = match stopped.holds(now) {
                true => {
                    run_again(&stopped, limits, *run, known, ledger, now).map(|()| before.passed)
                }
                // The stop gives them up, and others may be before it.
                false => {
                    look.tells_all_devices()?;
                    let mut after = ledger.clone();
                    after.put(stopped.clone());
                    let asked = after.request_same_devices(&stopped, limits, *run, known, now);
                    asked.map(|(_, passed)| passed)
                }
            };
            let passed = checked.map_err(|denied| match denied {
                Denied::Promised { .. } => Failure::from(denied).with_hint(anew(site, &before)),
                _ => denied.into(),
            })?;
            ledger.change(&target.container, |entry| {
                (entry.passed, entry.hold) = (passed, stopped.hold);
                entry.holding = pending(now);
            });
            Ok(Some(Again {
                container: target.container.clone(),
                id: target.id.clone(),
                before,
            }))
        })
    }
}
