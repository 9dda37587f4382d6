//! `check-limits`: what the caller may use, and does.

use std::path::PathBuf;

use ds01_core::{failure::Failure, limits::Limits, share::Share};
use serde::{Deserialize, Serialize};

use crate::{
    Operation, Site, clock,
    limits_files::InForce,
    look::Scope,
    users::{Caller, person},
};

/// Asks for the caller's limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MyLimits {}

/// Limits against use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LimitsStatus {
    /// The caller's login.
    pub login: String,
    /// The caller's home, where the limits are kept as text.
    pub home: PathBuf,
    /// What they may use.
    pub limits: Limits,
    /// Compute that their containers hold.
    pub held: Share,
    /// Devices that their containers hold, as users read them.
    pub slots: Vec<String>,
    /// Their containers, stopped ones too.
    pub containers: usize,
}

impl Operation for MyLimits {
    const NAME: &'static str = "my-limits";
    type Answer = LimitsStatus;

    fn run(&self, site: &Site, caller: Caller) -> Result<LimitsStatus, Failure> {
        let person = person(caller.uid)?;
        let InForce {
            policy, warnings, ..
        } = site.policy_in_force()?;
        if site.is_admin(caller)? {
            // Whoever can mend the files is told what is odd about them.
            warnings
                .iter()
                .for_each(|warning| site.notice(warning.to_string()));
        }
        let ledger = site.view(&site.look(&Scope::Of(caller.uid))?)?;
        let now = clock::now();
        let held = ledger.of(caller.uid).filter(|entry| entry.holds(now));
        let slots = held
            .flat_map(|entry| &entry.devices)
            .map(|held| held.slot.to_string());
        Ok(LimitsStatus {
            limits: policy.limits_for(&person.login),
            held: ledger.held_by(caller.uid, now),
            slots: slots.collect(),
            containers: ledger.count_of(caller.uid),
            home: person.home,
            login: person.login,
        })
    }
}
