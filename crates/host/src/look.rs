//! Looks at the engine before the ledger is locked.
//!
//! A list of everything costs 4 ms for 100 containers, so it is asked for what can matter: the
//! containers that hold devices or are the caller's, by id, and all that are newer than a mark
//! of the ledger. After a loss, or when all marks are gone, everything.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use ds01_core::{
    admit::Denied,
    container::{ContainerId, Sighting},
    device::Claim,
    failure::Failure,
    ledger::{Holding, Ledger, Process},
    line::Waiter,
    reconcile::EngineSnapshot,
    record::Record,
};

use crate::{
    clock,
    engine::{Engine, EngineError, Query},
    ledger_file::Stored,
    site::Site,
};

/// Above this many ids, the whole list is the shorter question.
const MOST_IDS: usize = 100;

/// What containers ask for: `None` is no device.
type Claims = BTreeMap<ContainerId, Option<Claim>>;

/// How often a change looks at the engine, if what it has seen is in doubt when it has the lock.
pub(crate) const MOST_LOOKS: u32 = 4;

/// How much of the engine to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Every container.
    Everything,
    /// Holders of devices, the containers of this user, and what is new.
    Of(u32),
    /// This container alone: nothing is to be given to it.
    Only(ContainerId),
    /// Nothing: the ledger alone is to change.
    Nothing,
}

/// What was seen.
#[derive(Debug, Clone)]
pub struct Look {
    /// The ledger before the engine was asked.
    pub before: Stored,
    /// What the engine showed.
    pub seen: EngineSnapshot,
}

impl Look {
    /// Whether a ledger could be rebuilt from it.
    pub(crate) fn is_complete(&self) -> bool {
        self.seen.asked.is_none() && matches!(self.before, Stored::Damaged(_))
    }

    /// Whether the engine is to be looked at again for what is stored by now.
    pub(crate) fn is_in_doubt(&self, stored: &Stored) -> bool {
        match stored {
            Stored::Damaged(_) => !self.is_complete(),
            Stored::Whole(ledger) => self.seen.is_doubted_by(ledger),
        }
    }

    /// The container that the engine is making and of which it cannot tell yet which devices it
    /// has, if there is one.
    pub(crate) fn unclear(&self) -> Option<&str> {
        self.seen.unfinished.first().map(String::as_str)
    }

    /// Whether it shows who has which device.
    ///
    /// # Errors
    ///
    /// [`Denied::Unclear`].
    pub(crate) fn tells_all_devices(&self) -> Result<(), Denied> {
        match self.unclear() {
            None => Ok(()),
            Some(name) => Err(Denied::Unclear { name: name.into() }),
        }
    }
}

impl Site {
    /// Reads the ledger, then looks at the engine.
    ///
    /// # Errors
    ///
    /// If either cannot be reached.
    pub fn look(&self, scope: &Scope) -> Result<Look, Failure> {
        if *scope == Scope::Nothing {
            // Nothing was asked, so it does not matter how the ledger was before.
            return Ok(Look {
                before: Stored::Whole(Arc::default()),
                seen: EngineSnapshot {
                    asked: Some(BTreeSet::new()),
                    ..EngineSnapshot::default()
                },
            });
        }
        let before = self.ledger.read()?;
        let lost = Ledger::default();
        let ledger = match &before {
            Stored::Whole(ledger) => ledger,
            Stored::Damaged(_) => &lost,
        };
        let mut seen = EngineSnapshot {
            generation: ledger.generation,
            asked_at: clock::now(),
            // Seen dead now, it asks the engine nothing more; what it has asked for may turn up later.
            dead: dead_processes(ledger),
            ..EngineSnapshot::default()
        };
        let engine = self.engine();
        let short = match (scope, &before) {
            (Scope::Of(uid), Stored::Whole(ledger)) => partial(engine, ledger, *uid, &mut seen)?,
            (Scope::Only(id), Stored::Whole(_)) => {
                seen.containers = engine.sight(id)?.into_iter().collect();
                seen.asked = Some(BTreeSet::from([id.clone()]));
                true
            }
            _ => false,
        };
        if !short {
            complete(engine, ledger, &mut seen)?;
        }
        inspect(engine, ledger, &mut seen)?;
        seen.records = self.records_of(&seen);
        Ok(Look { before, seen })
    }

    /// Our records of the containers that the ledger does not know.
    fn records_of(&self, seen: &EngineSnapshot) -> BTreeMap<ContainerId, Record> {
        let unknown = seen
            .containers
            .iter()
            .filter(|c| seen.claims.contains_key(&c.id));
        let records = unknown.filter_map(|c| {
            let name = c.name.parse().ok()?;
            let own = self.metadata.of(&name, &c.id);
            own.or_else(|| self.metadata.of_gone(&name, &c.id))
        });
        records.map(|record| (record.id.clone(), record)).collect()
    }
}

/// The processes of pending entries, and of those who wait, that have ended.
pub(crate) fn dead_processes(ledger: &Ledger) -> Vec<Process> {
    let creators = ledger.entries().filter_map(|entry| match &entry.holding {
        Holding::Pending { creator, .. } => creator.as_ref(),
        _ => None,
    });
    let waiting = ledger.line.waiters.iter().filter_map(Waiter::process);
    creators
        .chain(waiting)
        .filter(|process| clock::is_dead(process))
        .cloned()
        .collect()
}

/// The short list. `false` if nothing that was accounted for is left to begin from.
fn partial(
    engine: &Engine,
    ledger: &Ledger,
    uid: u32,
    seen: &mut EngineSnapshot,
) -> Result<bool, EngineError> {
    let ours = ledger.entries();
    let ours = ours.filter(|entry| entry.container.uid == uid || !entry.devices.is_empty());
    let ids = ours.filter_map(|entry| entry.id.clone());
    let asked: BTreeSet<_> = ids
        .chain(ledger.unmanaged.iter().map(|u| u.id.clone()))
        .collect();
    if asked.len() > MOST_IDS {
        return Ok(false);
    }
    let known = Query::Ids(asked.iter().cloned().collect());
    for mark in ledger.marks_at(seen.asked_at) {
        let queries = [Query::NewerThan(mark.id.clone()), known.clone()];
        let [Some(newer), Some(known)] = engine.list_both(&queries)? else {
            seen.vanished.push(mark.id.clone());
            continue;
        };
        let new: BTreeSet<_> = newer.iter().map(|sighting| sighting.id.clone()).collect();
        seen.news = Some(newer.len());
        seen.containers = newer;
        let known = known
            .into_iter()
            .filter(|sighting| !new.contains(&sighting.id));
        seen.containers.extend(known);
        seen.asked = Some(asked);
        return Ok(true);
    }
    Ok(false)
}

/// Everything; what is older than a mark is accounted for.
fn complete(
    engine: &Engine,
    ledger: &Ledger,
    seen: &mut EngineSnapshot,
) -> Result<(), EngineError> {
    seen.containers = engine.list(&Query::All)?;
    let marks = ledger.marks_at(seen.asked_at);
    let is_mark = |c: &Sighting| marks.iter().any(|mark| mark.id == c.id);
    let mark = seen.containers.iter().position(is_mark);
    seen.news = Some(mark.unwrap_or(seen.containers.len()));
    Ok(())
}

/// Looks closely at what the list does not tell: the devices of containers that are not ours,
/// and when ours stopped.
fn inspect(engine: &Engine, ledger: &Ledger, seen: &mut EngineSnapshot) -> Result<(), EngineError> {
    let new = unaccounted(ledger, seen);
    let whom = whom_to_ask(ledger, seen, &new);
    if whom.is_empty() {
        return Ok(());
    }
    let is_awaited = |c: &&Sighting| new.contains(&c.id) && ledger.entries().any(|a| a.awaits(c));
    let awaited = seen.containers.iter().filter(is_awaited);
    let awaited: BTreeSet<_> = awaited.map(|c| c.id.clone()).collect();
    let (told, silent) = engine.inspect_each(&whom)?;
    let mut claims = Claims::new();
    for inspected in told {
        if let Some(finished) = inspected.finished {
            seen.stopped.insert(inspected.id.clone(), finished);
        }
        if new.contains(&inspected.id) {
            claims.insert(inspected.id, inspected.claim);
        }
    }
    // What an intent awaits is whole if the engine does not say that there is none.
    let waited_for = silent.intersection(&awaited);
    claims.extend(waited_for.map(|id| (id.clone(), None)));
    let missing: BTreeSet<_> = new
        .iter()
        .filter(|id| !claims.contains_key(*id) && !awaited.contains(*id))
        .collect();
    if !missing.is_empty() {
        claims.extend(claims_of_listed(engine, seen, &missing)?);
    }
    leave_out(seen, |id| new.contains(id) && !claims.contains_key(id));
    // The ledger has the devices of these.
    claims.retain(|id, _| !awaited.contains(id));
    seen.claims = claims;
    Ok(())
}

/// Those that are new to the ledger. One that an intent awaits is among them: listed, it may not be
/// whole yet.
fn unaccounted(ledger: &Ledger, seen: &EngineSnapshot) -> BTreeSet<ContainerId> {
    let news = seen.containers.iter().take(seen.news.unwrap_or_default());
    let new = news.filter(|c| !ledger.accounts_for(&c.id));
    new.map(|c| c.id.clone()).collect()
}

/// Those that are new, and ours that have stopped since the ledger was written.
fn whom_to_ask(
    ledger: &Ledger,
    seen: &EngineSnapshot,
    new: &BTreeSet<ContainerId>,
) -> Vec<ContainerId> {
    let entry_of = ledger.finder();
    let is_known_to_run = |c: &Sighting| {
        entry_of(c)
            .is_some_and(|e| !matches!(e.holding, Holding::Stopped { .. } | Holding::Released))
    };
    let containers = seen.containers.iter();
    let stopped = containers.filter(|c| c.state.is_stopped() && is_known_to_run(c));
    let whom: BTreeSet<_> = stopped.map(|c| &c.id).chain(new).collect();
    whom.into_iter().cloned().collect()
}

/// What those ask for that cannot be inspected, but are listed still: release 20.10 lists a
/// container before it can be inspected, so these are being made. Notes those that do not tell.
fn claims_of_listed(
    engine: &Engine,
    seen: &mut EngineSnapshot,
    missing: &BTreeSet<&ContainerId>,
) -> Result<Claims, EngineError> {
    let listed = engine.list(&Query::All)?;
    let unfinished = seen
        .containers
        .iter()
        .filter(|c| missing.contains(&c.id) && listed.iter().any(|listed| listed.id == c.id));
    let names: BTreeMap<_, _> = unfinished.map(|c| (c.id.clone(), c.name.clone())).collect();
    if names.is_empty() {
        return Ok(Claims::new());
    }
    let ids: Vec<_> = names.keys().cloned().collect();
    let claims = engine.claims_of_unfinished(&ids)?;
    let untold = names.into_iter().filter(|(id, _)| !claims.contains_key(id));
    seen.unfinished = untold.map(|(_, name)| name).collect();
    Ok(claims)
}

/// Takes out of what was seen the new ones of which nothing can be told.
fn leave_out(seen: &mut EngineSnapshot, is_untold: impl Fn(&ContainerId) -> bool) {
    let untold = seen.containers.iter().filter(|c| is_untold(&c.id));
    let made: Vec<_> = untold.map(|c| c.created).collect();
    seen.news = seen.news.map(|news| news - made.len());
    seen.untold = made.into_iter().min();
    seen.containers.retain(|c| !is_untold(&c.id));
}
