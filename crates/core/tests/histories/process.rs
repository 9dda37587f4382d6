//! The model's processes: the operations of `ds01-host`, step by step.

use std::collections::BTreeSet;

use ds01_core::{
    admit::{Request, admit_again},
    allocate::allocate,
    container::{ContainerId, State},
    device::Held,
    gpu_request::GpuRequest,
    ledger::{Allocation, Holding, Ledger, PENDING, Process},
    name::EngineName,
    reconcile::{EngineSnapshot, is_free},
};

use crate::{
    engine::{Wish, wish_of},
    notes::{confirm, give_back, is_of, is_over, keep, note_stop},
    world::World,
};

/// What a process is to do.
#[derive(Debug, Clone)]
pub(crate) enum Job {
    Create(EngineName, u32),
    Start(EngineName, ContainerId),
    Stop(EngineName, ContainerId),
    Remove(EngineName, ContainerId),
}

/// How far it is.
#[derive(Debug, Clone)]
pub(crate) enum Stage {
    Begun,
    /// It has read the ledger.
    Read(Look),
    /// It has seen the engine.
    Listed(Look),
    /// It has its intent in the ledger.
    Granted {
        devices: Vec<Held>,
        before: Option<Allocation>,
    },
    /// It waits for the engine's answer to this number.
    Asked {
        number: u64,
        devices: Vec<Held>,
        before: Option<Allocation>,
    },
    /// It knows that the engine did it.
    Done {
        id: ContainerId,
        devices: Vec<Held>,
    },
    /// The record is written.
    Recorded {
        id: ContainerId,
        devices: Vec<Held>,
    },
    /// The engine said no; or, `unanswered`, nothing.
    Failed {
        unanswered: bool,
        before: Option<Allocation>,
    },
    /// The engine has stopped or removed it.
    Ended {
        already: bool,
    },
    Over,
}

impl Stage {
    pub(crate) fn name(&self) -> String {
        let text = format!("{self:?}");
        text.split([' ', '(']).next().unwrap_or_default().into()
    }
}

/// A ledger as it was read, what was seen of the engine then, and all that there was to see.
#[derive(Debug, Clone)]
pub(crate) struct Look {
    pub(crate) before: Option<Ledger>,
    pub(crate) seen: EngineSnapshot,
    pub(crate) existed: Vec<(ContainerId, State)>,
}

#[derive(Debug, Clone)]
pub(crate) struct Proc {
    pub(crate) this: Process,
    pub(crate) job: Job,
    pub(crate) stage: Stage,
}

impl Proc {
    /// One step further.
    pub(crate) fn step(&mut self, world: &mut World) {
        let stage = std::mem::replace(&mut self.stage, Stage::Over);
        self.stage = match (&self.job, stage) {
            (Job::Stop(_, id), Stage::Begun) => end(world, id, false),
            (Job::Remove(_, id), Stage::Begun) => end(world, id, true),
            (_, Stage::Begun) => Stage::Read(world.read()),
            (_, Stage::Read(look)) => {
                let (Job::Create(name, _) | Job::Start(name, _)) = &self.job else {
                    unreachable!("only these look first")
                };
                Stage::Listed(world.list(look, Some(name.uid)))
            }
            (_, Stage::Listed(look)) => self.decide(world, &look),
            (job, Stage::Granted { devices, before }) => {
                if !self.renew(world) {
                    return self.stage = Stage::Over;
                }
                let wish = match job {
                    Job::Create(name, _) => wish_of(name, &devices),
                    Job::Start(_, id) | Job::Stop(_, id) | Job::Remove(_, id) => {
                        Wish::Start(id.clone())
                    }
                };
                Stage::Asked {
                    number: world.ask(wish),
                    devices,
                    before,
                }
            }
            (Job::Create(name, _), Stage::Done { id, devices }) => {
                world.record(name, &id, &devices);
                Stage::Recorded { id, devices }
            }
            (Job::Create(name, _), Stage::Recorded { id, devices }) => {
                confirm(world, name, &id, &devices);
                Stage::Over
            }
            (Job::Create(name, _), Stage::Failed { unanswered, before }) => {
                give_back(world, name, unanswered, before);
                Stage::Over
            }
            (Job::Start(_, id), Stage::Done { .. }) => {
                let given_up = keep(world, id, |entry, _| entry.holding = Holding::Live);
                if given_up {
                    let now = world.now;
                    let up = world
                        .engine
                        .get_mut(id)
                        .filter(|container| container.is_up());
                    up.into_iter().for_each(|container| container.stop(now));
                }
                Stage::Over
            }
            (Job::Start(_, id), Stage::Failed { unanswered, before }) => {
                let before = before.filter(|_| !unanswered);
                keep(world, id, |entry, now| {
                    let pending = Holding::Pending {
                        creator: None,
                        lapses: now + PENDING,
                    };
                    if is_of(entry, &self.this) {
                        entry.holding = before.map_or(pending, |entry| entry.holding);
                    }
                });
                Stage::Over
            }
            (Job::Stop(name, id), Stage::Ended { already }) => {
                note_stop(world, name, id, already);
                Stage::Over
            }
            (Job::Remove(name, id), Stage::Ended { .. }) => {
                world.change_only(|ledger, _| {
                    if ledger
                        .entry(name)
                        .is_some_and(|e| e.id.as_ref() == Some(id))
                    {
                        ledger.remove(name);
                    }
                });
                world.forget(name, id);
                Stage::Over
            }
            (_, asked @ Stage::Asked { .. }) => asked,
            _ => Stage::Over,
        };
    }

    /// Right before the engine is asked, the intent is made to last as long as that may take.
    fn renew(&self, world: &mut World) -> bool {
        let pending = Holding::Pending {
            creator: Some(self.this.clone()),
            lapses: world.now + PENDING,
        };
        let mut stands = false;
        match &self.job {
            Job::Create(name, _) => world.change_only(|ledger, now| {
                let ours =
                    |e: &&Allocation| is_of(e, &self.this) && e.id.is_none() && !is_over(e, now);
                stands = ledger.entry(name).filter(ours).is_some()
                    && ledger.change(name, |entry| entry.holding = pending);
            }),
            Job::Start(_, id) | Job::Stop(_, id) | Job::Remove(_, id) => {
                let given_up = keep(world, id, |entry, _| {
                    stands = true;
                    if is_of(entry, &self.this) || matches!(entry.holding, Holding::Stopped { .. })
                    {
                        entry.holding = pending;
                    }
                });
                stands &= !given_up;
            }
        }
        stands
    }

    /// Under the lock. What is granted is checked against all that there was to see.
    fn decide(&self, world: &mut World, look: &Look) -> Stage {
        let creator = Some(self.this.clone());
        let granted = match &self.job {
            Job::Create(name, devices) => {
                let request = Request {
                    container: name.clone(),
                    devices: GpuRequest::any(*devices),
                    run: None,
                };
                let (limits, inventory) = (world.limits(name.uid), world.inventory.clone());
                world.change(look, |ledger, now| {
                    let orphan = ledger.entry(name).cloned();
                    let is_orphan = |e: &Allocation| matches!(e.holding, Holding::Orphaned { .. });
                    if orphan.as_ref().is_some_and(|entry| !is_orphan(entry)) {
                        return None;
                    }
                    let devices = allocate(&request, &limits, &inventory, ledger, now)
                        .ok()?
                        .devices;
                    ledger.put(Allocation {
                        container: name.clone(),
                        id: None,
                        devices: devices.clone(),
                        holding: Holding::Pending {
                            creator,
                            lapses: now + PENDING,
                        },
                        hold: limits.gpu_hold_after_stop,
                        group: limits.group.clone(),
                        ends: None,
                        passed: None,
                        late: orphan
                            .as_ref()
                            .map(Allocation::candidates)
                            .unwrap_or_default(),
                        changed: 0,
                    });
                    Some((devices.clone(), orphan, devices))
                })
            }
            Job::Start(name, id) => {
                let listed = look.seen.containers.iter().find(|c| c.id == *id);
                if listed.is_some_and(|c| !matches!(c.state, State::Created | State::Exited)) {
                    return Stage::Over;
                }
                let limits = world.limits(name.uid);
                world.change(look, |ledger, now| {
                    let ours = |e: &Allocation| e.container == *name && e.id.as_ref() == Some(id);
                    let at = ledger.entries().position(ours)?;
                    let before = Allocation::clone(&ledger.allocations[at]);
                    let new = match before.holds(now) || before.devices.is_empty() {
                        true => Vec::new(),
                        false => {
                            admit_again(&before, &limits, ledger, now).ok()?;
                            before.devices.clone()
                        }
                    };
                    if !is_free(ledger, at, now) {
                        return None;
                    }
                    ledger.change(name, |entry| {
                        entry.holding = Holding::Pending {
                            creator,
                            lapses: now + PENDING,
                        };
                    });
                    Some((before.devices.clone(), Some(before), new))
                })
            }
            Job::Stop(..) | Job::Remove(..) => None,
        };
        let Some((devices, before, new)) = granted else {
            return Stage::Over;
        };
        let (Job::Create(name, _) | Job::Start(name, _)) = &self.job else {
            return Stage::Over;
        };
        world.check_grant(name, &new, &look.existed);
        Stage::Granted { devices, before }
    }
}

/// The engine stops a container that runs, and removes it.
fn end(world: &mut World, id: &ContainerId, remove: bool) -> Stage {
    let now = world.now;
    let Some(container) = world.engine.get_mut(id) else {
        return if remove {
            Stage::Ended { already: true }
        } else {
            Stage::Over
        };
    };
    let already = !container.is_up();
    if !already {
        container.stop(now);
    } else if !remove && container.sighting.state == State::Created {
        return Stage::Over;
    }
    if remove {
        world.engine.remove(id);
    }
    Stage::Ended { already }
}

/// A look that asks the engine nothing.
pub(crate) fn unseen(mut look: Look) -> Look {
    look.seen.asked = Some(BTreeSet::new());
    look
}
