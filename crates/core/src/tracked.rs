//! What the owner tracker knows: whose the containers are that DS01 did not make, and which
//! processes use GPUs outside every container.
//!
//! It is for accounting, for flags and for telling people. It gives nobody a right.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    container::{ContainerId, Sighting},
    device::{Claim, Slot},
    event::Event,
    ledger::{Ledger, Process},
    owner::Owner,
};

/// The version of [`Tracked`] that this build writes and reads.
const VERSION: u32 = 1;

/// A container that DS01 did not make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Foreign {
    /// The engine's name of it.
    pub name: String,
    /// Whose it seems to be; `None` if no trace leads to a user.
    pub owner: Option<Owner>,
    /// The devices that it asks for, if it asks for any.
    pub claim: Option<Claim>,
}

/// A process that uses GPUs outside every container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outsider {
    /// The process.
    pub process: Process,
    /// Whose it is, by the kernel.
    pub uid: u32,
    /// What it is called, which is its own choice.
    pub name: String,
    /// The devices that it uses, in numeric order.
    pub slots: Vec<Slot>,
}

/// `container-owners.json`: what is known since the last pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tracked {
    version: u32,
    /// By the engine's id.
    pub containers: BTreeMap<ContainerId, Foreign>,
    /// In the order of their pids.
    pub outsiders: Vec<Outsider>,
    /// What is still to be logged, or was logged by a process that died before it could note that.
    pub untold: Vec<Event>,
}

/// Something new.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum News {
    /// There is a container that DS01 did not make.
    Found(ContainerId, Foreign),
    /// A process uses GPUs outside every container.
    Began(Outsider),
    /// It does not any more.
    Ended(Outsider),
}

impl Default for Tracked {
    fn default() -> Self {
        Self {
            version: VERSION,
            containers: BTreeMap::new(),
            outsiders: Vec::new(),
            untold: Vec::new(),
        }
    }
}

impl Tracked {
    /// Reads what was written. `None` of another version, or if it cannot be read: everything is
    /// found anew then.
    pub fn read(text: &[u8]) -> Option<Self> {
        let read: Self = serde_json::from_slice(text).ok()?;
        (read.version == VERSION).then_some(read)
    }

    /// Takes in the containers that the engine has, all of them. `owners` is whose those are that are
    /// not known yet; what is missing in it is left for the next pass.
    pub fn containers(
        &mut self,
        foreign: &[&Sighting],
        ledger: &Ledger,
        owners: &BTreeMap<ContainerId, Option<Owner>>,
    ) -> Vec<News> {
        let mut before = std::mem::take(&mut self.containers);
        let mut news = Vec::new();
        for seen in foreign {
            let known = before.remove(&seen.id);
            let new = || owners.get(&seen.id).copied();
            let Some(owner) = known.as_ref().map(|known| known.owner).or_else(new) else {
                continue;
            };
            let mut unmanaged = ledger.unmanaged.iter();
            let claim = unmanaged.find(|one| one.id == seen.id);
            let now = Foreign {
                name: seen.name.clone(),
                owner,
                claim: claim.map(|one| one.claim.clone()),
            };
            // Steps of a build come and go, and are nobody's.
            if known.is_none() && (now.owner.is_some() || now.claim.is_some()) {
                news.push(News::Found(seen.id.clone(), now.clone()));
            }
            self.containers.insert(seen.id.clone(), now);
        }
        news
    }

    /// Takes in the processes that use GPUs outside every container, in the order of their pids. Where
    /// a device `is_silent` about its processes, those that are known and live are on it still.
    pub fn outsiders(
        &mut self,
        mut now: Vec<Outsider>,
        is_silent: impl Fn(Slot) -> bool,
        is_dead: impl Fn(&Process) -> bool,
    ) -> Vec<News> {
        let before = std::mem::take(&mut self.outsiders);
        let is_in = |all: &[Outsider], one: &Outsider| all.iter().any(|o| o.process == one.process);
        let stays = |one: &&Outsider| {
            one.slots.iter().any(|slot| is_silent(*slot)) && !is_dead(&one.process)
        };
        for one in before.iter().filter(stays) {
            if !is_in(&now, one) {
                now.push(one.clone());
            }
        }
        now.sort_by_key(|one| one.process.pid);
        let ended = before.iter().filter(|one| !is_in(&now, one));
        let began = now.iter().filter(|one| !is_in(&before, one));
        let news = ended
            .cloned()
            .map(News::Ended)
            .chain(began.cloned().map(News::Began));
        let news = news.collect();
        self.outsiders = now;
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        container::State,
        ledger::{Unmanaged, tests::foreign},
        owner::Way,
    };

    fn owner(uid: u32) -> Option<Owner> {
        Some(Owner {
            uid,
            way: Way::Mount,
        })
    }

    fn names(news: &[News]) -> Vec<String> {
        news.iter()
            .map(|one| match one {
                News::Found(id, foreign) => format!("{id} {}", foreign.name),
                News::Began(one) => format!("began {}", one.process.pid),
                News::Ended(one) => format!("ended {}", one.process.pid),
            })
            .collect()
    }

    #[test]
    fn a_container_is_news_once_and_its_owner_stays_who_it_was() {
        let [mut a, b, c] = ["a", "b", "c"].map(|name| foreign(name, State::Running));
        let ledger = Ledger {
            unmanaged: vec![Unmanaged {
                id: b.id.clone(),
                name: b.name.clone(),
                claim: Claim::All,
                changed: 1,
            }],
            ..Ledger::default()
        };
        let mut tracked = Tracked::default();
        let owners = BTreeMap::from([
            (a.id.clone(), owner(1001)),
            (b.id.clone(), None),
            (c.id.clone(), None),
        ]);
        let news = tracked.containers(&[&a, &b, &c], &ledger, &owners);
        assert_eq!(
            names(&news),
            ["a a", "b b"],
            "without owner and GPU it is none"
        );
        assert_eq!(tracked.containers.len(), 3);
        a.name = "other".into();
        let others = BTreeMap::from([(a.id.clone(), owner(1002))]);
        assert_eq!(tracked.containers(&[&a, &b], &ledger, &others), []);
        let known = &tracked.containers[&a.id];
        assert_eq!((known.name.as_str(), known.owner), ("other", owner(1001)));
        assert_eq!(tracked.containers[&b.id].claim, Some(Claim::All));
        // Nobody could be asked whose it is: later.
        let nobody = BTreeMap::new();
        assert_eq!(tracked.containers(&[&c], &ledger, &nobody), []);
        assert_eq!(tracked, Tracked::default());
        let text = serde_json::to_vec(&tracked).unwrap();
        assert_eq!(Tracked::read(&text), Some(tracked));
        assert_eq!(Tracked::read(b"{\"version\":2}"), None);
    }

    #[test]
    fn a_process_is_news_when_it_begins_and_when_it_ends() {
        let on = |pid, started, gpu| Outsider {
            process: Process {
                pid,
                started,
                boot: "boot".into(),
            },
            uid: 1001,
            name: "python3".into(),
            slots: vec![Slot { gpu, mig: None }],
        };
        let mut tracked = Tracked::default();
        let mut pass = |now: &[Outsider], silent: &[u32], dead: &[u32]| {
            let is_silent = |slot: Slot| silent.contains(&slot.gpu);
            let is_dead = |process: &Process| dead.contains(&process.pid);
            names(&tracked.outsiders(now.to_vec(), is_silent, is_dead))
        };
        let (one, two) = (on(1, 7, 0), on(2, 7, 1));
        let both = [one.clone(), two.clone()];
        assert_eq!(pass(&both, &[], &[]), ["began 1", "began 2"]);
        assert_eq!(pass(&both, &[], &[]), [""; 0]);
        // The driver says nothing of GPU 0: that is no end, but the process's own is.
        assert_eq!(pass(std::slice::from_ref(&two), &[0], &[]), [""; 0]);
        assert_eq!(pass(std::slice::from_ref(&two), &[0], &[1]), ["ended 1"]);
        // Another process of the same number.
        assert_eq!(pass(&[on(2, 8, 1)], &[], &[]), ["ended 2", "began 2"]);
        assert_eq!(pass(&[], &[], &[]), ["ended 2"]);
    }
}
