//! Devices that are kept for somebody whose turn in line has come.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Line, yes};
use crate::{
    device::Held,
    ledger::{Allocation, Ledger, Process},
    name::{ContainerName, EngineName},
    time::Timestamp,
};

/// How long devices are kept for somebody who does not wait at a terminal.
///
/// Source: issue 6, "when its turn comes the device is kept for 15 minutes".
pub const KEPT: Duration = Duration::from_secs(15 * 60);

/// Devices that are kept for somebody whose turn has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// The ticket with which they waited.
    pub ticket: u64,
    /// For whom.
    pub uid: u32,
    /// The user's policy group.
    pub group: String,
    /// See [`Waiter::container`](super::Waiter::container).
    #[serde(default)]
    pub container: Option<ContainerName>,
    /// See [`Waiter::logged`](super::Waiter::logged).
    #[serde(default = "yes")]
    pub logged: bool,
    /// The devices that are left of it. None once the container that is started is there: then the
    /// turn stays until the user knows.
    pub devices: Vec<Held>,
    /// Until when.
    pub until: Timestamp,
    /// How long they were to hold them at most, for which others were minded; `None` is for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longest: Option<Duration>,
    /// Whom it passes in line.
    #[serde(default)]
    pub passed: Option<Passed>,
    /// The project whose container is to be started.
    pub launch: Option<ContainerName>,
    /// The user has been told, of the container too that was to be started.
    pub told: bool,
    /// The process that is about to tell them, or starts the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doing: Option<Process>,
}

/// Somebody in line who was passed by who gives the devices back in time for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passed {
    /// The ticket with which they wait.
    pub ticket: u64,
    /// When they are served at the latest.
    pub served: Timestamp,
}

impl Turn {
    /// Whether it was planned that they might hold them for `longest`.
    pub(crate) fn allows(&self, longest: Option<Duration>) -> bool {
        let within = |most| longest.is_some_and(|longest| longest <= most);
        self.longest.is_none_or(within)
    }

    /// The container that is to be started with it.
    pub fn launched(&self) -> Option<EngineName> {
        let name = self.launch.clone()?;
        Some(EngineName {
            name,
            uid: self.uid,
        })
    }

    /// Whether it has come for this container of the user's.
    pub(crate) fn is_for(&self, name: &ContainerName) -> bool {
        [&self.container, &self.launch].contains(&&Some(name.clone()))
    }

    /// Whether nothing is left of it, as the container that is started is there.
    pub fn is_used(&self) -> bool {
        self.devices.is_empty()
    }
}

impl Line {
    /// Uses up what is kept for a user: these devices are in this container now. What of their
    /// turns is used up so.
    ///
    /// The turn that has come for this container is used up whatever it has, as who waits for it leaves
    /// the line: nothing more is given to it. One with which somebody starts it stays, without devices:
    /// its user is still to be told.
    pub fn take(&mut self, container: &EngineName, devices: &[Held]) -> Vec<Turn> {
        let mut used = Vec::new();
        let (was_used, theirs): (Vec<_>, Vec<_>) = std::mem::take(&mut self.turns)
            .into_iter()
            .partition(Turn::is_used);
        self.turns = theirs;
        let own = self.turns.iter_mut();
        for turn in own.filter(|turn| turn.uid == container.uid) {
            let is_its_own = turn.is_for(&container.name);
            let taken = |kept: &Held| is_its_own || devices.iter().any(|held| held.overlaps(kept));
            let (devices, left) = turn.devices.iter().cloned().partition(taken);
            turn.devices = left;
            used.push(Turn {
                devices,
                ..turn.clone()
            });
        }
        let is_started = |turn: &Turn| {
            turn.doing.is_some() && !turn.told && turn.launched().as_ref() == Some(container)
        };
        self.turns
            .retain(|turn| !turn.is_used() || is_started(turn));
        self.turns.extend(was_used);
        used.retain(|turn| !turn.is_used());
        used
    }

    /// Keeps again what a container had that was to be started and has not come about, as whoever
    /// made it is dead.
    pub(crate) fn keep_after(&mut self, lapsed: &Allocation) {
        let mut turns = self.turns.iter_mut();
        let was_for = |turn: &&mut Turn| {
            turn.is_used() && turn.launched().as_ref() == Some(&lapsed.container)
        };
        if let Some(turn) = turns.find(was_for) {
            turn.devices.clone_from(&lapsed.devices);
        }
    }

    /// Notes that whose turn it is has been told.
    pub fn note_told(&mut self, ticket: u64) {
        let turns = self.turns.iter_mut();
        for turn in turns.filter(|turn| turn.ticket == ticket) {
            (turn.told, turn.doing) = (true, None);
        }
        self.turns.retain(|turn| !(turn.told && turn.is_used()));
    }

    /// Keeps again what [`Line::take`] used up, as long as it would have been: no container came
    /// of it.
    pub fn keep_again(&mut self, used: Vec<Turn>) {
        for turn in used {
            match self.turns.iter_mut().find(|t| t.ticket == turn.ticket) {
                Some(rest) => rest.devices.extend(turn.devices),
                None => self.turns.push(turn),
            }
        }
    }

    /// The turns that keep `device` from `uid`; from everybody, if that is nobody.
    pub(crate) fn keeps<'a>(
        &'a self,
        device: &Held,
        from: Option<u32>,
        now: Timestamp,
    ) -> impl Iterator<Item = &'a Turn> {
        let turns = self.turns.iter().filter(move |turn| now < turn.until);
        turns
            .filter(move |turn| Some(turn.uid) != from)
            .filter(|turn| turn.devices.iter().any(|kept| kept.overlaps(device)))
    }
}

impl Ledger {
    /// Whether a turn lasts at `now`: one whose devices its container has does until its user
    /// knows, or the container is no more.
    pub(crate) fn lasts(&self, turn: &Turn, now: Timestamp) -> bool {
        match turn.launched().filter(|_| turn.is_used()) {
            Some(container) => self.entry(&container).is_some(),
            None => now < turn.until,
        }
    }
}
