//! `gpu-status`: the devices, what they do, and who holds them.

use ds01_core::{
    device::Device,
    failure::Failure,
    ledger::{Holder, Holding, Ledger},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::{
    Operation, Site, clock,
    look::Scope,
    nvml::Probe,
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
}

/// One device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceStatus {
    /// The device, and what it does.
    pub device: Device,
    /// Who keeps it from others: one, unless somebody went behind DS01's back.
    pub holders: Vec<DeviceHolder>,
    /// It is in use outside every container: nobody is given it.
    pub in_use_outside: bool,
}

/// Who holds a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceHolder {
    /// The owner's login or uid; `None` for a container that DS01 did not make.
    pub user: Option<String>,
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
        Ok(GpusStatus {
            driver: inventory.driver,
            devices: statuses(&ledger, inventory.devices, clock::now()),
            problems: inventory.problems,
        })
    }
}

/// Each device with its holders at `now`.
pub(super) fn statuses(ledger: &Ledger, devices: Vec<Device>, now: Timestamp) -> Vec<DeviceStatus> {
    let status = |device: Device| {
        let holders: Vec<_> = ledger.holders_of(&device, now).map(holder).collect();
        let busy = device
            .activity
            .processes
            .as_ref()
            .is_some_and(|all| !all.is_empty());
        DeviceStatus {
            in_use_outside: busy && holders.is_empty(),
            holders,
            device,
        }
    };
    devices.into_iter().map(status).collect()
}

fn holder(holder: Holder<'_>) -> DeviceHolder {
    match holder {
        Holder::Allocation(entry) => {
            let uid = entry.container.uid;
            let state = match entry.holding {
                Holding::Pending { .. } => "pending",
                Holding::Stopped { .. } => "stopped",
                Holding::Intruding => "intruding",
                _ => "live",
            };
            DeviceHolder {
                user: Some(login(uid)),
                container: entry.container.to_string(),
                state: state.into(),
            }
        }
        Holder::Unmanaged(other) => DeviceHolder {
            user: None,
            container: other.name.clone(),
            state: "unmanaged".into(),
        },
        Holder::Turn(turn) => DeviceHolder {
            user: Some(login(turn.uid)),
            container: String::new(),
            state: "kept".into(),
        },
    }
}
