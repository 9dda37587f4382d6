//! The ledger against the engine.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use ds01_core::{
    container::{ContainerId, Sighting, State},
    device::{Claim, Inventory},
    failure::Failure,
    ledger::{Allocation, Ledger, Unmanaged},
    record::Record,
    time::Timestamp,
};

use super::{Finding, docker, duties, holders, owners, quoted, records, userns};
use crate::{
    Site, clock,
    engine::About,
    ledger_file::{METADATA, Stored},
    look::{Look, Scope},
};

const CHECK: &str = "ledger";

/// How often to look again, when somebody changes the ledger meanwhile.
const TRIES: usize = 3;

/// What there is to compare.
pub(super) struct Facts<'a> {
    /// The ledger as it is stored; `None` if it is damaged.
    pub(super) stored: Option<&'a Ledger>,
    /// The ledger, in line with the engine.
    pub(super) ledger: &'a Ledger,
    /// All that the engine has.
    pub(super) containers: &'a [Sighting],
    /// What each asks for.
    pub(super) claims: BTreeMap<ContainerId, Option<Claim>>,
    /// Our records, and what is no record.
    pub(super) records: &'a [(PathBuf, Option<Record>)],
    pub(super) inventory: Option<&'a Inventory>,
    pub(super) now: Timestamp,
    /// How an admin types Docker's client for this engine.
    pub(super) docker: &'a str,
}

impl Facts<'_> {
    pub(super) fn container(&self, id: &ContainerId) -> Option<&Sighting> {
        self.containers.iter().find(|container| container.id == *id)
    }

    /// Whether the stored ledger has it.
    pub(super) fn is_in_ledger(&self, id: &ContainerId) -> bool {
        let mut entries = self.stored.iter().flat_map(|ledger| &ledger.allocations);
        entries.any(|entry| entry.id.as_ref() == Some(id))
    }

    /// The command that removes a container.
    pub(super) fn removal(&self, container: &Sighting) -> String {
        let force = match container.state {
            State::Created | State::Exited | State::Dead => "",
            _ => " -f",
        };
        let name = quoted(Path::new(&container.name));
        format!("{} rm{force} {name}", self.docker)
    }
}

pub(super) fn check(site: &Site, about: &About, inventory: Option<&Inventory>) -> Vec<Finding> {
    let state = &site.config().paths.state;
    if let Some(finding) = unreadable(state) {
        return vec![finding];
    }
    let mut found = Err(
        Finding::unknown(CHECK, "it changes faster than it can be looked at")
            .mend("run ds01-doctor again"),
    );
    for _ in 0..TRIES {
        let look = match site.look(&Scope::Everything) {
            Ok(look) => look,
            Err(failure) => return vec![Finding::of_failure(CHECK, failure)],
        };
        let records = records::read(&state.join(METADATA));
        // What was removed or made meanwhile would look wrong.
        if site.ledger.read().is_ok_and(|now| now == look.before) {
            found = Ok((look, records));
            break;
        }
    }
    match found {
        Ok((look, records)) => compare(site, about, &look, records, inventory),
        Err(finding) => vec![finding],
    }
}

/// The ledger without the engine to compare it with.
pub(super) fn alone(site: &Site) -> Finding {
    let told = match site.ledger.read() {
        Ok(stored) => whole(&stored, clock::now()),
        Err(error) => Finding::of_failure(CHECK, error.into()),
    };
    unreadable(&site.config().paths.state).unwrap_or(told)
}

/// Not being root says nothing about the ledger.
fn unreadable(state: &Path) -> Option<Finding> {
    let error = fs::read_dir(state).err()?;
    (error.kind() == io::ErrorKind::PermissionDenied).then(|| {
        let what = "who holds which GPU: the ledger cannot be read";
        Finding::unknown(CHECK, what).mend("run ds01-doctor as root")
    })
}

fn compare(
    site: &Site,
    about: &About,
    look: &Look,
    records: io::Result<Vec<(PathBuf, Option<Record>)>>,
    inventory: Option<&Inventory>,
) -> Vec<Finding> {
    let records = match records {
        Ok(records) => records,
        Err(error) => return vec![records::unreadable(&error)],
    };
    let containers = &look.seen.containers;
    let engine = site.engine();
    let ids: Vec<_> = containers.iter().map(|c| c.id.clone()).collect();
    let inspected = engine.inspect(&ids).map_err(Failure::from);
    let (inspected, mut ledger) = match inspected.and_then(|i| Ok((i, site.view(look)?))) {
        Ok(both) => both,
        Err(failure) => return vec![Finding::of_failure(CHECK, failure)],
    };
    let of_before = userns::of_before(about, containers, &inspected);
    let claims = inspected
        .into_iter()
        .map(|one| (one.id, one.claim))
        .collect();
    add_hidden(&mut ledger, containers, &claims);
    let facts = Facts {
        stored: match &look.before {
            Stored::Whole(ledger) => Some(ledger),
            Stored::Damaged(_) => None,
        },
        ledger: &ledger,
        containers,
        claims,
        records: &records,
        inventory,
        now: clock::now(),
        docker: &docker(engine),
    };
    let mut findings = vec![whole(&look.before, facts.now)];
    findings.extend(of_before);
    findings.extend(gone(&facts));
    findings.extend(records::check(&facts));
    findings.extend(owners::check(&facts));
    findings.extend(holders::check(&facts, &look.seen.unfinished));
    findings.extend(duties::check(&facts, &site.config().paths.state));
    findings
}

/// Adds the holders that the ledger has forgotten. Commands look at each container once only: an
/// old or edited ledger may say that it was looked at.
fn add_hidden(
    ledger: &mut Ledger,
    containers: &[Sighting],
    claims: &BTreeMap<ContainerId, Option<Claim>>,
) {
    for container in containers {
        let is_ours = |entry: &Allocation| {
            entry.id.as_ref() == Some(&container.id) || entry.awaits(container)
        };
        let is_it = |other: &Unmanaged| other.id == container.id;
        if ledger.entries().any(is_ours) || ledger.unmanaged.iter().any(is_it) {
            continue;
        }
        if let Some(Some(claim)) = claims.get(&container.id) {
            ledger.unmanaged.push(Unmanaged {
                id: container.id.clone(),
                name: container.name.clone(),
                claim: claim.clone(),
                changed: ledger.generation,
            });
        }
    }
}

/// Whether the ledger can be trusted, and grants.
fn whole(stored: &Stored, now: Timestamp) -> Finding {
    match stored {
        Stored::Damaged(damage) => {
            Finding::wrong(CHECK, format!("it cannot be trusted: {damage}"))
                .because("the next command that changes it rebuilds it from the engine and the records, and nothing is granted for 3 min")
                .mend("find out what damaged it (a full disk, a power cut, somebody's editor)")
        }
        Stored::Whole(ledger) => match ledger.grants_after.filter(|until| *until > now) {
            Some(until) => Finding::warning(CHECK, format!("nothing is granted before {until}"))
                .because("it was lost and rebuilt; what was being made then may still turn up")
                .mend("wait"),
            None => Finding::ok(CHECK, "it is whole"),
        },
    }
}

/// Entries whose container was removed past DS01.
fn gone(facts: &Facts<'_>) -> Vec<Finding> {
    let entries = facts.stored.iter().flat_map(|ledger| &ledger.allocations);
    let is_gone = |id: &ContainerId| facts.container(id).is_none();
    let gone = entries.filter(|entry| entry.id.as_ref().is_some_and(is_gone));
    gone.map(|entry| {
        let (name, with_gpus) = (&entry.container, with_gpus(entry));
        let what = format!("{name}{with_gpus} is in the ledger, and not in the engine");
        Finding::warning(CHECK, what)
            .because("it was removed past DS01")
            .mend("none needed: the next container-create notes it")
    })
    .collect()
}

fn with_gpus(entry: &Allocation) -> String {
    match entry.devices.is_empty() {
        true => String::new(),
        false => format!(" with GPU {}", ds01_core::device::slot_list(&entry.devices)),
    }
}

#[cfg(test)]
mod tests;
