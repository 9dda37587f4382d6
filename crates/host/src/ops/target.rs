//! Which container a user means.

use ds01_core::{
    container::{ContainerId, Sighting},
    failure::{Failure, Kind},
    ledger::Allocation,
    name::{ContainerArg, EngineName},
};

use crate::{
    Site, clock, doctor::docker, engine::Query, ledger_file::Stored, look::Scope, site::fail,
    users::Caller,
};

/// A container of ours that exists.
pub(super) struct Target {
    /// The engine's name: the owner's name for it, and the owner.
    pub(super) container: EngineName,
    /// The engine's id.
    pub(super) id: ContainerId,
    /// The ledger has an entry of it.
    pub(super) listed: bool,
    /// The ledger keeps its devices for it.
    pub(super) holds: bool,
    /// The ledger's generation when it was found; 0 if that is damaged.
    pub(super) generation: u64,
}

impl Target {
    /// `None` while its id is not known.
    fn of(entry: &Allocation, generation: u64) -> Option<Self> {
        Some(Self {
            container: entry.container.clone(),
            id: entry.id.clone()?,
            listed: true,
            holds: entry.holds(clock::now()),
            generation,
        })
    }
}

/// Finds the caller's container. Who owns it is what our records say of its id, nothing else.
///
/// # Errors
///
/// Status 3 if there is none, or it has another id than the one that is meant. Somebody else's is none,
/// unless the caller is an admin.
pub(super) fn find(site: &Site, caller: Caller, arg: &ContainerArg) -> Result<Target, Failure> {
    let container = EngineName {
        name: arg.name.clone(),
        uid: arg.uid.unwrap_or(caller.uid),
    };
    if container.uid != caller.uid && !site.is_admin(caller)? {
        return Err(no_such(arg));
    }
    let target = named(site, caller, container, arg)?;
    match &arg.id {
        Some(meant) if *meant != target.id => Err(no_such(arg)),
        _ => Ok(target),
    }
}

/// What has this name now.
fn named(
    site: &Site,
    caller: Caller,
    container: EngineName,
    arg: &ContainerArg,
) -> Result<Target, Failure> {
    let stored = site.ledger.read()?;
    let generation = stored.generation();
    let ledger = match &stored {
        Stored::Whole(ledger) => Some(ledger),
        Stored::Damaged(_) => None,
    };
    let mut entry = ledger.and_then(|ledger| ledger.entry(&container).cloned());
    if let Some(target) = entry.as_ref().and_then(|e| Target::of(e, generation)) {
        return Ok(target);
    }
    if entry.is_some() {
        // Who made it may have died before noting the id.
        entry = looked_up(site, &container)?;
        if let Some(target) = entry.as_ref().and_then(|e| Target::of(e, e.changed)) {
            return Ok(target);
        }
    }
    let record = site.metadata.read(&container).filter(|_| entry.is_none());
    let has_other_name = |id: &ContainerId| {
        ledger.is_some_and(|ledger| ledger.entries().any(|e| e.id.as_ref() == Some(id)))
    };
    // Renamed, and the old record stayed: whoever did it died, or the engine gave no answer.
    let (renamed, proof) = match record.map(|record| record.id) {
        Some(id) if has_other_name(&id) => (Some(id), None),
        id => (None, id),
    };
    if let Some(id) = proof {
        return Ok(Target {
            container,
            id,
            listed: false,
            holds: false,
            generation,
        });
    }
    let name = container.to_string();
    let found = site.engine().list(&Query::Name(name.clone()))?.pop();
    // While the engine has not renamed it, a lost ledger is made good by the old record.
    if let Some(id) = renamed.filter(|id| found.as_ref().is_none_or(|seen| seen.id != *id)) {
        site.forget_name(&container, &id);
    } else if let (None, Some(seen)) = (&entry, &found)
        && site.metadata.of_gone(&container, &seen.id).is_some()
        && let Some(entry) = looked_up(site, &container)?
        && let Some(target) = Target::of(&entry, entry.changed)
    {
        return Ok(target);
    }
    match (entry, found) {
        (Some(entry), Some(found)) if entry.awaits(&found) => Err(fail(
            Kind::State,
            format!("container {} is being created", arg.name),
            "try again when it is there".into(),
        )),
        (_, Some(found)) if !has_other_name(&found.id) => Err(fail(
            Kind::State,
            format!("DS01 did not make the container {name}, and has no record of whose it is"),
            format!(
                "whoever made it can use it with docker; an admin can remove it: {} rm -f {name}",
                docker(site.engine())
            ),
        )),
        _ if arg.uid.is_none() && site.is_admin(caller)? => {
            let none = no_such(arg);
            Err(none.with_hint(format!(
                "see what you have with container-list --all; another's is {arg}._.<uid>: \
                 container-list --all-users --format=json"
            )))
        }
        _ => Err(no_such(arg)),
    }
}

/// The entry of this name, once the engine was looked at.
fn looked_up(site: &Site, container: &EngineName) -> Result<Option<Allocation>, Failure> {
    let look = site.look(&Scope::Of(container.uid))?;
    site.change(&look, |ledger, _| Ok(ledger.entry(container).cloned()))
}

/// As the engine shows it now.
///
/// # Errors
///
/// Status 3 if it has gone.
pub(super) fn sight(site: &Site, target: &Target) -> Result<Sighting, Failure> {
    let none = || no_such(&target.container.name.clone().into());
    site.engine().sight(&target.id)?.ok_or_else(none)
}

/// Status 3.
pub(super) fn no_such(arg: &ContainerArg) -> Failure {
    fail(
        Kind::NotFound,
        format!("you have no container {arg}"),
        "see what you have with container-list --all".into(),
    )
}
