//! `container-stop`: ends the processes; the devices are held for a while.

use std::{path::PathBuf, time::Duration};

use ds01_core::{
    container::{ContainerId, State},
    device::slot_list,
    event::Event,
    failure::{Failure, Kind},
    ledger::{Allocation, Holding},
    name::{ContainerArg, ContainerName, EngineName},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use super::{
    account,
    intent::is_of_this_process,
    lifecycle::words,
    owner::owner,
    target::{self, Target},
};
use crate::{
    Operation, Site, clock,
    look::Scope,
    site::fail,
    users::{Caller, Person, login},
};

/// Asks for a container's processes to end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// Which.
    pub name: ContainerArg,
    /// Seconds between SIGTERM and SIGKILL.
    pub grace_seconds: u32,
    /// SIGKILL at once.
    pub kill: bool,
}

/// A container that has stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopped {
    /// Its name.
    pub name: ContainerName,
    /// It had stopped before.
    pub already: bool,
    /// Its devices as users read them, separated by spaces.
    pub slots: String,
    /// How long it keeps them; `None` is for ever.
    pub hold: Option<Duration>,
}

impl Operation for Stop {
    const NAME: &'static str = "stop";
    type Answer = Stopped;

    fn takes(&self) -> Duration {
        Duration::from_secs(self.grace_seconds.into())
    }

    fn container(&self) -> Option<&ContainerArg> {
        Some(&self.name)
    }

    fn run(&self, site: &Site, caller: Caller) -> Result<Stopped, Failure> {
        let target = target::find(site, caller, &self.name)?;
        let name = target.container.name.clone();
        let state = target::sight(site, &target)?.state;
        if state == State::Created {
            let hint = format!("start it with container-start {name}");
            return Err(fail(
                Kind::State,
                format!("container {name} was never started"),
                hint,
            ));
        }
        let already = state.is_stopped();
        if !already {
            let engine = site.engine();
            match self.kill {
                true => engine.kill(&target.id)?,
                false => engine.stop(&target.id, Duration::from_secs(self.grace_seconds.into()))?,
            }
        }
        let when = match already {
            true => When::Before,
            false => When::Now(target.generation),
        };
        let (slots, hold) = note(site, &target.container, &target.id, when)?.unwrap_or_default();
        if !already {
            let event = Event::new(clock::now(), "container.stop").of(login(caller.uid));
            site.log(event.with("container", &target.container));
            tell_owner(site, caller, &target, &slots, hold);
        }
        Ok(Stopped {
            name,
            already,
            slots,
            hold,
        })
    }
}

/// Tells the owner that an admin has stopped it.
fn tell_owner(site: &Site, by: Caller, target: &Target, slots: &str, hold: Option<Duration>) {
    let record = site.metadata.of(&target.container, &target.id);
    let folder = record.as_ref().and_then(|record| record.workspace_folder());
    let text = |owner: &Person, admin: &str| {
        let name = &target.container.name;
        let stopped = format!("{} was stopped by {admin}", words::with_gpu(name, slots));
        match (slots, site.policy()) {
            ("", _) => format!("{stopped}: container-start {name}"),
            (_, Ok(policy)) => {
                let kept = policy.limits_for(&owner.login).container_hold_after_stop;
                stopped + &words::of_hold(name.as_ref(), hold, kept)
            }
            // How long it is kept, nobody can tell.
            (_, Err(_)) => stopped,
        }
    };
    words::tell_of_admin(site, by, &target.container, folder.map(PathBuf::from), text);
}

/// When a container stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// Just now, by a stop that was begun when the ledger had this generation.
    Now(u64),
    /// Before that was looked at.
    Before,
}

/// Notes that a container has stopped: its devices, as users read them, and how long they are held for
/// it from then on. `None` if it runs again, or is no more.
pub(super) fn note(
    site: &Site,
    container: &EngineName,
    id: &ContainerId,
    when: When,
) -> Result<Option<(String, Option<Duration>)>, Failure> {
    // The policy of today; where it cannot be read, that of the day it was made.
    let record = site.metadata.of(container, id);
    let hold = owner(container.uid, record.as_ref().map(|record| &*record.login))
        .map_err(Failure::from)
        .and_then(|owner| Ok(site.policy()?.limits_for(&owner.login).gpu_hold_after_stop));
    // One that ended by itself stopped when the engine says, not now.
    let look = site.look(&match when {
        When::Now(_) => Scope::Nothing,
        When::Before => Scope::Only(id.clone()),
    })?;
    let seen = look.seen.containers.iter().find(|c| c.id == *id);
    if seen.is_some_and(|seen| !seen.state.is_stopped()) {
        return Ok(None);
    }
    let since = match when {
        When::Now(generation) => generation,
        When::Before => look.seen.generation,
    };
    site.change(&look, |ledger, now| {
        let is_it = |entry: &&Allocation| entry.id.as_ref() == Some(id);
        // Meanwhile it may have been removed, and another made under its name.
        let Some(entry) = ledger.entry(container).filter(is_it) else {
            return Ok(None);
        };
        let holding = match entry.holding {
            Holding::Stopped { .. } | Holding::Released => None,
            // One that had stopped before may be about to start, as this one by a restart is.
            Holding::Pending { .. } if when == When::Before || is_of_this_process(entry) => None,
            // Or it was started again.
            _ if entry.changed > since => return Ok(None),
            // What it had went to others before.
            Holding::Intruding => Some(Holding::Released),
            _ => Some(Holding::Stopped { since: now }),
        };
        let hold = match entry.holding {
            // It may have stopped past us, since when its hold is still that of another day.
            Holding::Stopped { .. } => hold.ok(),
            _ => hold.ok().filter(|_| holding.is_some()),
        };
        let hold = hold.filter(|hold| *hold != entry.hold);
        if holding.is_some() || hold.is_some() {
            ledger.change(container, |entry| {
                entry.holding = holding.unwrap_or_else(|| entry.holding.clone());
                entry.hold = hold.unwrap_or(entry.hold);
            });
        }
        let entry = ledger.entry(container);
        Ok(entry.map(|entry| match entry.holding {
            Holding::Released => (String::new(), Some(Duration::ZERO)),
            _ => (slot_list(&entry.devices), entry.hold),
        }))
    })
}

/// Asks what a stop would end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Describe {
    /// Which container.
    pub name: ContainerArg,
}

/// What one should know before stopping or removing a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Described {
    /// Its name.
    pub name: ContainerName,
    /// Its state.
    pub state: State,
    /// Its image as the user named it.
    pub image: String,
    /// Whether the image of that name is another one by now.
    pub outdated: bool,
    /// Since when it runs.
    pub started: Option<Timestamp>,
    /// How many processes it has, if it runs.
    pub processes: Option<usize>,
    /// Its devices as users read them.
    pub slots: String,
    /// The folder of the host at `/workspace`, if there is one.
    pub workspace: Option<PathBuf>,
    /// The folder of the host at `/data`, if there is one.
    pub data: Option<PathBuf>,
}

impl Operation for Describe {
    const NAME: &'static str = "describe";
    type Answer = Described;

    fn container(&self) -> Option<&ContainerArg> {
        Some(&self.name)
    }

    fn run(&self, site: &Site, caller: Caller) -> Result<Described, Failure> {
        let target = target::find(site, caller, &self.name)?;
        let sighting = target::sight(site, &target)?;
        let running = sighting.state.has_processes();
        let engine = site.engine();
        let inspected = engine.inspect_one(&target.id)?;
        let label = |key| sighting.labels.get(key).map(str::to_string);
        let record = site.metadata.read(&target.container);
        let record = record.filter(|record| record.id == target.id);
        let folder = |inside: &str| {
            let mut binds = record.iter().flat_map(|record| &record.binds);
            let bind = binds.find(|bind| bind.target == inside)?;
            Some(PathBuf::from(&bind.source))
        };
        let image = label(ds01_core::label::IMAGE).unwrap_or(sighting.image.clone());
        let outdated = match &inspected {
            Some(inspected) => {
                !account::is_from(site, &inspected.image, &image, target.container.uid)?
            }
            None => false,
        };
        Ok(Described {
            workspace: folder("/workspace"),
            data: folder("/data"),
            name: target.container.name,
            state: sighting.state,
            image,
            outdated,
            started: inspected
                .filter(|_| running)
                .and_then(|inspected| inspected.started),
            processes: running.then(|| engine.processes(&target.id)).transpose()?,
            slots: label(ds01_core::label::GPU_SLOTS).unwrap_or_default(),
        })
    }
}
