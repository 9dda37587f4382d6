//! The containers that the lifecycle is about: those with devices that run, whoever made them.

use std::{collections::BTreeMap, rc::Rc};

use ds01_core::{
    container::{ContainerId, Sighting, State},
    device::{Claim, Device, Held, Inventory, slot_list},
    failure::{Failure, Kind},
    label,
    ledger::Ledger,
    lifecycle::{ContainerKind, Rule},
    limits::{ContainerType, Limits},
    name::EngineName,
    policy::Policy,
    record::Record,
    time::Timestamp,
};

use crate::{
    Site,
    ledger_file::Stored,
    look::{Look, Scope},
    ops::owner::owner,
    site::fail,
    tracked_file::TrackedFile,
    users::{Person, UnknownUser},
};

/// A label by which root keeps a container that DS01 did not make from the lifecycle, such as one
/// that watches all GPUs. Through the gateway nobody can set it for a container that has devices: a
/// step of a build has its Dockerfile's labels, and no device.
const PROTECTED: [&str; 2] = ["ds01.protected", "ds01.monitoring"];

/// Everything that a pass begins with.
pub(super) struct Scene {
    pub(super) policy: Policy,
    pub(super) ledger: Ledger,
    /// The containers that run with devices.
    pub(super) subjects: Vec<Subject>,
}

/// A container that runs with devices.
pub(super) struct Subject {
    pub(super) id: ContainerId,
    /// The engine's name of it.
    pub(super) name: String,
    pub(super) paused: bool,
    pub(super) devices: Devices,
    pub(super) kind: ContainerKind,
    pub(super) rules: ContainerType,
    pub(super) owner: Rc<Owner>,
    pub(super) slice: String,
    /// Its name as one of ours.
    pub(super) ours: Option<EngineName>,
    /// Something else made it, though it may have been adopted.
    pub(super) made_elsewhere: bool,
}

/// Whose a container is.
pub(super) struct Owner {
    /// `None` if nobody knows, or neither the name service nor a record does any more.
    pub(super) person: Option<Person>,
    pub(super) limits: Limits,
}

/// What a container has.
pub(super) enum Devices {
    /// By the ledger.
    Held(Vec<Held>),
    /// By what it asked the engine for, past DS01.
    Claimed(Claim),
}

impl Scene {
    /// Reads the policy and the ledger, and looks at the engine.
    ///
    /// # Errors
    ///
    /// If one of them cannot be reached; status 8 while the ledger cannot be trusted: who has which
    /// device is not known then.
    pub(super) fn of(site: &Site) -> Result<Self, Failure> {
        let policy = site.policy()?;
        let look = site.look(&Scope::Everything)?;
        if let Stored::Damaged(damage) = &look.before {
            return Err(fail(
                Kind::Unreachable,
                format!("nothing is stopped: the ledger cannot be trusted: {damage}"),
                "see ds01-doctor".into(),
            ));
        }
        let ledger = site.view(&look)?;
        let subjects = subjects(site, &policy, &ledger, &look);
        Ok(Self {
            policy,
            ledger,
            subjects,
        })
    }
}

fn subjects(site: &Site, policy: &Policy, ledger: &Ledger, look: &Look) -> Vec<Subject> {
    let tracked = TrackedFile::new(&site.config().paths.state).read();
    let mut owners: BTreeMap<Whose, Result<Rc<Owner>, UnknownUser>> = BTreeMap::new();
    let mut owner = |whose: Whose| {
        let known = owners.entry(whose.clone());
        let known = known.or_insert_with(|| Owner::of(&whose, policy).map(Rc::new));
        known.clone()
    };
    let subject = |seen: &Sighting| {
        let mut ours = ledger.entries();
        let ours = ours.find(|entry| entry.id.as_ref() == Some(&seen.id));
        let mut others = ledger.unmanaged.iter();
        let (devices, container) = match (ours, others.find(|other| other.id == seen.id)) {
            (Some(entry), _) if entry.devices.is_empty() => return None,
            (Some(entry), _) => (
                Devices::Held(entry.devices.clone()),
                Some(entry.container.clone()),
            ),
            (None, Some(_)) if is_protected(seen) => return None,
            (None, Some(other)) => (Devices::Claimed(other.claim.clone()), None),
            (None, None) => return None,
        };
        let record = container
            .as_ref()
            .and_then(|name| site.metadata.of(name, &seen.id));
        let whose = match &container {
            Some(container) => Whose::Ours(
                container.uid,
                record.as_ref().map(|record| record.login.clone()),
            ),
            None => {
                let known = tracked.containers.get(&seen.id);
                let seems = known.and_then(|known| known.owner);
                Whose::Seems(seems.map(|owner| owner.uid))
            }
        };
        let owner = match owner(whose) {
            Ok(owner) => owner,
            // Whose limits hold, and whom to warn, the next pass may know.
            Err(error) => {
                site.notice(format!("{} is left alone: {error}", seen.name));
                return None;
            }
        };
        let made_elsewhere =
            container.is_none() || record.as_ref().is_some_and(|record| record.adopted);
        let recorded = record.and_then(|record| record.kind);
        let kind = ContainerKind::of(recorded, &seen.labels, container.is_some());
        Some(Subject {
            id: seen.id.clone(),
            name: seen.name.clone(),
            paused: seen.state == State::Paused,
            devices,
            kind,
            rules: kind.rules(&owner.limits, policy.container_types()),
            owner,
            slice: seen
                .labels
                .get(label::SLICE)
                .unwrap_or_default()
                .to_string(),
            ours: container,
            made_elsewhere,
        })
    };
    let containers = look.seen.containers.iter();
    containers
        .filter(|seen| seen.state.has_processes())
        .filter_map(subject)
        .collect()
}

/// Whether root keeps it from the lifecycle, if DS01 did not make it.
pub(in crate::ops) fn is_protected(seen: &Sighting) -> bool {
    let is_set = |label| seen.labels.get(label).is_some_and(|value| value == "true");
    PROTECTED.into_iter().any(is_set)
}

/// Who the owner of a container is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Whose {
    /// Of one of ours: the uid, and the login in its record.
    Ours(u32, Option<String>),
    /// Of others: who it seems to be.
    Seems(Option<u32>),
}

impl Owner {
    /// Of a container that is not ours, and of nobody, the default group's limits hold: whose it seems to
    /// be is for telling them, and gives nobody a right.
    ///
    /// # Errors
    ///
    /// If the name service does not answer.
    fn of(whose: &Whose, policy: &Policy) -> Result<Self, UnknownUser> {
        let (person, is_ours) = match whose {
            Whose::Ours(uid, recorded) => (Some(owner(*uid, recorded.as_deref())), true),
            Whose::Seems(uid) => (uid.map(|uid| owner(uid, None)), false),
        };
        let person = match person.transpose() {
            Err(UnknownUser::Uid(_)) => None,
            known => known?,
        };
        let known = person.as_ref().filter(|_| is_ours);
        let limits = policy.limits_for(known.map_or("", |person| &person.login));
        Ok(Self { person, limits })
    }
}

impl Subject {
    /// Whether its owner is somebody, and can be asked after and told by nobody.
    pub(super) fn is_of_unknown(&self) -> bool {
        self.ours.is_some() && self.owner.person.is_none()
    }

    /// The owner's login, or a word for having none.
    pub(super) fn login(&self) -> String {
        match (&self.owner.person, &self.ours) {
            (Some(person), _) => person.login.clone(),
            (None, Some(container)) => container.uid.to_string(),
            (None, None) => "unknown".into(),
        }
    }

    /// Its name as its owner knows it.
    pub(super) fn short(&self) -> &str {
        match &self.ours {
            Some(container) => container.name.as_ref(),
            None => &self.name,
        }
    }

    /// Why a rule does not stop it, if its owner is exempt. One that DS01 did not make never is: that is
    /// root's to say, by a label.
    pub(super) fn exemption(&self, policy: &Policy, rule: Rule, now: Timestamp) -> Option<String> {
        self.ours.as_ref()?;
        let login = &self.owner.person.as_ref()?.login;
        let exemption = policy.exemption(login, rule, now)?;
        let reason = exemption.reason.as_deref().unwrap_or("no reason is given");
        Some(match exemption.until {
            Some(until) => format!("exempt until {until}: {reason}"),
            None => format!("exempt: {reason}"),
        })
    }

    /// Our record of it.
    pub(super) fn record(&self, site: &Site) -> Option<Record> {
        site.metadata.of(self.ours.as_ref()?, &self.id)
    }

    /// Whether a device is one of its own.
    pub(super) fn has(&self, device: &Device) -> bool {
        match &self.devices {
            Devices::Held(held) => held.iter().any(|held| held.uuid == device.uuid),
            Devices::Claimed(claim) => claim.covers(device),
        }
    }

    /// Its devices as users read them, separated by spaces: by their slots, or where a claim is all that
    /// is known and there is no `inventory`, by the names in it.
    pub(super) fn device_names(&self, inventory: Option<&Inventory>) -> String {
        match &self.devices {
            Devices::Held(held) => slot_list(held),
            Devices::Claimed(claim) => match (inventory, claim) {
                (Some(inventory), _) => {
                    let own = inventory.devices.iter().filter(|device| self.has(device));
                    let slots: Vec<_> = own.map(|device| device.slot.to_string()).collect();
                    slots.join(" ")
                }
                (None, Claim::All) => "all".into(),
                (None, Claim::Named(names)) => names.join(" "),
            },
        }
    }
}
