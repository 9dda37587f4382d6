//! The model of a host, and what must be true of it.

use std::collections::BTreeMap;

use ds01_core::{
    container::ContainerId,
    device::{Held, Inventory},
    ledger::{Allocation, Holding, Ledger},
    limits::Limits,
    name::EngineName,
    policy::{Policy, PolicyFiles, Source},
    rebuild::rebuild,
    reconcile::{Change, EngineSnapshot, reconcile},
    record::{self, Record},
    time::Timestamp,
};

use crate::{
    engine::{Engine, Wish},
    process::{Look, Proc, unseen},
};

/// User 1 keeps devices for a while after a stop, user 2 not at all, user 3 for ever.
const POLICY: &str = "\
defaults: {max_gpu_equivalents: 1.5, max_gpu_slots_per_container: 2, max_containers_per_user: 3}
default_group: some
groups:
  some: {gpu_hold_after_stop_h: 0.25}
  none: {members: ['2'], gpu_hold_after_stop_h: 0}
  ever: {members: ['3'], gpu_hold_after_stop_h: null, allow_full_gpu: false}
";

/// What a client waits for the engine; what the engine has not done by then, it never does.
pub(crate) const LIMIT: u64 = 60;

pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) inventory: Inventory,
    pub(crate) policy: Policy,
    pub(crate) ledger: Option<Ledger>,
    pub(crate) lost: bool,
    pub(crate) records: BTreeMap<String, Record>,
    pub(crate) procs: Vec<Proc>,
    pub(crate) pids: u32,
    pub(crate) now: Timestamp,
    pub(crate) elapsed: u64,
    /// What happened, for whoever reads of a failure.
    pub(crate) story: Vec<String>,
}

impl World {
    pub(crate) fn new() -> Self {
        let limits = Source {
            path: "limits".into(),
            text: POLICY.into(),
        };
        let files = PolicyFiles {
            limits,
            overrides: None,
            exemptions: None,
            members: Vec::new(),
        };
        let mut world = Self {
            engine: Engine::default(),
            inventory: Inventory::default(),
            policy: Policy::parse(&files).unwrap().0,
            ledger: Some(Ledger::default()),
            lost: false,
            records: BTreeMap::new(),
            procs: Vec::new(),
            pids: 0,
            now: Timestamp(1_000_000),
            elapsed: 0,
            story: Vec::new(),
        };
        world.partition();
        world
    }

    pub(crate) fn limits(&self, uid: u32) -> Limits {
        self.policy.limits_for(&uid.to_string())
    }

    pub(crate) fn ask(&mut self, wish: Wish) -> u64 {
        self.engine.ask(wish, self.now, self.elapsed)
    }

    pub(crate) fn read(&self) -> Look {
        let entries = self.ledger.iter().flat_map(|ledger| &ledger.allocations);
        let creators = entries.filter_map(|entry| match &entry.holding {
            Holding::Pending { creator, .. } => creator.clone(),
            _ => None,
        });
        let seen = EngineSnapshot {
            generation: self.ledger.as_ref().map_or(0, |ledger| ledger.generation),
            asked_at: self.now,
            dead: creators
                .filter(|c| !self.procs.iter().any(|p| p.this == *c))
                .collect(),
            ..EngineSnapshot::default()
        };
        Look {
            before: self.ledger.clone(),
            seen,
            existed: Vec::new(),
        }
    }

    /// Everything without `uid`, or without a ledger.
    pub(crate) fn list(&self, mut look: Look, uid: Option<u32>) -> Look {
        let all = self.engine.list();
        look.existed = all
            .iter()
            .map(|c| (c.sighting.id.clone(), c.sighting.state))
            .collect();
        let seen = &mut look.seen;
        let lost = Ledger::default();
        let ledger = look.before.as_ref().unwrap_or(&lost);
        let mut news = all.len();
        for mark in ledger.marks_at(seen.asked_at) {
            match all.iter().position(|c| c.sighting.id == mark.id) {
                Some(at) => {
                    news = at;
                    let entries = ledger.allocations.iter();
                    let asked =
                        entries.filter(|e| Some(e.container.uid) == uid || !e.devices.is_empty());
                    let asked = asked.filter_map(|e| e.id.clone());
                    let asked = asked
                        .chain(ledger.unmanaged.iter().map(|u| u.id.clone()))
                        .collect();
                    seen.asked = uid.map(|_| asked);
                    break;
                }
                None => seen.vanished.push(mark.id.clone()),
            }
        }
        for (at, container) in all.into_iter().enumerate() {
            let sighting = &container.sighting;
            if at >= news
                && seen
                    .asked
                    .as_ref()
                    .is_some_and(|asked| !asked.contains(&sighting.id))
            {
                continue;
            }
            let awaited = ledger
                .allocations
                .iter()
                .any(|entry| entry.awaits(sighting));
            if at < news && !ledger.accounts_for(&sighting.id) && !awaited {
                seen.claims
                    .insert(sighting.id.clone(), container.claim.clone());
            }
            if let Some(finished) = container.finished {
                seen.stopped.insert(sighting.id.clone(), finished);
            }
            seen.containers.push(sighting.clone());
        }
        seen.news = Some(news);
        let ours = self
            .records
            .values()
            .map(|record| (record.id.clone(), record.clone()));
        seen.records = ours
            .filter(|(id, _)| seen.claims.contains_key(id))
            .collect();
        look
    }

    pub(crate) fn change_only(&mut self, with: impl FnOnce(&mut Ledger, Timestamp)) {
        self.change(&unseen(self.read()), |ledger, now| {
            with(ledger, now);
            Some(())
        });
    }

    /// Decides under the lock; `None` changes nothing beside.
    pub(crate) fn change<T>(
        &mut self,
        look: &Look,
        decide: impl FnOnce(&mut Ledger, Timestamp) -> Option<T>,
    ) -> Option<T> {
        let (mut ledger, changes) = match self.ledger.take() {
            Some(mut ledger) => {
                let changes = reconcile(&mut ledger, &look.seen, self.now);
                (ledger, changes)
            }
            None => {
                let look = self.list(self.read(), None);
                let records: Vec<_> = self.records.values().cloned().collect();
                (rebuild(&look.seen, &records, self.now), Vec::new())
            }
        };
        let decided = decide(&mut ledger, self.now);
        ledger.generation += 1;
        for change in &changes {
            self.follow(change, &ledger);
        }
        self.ledger = Some(ledger);
        decided
    }

    fn follow(&mut self, change: &Change, ledger: &Ledger) {
        match change {
            Change::Confirmed(name) => {
                let Some(Allocation {
                    id: Some(id),
                    devices,
                    ..
                }) = ledger.entry(name)
                else {
                    return;
                };
                self.record(name, id, devices);
            }
            Change::Gone(Allocation {
                container,
                id: Some(id),
                ..
            }) => self.forget(container, id),
            _ => {}
        }
    }

    pub(crate) fn record(&mut self, name: &EngineName, id: &ContainerId, devices: &[Held]) {
        let text = String::new;
        let record = Record {
            version: record::VERSION,
            container: name.to_string(),
            id: id.clone(),
            login: text(),
            group: text(),
            slice: text(),
            project: text(),
            image: text(),
            workspace: text(),
            binds: Vec::new(),
            mounts: None,
            as_owner: true,
            devices: devices.into(),
            hold: self.limits(name.uid).gpu_hold_after_stop,
            extension: None,
            adopted: false,
            found: false,
            kind: None,
            created: self.now,
            node: text(),
        };
        self.records.insert(name.to_string(), record);
    }

    pub(crate) fn forget(&mut self, name: &EngineName, id: &ContainerId) {
        if self
            .records
            .get(&name.to_string())
            .is_some_and(|record| record.id == *id)
        {
            self.records.remove(&name.to_string());
        }
    }
}
