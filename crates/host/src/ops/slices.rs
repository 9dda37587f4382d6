//! `ds01-slices`: the limits on all containers of each user together are those of the policy.

use std::path::Path;

use ds01_core::{
    event::Event,
    failure::Failure,
    slice::{self, SliceLimits},
};
use serde::{Deserialize, Serialize};

use super::for_root;
use crate::{Operation, Site, cgroup::Cgroups, clock, limits_files, slices, users::Caller};

/// Asks for it. For root alone, which the gateway never is: it is not one of its operations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitSlices {
    /// Only say what would be done.
    pub dry_run: bool,
}

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlicesLimited {
    /// The slices that have other limits now, or would.
    pub changed: Vec<Limited>,
    /// Those that the kernel does not hold to all of them.
    pub loose: Vec<Limited>,
    /// Those that systemd did not take.
    pub failed: Vec<Failure>,
}

/// A slice, and properties of it as systemd names them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limited {
    /// Its name.
    pub slice: String,
    /// `MemoryMax=1024`, or only the name.
    pub properties: Vec<String>,
}

impl Operation for LimitSlices {
    const NAME: &'static str = "limit-slices";
    type Answer = SlicesLimited;

    fn run(&self, site: &Site, caller: Caller) -> Result<SlicesLimited, Failure> {
        for_root(
            caller,
            "only root limits what others use",
            "see your own limits with check-limits",
        )?;
        if !self.dry_run && limits_files::keep(&site.config().paths).is_ok_and(|changed| changed) {
            site.log(Event::new(clock::now(), "config.change").with("what", "policy"));
        }
        // Not whether the engine has them: at boot, this comes before the engine.
        if !Path::new("/run/systemd/system").exists() {
            site.notice("this host does not run systemd: there are no slices to limit".into());
            return Ok(SlicesLimited::default());
        }
        let plan = slice::plan(&site.metadata.read_all()?, &site.policy()?);
        let cgroups = Cgroups::of_this_host();
        let missing = |name: &str, limits: &SliceLimits| {
            let counters = cgroups.read_slice(name);
            counters.map_or(Vec::new(), |counters| limits.missing(&counters))
        };
        let mut done = SlicesLimited::default();
        for (name, limits) in plan {
            let told = slices::is_told(&name, &limits);
            let limited = |properties| Limited {
                slice: name.clone(),
                properties,
            };
            if !self.dry_run && (!told || !missing(&name, &limits).is_empty()) {
                // What the kernel refused before it may take now.
                if let Err(failure) = slices::tell(&name, &limits) {
                    done.failed.push(failure);
                    continue;
                }
            }
            if !told {
                done.changed.push(limited(limits.properties().into()));
            }
            let missing = missing(&name, &limits);
            if !missing.is_empty() && !self.dry_run {
                let names = missing.into_iter().map(String::from);
                done.loose.push(limited(names.collect()));
            }
        }
        Ok(done)
    }
}
