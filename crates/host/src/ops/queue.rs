//! `gpu-queue status` and `list`: who waits in line, for whom devices are kept, what is reserved.

use ds01_core::{
    device::slot_list,
    failure::Failure,
    gpu_request::GpuRequest,
    ledger::Ledger,
    line::{Stay, Turn, Waiter},
    name::ContainerName,
    queue::Standing,
    reservation::Reservation,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use super::line::stored;
use crate::{Operation, Site, clock, look::dead_processes, users::Caller};

/// Asks for the waiting line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {}

/// The waiting line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueStatus {
    /// Who waits, the first first.
    pub waiting: Vec<Waiting>,
    /// For whom devices are kept, as their turn has come.
    pub kept: Vec<KeptDevices>,
    /// What an admin has set aside.
    pub reserved: Vec<Reservation>,
}

/// Somebody who waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// Where they stand.
    pub standing: Standing,
    /// Their login.
    pub user: String,
    /// It is the caller.
    pub mine: bool,
    /// The container that the devices are for, if that is known.
    pub container: Option<ContainerName>,
    /// How many devices, and of which type.
    pub devices: GpuRequest,
    /// 1 to 100, higher first.
    pub priority: u8,
    /// When they came.
    pub since: Timestamp,
    /// They wait beyond their terminal.
    pub away: bool,
    /// The container is started when the turn has come.
    pub launch: bool,
}

/// Devices that are kept for somebody whose turn has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptDevices {
    /// The ticket with which they waited.
    pub ticket: u64,
    /// Their login.
    pub user: String,
    /// It is the caller.
    pub mine: bool,
    /// The devices, as users read them.
    pub slots: String,
    /// How many.
    pub devices: usize,
    /// Until when.
    pub until: Timestamp,
    /// The container that they are for, if that is known.
    pub container: Option<ContainerName>,
    /// The project whose container is started.
    pub launch: Option<ContainerName>,
}

impl KeptDevices {
    pub(super) fn of(site: &Site, turn: &Turn, caller: u32) -> Self {
        Self {
            ticket: turn.ticket,
            user: site.login(turn.uid),
            mine: turn.uid == caller,
            slots: slot_list(&turn.devices),
            devices: turn.devices.len(),
            until: turn.until,
            container: turn.container.clone(),
            launch: turn.launch.clone(),
        }
    }
}

impl Operation for Queue {
    const NAME: &'static str = "queue";
    type Answer = QueueStatus;

    fn run(&self, site: &Site, caller: Caller) -> Result<QueueStatus, Failure> {
        Ok(status(site, &*stored(site)?, caller.uid, clock::now()))
    }
}

fn status(site: &Site, ledger: &Ledger, caller: u32, now: Timestamp) -> QueueStatus {
    let all = ledger.survey(&dead_processes(ledger), now).all.into_iter();
    let waiting = all.filter_map(|(uid, standing)| {
        let waiter = ledger.line.waiter(uid, standing.ticket)?;
        Some(waits(site, waiter, standing, caller))
    });
    let turns = ledger.line.turns.iter();
    let turns = turns.filter(|turn| now < turn.until && !turn.is_used());
    QueueStatus {
        waiting: waiting.collect(),
        kept: turns
            .map(|turn| KeptDevices::of(site, turn, caller))
            .collect(),
        reserved: ledger.line.reserved(now).cloned().collect(),
    }
}

fn waits(site: &Site, waiter: &Waiter, standing: Standing, caller: u32) -> Waiting {
    let (away, launch) = match &waiter.stay {
        Stay::Present { .. } => (false, false),
        Stay::Away { launch } => (true, launch.is_some()),
    };
    Waiting {
        standing,
        user: site.login(waiter.uid),
        mine: waiter.uid == caller,
        container: waiter.container.clone(),
        devices: waiter.devices.clone(),
        priority: waiter.terms.priority,
        since: waiter.since,
        away,
        launch,
    }
}
