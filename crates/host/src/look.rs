//! Looks at the engine before the ledger is locked.
//!
//! A list of everything costs 4 ms for 100 containers, so it is asked for what can matter: the
//! containers that hold devices or are the caller's, by id, and all that are newer than a mark
//! of the ledger. After a loss, or when all marks are gone, everything.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use ds01_core::{
    admit::Denied,
    container::{ContainerId, Sighting},
    failure::Failure,
    ledger::{Holding, Ledger, Process},
    line::Waiter,
    reconcile::Seen,
    record::Record,
};

use crate::{
    clock,
    engine::{Engine, EngineError, Listing, Query},
    ledger_file::Stored,
    site::Site,
};

/// Above this many ids, the whole list is the shorter question.
const MOST_IDS: usize = 100;

/// A look that is older is taken anew: nobody is to wait long between what was seen and what is
/// decided by it.
const FRESH: Duration = Duration::from_secs(1);

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
    pub seen: Seen,
}

impl Look {
    /// Whether a ledger could be rebuilt from it.
    pub(crate) fn is_complete(&self) -> bool {
        self.seen.asked.is_none() && matches!(self.before, Stored::Damaged(_))
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

/// A look that has begun: the engine was asked, and what it answers is to be read.
pub struct Looking<'s> {
    site: &'s Site,
    scope: Scope,
    begun: Instant,
    before: Stored,
    seen: Seen,
    lists: Lists<'s>,
}

/// What the engine was asked first.
enum Lists<'s> {
    Everything(Listing<'s>),
    Only(ContainerId, Listing<'s>),
    Partial(Partial<'s>),
    Nothing,
}

/// The short list: what is newer than a mark of the ledger, and what is known.
struct Partial<'s> {
    mark: ContainerId,
    newer: Listing<'s>,
    ids: BTreeSet<ContainerId>,
    known: Listing<'s>,
}

impl Site {
    /// Reads the ledger, then looks at the engine.
    ///
    /// # Errors
    ///
    /// If either cannot be reached.
    pub fn look(&self, scope: &Scope) -> Result<Look, Failure> {
        self.begin_look(scope)?.finish()
    }

    /// Begins a look, for whoever has something else to do meanwhile.
    ///
    /// # Errors
    ///
    /// As [`Site::look`].
    pub fn begin_look(&self, scope: &Scope) -> Result<Looking<'_>, Failure> {
        let begun = Instant::now();
        let looking = |before, seen, lists| Looking {
            site: self,
            scope: scope.clone(),
            begun,
            before,
            seen,
            lists,
        };
        if *scope == Scope::Nothing {
            let seen = Seen {
                asked: Some(BTreeSet::new()),
                ..Seen::default()
            };
            // Nothing is asked, so it does not matter how the ledger was before.
            let before = Stored::Whole(Arc::default());
            return Ok(looking(before, seen, Lists::Nothing));
        }
        let before = self.ledger.read()?;
        let lost = Ledger::default();
        let ledger = match &before {
            Stored::Whole(ledger) => ledger,
            Stored::Damaged(_) => &lost,
        };
        let seen = Seen {
            generation: ledger.generation,
            asked_at: clock::now(),
            // A process seen dead now asked the engine before now: its container is listed, if any.
            dead: dead_processes(ledger),
            ..Seen::default()
        };
        let engine = self.engine();
        let lists = match (scope, &before) {
            (Scope::Of(uid), Stored::Whole(ledger)) => {
                Lists::of_ids(engine, ledger, ids_for(ledger, *uid), &seen)?
            }
            (Scope::Only(id), Stored::Whole(_)) => {
                let ids = Query::Ids(vec![id.clone()]);
                Lists::Only(id.clone(), engine.begin_list(&ids)?)
            }
            _ => Lists::of_everything(engine)?,
        };
        Ok(looking(before, seen, lists))
    }

    /// Our records of the containers that the ledger does not know.
    fn records_of(&self, seen: &Seen) -> BTreeMap<ContainerId, Record> {
        let unknown = seen
            .containers
            .iter()
            .filter(|c| seen.claims.contains_key(&c.id));
        let records = unknown.filter_map(|c| self.metadata.read(&c.name.parse().ok()?));
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

impl Looking<'_> {
    /// What is seen.
    ///
    /// # Errors
    ///
    /// As [`Site::look`].
    pub fn finish(self) -> Result<Look, Failure> {
        if self.begun.elapsed() > FRESH {
            return self.site.look(&self.scope);
        }
        let Self {
            site,
            before,
            mut seen,
            mut lists,
            ..
        } = self;
        let lost = Ledger::default();
        let ledger = match &before {
            Stored::Whole(ledger) => ledger,
            Stored::Damaged(_) => &lost,
        };
        let engine = site.engine();
        loop {
            lists = match lists {
                Lists::Nothing => break,
                Lists::Everything(list) => complete(list, ledger, &mut seen)?,
                Lists::Only(id, list) => {
                    seen.containers = list.finish()?;
                    seen.asked = Some(BTreeSet::from([id]));
                    Lists::Nothing
                }
                Lists::Partial(lists) => match lists.finish(&mut seen)? {
                    None => Lists::Nothing,
                    Some(ids) => Lists::of_ids(engine, ledger, ids, &seen)?,
                },
            }
        }
        inspect(engine, ledger, &mut seen)?;
        seen.records = site.records_of(&seen);
        Ok(Look { before, seen })
    }
}

/// The containers that are looked at for this user, new ones apart: theirs, and all that hold devices.
fn ids_for(ledger: &Ledger, uid: u32) -> BTreeSet<ContainerId> {
    let ours = ledger.entries();
    let ours = ours.filter(|entry| entry.container.uid == uid || !entry.devices.is_empty());
    let ids = ours.filter_map(|entry| entry.id.clone());
    ids.chain(ledger.unmanaged.iter().map(|u| u.id.clone()))
        .collect()
}

impl<'s> Lists<'s> {
    fn of_everything(engine: &'s Engine) -> Result<Self, EngineError> {
        Ok(Self::Everything(engine.begin_list(&Query::All)?))
    }

    /// The short list from the first mark that has not vanished; everything, if nothing that was
    /// accounted for is left to begin from.
    fn of_ids(
        engine: &'s Engine,
        ledger: &Ledger,
        ids: BTreeSet<ContainerId>,
        seen: &Seen,
    ) -> Result<Self, EngineError> {
        let marks = ledger.marks_at(seen.asked_at);
        let Some(mark) = marks.get(seen.vanished.len()) else {
            return Self::of_everything(engine);
        };
        if ids.len() > MOST_IDS {
            return Self::of_everything(engine);
        }
        Ok(Self::Partial(Partial {
            newer: engine.begin_list(&Query::NewerThan(mark.id.clone()))?,
            known: engine.begin_list(&Query::Ids(ids.iter().cloned().collect()))?,
            mark: mark.id.clone(),
            ids,
        }))
    }
}

impl Partial<'_> {
    /// The ids again, if the mark has vanished.
    fn finish(self, seen: &mut Seen) -> Result<Option<BTreeSet<ContainerId>>, EngineError> {
        let newer = self.newer.finish_if_there()?;
        let known = self.known.finish()?;
        let Some(newer) = newer else {
            seen.vanished.push(self.mark);
            return Ok(Some(self.ids));
        };
        let new: BTreeSet<_> = newer.iter().map(|sighting| sighting.id.clone()).collect();
        seen.news = Some(newer.len());
        seen.containers = newer;
        let known = known
            .into_iter()
            .filter(|sighting| !new.contains(&sighting.id));
        seen.containers.extend(known);
        seen.asked = Some(self.ids);
        Ok(None)
    }
}

/// Everything; what is older than a mark is accounted for.
fn complete<'s>(
    list: Listing<'_>,
    ledger: &Ledger,
    seen: &mut Seen,
) -> Result<Lists<'s>, EngineError> {
    seen.containers = list.finish()?;
    let marks = ledger.marks_at(seen.asked_at);
    let is_mark = |c: &Sighting| marks.iter().any(|mark| mark.id == c.id);
    let mark = seen.containers.iter().position(is_mark);
    seen.news = Some(mark.unwrap_or(seen.containers.len()));
    Ok(Lists::Nothing)
}

/// Looks closely at what the list does not tell: the devices of containers that are not ours,
/// and when ours stopped.
fn inspect(engine: &Engine, ledger: &Ledger, seen: &mut Seen) -> Result<(), EngineError> {
    // One that an intent awaits is looked at too: listed, it may not be whole yet.
    let unknown = |c: &Sighting| !ledger.accounts_for(&c.id);
    let awaited = |c: &Sighting| ledger.entries().any(|a| a.awaits(c));
    let news = seen.news.unwrap_or_default();
    let new: BTreeSet<_> = seen
        .containers
        .iter()
        .take(news)
        .filter(|c| unknown(c))
        .map(|c| c.id.clone())
        .collect();
    let entry_of = ledger.finder();
    let stopped = seen.containers.iter().filter(|c| {
        c.state.is_stopped()
            && entry_of(c)
                .is_some_and(|e| !matches!(e.holding, Holding::Stopped { .. } | Holding::Released))
    });
    let ids: BTreeSet<_> = stopped
        .map(|c| c.id.clone())
        .chain(new.iter().cloned())
        .collect();
    if ids.is_empty() {
        return Ok(());
    }
    let ids: Vec<_> = ids.into_iter().collect();
    let mut whole = BTreeMap::new();
    let (told, silent) = engine.inspect_each(&ids)?;
    for inspected in told {
        if let Some(finished) = inspected.finished {
            seen.stopped.insert(inspected.id.clone(), finished);
        }
        if new.contains(&inspected.id) {
            whole.insert(inspected.id.clone(), inspected.claim);
        }
    }
    // What an intent awaits is whole if the engine does not say that there is none.
    let is_awaited = |id: &ContainerId| seen.containers.iter().any(|c| c.id == *id && awaited(c));
    let waited_for = silent.iter().filter(|id| is_awaited(id));
    whole.extend(waited_for.map(|id| (id.clone(), None)));
    // Release 20.10 lists a container before it can be inspected: what is listed still is being made.
    let missing = |c: &Sighting| new.contains(&c.id) && !whole.contains_key(&c.id);
    let missed: Vec<_> = seen.containers.iter().filter(|c| missing(c)).collect();
    if !missed.is_empty() {
        let listed = engine.list(&Query::All)?;
        let unfinished = missed
            .into_iter()
            .filter(|c| !awaited(c) && listed.iter().any(|l| l.id == c.id));
        let names: BTreeMap<_, _> = unfinished.map(|c| (c.id.clone(), c.name.clone())).collect();
        if !names.is_empty() {
            let ids: Vec<_> = names.keys().cloned().collect();
            whole.extend(engine.claims_of_unfinished(&ids)?);
        }
        let untold = names.into_iter().filter(|(id, _)| !whole.contains_key(id));
        seen.unfinished = untold.map(|(_, name)| name).collect();
    }
    let missing = |c: &Sighting| new.contains(&c.id) && !whole.contains_key(&c.id);
    let lost = seen.containers.iter().take(news).filter(|c| missing(c));
    let made: Vec<_> = lost.map(|c| c.created).collect();
    seen.news = Some(news - made.len());
    seen.untold = made.into_iter().min();
    seen.containers
        .retain(|c| !new.contains(&c.id) || whole.contains_key(&c.id));
    let is_awaited = |id: &ContainerId| seen.containers.iter().any(|c| c.id == *id && awaited(c));
    whole.retain(|id, _| !is_awaited(id));
    seen.claims = whole;
    Ok(())
}
