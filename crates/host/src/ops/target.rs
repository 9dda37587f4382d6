//! Which container a user means.

use ds01_core::{
    container::{ContainerId, Sighting},
    failure::{Failure, Kind},
    name::{ContainerArg, EngineName},
    record::Record,
};

use crate::{
    Site, clock, engine::Query, ledger_file::Stored, look::Scope, site::fail, users::Caller,
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

/// Finds the caller's container. Who owns it is what our records say of its id, nothing else.
///
/// # Errors
///
/// Status 3 if there is none. Somebody else's is none, unless the caller is an admin.
pub(super) fn find(site: &Site, caller: Caller, arg: &ContainerArg) -> Result<Target, Failure> {
    let container = EngineName {
        name: arg.name.clone(),
        uid: arg.uid.unwrap_or(caller.uid),
    };
    if container.uid != caller.uid && !site.is_admin(caller)? {
        return Err(no_such(arg));
    }
    let stored = site.ledger.read()?;
    let mut generation = stored.generation();
    let mut entry = match stored {
        Stored::Whole(ledger) => ledger.entry(&container).cloned(),
        Stored::Damaged(_) => None,
    };
    if entry.as_ref().is_some_and(|entry| entry.id.is_none()) {
        // Who made it may have died before noting the id.
        let look = site.look(&Scope::Of(container.uid))?;
        entry = site.change(&look, |ledger, _| Ok(ledger.entry(&container).cloned()))?;
        generation = entry.as_ref().map_or(generation, |entry| entry.changed);
    }
    match &entry {
        Some(entry) => {
            if let Some(id) = entry.id.clone() {
                let holds = entry.holds(clock::now());
                return Ok(Target {
                    container,
                    id,
                    listed: true,
                    holds,
                    generation,
                });
            }
        }
        None => {
            if let Some(Record { id, .. }) = site.metadata.read(&container) {
                return Ok(Target {
                    container,
                    id,
                    listed: false,
                    holds: false,
                    generation,
                });
            }
        }
    }
    let name = container.to_string();
    let found = site.engine().list(&Query::Name(name.clone()))?.pop();
    match (entry, found) {
        (Some(entry), Some(found)) if entry.awaits(&found) => Err(fail(
            Kind::State,
            format!("container {} is being created", arg.name),
            "try again when it is there".into(),
        )),
        (_, Some(_)) => Err(fail(
            Kind::State,
            format!("DS01 did not make the container {name}, and has no record of whose it is"),
            format!(
                "whoever made it can use it with docker; an admin can remove it: docker rm {name}"
            ),
        )),
        (_, None) if arg.uid.is_none() && site.is_admin(caller)? => {
            let none = no_such(arg);
            Err(none.with_hint(format!(
                "see what you have with container-list --all; another's is {arg}._.<uid>: \
                 container-list --all-users --format=json"
            )))
        }
        (_, None) => Err(no_such(arg)),
    }
}

/// As the engine shows it now.
///
/// # Errors
///
/// Status 3 if it has gone.
pub(super) fn sight(site: &Site, target: &Target) -> Result<Sighting, Failure> {
    let none = || {
        no_such(&ContainerArg {
            name: target.container.name.clone(),
            uid: None,
        })
    };
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
