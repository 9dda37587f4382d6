//! Whether a container would be within its owner's limits, before anything is done for it.

use ds01_core::{admit::admit, failure::Failure, gpu_request::GpuRequest};
use serde::{Deserialize, Serialize};

use crate::{
    Operation, Site, clock,
    look::Scope,
    nvml::Probe,
    users::{Caller, person},
};

/// Asks whether the caller may have one more container, once enough devices are free.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admit {
    /// GPUs or MIG devices.
    pub gpus: GpuRequest,
}

impl Operation for Admit {
    const NAME: &'static str = "admit";
    type Answer = ();

    fn run(&self, site: &Site, caller: Caller) -> Result<(), Failure> {
        let library = site.config().gpu.library.as_deref();
        let probe = (self.gpus.count > 0)
            .then(|| Probe::begin(library))
            .transpose()?;
        let limits = site.policy()?.limits_for(&person(caller.uid)?.login);
        let ledger = site.view(&site.look(&Scope::Of(caller.uid))?)?;
        let inventory = probe.map(Probe::finish).transpose()?.unwrap_or_default();
        let now = clock::now();
        Ok(admit(
            caller.uid, &self.gpus, &limits, &inventory, &ledger, now,
        )?)
    }
}
