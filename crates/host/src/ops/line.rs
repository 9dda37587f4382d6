//! What the operations on the waiting line share.

use std::{collections::BTreeMap, sync::Arc};

use ds01_core::{
    device::{Inventory, slot_list},
    event::Event,
    failure::{Failure, Kind},
    gpu_request::GpuRequest,
    ledger::Ledger,
    limits::Limits,
    line::{Known, Terms, Turn},
    name::{ContainerName, EngineName},
    time::Timestamp,
};

use crate::{Site, clock, ledger_file::Stored, site::fail, users::person};

/// Gives those in the line what is theirs by now: `asks` is one who knows. The new turns.
pub(super) fn serve(
    ledger: &mut Ledger,
    inventory: &Inventory,
    asks: Option<u64>,
    now: Timestamp,
) -> Vec<Turn> {
    let known: Vec<_> = inventory.devices.iter().map(Known::from).collect();
    ledger.serve_line(&known, asks, now)
}

/// What the limits of those who wait are today, by ticket. Who has no login any more has none.
///
/// Before the ledger is locked: who joins meanwhile does so with today's.
pub(super) fn terms_today(site: &Site, before: &Stored) -> Result<BTreeMap<u64, Terms>, Failure> {
    let waiters = match before {
        Stored::Whole(ledger) => &ledger.line.waiters[..],
        Stored::Damaged(_) => &[],
    };
    if waiters.is_empty() {
        return Ok(BTreeMap::new());
    }
    let policy = site.policy()?;
    let mut limits: BTreeMap<u32, Option<(String, Limits)>> = BTreeMap::new();
    let now = clock::now();
    let today = waiters.iter().filter_map(|waiter| {
        let known = limits.entry(waiter.uid);
        let theirs = || {
            let login = person(waiter.uid).ok()?.login;
            let limits = policy.limits_for(&login);
            Some((login, limits))
        };
        let (login, limits) = known.or_insert_with(theirs).as_ref()?;
        let run = policy.longest_run(login, limits, waiter.kind, now);
        Some((waiter.ticket, Terms::of(limits, run)))
    });
    Ok(today.collect())
}

/// An event about a request in line; `container` is the one that it is for, if that is known.
pub(crate) fn event(
    site: &Site,
    kind: &str,
    uid: u32,
    ticket: u64,
    container: Option<&ContainerName>,
) -> Event {
    let event = Event::new(clock::now(), kind).of(site.login(uid));
    let event = event.with("ticket", ticket);
    let named = |name: &ContainerName| EngineName {
        name: name.clone(),
        uid,
    };
    match container.map(named) {
        Some(container) => event.with("container", container),
        None => event,
    }
}

/// The event that somebody has joined, unless there have been too many.
pub(super) fn joined(site: &Site, ledger: &Ledger, uid: u32, ticket: u64) -> Option<Event> {
    let line = &ledger.line;
    let waits = line.waiter(uid, ticket);
    let waits = waits.map(|waiter| (waiter.logged, &waiter.container, waiter.devices.clone()));
    let turn = line.turns.iter().find(|turn| turn.ticket == ticket);
    let turn = turn.map(|turn| {
        (
            turn.logged,
            &turn.container,
            GpuRequest::any(turn.devices.len() as u32),
        )
    });
    let (_, container, gpus) = waits.or(turn).filter(|(logged, ..)| *logged)?;
    let event = event(site, "queue.joined", uid, ticket, container.as_ref()).with("gpus", gpus);
    Some(match line.joins_quiet_until(uid) {
        Some(until) => event.with("quiet_until", until),
        None => event,
    })
}

/// Logs that the turn of these has come.
pub(super) fn log_turns(site: &Site, turns: &[Turn]) {
    for turn in turns.iter().filter(|turn| turn.logged) {
        let event = event(
            site,
            "queue.served",
            turn.uid,
            turn.ticket,
            turn.container.as_ref(),
        );
        let event = event.with("gpus", slot_list(&turn.devices));
        site.log(event.with("until", turn.until));
    }
}

/// The ledger as it is stored: the line is in it and nowhere else.
pub(super) fn stored(site: &Site) -> Result<Arc<Ledger>, Failure> {
    match site.ledger.read()? {
        Stored::Whole(ledger) => Ok(ledger),
        Stored::Damaged(damage) => Err(fail(
            Kind::Unreachable,
            format!("the ledger cannot be trusted: {damage}"),
            "it is rebuilt when somebody asks for a GPU, without the waiting line".into(),
        )),
    }
}
