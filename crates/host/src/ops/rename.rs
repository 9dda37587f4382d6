//! Another name for a container, as compose asks for while it replaces one.

use ds01_core::{
    failure::{Failure, Kind},
    name::{ContainerArg, ContainerName, EngineName},
};
use serde::{Deserialize, Serialize};

use super::target;
use crate::{Operation, Site, look::Scope, site::fail, users::Caller};

/// Asks for another name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rename {
    /// Which container.
    pub name: ContainerArg,
    /// Its new name.
    pub to: ContainerName,
}

/// A container that has another name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renamed {
    /// Its name now.
    pub name: ContainerName,
}

impl Operation for Rename {
    const NAME: &'static str = "rename";
    type Answer = Renamed;

    /// The new record first, the old one last: a container has one at every instant. The entry
    /// goes by the id: after a crash the next look finds the container under either name.
    fn run(&self, site: &Site, caller: Caller) -> Result<Renamed, Failure> {
        let target = target::find(site, caller, &self.name)?;
        let to = EngineName {
            name: self.to.clone(),
            uid: target.container.uid,
        };
        let Some(mut record) = site.metadata.read(&target.container) else {
            return Err(target::no_such(&self.name));
        };
        record.container = to.to_string();
        site.change(&site.look(&Scope::Nothing)?, |ledger, _| {
            if ledger.entry(&to).is_some() {
                let message = format!("container {} exists already", to.name);
                return Err(fail(Kind::State, message, "choose another name".into()));
            }
            site.metadata.write(&to, &record)?;
            ledger.change(&target.container, |entry| entry.container = to.clone());
            Ok(())
        })?;
        if let Err(error) = site.engine().rename(&target.id, &to) {
            site.change(&site.look(&Scope::Nothing)?, |ledger, _| {
                ledger.change(&to, |entry| entry.container = target.container.clone());
                Ok(())
            })?;
            site.note(site.metadata.delete(&to, &target.id));
            return Err(error.into());
        }
        site.note(site.metadata.delete(&target.container, &target.id));
        Ok(Renamed {
            name: self.to.clone(),
        })
    }
}
