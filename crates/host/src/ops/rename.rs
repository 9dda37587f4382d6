//! Another name for a container, as compose asks for while it replaces one.

use ds01_core::{
    container::ContainerId,
    failure::{Failure, Kind},
    ledger::Allocation,
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

    fn container(&self) -> Option<&ContainerArg> {
        Some(&self.name)
    }

    /// The new record first, the old one last: a container has one at every instant. The entry
    /// goes by the id: after a crash the next look finds the container under either name.
    fn run(&self, site: &Site, caller: Caller) -> Result<Renamed, Failure> {
        let target = target::find(site, caller, &self.name)?;
        let (from, id) = (&target.container, &target.id);
        let to = EngineName {
            name: self.to.clone(),
            uid: from.uid,
        };
        let Some(orphan) = moved(site, id, from, &to, Vec::new())? else {
            return Err(target::no_such(&self.name));
        };
        if let Err(error) = site.engine().rename(id, &to) {
            // Without an answer it may come to have the new name: as after a crash.
            if !error.is_unanswered() {
                moved(site, id, &to, from, orphan)?;
                site.forget_name(&to, id);
            }
            return Err(error.into());
        }
        site.forget_name(from, id);
        Ok(Renamed {
            name: self.to.clone(),
        })
    }
}

/// Moves the entry of a container to another name, and gives it its record there: what had that name
/// and never came, which the engine would refuse by now. `None` if the container has no record.
///
/// `orphan` gets the name that it had.
///
/// # Errors
///
/// Status 4 if there is a container of that name.
fn moved(
    site: &Site,
    id: &ContainerId,
    from: &EngineName,
    to: &EngineName,
    orphan: Vec<Allocation>,
) -> Result<Option<Vec<Allocation>>, Failure> {
    site.change(&site.look(&Scope::Nothing)?, |ledger, _| {
        if ledger.has(to) {
            let message = format!("container {} exists already", to.name);
            return Err(fail(Kind::State, message, "choose another name".into()));
        }
        // Under the lock: an extension that was granted meanwhile goes with it.
        let Some(mut record) = site.metadata.of(from, id) else {
            return Ok(None);
        };
        record.container = to.to_string();
        site.metadata.write(to, &record)?;
        let gone = ledger.remove(to);
        ledger.change(from, |entry| entry.container = to.clone());
        orphan.into_iter().for_each(|orphan| ledger.put(orphan));
        Ok(Some(gone.into_iter().collect()))
    })
}
