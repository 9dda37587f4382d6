//! `docker restart`: a stop, and a start of the same container.

use std::time::Duration;

use ds01_core::{
    admit::Denied,
    allocate::run_again,
    container::{Sighting, State},
    failure::{Failure, Kind},
    ledger::{Allocation, Holding},
    name::ContainerArg,
};
use serde::{Deserialize, Serialize};

use super::{
    start::{Start, Started, Terms, anew, terms, told},
    stop::Stop,
    target,
};
use crate::{Operation, Site, clock, look::Scope, users::Caller};

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

    fn run(&self, site: &Site, caller: Caller) -> Result<Started, Failure> {
        self.may_run_again(site, caller)?;
        let stop = Stop {
            name: self.name.clone(),
            grace_seconds: self.grace_seconds,
            kill: false,
        };
        match stop.run(site, caller) {
            // It was never started.
            Err(failure) if failure.kind == Kind::State => {}
            stopped => drop(stopped?),
        }
        let name = self.name.clone();
        Start { name }.run(site, caller)
    }
}

impl Restart {
    /// Refuses while it still runs what would be refused once it has stopped.
    fn may_run_again(&self, site: &Site, caller: Caller) -> Result<(), Failure> {
        let target = target::find(site, caller, &self.name)?;
        let look = site.look(&Scope::Of(target.container.uid))?;
        let ledger = site.view(&look)?;
        let ours = ledger.entry(&target.container);
        let Some(entry) = ours.filter(|entry| entry.id.as_ref() == Some(&target.id)) else {
            return Ok(());
        };
        if entry.devices.is_empty() {
            return Ok(());
        }
        let record = site.metadata.of(&target.container, &target.id);
        let seen = look.seen.containers.iter().find(|c| c.id == target.id);
        let runs =
            |c: &&Sighting| matches!(c.state, State::Running | State::Paused | State::Restarting);
        let Some(seen) = seen.filter(runs) else {
            // Nothing is stopped, and the start decides.
            return Ok(());
        };
        let terms = terms(site, target.container.uid, record.as_ref(), Some(seen));
        let now = clock::now();
        let stopped = Allocation {
            holding: Holding::Stopped { since: now },
            // As the stop will say.
            hold: match &terms {
                Ok(terms) => terms.limits.gpu_hold_after_stop,
                Err(_) => entry.hold,
            },
            ..entry.clone()
        };
        let is_promised = entry.passed.is_some() || !ledger.line.reservations.is_empty();
        if stopped.holds(now) && !is_promised {
            return Ok(());
        }
        let Terms { limits, run } = terms?;
        let told = told(site, &target, &look, &limits).transpose()?;
        let known = told.as_ref().unwrap_or(&ledger.line.devices);
        let checked = match stopped.holds(now) {
            true => run_again(&stopped, &limits, run, known, &ledger, now),
            // The stop gives them up, and others may be before it.
            false => {
                look.tells_all_devices()?;
                let mut after = ledger.clone();
                after.put(stopped.clone());
                let asked = after.ask_again(&stopped, &limits, run, known, now);
                asked.map(drop)
            }
        };
        checked.map_err(|denied| match denied {
            Denied::Promised { .. } => Failure::from(denied).with_hint(anew(site, entry)),
            _ => denied.into(),
        })
    }
}
