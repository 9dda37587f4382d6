//! The model's engine.

use std::collections::BTreeMap;

use ds01_core::{
    container::{ContainerId, Sighting, State},
    device::{Claim, Held},
    label,
    name::EngineName,
    time::Timestamp,
};

/// What becomes of something that the engine was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Done, and the client is told.
    Done,
    /// Done, and the client never knows.
    DoneUnanswered,
    /// Not done, and the client is told.
    Refused,
    /// Not done, and the client never knows.
    Lost,
}

/// A container that exists.
#[derive(Debug, Clone)]
pub(crate) struct Container {
    pub(crate) sighting: Sighting,
    /// The order in which the engine was asked: it dates finer than in seconds.
    pub(crate) asked: u64,
    pub(crate) claim: Option<Claim>,
    pub(crate) finished: Option<Timestamp>,
    /// Its devices, if DS01 made it.
    pub(crate) devices: Option<Vec<Held>>,
    /// It was last started past DS01.
    pub(crate) behind: bool,
}

impl Container {
    pub(crate) fn is_up(&self) -> bool {
        matches!(self.sighting.state, State::Running)
    }

    pub(crate) fn stop(&mut self, now: Timestamp) {
        self.sighting.state = State::Exited;
        self.finished = Some(now);
    }
}

/// What the engine is asked for and does in its own time.
#[derive(Debug, Clone)]
pub(crate) enum Wish {
    Create {
        name: String,
        devices: Option<Vec<Held>>,
        claim: Option<Claim>,
    },
    Start(ContainerId),
}

/// A call that the engine has not carried out yet.
#[derive(Debug, Clone)]
pub(crate) struct EngineCall {
    pub(crate) number: u64,
    pub(crate) wish: Wish,
    /// By the clock on the wall, which dates containers.
    pub(crate) at: Timestamp,
    /// By a clock that is never set.
    pub(crate) elapsed: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Engine {
    pub(crate) containers: Vec<Container>,
    pub(crate) asks: Vec<EngineCall>,
    next: u64,
}

/// What is asked of DS01 when it makes a container.
pub(crate) fn wish_of(name: &EngineName, devices: &[Held]) -> Wish {
    let uuids = devices.iter().map(|held| held.uuid.to_string()).collect();
    Wish::Create {
        name: name.to_string(),
        claim: (!devices.is_empty()).then_some(Claim::Named(uuids)),
        devices: Some(devices.into()),
    }
}

impl Engine {
    pub(crate) fn ask(&mut self, wish: Wish, at: Timestamp, elapsed: u64) -> u64 {
        self.next += 1;
        self.asks.push(EngineCall {
            number: self.next,
            wish,
            at,
            elapsed,
        });
        self.next
    }

    /// What was asked for at `at`, or before it for a container of the same name: a name is taken as
    /// soon as the engine is asked.
    pub(crate) fn take(&mut self, at: usize) -> EngineCall {
        let name = |ask: &EngineCall| match &ask.wish {
            Wish::Create { name, .. } => Some(name.clone()),
            Wish::Start(_) => None,
        };
        let wanted = name(&self.asks[at]);
        let is_same = |ask: &EngineCall| wanted.is_some() && name(ask) == wanted;
        let first = self.asks.iter().position(is_same);
        self.asks.remove(first.unwrap_or(at))
    }

    /// The newest first, as it was asked for them.
    pub(crate) fn list(&self) -> Vec<&Container> {
        let mut list: Vec<_> = self.containers.iter().collect();
        list.sort_by_key(|c| std::cmp::Reverse((c.sighting.created, c.asked)));
        list
    }

    pub(crate) fn get(&self, id: &ContainerId) -> Option<&Container> {
        self.containers.iter().find(|c| c.sighting.id == *id)
    }

    pub(crate) fn get_mut(&mut self, id: &ContainerId) -> Option<&mut Container> {
        self.containers.iter_mut().find(|c| c.sighting.id == *id)
    }

    pub(crate) fn remove(&mut self, id: &ContainerId) {
        self.containers.retain(|c| c.sighting.id != *id);
    }

    /// Does what was asked. The container's id, unless it must refuse.
    pub(crate) fn carry_out(&mut self, ask: &EngineCall) -> Option<ContainerId> {
        match &ask.wish {
            Wish::Start(id) => {
                let container = self.get_mut(id)?;
                if !container.is_up() {
                    container.sighting.state = State::Running;
                    container.behind = container.devices.is_none();
                }
                Some(id.clone())
            }
            Wish::Create {
                name,
                devices,
                claim,
            } => {
                if self.containers.iter().any(|c| c.sighting.name == *name) {
                    return None;
                }
                let id = ContainerId(format!("id{}", ask.number));
                let labels = devices.as_ref().map(|devices| {
                    let uuids: Vec<_> = devices.iter().map(|held| &*held.uuid.0).collect();
                    BTreeMap::from([
                        (label::MANAGED.to_string(), "true".to_string()),
                        (label::GPU_UUIDS.to_string(), uuids.join(" ")),
                    ])
                });
                self.containers.push(Container {
                    sighting: Sighting {
                        id: id.clone(),
                        name: name.clone(),
                        state: State::Created,
                        image: String::new(),
                        created: ask.at,
                        status: String::new(),
                        labels: labels.into_iter().flatten().collect(),
                        binds: Vec::new(),
                    },
                    asked: ask.number,
                    claim: claim.clone(),
                    finished: None,
                    devices: devices.clone(),
                    behind: false,
                });
                Some(id)
            }
        }
    }
}
