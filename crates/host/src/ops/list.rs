//! `container-list`: what the engine shows, where our records say whose it is.

use ds01_core::{
    container::{ContainerId, Sighting, State},
    device::Held,
    failure::{Failure, Kind},
    label,
    ledger::Ledger,
    name::{ContainerName, EngineName},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::{
    Operation, Site, clock, engine::Query, ledger_file::Stored, site::fail, users::Caller,
};

/// Asks for containers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// Those that do not run too.
    pub stopped: bool,
    /// Everybody's: for admins.
    pub all_users: bool,
}

/// A container of the caller's, or of anybody's for admins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Its name.
    pub name: ContainerName,
    /// The owner.
    pub uid: u32,
    /// The owner's login when it was made.
    pub login: String,
    /// The engine's id.
    pub id: ContainerId,
    /// Its state.
    pub state: State,
    /// Its image as the user named it.
    pub image: String,
    /// Its project.
    pub project: String,
    /// The devices that it holds, as users read them.
    pub slots: Vec<String>,
    /// When it was made.
    pub created: Timestamp,
    /// How long it has been up, in the engine's words; empty if it does not run.
    pub uptime: String,
}

impl Operation for List {
    const NAME: &'static str = "list";
    type Answer = Vec<Listed>;

    fn run(&self, site: &Site, caller: Caller) -> Result<Vec<Listed>, Failure> {
        if self.all_users && !site.is_admin(caller)? {
            return Err(fail(
                Kind::Forbidden,
                "only admins see the containers of all users".into(),
                "see yours with container-list --all".into(),
            ));
        }
        // The label is how the engine finds them quickly; whose they are is read from our records.
        let query = match self.all_users {
            true => Query::Label(label::MANAGED, "true".into()),
            false => Query::Label(label::UID, caller.uid.to_string()),
        };
        let sightings = site.engine()?.list(&query)?;
        let ledger = match site.ledger.read()? {
            Stored::Whole(ledger) => Some(ledger),
            Stored::Damaged(damage) => {
                site.notice(format!("the ledger cannot be trusted: {damage}"));
                None
            }
        };
        let mut listed: Vec<_> = sightings
            .into_iter()
            .filter_map(|seen| ours(site, ledger.as_ref(), seen))
            .collect();
        listed.retain(|container| {
            let up = matches!(
                container.state,
                State::Running | State::Paused | State::Restarting
            );
            (self.stopped || up) && (self.all_users || container.uid == caller.uid)
        });
        listed.sort_by(|a, b| (&a.name, a.uid).cmp(&(&b.name, b.uid)));
        Ok(listed)
    }
}

/// The container as our records have it, the ledger or where that is lost the record of its own.
/// `None` if it is not ours, whatever its labels say.
fn ours(site: &Site, ledger: Option<&Ledger>, seen: Sighting) -> Option<Listed> {
    let slots = |devices: &[Held]| devices.iter().map(|held| held.slot.to_string()).collect();
    let (container, slots): (EngineName, Vec<String>) = match ledger {
        Some(ledger) => {
            let entry = ledger.entry_of(&seen.id, &seen.name)?;
            let holds = entry.holds(clock::now());
            let devices = if holds { &entry.devices[..] } else { &[] };
            (entry.container.clone(), slots(devices))
        }
        None => {
            let name: EngineName = seen.name.parse().ok()?;
            let record = site.metadata.read(&name);
            let record = record.filter(|record| record.id == seen.id)?;
            (name, slots(&record.devices))
        }
    };
    let label = |key: &str| seen.labels.get(key).cloned().unwrap_or_default();
    let image = Some(label(label::IMAGE)).filter(|image| !image.is_empty());
    // "Up 2 hours (Paused)": the state is told beside.
    let uptime = seen
        .status
        .strip_prefix("Up ")
        .map(|up| up.split(" (").next().unwrap_or(up));
    Some(Listed {
        name: container.name,
        uid: container.uid,
        login: label("ds01.user"),
        id: seen.id,
        state: seen.state,
        image: image.unwrap_or(seen.image),
        project: label("ds01.project"),
        slots,
        created: seen.created,
        uptime: uptime.unwrap_or_default().into(),
    })
}
