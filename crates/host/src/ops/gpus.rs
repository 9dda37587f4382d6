//! `gpu-status`: the devices, what they do, and who holds them.

use ds01_core::{
    device::{Device, Held},
    failure::Failure,
    ledger::{Holder, Holding, Ledger},
    owner::Way,
    reservation::Reservation,
    time::Timestamp,
    tracked::{Outsider, Tracked},
};
use serde::{Deserialize, Serialize};

use super::outside::outsiders;
use crate::{
    Operation, Site, clock,
    look::Scope,
    nvml::Probe,
    tracked_file::TrackedFile,
    users::{Caller, login},
};

/// Asks for the devices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gpus {}

/// The devices of this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpusStatus {
    /// The driver's version.
    pub driver: String,
    /// One by one, in numeric order.
    pub devices: Vec<DeviceStatus>,
    /// What is wrong with others, a line each.
    pub problems: Vec<String>,
    /// What an admin has set aside, now or for later.
    pub reserved: Vec<Reservation>,
}

/// One device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceStatus {
    /// The device, and what it does.
    pub device: Device,
    /// Who keeps it from others: one, unless somebody went behind DS01's back.
    pub holders: Vec<DeviceHolder>,
    /// It is in use outside every container: nobody is given it until that ends.
    pub in_use_outside: bool,
    /// The processes that use it outside every container, as far as they can be told.
    pub outsiders: Vec<OutsiderOf>,
    /// Whom an admin has set it aside for, now: a login, or `group` and its name.
    pub reserved_for: Option<String>,
}

/// A process that uses a device outside every container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutsiderOf {
    /// Its pid.
    pub pid: u32,
    /// Whose it is: a login or uid.
    pub user: String,
    /// What it is called.
    pub name: String,
}

/// Who holds a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceHolder {
    /// The owner's login or uid. Of a container that DS01 did not make, whoever seems to own it, if
    /// that is known.
    pub user: Option<String>,
    /// How they were found out, of a container that DS01 did not make.
    pub owner_by: Option<Way>,
    /// The engine's name of the container; empty if there is none.
    pub container: String,
    /// `live`, `pending`, `stopped`, `intruding` (started past DS01 on devices of others),
    /// `unmanaged`, or `kept`: their turn in the waiting line has come.
    pub state: String,
}

impl Operation for Gpus {
    const NAME: &'static str = "gpus";
    type Answer = GpusStatus;

    fn run(&self, site: &Site, _: Caller) -> Result<GpusStatus, Failure> {
        let probe = Probe::begin(site.config().gpu.library.as_deref())?;
        let look = site.look(&Scope::Everything)?;
        let inventory = probe.finish()?;
        let ledger = site.view(&look)?;
        let outsiders = outsiders(site, &inventory.devices, &look.seen.containers)?;
        let found = Found {
            tracked: &TrackedFile::new(&site.config().paths.state).read(),
            outsiders: &outsiders,
        };
        let now = clock::now();
        Ok(GpusStatus {
            driver: inventory.driver,
            devices: statuses(&ledger, inventory.devices, &found, now),
            problems: inventory.problems,
            reserved: ledger.line.reserved(now).cloned().collect(),
        })
    }
}

/// What is known beside the ledger.
pub(super) struct Found<'a> {
    /// By the owner tracker.
    pub(super) tracked: &'a Tracked,
    /// Those who use devices outside every container.
    pub(super) outsiders: &'a [Outsider],
}

/// Each device with its holders at `now`.
pub(super) fn statuses(
    ledger: &Ledger,
    devices: Vec<Device>,
    found: &Found<'_>,
    now: Timestamp,
) -> Vec<DeviceStatus> {
    let status = |device: Device| {
        let holders = ledger.holders_of(&device, now);
        let holders: Vec<_> = holders.map(|one| holder(one, found.tracked)).collect();
        let on_it = |one: &&Outsider| one.slots.contains(&device.slot);
        let held = Held::from(&device);
        let mut reserved = ledger.line.reservations.iter();
        let reserved = reserved.find(|one| one.is_in_force(now) && one.covers(&held));
        let outsiders = found.outsiders.iter().filter(on_it);
        let outsiders: Vec<_> = outsiders.map(OutsiderOf::from).collect();
        // Of a process that ends meanwhile nothing can be told but that no container has the device.
        let is_nobodys = device.is_in_use() && holders.is_empty();
        DeviceStatus {
            in_use_outside: is_nobodys || !outsiders.is_empty(),
            holders,
            outsiders,
            reserved_for: reserved.map(|one| one.whom.to_string()),
            device,
        }
    };
    devices.into_iter().map(status).collect()
}

impl From<&Outsider> for OutsiderOf {
    fn from(outsider: &Outsider) -> Self {
        Self {
            pid: outsider.process.pid,
            user: login(outsider.uid),
            name: outsider.name.clone(),
        }
    }
}

fn holder(holder: Holder<'_>, tracked: &Tracked) -> DeviceHolder {
    let of = |user, container, state: &str| DeviceHolder {
        user,
        owner_by: None,
        container,
        state: state.into(),
    };
    match holder {
        Holder::Allocation(entry) => {
            let state = match entry.holding {
                Holding::Pending { .. } => "pending",
                Holding::Stopped { .. } => "stopped",
                Holding::Intruding => "intruding",
                _ => "live",
            };
            let user = Some(login(entry.container.uid));
            of(user, entry.container.to_string(), state)
        }
        Holder::Unmanaged(other) => {
            let known = tracked.containers.get(&other.id);
            let owner = known.and_then(|known| known.owner);
            DeviceHolder {
                owner_by: owner.map(|owner| owner.way),
                ..of(
                    owner.map(|owner| login(owner.uid)),
                    other.name.clone(),
                    "unmanaged",
                )
            }
        }
        Holder::Turn(turn) => of(Some(login(turn.uid)), String::new(), "kept"),
    }
}
