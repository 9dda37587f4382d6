//! `container-stats`: the counters of running containers, all at one time. Two samples make rates.

use ds01_core::{
    failure::{Failure, Kind},
    label,
    name::ContainerArg,
    usage::{DeviceUse, Sampled},
};
use serde::{Deserialize, Serialize};

use super::{
    list::{Ours, ours},
    target,
};
use crate::{
    Operation, Site, cgroup::Cgroups, engine::Query, nvml::Probe, site::fail, users::Caller,
};

/// The label that names the owner's slice.
const SLICE: &str = "ds01.slice";

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
            return sample(site, &all);
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
            Some(_) => sample(site, &one),
        }
    }
}

/// Reads the counters of containers that run, and what their devices do; in the order of names.
///
/// A driver that does not answer is noted: then nothing is known of devices.
///
/// # Errors
///
/// If the engine has to be asked, and does not answer.
pub(super) fn sample(site: &Site, running: &[Ours]) -> Result<Vec<Sampled>, Failure> {
    let has_devices = running.iter().any(|ours| !ours.devices.is_empty());
    let probe = has_devices.then(|| Probe::begin(site.config().gpu.library.as_deref()));
    let cgroups = Cgroups::of_this_host();
    let read = |ours: &Ours| cgroups.read(&ours.seen.id, &ours.label(SLICE));
    let mut counters: Vec<_> = running.iter().map(read).collect();
    let missing: Vec<_> = (0..running.len())
        .filter(|at| counters[*at].is_none())
        .collect();
    if !missing.is_empty() {
        let ids: Vec<_> = missing
            .iter()
            .map(|at| running[*at].seen.id.clone())
            .collect();
        let told = site.engine()?.counters(&ids)?;
        missing
            .iter()
            .zip(told)
            .for_each(|(at, told)| counters[*at] = told);
    }
    let inventory = match probe.map(|probe| probe.and_then(Probe::finish)).transpose() {
        Ok(inventory) => inventory,
        Err(error) => {
            site.notice(error.to_string());
            None
        }
    };
    let sampled = |(ours, counters): (&Ours, _)| Sampled {
        name: ours.container.name.clone(),
        uid: ours.container.uid,
        id: ours.seen.id.clone(),
        counters,
        devices: ours
            .devices
            .iter()
            .map(|held| DeviceUse::of(held, inventory.as_ref()))
            .collect(),
    };
    let mut all: Vec<_> = running.iter().zip(counters).map(sampled).collect();
    all.sort_by(|a, b| (&a.name, a.uid).cmp(&(&b.name, b.uid)));
    Ok(all)
}
