//! Devices that are kept for somebody whose turn in line has come.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Line, yes};
use crate::{device::Held, name::ContainerName, time::Timestamp};

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
    /// The devices that are left of it.
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
    /// The user has been told, or the container started.
    pub told: bool,
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
}

impl Line {
    /// Uses up what is kept for a user: these devices are in a container now. What of their turns
    /// is used up so.
    pub fn take(&mut self, uid: u32, devices: &[Held]) -> Vec<Turn> {
        let mut used = Vec::new();
        for turn in self.turns.iter_mut().filter(|turn| turn.uid == uid) {
            let taken = |kept: &Held| devices.iter().any(|held| held.overlaps(kept));
            let (devices, left) = turn.devices.iter().cloned().partition(taken);
            turn.devices = left;
            used.push(Turn {
                devices,
                ..turn.clone()
            });
        }
        self.turns.retain(|turn| !turn.devices.is_empty());
        used.retain(|turn| !turn.devices.is_empty());
        used
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
