//! `container-start`: the same devices again, or none.

use ds01_core::{
    admit::Denied,
    container::State,
    event::Event,
    failure::{Failure, Kind},
    ledger::{Allocation, Holding, Ledger, PENDING},
    name::{ContainerArg, ContainerName},
    reconcile::is_free,
    share::Share,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use super::target::{self, Target};
use crate::{
    Operation, Site, clock,
    look::Scope,
    nvml::Probe,
    site::{fail, slots},
    users::{Caller, login, person},
};

/// Asks for a container to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// Which.
    pub name: ContainerArg,
}

/// A container that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// Its name.
    pub name: ContainerName,
    /// It ran already, and was left alone.
    pub already: bool,
}

impl Operation for Start {
    const NAME: &'static str = "start";
    type Answer = Started;

    fn run(&self, site: &Site, caller: Caller) -> Result<Started, Failure> {
        let target = target::find(site, caller, &self.name)?;
        let look = site.look(&Scope::Of(target.container.uid))?;
        let seen = look.seen.containers.iter().find(|c| c.id == target.id);
        let state = match seen {
            Some(sighting) => sighting.state,
            None => target::sight(site, &target)?.state,
        };
        let name = target.container.name.clone();
        match state {
            State::Running | State::Restarting => {
                return Ok(Started {
                    name,
                    already: true,
                });
            }
            State::Paused => {
                let hint = format!("let it go on with container-unpause {name}");
                return Err(fail(
                    Kind::State,
                    format!("container {name} is paused"),
                    hint,
                ));
            }
            State::Removing | State::Dead => {
                let hint = format!("remove it with container-remove {name}");
                return Err(fail(
                    Kind::State,
                    format!("container {name} is {state}"),
                    hint,
                ));
            }
            State::Created | State::Exited => {}
        }
        let before = site.change(&look, |ledger, now| take(site, ledger, &target, now))?;
        if let Err(error) = site.engine()?.start(&target.id) {
            // It did not start: as it was before. Without an answer it may start yet: its devices
            // stay its own until that is seen, or the intent lapses.
            let holding = match error.is_unanswered() {
                true => Holding::Pending {
                    creator: None,
                    lapses: clock::now() + PENDING,
                },
                false => before.holding.clone(),
            };
            let failure = explained(site, &before, error.into());
            // The answer is the engine's, not this.
            let _ = set(site, &target, holding);
            return Err(failure);
        }
        set(site, &target, Holding::Live)?;
        let event = Event::new(clock::now(), "container.start").of(login(caller.uid));
        site.log(event.with("container", &target.container));
        Ok(Started {
            name,
            already: false,
        })
    }
}

/// Holds the container's own devices again before it runs. What the entry was before.
///
/// # Errors
///
/// Status 6 if they went to another container after the hold: never others in their place. Status 5
/// if the owner's quota was used up meanwhile.
fn take(
    site: &Site,
    ledger: &mut Ledger,
    target: &Target,
    now: Timestamp,
) -> Result<Allocation, Failure> {
    let container = &target.container;
    let name = &container.name;
    let at = ledger
        .allocations
        .iter()
        .position(|entry| entry.container == *container);
    let Some(at) = at else {
        let message = format!("container {name} is in no ledger: its devices are not its own");
        return Err(fail(
            Kind::State,
            message,
            format!("remove it with container-remove {name}"),
        ));
    };
    let before = ledger.allocations[at].clone();
    if !before.holds(now) {
        if !is_free(ledger, at, now) {
            let slots = slots(&before);
            return Err(fail(
                Kind::Busy,
                format!("GPU {slots} of {name} went to another container after the hold had ended"),
                anew(site, &before),
            ));
        }
        if let Some(until) = ledger.grants_after.filter(|until| now < *until) {
            return Err(Denied::Rebuilt { until }.into());
        }
        let (held, asked) = (ledger.held_by(container.uid, now), before.share());
        let limits = site.policy()?.limits_for(&person(container.uid)?.login);
        if let Some(quota) = limits
            .quota
            .filter(|quota| asked > Share::NONE && held + asked > *quota)
        {
            return Err(Denied::Quota { held, asked, quota }.into());
        }
    }
    ledger.change(container, |entry| {
        entry.id = Some(target.id.clone());
        entry.holding = Holding::Pending {
            creator: clock::this_process(),
            lapses: now + PENDING,
        };
    });
    Ok(before)
}

fn set(site: &Site, target: &Target, holding: Holding) -> Result<(), Failure> {
    site.change(&site.look(&Scope::Nothing)?, |ledger, _| {
        ledger.change(&target.container, |entry| entry.holding = holding);
        Ok(())
    })
}

/// The command that makes a container like this one, with other devices.
fn anew(site: &Site, entry: &Allocation) -> String {
    let (name, count) = (&entry.container.name, entry.devices.len());
    let record = site.metadata.read(&entry.container);
    let more = record.map_or(String::new(), |record| {
        let project = match record.project == name.as_ref() {
            true => String::new(),
            false => format!(" --project={}", record.project),
        };
        format!(" --image={}{project}", record.image)
    });
    format!("make it anew: container-remove {name} && container-create {name} --gpu={count}{more}")
}

/// The engine's own words on a device that is gone are hard to read: says it plainly.
fn explained(site: &Site, entry: &Allocation, failure: Failure) -> Failure {
    if entry.devices.is_empty() {
        return failure;
    }
    let asked = Probe::begin(site.config().gpu.library.as_deref()).and_then(Probe::finish);
    let inventory = match asked {
        Ok(inventory) => inventory,
        Err(error) => return error.into(),
    };
    let exists = |uuid| inventory.devices.iter().any(|device| device.uuid == uuid);
    match entry.devices.iter().find(|held| !exists(held.uuid.clone())) {
        Some(gone) => {
            let name = &entry.container.name;
            let mut told = fail(
                Kind::Busy,
                format!(
                    "GPU {} ({}) of {name} is not on this host any more",
                    gone.slot, gone.uuid
                ),
                anew(site, entry),
            );
            told.causes = vec![failure.message];
            told
        }
        None => failure,
    }
}
