//! `container-cleanup`: stopped containers and what they fill; each goes as it was shown, or stays.

use std::time::Duration;

use ds01_core::{
    container::{ContainerId, State},
    device::slot_list,
    failure::{Failure, Kind},
    ledger::{Allocation, Holding},
    name::{ContainerArg, ContainerName},
    sweep::since,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use super::{Remove, Removed, target};
use crate::{Operation, Site, clock, engine::Inspected, look::Scope, site::fail, users::Caller};

/// Asks for the caller's containers that do not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leftovers {
    /// Those that were never started too.
    pub created: bool,
    /// Only those that stopped, or were made, at least so long ago.
    pub older_than: Option<Duration>,
}

/// A container that does not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leftover {
    /// Its name.
    pub name: ContainerName,
    /// The engine's id.
    pub id: ContainerId,
    /// Its state.
    pub state: State,
    /// When it stopped, or was made if it was never started.
    pub since: Timestamp,
    /// When its last run ended, as the engine writes it: tells this state of it from a later one.
    pub last_end: String,
    /// What it fills of the disk beyond its image.
    pub size_bytes: u64,
    /// The devices that are kept for it, as users read them.
    pub slots: String,
    /// Until when; `None` is until it is removed.
    pub until: Option<Timestamp>,
}

impl Operation for Leftovers {
    const NAME: &'static str = "leftovers";
    type Answer = Vec<Leftover>;

    fn run(&self, site: &Site, caller: Caller) -> Result<Vec<Leftover>, Failure> {
        let look = site.look(&Scope::Of(caller.uid))?;
        let ledger = site.view(&look)?;
        let now = clock::now();
        // What somebody is about to start is no leftover.
        let idle = |entry: &&Allocation| !matches!(entry.holding, Holding::Pending { .. });
        let mine = ledger.of(caller.uid).filter(idle);
        let mine: Vec<_> = mine
            .filter_map(|entry| Some((entry, entry.id.clone()?)))
            .collect();
        let state_of = |id: &ContainerId| {
            let seen = look.seen.containers.iter().find(|seen| seen.id == *id);
            seen.map(|seen| (seen.state, seen.created))
        };
        let meant = |id: &ContainerId| match state_of(id).map(|(state, _)| state) {
            Some(State::Created) => self.created,
            state => state.is_some_and(State::is_stopped),
        };
        let ids: Vec<_> = mine
            .iter()
            .map(|(_, id)| id.clone())
            .filter(meant)
            .collect();
        let engine = site.engine();
        let mut inspected = engine.inspect(&ids)?;
        inspected.retain(|one| {
            let made = state_of(&one.id).map(|(_, created)| created);
            let since = made.and_then(|made| since(one.state, made, one.finished));
            self.older_than
                .is_none_or(|age| since.is_some_and(|since| now.since(since) >= age))
        });
        let ids: Vec<_> = inspected.iter().map(|one| one.id.clone()).collect();
        let sizes = engine.sizes(&ids)?;
        let leftover = |one: &Inspected| {
            let (entry, id) = mine.iter().find(|(_, id)| *id == one.id)?;
            let (state, made) = state_of(id)?;
            let holds = entry.holds(now);
            Some(Leftover {
                name: entry.container.name.clone(),
                id: id.clone(),
                state,
                since: since(one.state, made, one.finished)?,
                last_end: one.last_end.clone(),
                size_bytes: sizes.get(id).copied()?,
                slots: if holds {
                    slot_list(&entry.devices)
                } else {
                    String::new()
                },
                until: match entry.holding {
                    Holding::Stopped { since } => entry.hold.map(|hold| since + hold),
                    _ => None,
                },
            })
        };
        let mut leftovers: Vec<_> = inspected.iter().filter_map(leftover).collect();
        leftovers.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(leftovers)
    }
}

/// Asks for a container to be removed that does not run, if it is still the one that was shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discard {
    /// Which.
    pub name: ContainerArg,
    /// The engine's id of it.
    pub id: ContainerId,
    /// When its last run had ended then: [`Leftover::last_end`].
    pub last_end: String,
}

impl Operation for Discard {
    const NAME: &'static str = "discard";
    type Answer = Removed;

    fn container(&self) -> Option<&ContainerArg> {
        Some(&self.name)
    }

    fn run(&self, site: &Site, caller: Caller) -> Result<Removed, Failure> {
        let target = target::find(site, caller, &self.name)?;
        let inspected = site.engine().inspect_one(&target.id)?;
        let last_end = inspected.map(|one| one.last_end);
        if target.id != self.id || last_end.as_ref() != Some(&self.last_end) {
            return Err(fail(
                Kind::State,
                format!("container {} was used meanwhile, and stays", self.name),
                format!(
                    "look again with container-cleanup, or container-remove {}",
                    self.name
                ),
            ));
        }
        let remove = Remove {
            name: self.name.clone(),
            stop_seconds: None,
            volumes: false,
            image: false,
            dry_run: false,
        };
        // Not whatever has the name by now.
        remove.this(site, caller, &target)
    }
}
