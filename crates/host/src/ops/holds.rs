//! `ds01-holds`: the end of the time in which a stopped container keeps its devices, and whatever
//! else the ledger learns from the engine.
//!
//! A hold ends by the clock, whoever looks: this makes it an event at the time, so that who waits
//! for the device has it then and not when somebody happens to look.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use ds01_core::{
    device::slot_list,
    failure::Failure,
    ledger::{Allocation, Holding, Ledger},
    reconcile::{Change, reconcile},
};
use serde::{Deserialize, Serialize};

use super::{for_root, owner::owner};
use crate::{
    Operation, Site, clock,
    ledger_file::Stored,
    look::Scope,
    users::{Caller, login},
};

/// Asks for holds that have passed to be ended. For root alone, which the gateway never is: it is
/// not one of its operations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndHolds {
    /// Only say what would be done.
    pub dry_run: bool,
}

/// Something that the ledger learned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Healed {
    /// The owner's name of the container, the engine's of one that DS01 did not make, or the ticket
    /// of who waited.
    pub name: String,
    /// The owner's login; `None` of one that DS01 did not make.
    pub login: Option<String>,
    /// The devices that are free now, as users read them.
    pub slots: String,
    /// What happened.
    pub what: Learned,
}

/// What happened to a container or its devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Learned {
    /// Its hold has passed; it was for so long.
    Released {
        /// How long it was.
        held: Option<Duration>,
    },
    /// The container is gone.
    Gone,
    /// The container was never created.
    Lapsed,
    /// It was made by a command that died.
    Found,
    /// It uses devices, and DS01 did not make it.
    Unmanaged,
    /// Somebody does not wait for devices any more.
    Left,
    /// What was kept for somebody whose turn had come was not used in time.
    TurnOver,
}

impl Operation for EndHolds {
    const NAME: &'static str = "end-holds";
    type Answer = Vec<Healed>;

    fn run(&self, site: &Site, caller: Caller) -> Result<Vec<Healed>, Failure> {
        for_root(
            caller,
            "only root ends the holds of all users",
            "free your own with container-retire",
        )?;
        let mut before = match self.dry_run {
            true => Vec::new(),
            false => renew(site)?,
        };
        let look = site.look(&Scope::Everything)?;
        let changes = match (&look.before, self.dry_run) {
            (_, false) => {
                let mut learned = site.change_reporting(&look, |_, _| Ok(()))?.1;
                learned.splice(..0, before.drain(..));
                site.look_after_found(&look)?;
                site.sweep_records(&look)?;
                site.sweep_mounts()?;
                learned
            }
            (Stored::Whole(ledger), true) => {
                let mut ledger = Ledger::clone(ledger);
                let today = today(site, &ledger);
                // Not as a change, which what was seen before it would say nothing of.
                for entry in &mut ledger.allocations {
                    let mut today = today.iter();
                    if let Some((_, hold)) = today.find(|(known, _)| known.id == entry.id) {
                        Arc::make_mut(entry).hold = *hold;
                    }
                }
                reconcile(&mut ledger, &look.seen, clock::now())
            }
            (Stored::Damaged(damage), true) => {
                site.notice(format!("the ledger would be rebuilt: {damage}"));
                Vec::new()
            }
        };
        Ok(changes.iter().map(Healed::from).collect())
    }
}

/// Notes how long the devices of each container are kept by today's policy, where the ledger has it
/// otherwise: the day when it was made may be long ago. What the ledger learned on the way.
fn renew(site: &Site) -> Result<Vec<Change>, Failure> {
    let Stored::Whole(ledger) = site.ledger.read()? else {
        return Ok(Vec::new());
    };
    let today = today(site, &ledger);
    if today.is_empty() {
        return Ok(Vec::new());
    }
    let renewed = site.change_reporting(&site.look(&Scope::Nothing)?, |ledger, _| {
        for (known, hold) in today {
            let now = ledger.entry(&known.container);
            if now.is_some_and(|now| now.id == known.id && now.holding == known.holding) {
                ledger.change(&known.container, |entry| entry.hold = hold);
            }
        }
        Ok(())
    });
    Ok(renewed?.1)
}

/// The holds that are others by now: of those that run, and of those that have stopped. Where the
/// policy cannot be read, or the name service tells of nobody, they stay as they are.
fn today(site: &Site, ledger: &Ledger) -> Vec<(Allocation, Option<Duration>)> {
    let meant = |entry: &&Allocation| {
        let kept = matches!(entry.holding, Holding::Live | Holding::Stopped { .. });
        kept && entry.id.is_some() && !entry.devices.is_empty()
    };
    let mut meant = ledger.entries().filter(meant).peekable();
    if meant.peek().is_none() {
        return Vec::new();
    }
    let policy = match site.policy() {
        Ok(policy) => policy,
        Err(failure) => {
            site.notice(failure.one_line());
            return Vec::new();
        }
    };
    let mut holds: BTreeMap<_, Option<Option<Duration>>> = BTreeMap::new();
    let changed = meant.filter_map(|entry| {
        let record = site.metadata.of(&entry.container, entry.id.as_ref()?);
        let recorded = record.map(|record| record.login);
        let uid = entry.container.uid;
        let hold = holds.entry((uid, recorded.clone())).or_insert_with(|| {
            let owner = owner(uid, recorded.as_deref()).ok()?;
            Some(policy.limits_for(&owner.login).gpu_hold_after_stop)
        });
        let hold = (*hold)?;
        (hold != entry.hold).then(|| (entry.clone(), hold))
    });
    changed.collect()
}

impl From<&Change> for Healed {
    fn from(change: &Change) -> Self {
        let ours = |entry: &Allocation, what| Self {
            name: entry.container.name.to_string(),
            login: Some(login(entry.container.uid)),
            slots: slot_list(&entry.devices),
            what,
        };
        match change {
            Change::Released(entry) => ours(entry, Learned::Released { held: entry.hold }),
            Change::Gone(entry) if entry.holds(clock::now()) => ours(entry, Learned::Gone),
            Change::Gone(entry) => Self {
                slots: String::new(),
                ..ours(entry, Learned::Gone)
            },
            Change::Lapsed(entry) => ours(entry, Learned::Lapsed),
            Change::Confirmed(name) => Self {
                name: name.name.to_string(),
                login: Some(login(name.uid)),
                slots: String::new(),
                what: Learned::Found,
            },
            Change::Found(found) => Self {
                name: found.name.clone(),
                login: None,
                slots: String::new(),
                what: Learned::Unmanaged,
            },
            Change::Left(waiter, _) => Self {
                name: format!("ticket {}", waiter.ticket),
                login: Some(login(waiter.uid)),
                slots: String::new(),
                what: Learned::Left,
            },
            Change::TurnOver(turn) => Self {
                name: format!("ticket {}", turn.ticket),
                login: Some(login(turn.uid)),
                slots: slot_list(&turn.devices),
                what: Learned::TurnOver,
            },
        }
    }
}
