//! `ds01-adopt`: containers of the original system and of AIME's MLC become DS01's own.
//!
//! A record by the engine's id is what makes a container DS01's; nothing happens to itself.

use std::{collections::BTreeSet, time::Duration};

use ds01_core::{
    adopt::{Candidate, Facts, Origin, Unfit, candidate},
    container::{ContainerId, Sighting, State},
    device::{Claim, Inventory, slot_list},
    event::Event,
    failure::{Failure, Kind},
    label,
    lifecycle::{ContainerKind, Rule},
    name::EngineName,
    policy::Policy,
    record::Record,
    time::seconds,
};
use serde::{Deserialize, Serialize};

use super::{draft::slice, for_root, lifecycle::is_protected};
use crate::{
    Operation, Site, clock,
    look::{Look, Scope},
    nvml::Probe,
    owner::Owners,
    site::fail,
    users::{Caller, login, person},
};

/// Asks for containers to be adopted. For root alone, which the gateway never is: it is not one of
/// its operations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adopt {
    /// The engine's names of those that are meant; all, if there are none.
    pub names: Vec<String>,
    /// Only say what would be done.
    pub dry_run: bool,
    /// Those too that may what none of DS01's own may.
    pub as_is: bool,
    /// Give back those that were adopted.
    pub undo: bool,
}

/// A container that was, or could be, adopted or given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adopted {
    /// The engine's name.
    pub name: String,
    /// What made it.
    pub origin: Origin,
    /// The owner's login; none if it is unfit.
    pub login: Option<String>,
    /// Its state.
    pub state: State,
    /// Its devices, as users read them.
    pub slots: String,
    /// Why it is not.
    pub unfit: Option<String>,
    /// How long it may idle, if it runs with devices; `None` is without limit.
    #[serde(rename = "idle_limit_s", with = "seconds::or_null")]
    pub idle_limit: Option<Duration>,
    /// The same of how long it may run, from when `ds01-runtime` first sees it.
    #[serde(rename = "run_limit_s", with = "seconds::or_null")]
    pub run_limit: Option<Duration>,
}

impl Operation for Adopt {
    const NAME: &'static str = "adopt";
    type Answer = Vec<Adopted>;

    fn run(&self, site: &Site, caller: Caller) -> Result<Vec<Adopted>, Failure> {
        for_root(
            caller,
            "only root adopts containers for users",
            "sudo ds01-adopt",
        )?;
        let look = site.look(&Scope::Everything)?;
        look.tells_all_devices()?;
        self.with_engine_names(&look.seen.containers)?
            .of(site, look)
    }
}

/// One of them, and what would be kept of it; nothing of one that is unfit.
struct Found {
    shown: Adopted,
    record: Option<(EngineName, Record)>,
}

impl Adopt {
    /// The same, with the engine's names in the place of those that owners know them by.
    ///
    /// # Errors
    ///
    /// Status 2 for one that several owners have.
    fn with_engine_names(&self, there: &[Sighting]) -> Result<Self, Failure> {
        let engine_name = |given: &String| {
            let is_short = |one: &&Sighting| {
                let name = one.name.parse::<EngineName>();
                name.is_ok_and(|name| name.name.as_ref() == given)
            };
            if there.iter().any(|one| one.name == *given) {
                return Ok(given.clone());
            }
            match there.iter().filter(is_short).collect::<Vec<_>>().as_slice() {
                [] => Ok(given.clone()),
                [one] => Ok(one.name.clone()),
                many => {
                    let names: Vec<_> = many.iter().map(|one| one.name.as_str()).collect();
                    Err(fail(
                        Kind::Usage,
                        format!("several users have a container {given}"),
                        format!("name it as docker does: {}", names.join(" or ")),
                    ))
                }
            }
        };
        Ok(Self {
            names: self
                .names
                .iter()
                .map(engine_name)
                .collect::<Result<_, _>>()?,
            ..self.clone()
        })
    }

    fn of(&self, site: &Site, look: Look) -> Result<Vec<Adopted>, Failure> {
        let found = match self.undo {
            true => self.adopted(site, &look)?,
            false => self.candidates(site, &look)?,
        };
        let listed: BTreeSet<_> = found.iter().map(|one| one.shown.name.as_str()).collect();
        if let Some(missing) = self.names.iter().find(|name| !listed.contains(&***name)) {
            return Err(fail(
                Kind::NotFound,
                format!("there is no container {missing} to {}", self.verb()),
                match self.undo {
                    true => "see which there are with ds01-adopt --undo --dry-run".into(),
                    false => "see which there are with ds01-adopt --dry-run".into(),
                },
            ));
        }
        if self.dry_run {
            return Ok(found.into_iter().map(|one| one.shown).collect());
        }
        match self.undo {
            true => give_back(site, &look, found),
            false => take(site, look, found),
        }
    }

    fn verb(&self) -> &'static str {
        if self.undo { "give back" } else { "adopt" }
    }

    fn is_meant(&self, container: &Sighting) -> bool {
        self.names.is_empty() || self.names.contains(&container.name)
    }

    /// Those of other makers that have no record.
    fn candidates(&self, site: &Site, look: &Look) -> Result<Vec<Found>, Failure> {
        let probe = Probe::begin(site.config().gpu.library.as_deref());
        let inventory = probe.and_then(Probe::finish).unwrap_or_else(|error| {
            site.notice(format!("no GPU can be recognised: {error}"));
            Inventory::default()
        });
        let ledger = site.view(look)?;
        let known = ledger.finder();
        let others = look.seen.containers.iter();
        let others: Vec<_> = others
            .filter(|c| known(c).is_none() && self.is_meant(c))
            .filter_map(|c| Some((c, Origin::of(c)?)))
            .collect();
        let ids: Vec<_> = others.iter().map(|(c, _)| c.id.clone()).collect();
        let inspected = site.engine().inspect(&ids)?;
        let sightings: Vec<_> = others.iter().map(|(c, _)| *c).collect();
        let seem = Owners::default().of(&sightings).map_err(|error| {
            Failure::new(
                Kind::Failed,
                format!("cannot look at their folders: {error}"),
            )
        })?;
        let policy = site.policy()?;
        let mut found = Vec::new();
        for ((container, origin), seems) in others.into_iter().zip(seem) {
            // One that went meanwhile is none.
            let Some(closely) = inspected.iter().find(|one| one.id == container.id) else {
                continue;
            };
            let claim = closely.claim.as_ref();
            let owner = container.name.parse().ok();
            let owner = owner.and_then(|name: EngineName| person(name.uid).ok());
            let login = owner.map(|owner| owner.login);
            let facts = Facts {
                claim,
                login: login.as_deref(),
                seems,
                user: &closely.user,
                beyond: &closely.beyond,
                as_is: self.as_is,
            };
            let fits = candidate(container, &facts, &inventory);
            let fits = fits.and_then(|one| match site.metadata.read(&one.container) {
                Some(other) if other.id != container.id => Err(Unfit::Recorded),
                _ => Ok(one),
            });
            let one = match fits {
                Ok(one) => {
                    let record = record(site, &policy, container, origin, one)?;
                    Found::new(container, origin, record)
                }
                Err(unfit) => Found::unfit(container, origin, claim, &unfit),
            };
            found.push(one.with_limits(container, &policy));
        }
        Ok(found)
    }

    /// Those that were adopted.
    fn adopted(&self, site: &Site, look: &Look) -> Result<Vec<Found>, Failure> {
        let records = site.metadata.read_all()?.into_iter();
        let adopted = records
            .filter(|record| record.adopted)
            .filter_map(|record| {
                let container = look.seen.containers.iter().find(|c| c.id == record.id)?;
                let name = record.container.parse().ok()?;
                let origin = Origin::of(container)?;
                self.is_meant(container)
                    .then(|| Found::new(container, origin, (name, record)))
            });
        Ok(adopted.collect())
    }
}

impl Found {
    fn new(container: &Sighting, origin: Origin, (name, record): (EngineName, Record)) -> Self {
        Self {
            shown: Adopted {
                name: container.name.clone(),
                origin,
                login: Some(login(name.uid)),
                state: container.state,
                slots: slot_list(&record.devices),
                unfit: None,
                idle_limit: None,
                run_limit: None,
            },
            record: Some((name, record)),
        }
    }

    fn unfit(container: &Sighting, origin: Origin, claim: Option<&Claim>, unfit: &Unfit) -> Self {
        let slots = match claim {
            None => String::new(),
            Some(Claim::All) => "all".into(),
            Some(Claim::Named(names)) => names.join(" "),
        };
        Self {
            shown: Adopted {
                name: container.name.clone(),
                origin,
                login: None,
                state: container.state,
                slots,
                unfit: Some(unfit.to_string()),
                idle_limit: None,
                run_limit: None,
            },
            record: None,
        }
    }

    /// With what it will be stopped by, adopted or not, if it runs with devices.
    fn with_limits(mut self, container: &Sighting, policy: &Policy) -> Self {
        let unfit = self.record.is_none();
        if !container.state.has_processes()
            || self.shown.slots.is_empty()
            || unfit && is_protected(container)
        {
            return self;
        }
        let login = self.shown.login.clone().unwrap_or_default();
        let recorded = self.record.as_ref().and_then(|(_, record)| record.kind);
        let kind = ContainerKind::of(recorded, &container.labels, !unfit);
        let rules = kind.rules(&policy.limits_for(&login), policy.container_types());
        let now = clock::now();
        let is_bound = |rule| unfit || policy.exemption(&login, rule, now).is_none();
        self.shown.idle_limit = rules.idle_timeout.filter(|_| is_bound(Rule::Idle));
        self.shown.run_limit = rules.max_runtime.filter(|_| is_bound(Rule::Longest));
        self
    }
}

/// What DS01 will keep of it: the owner is the one in its name, as the admin was shown.
fn record(
    site: &Site,
    policy: &Policy,
    container: &Sighting,
    origin: Origin,
    one: Candidate,
) -> Result<(EngineName, Record), Failure> {
    let person = person(one.container.uid)?;
    let limits = policy.limits_for(&person.login);
    let text = |key| container.labels.get(key).unwrap_or_default().to_string();
    let or = |first: String, second: &str| {
        if first.is_empty() {
            second.into()
        } else {
            first
        }
    };
    let record = Record {
        version: ds01_core::record::VERSION,
        container: one.container.to_string(),
        id: container.id.clone(),
        slice: slice(site, &limits.group, &person)?,
        login: person.login,
        group: limits.group,
        project: or(text(label::PROJECT), one.container.name.as_ref()),
        image: or(text(label::IMAGE), &container.image),
        workspace: or(text(label::WORK_MOUNT), &text(label::AIME_WORK_MOUNT)),
        // Nobody noted them: what was not noted may be any.
        binds: Vec::new(),
        mounts: None,
        as_owner: true,
        devices: one.devices,
        hold: limits.gpu_hold_after_stop,
        extension: None,
        kind: Some(match origin {
            Origin::Original => ContainerKind::of_found(&container.labels),
            Origin::Mlc => ContainerKind::Ds01,
        }),
        adopted: true,
        found: false,
        created: container.created,
        node: crate::system::name(),
    };
    Ok((one.container, record))
}

/// Writes the records under the lock; reconciling makes entries of them, as after a lost ledger.
fn take(site: &Site, mut look: Look, found: Vec<Found>) -> Result<Vec<Adopted>, Failure> {
    for (_, record) in found.iter().filter_map(|one| one.record.as_ref()) {
        let names = record.devices.iter().map(|held| held.uuid.to_string());
        let names: Vec<_> = names.collect();
        let claim = (!names.is_empty()).then_some(Claim::Named(names));
        look.seen.claims.insert(record.id.clone(), claim);
        look.seen.records.insert(record.id.clone(), record.clone());
    }
    let answers = site.change(&look, |ledger, _| {
        let mut answers = Vec::new();
        for Found { mut shown, record } in found {
            if let Some((name, record)) = record {
                let ours = |id: &Option<ContainerId>| id.as_ref() == Some(&record.id);
                if ledger.entry(&name).is_some_and(|entry| ours(&entry.id)) {
                    site.metadata.write(&name, &record)?;
                } else {
                    shown.unfit = Some("another container has its name, or it has gone".into());
                }
            }
            answers.push(shown);
        }
        Ok(answers)
    })?;
    log(site, "container.adopt", &answers);
    Ok(answers)
}

/// Takes the records away: the containers are nobody's again, and hold what they hold.
fn give_back(site: &Site, look: &Look, found: Vec<Found>) -> Result<Vec<Adopted>, Failure> {
    let answers = site.change(look, |ledger, _| {
        let records = found.iter().filter_map(|one| one.record.as_ref());
        for (name, record) in records {
            site.metadata.delete(name, &record.id)?;
            ledger.disown(name);
        }
        Ok(found.into_iter().map(|one| one.shown).collect::<Vec<_>>())
    })?;
    log(site, "container.disown", &answers);
    Ok(answers)
}

fn log(site: &Site, event: &str, answers: &[Adopted]) {
    for one in answers.iter().filter(|one| one.unfit.is_none()) {
        let login = one.login.clone().unwrap_or_default();
        site.log(
            Event::new(clock::now(), event)
                .of(login)
                .with("container", &one.name)
                .with("gpus", &one.slots),
        );
    }
}
