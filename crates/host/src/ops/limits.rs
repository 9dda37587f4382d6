//! `check-limits`: what somebody may use, and does.

use std::path::PathBuf;

use ds01_core::{
    failure::{Failure, Kind},
    limits::Limits,
    share::Share,
};
use serde::{Deserialize, Serialize};

use crate::{
    Operation, Site, clock,
    limits_files::InForce,
    look::Scope,
    site::fail,
    users::{Caller, Person, person, uid_of},
};

/// Asks for the caller's limits, or for an admin for those of anybody.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MyLimits {
    /// Whose, by login; `None` is the caller.
    #[serde(default)]
    pub login: Option<String>,
}

/// Limits against use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LimitsStatus {
    /// Whose they are.
    pub login: String,
    /// Their home, where the limits are kept as text.
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
        let person = self.whose(site, caller)?;
        let InForce {
            policy, warnings, ..
        } = site.policy_in_force()?;
        if site.is_admin(caller)? {
            // Whoever can mend the files is told what is odd about them.
            warnings
                .iter()
                .for_each(|warning| site.notice(warning.to_string()));
        }
        let ledger = site.view(&site.look(&Scope::Of(person.uid))?)?;
        let now = clock::now();
        let held = ledger.of(person.uid).filter(|entry| entry.holds(now));
        let slots = held
            .flat_map(|entry| &entry.devices)
            .map(|held| held.slot.to_string());
        Ok(LimitsStatus {
            limits: policy.limits_for(&person.login),
            held: ledger.held_by(person.uid, now),
            slots: slots.collect(),
            containers: ledger.count_of(person.uid),
            home: person.home,
            login: person.login,
        })
    }
}

impl MyLimits {
    /// # Errors
    ///
    /// Status 7 if they are somebody else's, unless the caller is an admin.
    fn whose(&self, site: &Site, caller: Caller) -> Result<Person, Failure> {
        let own = person(caller.uid)?;
        match &self.login {
            Some(login) if *login != own.login => match site.is_admin(caller)? {
                true => Ok(person(uid_of(login)?)?),
                false => Err(fail(
                    Kind::Forbidden,
                    "only admins see the limits of other users".into(),
                    "see your own with check-limits".into(),
                )),
            },
            _ => Ok(own),
        }
    }
}
