//! `dashboard`: one look at the host, with as much of others as the caller may see.

use std::time::Instant;

use ds01_core::{
    alert::{self, Alert, Facts, Keepers, UserUse},
    container::{ContainerId, State},
    device::Inventory,
    failure::Failure,
    ledger::{Allocation, Holder, Holding, Ledger},
    name::ContainerName,
    owner::Way,
    policy::Policy,
    reservation::Reservation,
    share::Share,
    time::Timestamp,
    usage::Sampled,
};
use serde::{Deserialize, Serialize};

use super::{
    DeviceStatus,
    gpus::{Found, statuses},
    list::{Ours, of_ledger},
    outside::outsiders,
    sample::{counters, sampled},
};
use crate::{
    Operation, Site, clock,
    ledger_file::Stored,
    look::Scope,
    nvml::Probe,
    system::System,
    tracked_file::TrackedFile,
    users::{Caller, login},
};

/// Asks for an overview of the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overview {}

/// The host at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HostStatus {
    /// The name of the host.
    pub host: String,
    /// When it was looked at.
    pub time: Timestamp,
    /// The caller is an admin, and is shown everybody's.
    pub admin: bool,
    /// The driver's version; `None` if it does not answer.
    pub driver: Option<String>,
    /// The devices, in numeric order.
    pub devices: Vec<DeviceStatus>,
    /// Every device that somebody holds, and until when.
    pub allocations: Vec<Allocated>,
    /// The caller's containers; everybody's for an admin.
    pub containers: Vec<Contained>,
    /// The counters of those that run.
    pub samples: Vec<Sampled>,
    /// The caller against their limits, and all others together; each of them for an admin.
    pub users: Vec<UserUse>,
    /// What an admin has set aside, now or for later.
    pub reserved: Vec<Reservation>,
    /// The machine.
    pub system: System,
    /// What is not as it should be.
    pub alerts: Vec<Alert>,
}

/// A device in somebody's hands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allocated {
    /// The device as users read it.
    pub slot: String,
    /// The user, as `gpu-status` has them.
    pub user: Option<String>,
    /// How the user was found out, as `gpu-status` has it.
    pub owner_by: Option<Way>,
    /// The engine's name of the container.
    pub container: String,
    /// As `gpu-status` has it.
    pub state: String,
    /// When it is free again, if the caller may know and it is known.
    pub until: Option<Timestamp>,
}

/// A container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contained {
    /// Its name.
    pub name: ContainerName,
    /// The owner's login.
    pub user: String,
    /// The engine's id.
    pub id: ContainerId,
    /// Its state.
    pub state: State,
    /// Its image as the user named it.
    pub image: String,
    /// The devices that it holds, as users read them.
    pub slots: Vec<String>,
}

impl Operation for Overview {
    const NAME: &'static str = "overview";
    type Answer = HostStatus;

    fn run(&self, site: &Site, caller: Caller) -> Result<HostStatus, Failure> {
        let admin = site.is_admin(caller)?;
        let probe = Probe::begin(site.config().gpu.library.as_deref());
        let asked = Instant::now();
        let look = site.look(&Scope::Everything)?;
        let engine_took = asked.elapsed();
        let ledger = site.view(&look)?;
        // What the view notes is among the alerts.
        site.take_notices();
        let probed = probe.and_then(Probe::finish);
        let (inventory, silence) = match probed {
            Ok(inventory) => (inventory, None),
            Err(error) => (Inventory::default(), Some(error.to_string())),
        };
        let now = clock::now();
        let sees = |uid: u32| admin || uid == caller.uid;
        let mut ours = of_ledger(&ledger, look.seen.containers.clone());
        ours.retain(|ours| sees(ours.container.uid));
        ours.sort_by(|a, b| a.container.cmp(&b.container));
        let running = ours.iter().filter(|ours| ours.seen.state.is_up());
        let running: Vec<_> = running.cloned().collect();
        let system = System::now(site.engine().root_dir()?.as_deref());
        let users = users(&ledger, &site.policy()?, caller.uid, admin, now);
        let found = Found {
            tracked: &TrackedFile::new(&site.config().paths.state).read(),
            outsiders: &outsiders(site, &inventory.devices, &look.seen.containers)?,
        };
        let devices = statuses(&ledger, inventory.devices.clone(), &found, now);
        let keepers: Vec<_> = devices.iter().map(keepers).collect();
        let known = silence.is_none().then_some(&inventory);
        let stranded = stranded(&ledger, known, sees, now);
        let samples = sampled(&running, counters(site, &running)?, known);
        let damage = match &look.before {
            Stored::Damaged(damage) => Some(damage.to_string()),
            Stored::Whole(_) => None,
        };
        let facts = Facts {
            damage: damage.as_deref(),
            grants_after: ledger.grants_after,
            driver: silence.as_deref(),
            problems: &inventory.problems,
            devices: &keepers,
            stranded: &stranded,
            users: &users,
            engine_took,
            memory: system.memory.as_ref(),
            disk: system.disk.as_ref(),
        };
        Ok(HostStatus {
            host: crate::system::name(),
            time: now,
            admin,
            alerts: alert::alerts(&facts, now),
            driver: silence.is_none().then_some(inventory.driver),
            allocations: allocations(&ledger, &devices, sees, now),
            reserved: ledger.line.reserved(now).cloned().collect(),
            containers: ours.iter().map(contained).collect(),
            samples,
            devices,
            users,
            system,
        })
    }
}

fn contained(ours: &Ours) -> Contained {
    Contained {
        name: ours.container.name.clone(),
        user: login(ours.container.uid),
        id: ours.seen.id.clone(),
        state: ours.seen.state,
        image: ours.image(),
        slots: ours.slot_names(),
    }
}

fn keepers(status: &DeviceStatus) -> Keepers {
    let unmanaged = status.holders.iter().filter(|one| one.state == "unmanaged");
    let outsiders = status.outsiders.iter();
    Keepers {
        slot: status.device.slot,
        count: status.holders.len(),
        unmanaged: unmanaged
            .map(|one| (one.container.clone(), one.user.clone().zip(one.owner_by)))
            .collect(),
        outside: status.in_use_outside,
        outsiders: outsiders.map(|one| (one.pid, one.user.clone())).collect(),
    }
}

/// Whoever `caller` is shown: themselves and the sum of all others, or everybody by name.
fn users(
    ledger: &Ledger,
    policy: &Policy,
    caller: u32,
    admin: bool,
    now: Timestamp,
) -> Vec<UserUse> {
    let mut uids: Vec<u32> = ledger.entries().map(|a| a.container.uid).collect();
    uids.push(caller);
    uids.sort_unstable();
    uids.dedup();
    let of = |uid: u32| {
        let login = login(uid);
        let limits = policy.limits_for(&login);
        UserUse {
            login: Some(login),
            group: Some(limits.group),
            held: ledger.held_by(uid, now),
            quota: limits.quota,
            containers: ledger.count_of(uid),
            containers_limit: limits.containers,
        }
    };
    if admin {
        let mut users: Vec<_> = uids.into_iter().map(of).collect();
        users.sort_by(|a, b| a.login.cmp(&b.login));
        return users;
    }
    uids.retain(|uid| *uid != caller);
    let others = UserUse {
        login: None,
        group: None,
        held: uids
            .iter()
            .map(|uid| ledger.held_by(*uid, now))
            .sum::<Share>(),
        quota: None,
        containers: uids.iter().map(|uid| ledger.count_of(*uid)).sum(),
        containers_limit: None,
    };
    vec![of(caller), others]
}

/// Containers that hold what the driver does not show.
fn stranded(
    ledger: &Ledger,
    inventory: Option<&Inventory>,
    sees: impl Fn(u32) -> bool,
    now: Timestamp,
) -> Vec<String> {
    let Some(inventory) = inventory else {
        return Vec::new();
    };
    let exists = |entry: &Allocation| {
        let mut held = entry.devices.iter();
        held.all(|held| {
            inventory
                .devices
                .iter()
                .any(|device| device.uuid == held.uuid)
        })
    };
    let shown = ledger.entries().filter(|entry| sees(entry.container.uid));
    let gone = shown.filter(|entry| entry.holds(now) && !exists(entry));
    gone.map(|entry| entry.container.name.to_string()).collect()
}

/// Who holds which device, in the words of `gpu-status`. When it ends is the owner's business.
fn allocations(
    ledger: &Ledger,
    devices: &[DeviceStatus],
    sees: impl Fn(u32) -> bool,
    now: Timestamp,
) -> Vec<Allocated> {
    let until = |status: &DeviceStatus, container: &str| {
        let holders = ledger.holders_of(&status.device, now);
        let mut entries = holders.filter_map(|holder| match holder {
            Holder::Allocation(entry) => Some(entry),
            Holder::Unmanaged(_) | Holder::Turn(_) => None,
        });
        let entry = entries.find(|entry| entry.container.to_string() == container)?;
        match entry.holding {
            Holding::Stopped { since } if sees(entry.container.uid) => {
                entry.hold.map(|hold| since + hold)
            }
            _ => None,
        }
    };
    let of = |status: &DeviceStatus| {
        let holders = status.holders.iter().map(|holder| Allocated {
            slot: status.device.slot.to_string(),
            user: holder.user.clone(),
            owner_by: holder.owner_by,
            container: holder.container.clone(),
            state: holder.state.clone(),
            until: until(status, &holder.container),
        });
        holders.collect::<Vec<_>>()
    };
    devices.iter().flat_map(of).collect()
}
