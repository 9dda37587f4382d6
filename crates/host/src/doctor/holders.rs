//! Who holds which GPU.

use ds01_core::{
    adopt::Origin,
    container::Sighting,
    device::{Claim, Held},
    label,
    ledger::{Allocation, Holder, Unmanaged},
};

use super::{Finding, ledger::Facts, or_ok};
use crate::users::login;

const CHECK: &str = "holders";

/// `unfinished` are containers of which the engine does not tell yet.
pub(super) fn check(facts: &Facts<'_>, unfinished: &[String]) -> Vec<Finding> {
    let mut findings = unmanaged(facts);
    findings.extend(other_than_recorded(facts));
    findings.extend(held_twice(facts));
    findings.extend(vanished(facts));
    findings.extend(unfinished.iter().map(|name| {
        let what = format!(
            "docker does not tell the GPUs of {name}: it is being made, or somebody copies its files"
        );
        Finding::unknown(CHECK, what).mend("run ds01-doctor again")
    }));
    or_ok(
        findings,
        CHECK,
        "every device has one holder at most, of DS01",
    )
}

/// Containers of nobody that keep devices from everybody.
fn unmanaged(facts: &Facts<'_>) -> Vec<Finding> {
    let others = facts.ledger.unmanaged.iter();
    let others = others.filter_map(|other| Some((other, facts.container(&other.id)?)));
    others
        .map(|(other, container)| of_nobody(facts, other, container))
        .collect()
}

fn of_nobody(facts: &Facts<'_>, other: &Unmanaged, container: &Sighting) -> Finding {
    let Sighting { name, state, .. } = container;
    let held = match facts.inventory {
        Some(all) => all
            .devices
            .iter()
            .filter(|d| other.claim.covers(d))
            .map(|d| d.slot.to_string())
            .collect(),
        None => match &other.claim {
            Claim::All => vec!["all".into()],
            Claim::Named(names) => names.clone(),
        },
    };
    if held.is_empty() {
        let what = format!("{name} ({state}) asks for GPUs that do not exist");
        return Finding::warning(CHECK, what)
            .because("DS01 did not make it; it will hold them if they come back")
            .mend(facts.removal(container));
    }
    let held = held.join(" ");
    let labelled = container.labels.get(label::MANAGED).is_some();
    let what = if labelled {
        format!(
            "{name} ({state}) holds GPU {held}, labelled as DS01's without a record of whose it is"
        )
    } else {
        format!("{name} ({state}) holds GPU {held}, and DS01 did not make it")
    };
    Finding::wrong(CHECK, what)
        .because("it keeps them from everybody, stopped too, and counts against no quota")
        .mend(match Origin::of(container) {
            Some(_) => format!("ds01-adopt --dry-run; or {}", facts.removal(container)),
            None => format!("unless it is to have them: {}", facts.removal(container)),
        })
}

/// Entries that say other devices than the container has.
fn other_than_recorded(facts: &Facts<'_>) -> Vec<Finding> {
    let differs = |entry: &&Allocation| {
        let claim = entry.id.as_ref().and_then(|id| facts.claims.get(id));
        claim.is_some_and(|claim| !is_of(claim.as_ref(), &entry.devices))
    };
    let entries = facts.ledger.entries().filter(differs);
    entries
        .map(|entry| {
            let what = format!("{} has other GPUs than the ledger says", entry.container);
            Finding::wrong(CHECK, what)
                .because("somebody edited the ledger, or brought an old one back")
                .mend(format!(
                    "{} inspect {}; if nobody needs it, remove it",
                    facts.docker, entry.container
                ))
        })
        .collect()
}

/// Whether a container that asks for `claim` has these devices.
fn is_of(claim: Option<&Claim>, devices: &[Held]) -> bool {
    match claim {
        None => devices.is_empty(),
        Some(Claim::All) => false,
        Some(claim @ Claim::Named(names)) => {
            names.len() == devices.len() && devices.iter().all(|held| claim.covers_held(held))
        }
    }
}

/// Devices that somebody was given past DS01.
fn held_twice(facts: &Facts<'_>) -> Vec<Finding> {
    let devices = facts.inventory.into_iter().flat_map(|all| &all.devices);
    let twice = devices.filter_map(|device| {
        let holders = facts.ledger.holders_of(device, facts.now);
        let names: Vec<_> = holders
            .map(|holder| match holder {
                Holder::Allocation(entry) => entry.container.to_string(),
                Holder::Unmanaged(other) => other.name.clone(),
                Holder::Turn(turn) => format!("the waiting line, for {}", login(turn.uid)),
            })
            .collect();
        (names.len() > 1).then(|| {
            let what = format!("GPU {} is held by {}", device.slot, names.join(" and "));
            Finding::wrong(CHECK, what)
                .because("they take memory and time from each other: one was started past DS01")
                .mend(format!(
                    "{} stop the one that is not to have it",
                    facts.docker
                ))
        })
    });
    twice.collect()
}

/// Devices in somebody's hands that the driver does not show.
fn vanished(facts: &Facts<'_>) -> Vec<Finding> {
    let Some(inventory) = facts.inventory else {
        let what = "whether a device is held twice: the driver does not answer";
        return vec![Finding::unknown(CHECK, what)];
    };
    let holding = facts
        .ledger
        .entries()
        .filter(|entry| entry.holds(facts.now));
    let held = holding.flat_map(|entry| entry.devices.iter().map(move |held| (entry, held)));
    let gone = held.filter(|(_, held)| !inventory.devices.iter().any(|d| d.uuid == held.uuid));
    gone.map(|(entry, held)| {
        let (name, slot, uuid) = (&entry.container, held.slot, &held.uuid);
        let (short, owner) = (&name.name, login(name.uid));
        Finding::warning(
            CHECK,
            format!("{name} holds {uuid} (GPU {slot}), which does not exist"),
        )
        .because("MIG devices were made anew, or a GPU is lost: it cannot start again")
        .mend(format!("let {owner} type: container-remove {short}"))
    })
    .collect()
}
