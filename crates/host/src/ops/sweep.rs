//! `container-cleanup --system`: containers of all users that were kept as long as the policy says.

use std::{collections::BTreeSet, path::PathBuf};

use ds01_core::{
    container::{Sighting, State},
    device::slot_list,
    event::Event,
    failure::{Failure, Kind, UserError},
    image::{self, OF_CONTAINER},
    ledger::{Allocation, Holding},
    name::EngineName,
    policy::Policy,
    sweep::{AtRest, Overdue, overdue, since},
};
use serde::{Deserialize, Serialize};

use super::{
    for_root,
    owner::owner,
    remove::{delete, remove_name, strike},
};
use crate::{
    Operation, Site, clock,
    engine::EngineError,
    ledger_file::Stored,
    look::{Look, Scope},
    removal::remove_container,
    site::fail,
    tell::{Notice, tell_all},
    users::{Caller, Person, UnknownUser},
    watch_file::WatchFile,
};

/// Asks for a sweep. For root alone, which the gateway never is: it is not one of its operations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sweep {
    /// Only say what would go.
    pub dry_run: bool,
}

/// What a sweep did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swept {
    /// What has gone, or would.
    pub gone: Vec<Gone>,
    /// What should have, and why it did not.
    pub failed: Vec<Failure>,
}

/// A container whose time was over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gone {
    /// The owner's login.
    pub login: String,
    /// The owner's name for it.
    pub name: String,
    /// Why.
    pub why: Overdue,
    /// The devices that are free again, as users read them.
    pub slots: String,
}

impl Operation for Sweep {
    const NAME: &'static str = "sweep";
    type Answer = Swept;

    fn run(&self, site: &Site, caller: Caller) -> Result<Swept, Failure> {
        for_root(
            caller,
            "only root sweeps the containers of all users",
            "remove your own with container-cleanup",
        )?;
        let policy = site.policy()?;
        let look = site.look(&Scope::Everything)?;
        if let Stored::Damaged(damage) = &look.before {
            return Err(fail(
                Kind::Unreachable,
                format!("nothing is removed: the ledger cannot be trusted: {damage}"),
                "see ds01-doctor".into(),
            ));
        }
        let ledger = site.view(&look)?;
        let file = WatchFile::new(&site.config().paths.state)?;
        let mut at_rest = file.at_rest();
        let mut swept = Swept::default();
        let mut notices = Vec::new();
        for entry in ledger.entries() {
            let seen = look.seen.containers.iter();
            let mut seen = seen.filter(|seen| Some(&seen.id) == entry.id.as_ref());
            // By id: what only has the name of one of ours is nobody's.
            let Some(seen) = seen.next() else { continue };
            match self.one(site, &policy, entry, seen, &mut at_rest) {
                Ok(Some((gone, person, notice))) => {
                    swept.gone.push(gone);
                    notices.push((person, notice));
                }
                Ok(None) => {}
                Err(failure) => {
                    let message = format!("{}: {}", entry.container, failure.message);
                    let unreachable = failure.kind == Kind::Unreachable;
                    swept.failed.push(Failure { message, ..failure });
                    // Without an engine every other one would wait for it in vain, too.
                    if unreachable {
                        self.tell(site, &notices);
                        return Ok(swept);
                    }
                }
            }
        }
        if !self.dry_run {
            let down = look.seen.containers.iter().filter(|c| !c.state.is_up());
            let rests: BTreeSet<_> = down.map(|c| &c.id).collect();
            at_rest.retain(|id| rests.contains(id));
            // What was measured is right, kept or not: a full disk is a reason to sweep.
            let kept = file.keep_at_rest(&at_rest);
            swept.failed.extend(kept.err().map(Failure::from));
        }
        self.tell(site, &notices);
        if !self.dry_run
            && let Err(failure) = unname(site, &look)
        {
            swept.failed.push(failure);
        }
        Ok(swept)
    }
}

/// Takes from images the names that they had for the sake of containers which are no more: the engine
/// removes containers too, after `docker run --rm`, and a container that was renamed leaves one.
///
/// # Errors
///
/// If the engine does not list the images, or has gone meanwhile, or the ledger cannot be read.
fn unname(site: &Site, look: &Look) -> Result<(), Failure> {
    // What is gone loses its entry.
    site.change(look, |_, _| Ok(()))?;
    let images = site.engine().images(Some(&format!("*/{OF_CONTAINER}")))?;
    // Read afterwards: whoever makes a container has its entry before its image has the name.
    let Stored::Whole(ledger) = site.ledger.read()? else {
        return Ok(());
    };
    let is_used = |name: &String| look.seen.containers.iter().any(|c| c.image == *name);
    let names = images.iter().flat_map(|image| &image.names);
    let unused = names.filter(|name| {
        image::sake(name, "").is_some_and(|of| ledger.entry(&of).is_none()) && !is_used(name)
    });
    for name in unused {
        match site.engine().remove_image(name) {
            // Without an engine every other one would wait for it in vain, too.
            Err(error) if error.kind() == Kind::Unreachable => return Err(error.into()),
            // One that stays is in nobody's way.
            _ => {}
        }
    }
    Ok(())
}

impl Sweep {
    /// Tells the owners of those that have gone.
    fn tell(&self, site: &Site, notices: &[(Person, Notice)]) {
        if !self.dry_run {
            tell_all(site, notices, |_| {});
        }
    }

    /// Removes one, if its time is over; with what its owner is to be told.
    fn one(
        &self,
        site: &Site,
        policy: &Policy,
        entry: &Allocation,
        seen: &Sighting,
        at_rest: &mut AtRest,
    ) -> Result<Option<(Gone, Person, Notice)>, Failure> {
        let Some((person, why)) = due(site, policy, entry, seen, at_rest)? else {
            return Ok(None);
        };
        let mut slots = match entry.holds(clock::now()) {
            true => slot_list(&entry.devices),
            false => String::new(),
        };
        // With it, its record goes.
        let record = site.metadata.of(&entry.container, &seen.id);
        let folder = record.as_ref().and_then(|record| record.workspace_folder());
        if !self.dry_run {
            let Some(freed) = remove(site, &entry.container, seen, &person.login, why)? else {
                return Ok(None);
            };
            slots = freed;
        }
        let name = entry.container.name.to_string();
        let text = format!("container {name} was removed: {why}; the workspace stays");
        let workspace = folder.map(PathBuf::from);
        let gone = Gone {
            login: person.login.clone(),
            name,
            why,
            slots,
        };
        Ok(Some((gone, person, Notice { text, workspace })))
    }
}

/// Whose it is, and why it is to go; `None` if it stays.
fn due(
    site: &Site,
    policy: &Policy,
    entry: &Allocation,
    seen: &Sighting,
    at_rest: &mut AtRest,
) -> Result<Option<(Person, Overdue)>, Failure> {
    // Somebody is about to start it.
    if seen.state.is_up() || matches!(entry.holding, Holding::Pending { .. }) {
        return Ok(None);
    }
    // One that was never started has nobody's work in it: then who made it is enough.
    let record = site.metadata.of(&entry.container, &seen.id);
    let recorded = record.as_ref().map(|record| record.login.as_str());
    let recorded = recorded.filter(|_| seen.state == State::Created);
    let person = match owner(entry.container.uid, recorded) {
        Ok(person) => person,
        Err(error @ UnknownUser::Uid(_)) => {
            site.notice(format!("{} stays: {error}", entry.container));
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    let (told, silent) = site.engine().inspect_each(std::slice::from_ref(&seen.id))?;
    if !silent.is_empty() {
        // Of this one alone: the others are swept.
        return Err(fail(
            Kind::Failed,
            "the engine does not tell when it stopped".into(),
            "somebody may be copying files of it: it is looked at again by the next pass".into(),
        ));
    }
    let Some(inspected) = told.into_iter().next() else {
        return Ok(None);
    };
    let state = inspected.state;
    let Some(since) = since(state, seen.created, inspected.finished) else {
        return Ok(None);
    };
    let now = clock::both();
    let rested = at_rest.see(&seen.id, since, now.uptime);
    let holds = entry.holds(now.wall) && !entry.devices.is_empty();
    let limits = policy.limits_for(&person.login);
    let why = overdue(state, since, rested, holds, &limits, now.wall);
    Ok(why.map(|why| (person, why)))
}

/// Removes a container that does not run; its devices that are free again, as users read them.
/// `None` if somebody else removed it, or has started it.
fn remove(
    site: &Site,
    container: &EngineName,
    seen: &Sighting,
    login: &str,
    why: Overdue,
) -> Result<Option<String>, Failure> {
    match remove_container(site.engine(), (container.uid, &seen.id)) {
        Err(EngineError::Refused {
            status: 404 | 409, ..
        }) => return Ok(None),
        files => delete(site, files?),
    }
    remove_name(site, seen);
    let Some(freed) = strike(site, container, &seen.id, true)? else {
        return Ok(None);
    };
    let event = |kind: &str| {
        let event = Event::new(clock::now(), kind).of(login);
        event.with("container", container).with("reason", why)
    };
    site.log(event("container.remove"));
    if !freed.is_empty() {
        site.log(event("gpu.release").with("gpus", &freed));
    }
    Ok(Some(freed))
}
