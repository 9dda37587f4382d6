//! Whether a container would be within its owner's limits, before anything is done for it.

use ds01_core::{
    admit::{Request, admit},
    failure::Failure,
    name::{ContainerName, EngineName},
};
use serde::{Deserialize, Serialize};

use crate::{
    Operation, Site, clock,
    look::Scope,
    nvml::Probe,
    users::{Caller, person},
};

/// Asks whether the caller may have such a container, once enough devices are free.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admit {
    /// Its name.
    pub name: ContainerName,
    /// GPUs or MIG devices.
    pub gpus: u32,
}

impl Operation for Admit {
    const NAME: &'static str = "admit";
    type Answer = ();

    fn run(&self, site: &Site, caller: Caller) -> Result<(), Failure> {
        let library = site.config().gpu.library.as_deref();
        let probe = (self.gpus > 0).then(|| Probe::begin(library)).transpose()?;
        let limits = site.policy()?.limits_for(&person(caller.uid)?.login);
        let ledger = site.view(&site.look(&Scope::Of(caller.uid))?)?;
        let inventory = probe.map(Probe::finish).transpose()?.unwrap_or_default();
        let request = Request {
            container: EngineName {
                name: self.name.clone(),
                uid: caller.uid,
            },
            devices: self.gpus,
            run: None,
        };
        Ok(admit(&request, &limits, &inventory, &ledger, clock::now())?)
    }
}
