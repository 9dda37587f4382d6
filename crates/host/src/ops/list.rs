//! `container-list`: what the engine shows, where our records say whose it is.

use std::collections::BTreeSet;

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
    Operation, Site, clock,
    engine::Query,
    ledger_file::Stored,
    site::fail,
    users::{self, Caller},
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
    /// How long it has been up, such as `2h`; empty if it does not run.
    pub uptime: String,
    /// Its state in the engine's words, such as `Exited (0) 2 hours ago`.
    pub status: String,
    /// What its image is made for, such as `Pytorch-2.5.1`.
    pub framework: String,
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
        let mut listed: Vec<Listed> = ours(site, &query)?.into_iter().map(Listed::from).collect();
        listed.retain(|container| {
            let up = container.state.is_up();
            (self.stopped || up) && (self.all_users || container.uid == caller.uid)
        });
        listed.sort_by(|a, b| (&a.name, a.uid).cmp(&(&b.name, b.uid)));
        Ok(listed)
    }
}

/// A container of ours that the engine lists.
#[derive(Debug, Clone)]
pub(super) struct Ours {
    /// The engine's name: the owner's name for it, and the owner.
    pub(super) container: EngineName,
    /// The devices that it holds.
    pub(super) devices: Vec<Held>,
    /// As the engine lists it.
    pub(super) seen: Sighting,
}

impl Ours {
    /// What one of its labels says.
    pub(super) fn label(&self, key: &str) -> String {
        self.seen.labels.get(key).unwrap_or_default().to_string()
    }

    /// Its image as the user named it.
    pub(super) fn image(&self) -> String {
        let image = Some(self.label(label::IMAGE)).filter(|image| !image.is_empty());
        image.unwrap_or_else(|| self.seen.image.clone())
    }

    /// The slot of each of its devices.
    pub(super) fn slot_names(&self) -> Vec<String> {
        self.devices
            .iter()
            .map(|held| held.slot.to_string())
            .collect()
    }
}

/// Those that the engine lists and our records have.
pub(super) fn ours(site: &Site, query: &Query) -> Result<Vec<Ours>, Failure> {
    let mut sightings = site.engine().list(query)?;
    match site.ledger.read()? {
        Stored::Whole(ledger) => {
            let others = unlabelled(&ledger, query, &sightings);
            sightings.extend(site.engine().list(&Query::Ids(others))?);
            Ok(of_ledger(&ledger, sightings))
        }
        Stored::Damaged(damage) => {
            site.notice(format!("the ledger cannot be trusted: {damage}"));
            let known = |seen| of_record(site, seen);
            Ok(sightings.into_iter().filter_map(known).collect())
        }
    }
}

/// Those that the ledger has and a list by label has not: what was adopted has others' labels.
fn unlabelled(ledger: &Ledger, query: &Query, listed: &[Sighting]) -> Vec<ContainerId> {
    let Query::Label(key, value) = query else {
        return Vec::new();
    };
    let listed: BTreeSet<_> = listed.iter().map(|sighting| &sighting.id).collect();
    let meant = ledger
        .entries()
        .filter(|entry| *key == label::MANAGED || entry.container.uid.to_string() == *value);
    let ids = meant.filter_map(|entry| entry.id.as_ref());
    ids.filter(|id| !listed.contains(id)).cloned().collect()
}

/// The container by the record of its own, where the ledger is lost. `None` if it is not ours,
/// whatever its labels say.
fn of_record(site: &Site, seen: Sighting) -> Option<Ours> {
    let container: EngineName = seen.name.parse().ok()?;
    let record = site.metadata.read(&container);
    let devices = record.filter(|record| record.id == seen.id)?.devices;
    Some(Ours {
        container,
        devices,
        seen,
    })
}

/// Those of `seen` that a ledger which can be trusted has, whatever their labels say.
pub(super) fn of_ledger(ledger: &Ledger, seen: Vec<Sighting>) -> Vec<Ours> {
    let (entry_of, now) = (ledger.finder(), clock::now());
    let ours = |seen| {
        let entry = entry_of(&seen)?;
        let devices = if entry.holds(now) {
            &entry.devices[..]
        } else {
            &[]
        };
        Some(Ours {
            container: entry.container.clone(),
            devices: devices.to_vec(),
            seen,
        })
    };
    seen.into_iter().filter_map(ours).collect()
}

impl From<Ours> for Listed {
    fn from(ours: Ours) -> Self {
        let (image, slots) = (ours.image(), ours.slot_names());
        let login = Some(ours.label(label::USER)).filter(|login| !login.is_empty());
        Self {
            login: login.unwrap_or_else(|| users::login(ours.container.uid)),
            project: ours.label(label::PROJECT),
            framework: ours.label(label::FRAMEWORK),
            status: ours.seen.status.clone(),
            uptime: ours.seen.uptime(),
            name: ours.container.name,
            uid: ours.container.uid,
            id: ours.seen.id,
            state: ours.seen.state,
            created: ours.seen.created,
            image,
            slots,
        }
    }
}
