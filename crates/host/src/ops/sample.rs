//! `container-stats`: the counters of running containers, all at one time. Two samples make rates.

use ds01_core::{
    device::Inventory,
    failure::{Failure, Kind},
    label,
    name::ContainerArg,
    usage::{Counters, DeviceUse, Sampled},
};
use serde::{Deserialize, Serialize};

use super::{
    list::{Ours, ours},
    target,
};
use crate::{
    Operation, Site, cgroup::Cgroups, engine::Query, nvml::Probe, site::fail, users::Caller,
};

/// Asks for the counters of running containers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Of this one; of all otherwise.
    pub name: Option<ContainerArg>,
    /// Everybody's: for admins.
    pub all_users: bool,
}

impl Operation for Sample {
    const NAME: &'static str = "sample";
    type Answer = Vec<Sampled>;

    fn container(&self) -> Option<&ContainerArg> {
        self.name.as_ref()
    }

    fn run(&self, site: &Site, caller: Caller) -> Result<Vec<Sampled>, Failure> {
        if self.all_users && !site.is_admin(caller)? {
            return Err(fail(
                Kind::Forbidden,
                "only admins see the containers of all users".into(),
                "see yours with container-stats".into(),
            ));
        }
        let Some(arg) = &self.name else {
            let query = match self.all_users {
                true => Query::Label(label::MANAGED, "true".into()),
                false => Query::Label(label::UID, caller.uid.to_string()),
            };
            let mut all = ours(site, &query)?;
            all.retain(|ours| self.all_users || ours.container.uid == caller.uid);
            all.retain(|ours| ours.seen.state.is_up());
            return with_driver(site, &all);
        };
        let target = target::find(site, caller, arg)?;
        let one = ours(site, &Query::Ids(vec![target.id]))?;
        match one.first() {
            None => Err(target::no_such(arg)),
            Some(ours) if !ours.seen.state.is_up() => {
                let name = &ours.container.name;
                let message = format!("container {name} is {}", ours.seen.state);
                let hint = format!("start it with container-start {name}");
                Err(fail(Kind::State, message, hint))
            }
            Some(_) => with_driver(site, &one),
        }
    }
}

/// Samples containers that run, and asks the driver if any of them has devices.
///
/// One that does not answer is noted: then nothing is known of devices.
fn with_driver(site: &Site, running: &[Ours]) -> Result<Vec<Sampled>, Failure> {
    let has_devices = running.iter().any(|ours| !ours.devices.is_empty());
    let probe = has_devices.then(|| Probe::begin(site.config().gpu.library.as_deref()));
    let counters = counters(site, running)?;
    let inventory = probe.map(|probe| probe.and_then(Probe::finish)).transpose();
    let inventory = inventory.unwrap_or_else(|error| {
        site.notice(error.to_string());
        None
    });
    Ok(sampled(running, counters, inventory.as_ref()))
}

/// Reads the counters of containers that run; `None` of one that has stopped meanwhile.
///
/// # Errors
///
/// If the engine has to be asked, and does not answer.
pub(super) fn counters(site: &Site, running: &[Ours]) -> Result<Vec<Option<Counters>>, Failure> {
    let cgroups = Cgroups::of_this_host();
    let read = |ours: &Ours| cgroups.read(&ours.seen.id, &ours.label(label::SLICE));
    let mut counters: Vec<_> = running.iter().map(read).collect();
    let missing = (0..running.len()).filter(|at| counters[*at].is_none());
    let missing: Vec<_> = missing.collect();
    if !missing.is_empty() {
        let ids = missing.iter().map(|at| running[*at].seen.id.clone());
        let told = site.engine().counters(&ids.collect::<Vec<_>>())?;
        missing
            .iter()
            .zip(told)
            .for_each(|(at, told)| counters[*at] = told);
    }
    Ok(counters)
}

/// Containers with their counters, and what the driver tells of their devices; by their names.
pub(super) fn sampled(
    running: &[Ours],
    counters: Vec<Option<Counters>>,
    inventory: Option<&Inventory>,
) -> Vec<Sampled> {
    let one = |(ours, counters): (&Ours, _)| {
        let devices = ours.devices.iter();
        let devices = devices.map(|held| DeviceUse::of(held, inventory));
        Sampled {
            name: ours.container.name.clone(),
            uid: ours.container.uid,
            id: ours.seen.id.clone(),
            counters,
            devices: devices.collect(),
        }
    };
    let mut all: Vec<_> = running.iter().zip(counters).map(one).collect();
    all.sort_by(|a, b| (&a.name, a.uid).cmp(&(&b.name, b.uid)));
    all
}
