//! What the model's processes write into the ledger once the engine has answered.

use ds01_core::{
    container::ContainerId,
    device::Held,
    ledger::{Allocation, Holding, Ledger, Process},
    name::EngineName,
    time::Timestamp,
};

use crate::{process::unseen, world::World};

pub(crate) fn note_stop(world: &mut World, name: &EngineName, id: &ContainerId, already: bool) {
    let stop = |ledger: &mut Ledger, now| {
        ledger.change(name, |entry| {
            let known = match entry.holding {
                Holding::Stopped { .. } | Holding::Released => true,
                Holding::Pending { .. } => already,
                Holding::Live | Holding::Intruding | Holding::Orphaned { .. } => false,
            };
            if entry.id.as_ref() == Some(id) && !known {
                entry.holding = match entry.holding {
                    Holding::Intruding => Holding::Released,
                    _ => Holding::Stopped { since: now },
                };
            }
        });
        Some(())
    };
    let mut look = world.read();
    look = if already {
        world.list(look, Some(name.uid))
    } else {
        unseen(look)
    };
    world.change(&look, stop);
}

pub(crate) fn is_of(entry: &Allocation, process: &Process) -> bool {
    matches!(&entry.holding, Holding::Pending { creator, .. } if creator.as_ref() == Some(process))
}

pub(crate) fn is_over(entry: &Allocation, now: Timestamp) -> bool {
    matches!(entry.holding, Holding::Pending { lapses, .. } if lapses <= now)
}

/// Changes the entry of a container, if its devices were its own all the time. Whether they were given up.
pub(crate) fn keep(
    world: &mut World,
    id: &ContainerId,
    with: impl FnOnce(&mut Allocation, Timestamp),
) -> bool {
    let mut given_up = false;
    world.change_only(|ledger, now| {
        let Some(entry) = ledger
            .allocations
            .iter()
            .find(|e| e.id.as_ref() == Some(id))
        else {
            return;
        };
        let kept = entry.holds(now) && entry.holding != Holding::Intruding;
        given_up = !kept && !entry.devices.is_empty();
        if !given_up {
            let name = entry.container.clone();
            ledger.change(&name, |entry| with(entry, now));
        }
    });
    given_up
}

pub(crate) fn give_back(
    world: &mut World,
    name: &EngineName,
    unanswered: bool,
    orphan: Option<Allocation>,
) {
    world.change_only(|ledger, _| {
        if unanswered {
            ledger.change(name, |entry| {
                if let Holding::Pending { creator, .. } = &mut entry.holding {
                    *creator = None;
                }
            });
        } else if ledger.entry(name).is_some_and(|entry| entry.id.is_none()) {
            ledger.remove(name);
            orphan.into_iter().for_each(|orphan| ledger.put(orphan));
        }
    });
}

pub(crate) fn confirm(world: &mut World, name: &EngineName, id: &ContainerId, devices: &[Held]) {
    let mut confirmed = false;
    world.change_only(|ledger, now| {
        let ours = |entry: &&Allocation| {
            entry.holds(now)
                && entry.devices == devices
                && entry.id.as_ref().is_none_or(|known| known == id)
        };
        if ledger.entry(name).filter(ours).is_some() {
            confirmed = ledger.change(name, |entry| {
                entry.id = Some(id.clone());
                entry.holding = Holding::Live;
            });
        }
    });
    if !confirmed {
        world.engine.remove(id);
        world.forget(name, id);
        give_back(world, name, false, None);
    }
}
