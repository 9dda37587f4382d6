//! Turns with which the duty starts somebody's container, and dies or not.

use ds01_core::{
    ledger::{Allocation, Holding, PENDING, Process},
    line::Turn,
    reconcile::{Change, EngineSnapshot, reconcile},
};

use crate::world::World;

/// How far a launch comes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Launch {
    /// It is killed before the engine makes the container.
    Dies,
    /// It is killed before the user is told that it runs.
    Untold,
    /// The user is told.
    Told,
}

impl World {
    /// The duty starts the container of one whose turn has come.
    pub(crate) fn launch(&mut self, which: usize, launch: Launch) {
        let is_ready = |turn: &&Turn| turn.launch.is_some() && !turn.told && !turn.is_used();
        let ready: Vec<_> = self.ledger.line.turns.iter().filter(is_ready).collect();
        let Some(at) = which.checked_rem(ready.len()) else {
            return;
        };
        let before = ready[at].clone();
        let container = before.launched().unwrap();
        if self.now >= before.until || self.ledger.entry(&container).is_some() {
            return;
        }
        let process = Process {
            pid: self.number(),
            started: 0,
            boot: String::new(),
        };
        self.story.push(format!("{container}: {launch:?}"));
        let (limits, now) = (self.limits(container.uid), self.now);
        self.change(|world| {
            let line = &mut world.ledger.line;
            let turn = line.turns.iter_mut().find(|t| t.ticket == before.ticket);
            turn.unwrap().doing = Some(process.clone());
            assert_eq!(line.take(&container, &before.devices).len(), 1);
            world.ledger.put(Allocation {
                container: container.clone(),
                id: None,
                devices: before.devices.clone(),
                holding: Holding::Pending {
                    creator: Some(process.clone()),
                    lapses: now + PENDING,
                },
                hold: limits.gpu_hold_after_stop,
                group: limits.group.clone(),
                ends: None,
                passed: before.passed,
                late: Vec::new(),
                changed: 0,
            });
        });
        self.check();
        let turn_of = |world: &Self| {
            let mut turns = world.ledger.line.turns.iter();
            turns.find(|turn| turn.ticket == before.ticket).cloned()
        };
        if let Launch::Dies = launch {
            let seen = EngineSnapshot {
                generation: self.ledger.generation,
                asked_at: now,
                news: Some(0),
                asked: Some(Default::default()),
                dead: [&self.dead[..], &[process]].concat(),
                ..EngineSnapshot::default()
            };
            let changes = reconcile(&mut self.ledger, &seen, now);
            self.ledger.generation += 1;
            let lapsed = changes.iter().any(|one| matches!(one, Change::Lapsed(_)));
            let kept = turn_of(self).map(|turn| turn.devices);
            self.must(lapsed && kept.as_ref() == Some(&before.devices), || {
                format!("what {container} took is not kept again: {kept:?}")
            });
            // Its name is free for the next.
            self.ledger.remove(&container);
            return;
        }
        let ends = limits.max_runtime.map(|run| now + run);
        self.change(|world| {
            world.ledger.change(&container, |entry| {
                (entry.holding, entry.ends) = (Holding::Live, ends);
                entry.id = Some(ds01_core::container::ContainerId(container.to_string()));
            });
        });
        let waits = turn_of(self).is_some_and(|turn| turn.is_used() && !turn.told);
        self.must(waits, || format!("the user of {container} is forgotten"));
        if let Launch::Told = launch {
            self.change(|world| world.ledger.line.note_told(before.ticket));
            self.must(turn_of(self).is_none(), || format!("{before:?} stays"));
        }
    }
}
