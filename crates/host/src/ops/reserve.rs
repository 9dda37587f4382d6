//! `gpu-reserve`: devices that an admin sets aside for a user or a group, for a time.

use std::{collections::BTreeSet, time::Duration};

use ds01_core::{
    device::{Held, Inventory, Slot},
    event::Event,
    failure::{Failure, Kind},
    ledger::Ledger,
    policy::Policy,
    reservation::{Reservation, What, Whom},
    share::Share,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::{
    Operation, Site, clock,
    look::Scope,
    nvml::Probe,
    site::fail,
    users::{Caller, login, uid_of},
};

/// How long ago "now" may have been: what somebody typed takes a moment to come here.
const NOW: Duration = Duration::from_secs(60);

/// Sets devices aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reserve {
    /// For whom.
    pub whom: Party,
    /// What.
    pub what: Wanted,
    /// When it begins.
    pub from: Timestamp,
    /// When it ends.
    pub until: Timestamp,
    /// How long before its beginning others have to mind it.
    pub lead: Duration,
}

/// For whom something is to be reserved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Party {
    /// The user of this login.
    User(String),
    /// Everybody whose limits come from this policy group.
    Group(String),
}

/// What is to be reserved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wanted {
    /// These devices.
    Slots(Vec<Slot>),
    /// So much compute.
    Amount(Share),
}

/// Takes a reservation back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelReservation {
    /// Its number.
    pub id: u64,
}

impl Operation for Reserve {
    const NAME: &'static str = "reserve";
    type Answer = Reservation;

    fn run(&self, site: &Site, caller: Caller) -> Result<Reservation, Failure> {
        admins_only(site, caller)?;
        let probe = Probe::begin(site.config().gpu.library.as_deref())?;
        let whom = self.whom(&site.policy()?)?;
        let inventory = probe.finish()?;
        let what = self.what(&inventory)?;
        // A name service can hang, and nobody is to wait for it.
        let by = login(caller.uid);
        let made = site.change(&site.look(&Scope::Nothing)?, |ledger, now| {
            self.is_to_come(now)?;
            let made = Reservation {
                // Never one that an earlier reservation had: somebody may cancel that yet.
                id: ledger.generation + 1,
                by,
                whom,
                what,
                from: self.from,
                until: self.until,
                lead: self.lead,
            };
            fits(&made, ledger, &inventory)?;
            ledger.line.reservations.push(made.clone());
            Ok(made)
        })?;
        log(site, "queue.reserved", caller, &made);
        Ok(made)
    }
}

impl Reserve {
    /// # Errors
    ///
    /// Status 2 if it begins or ends in the past, or ends before it begins.
    fn is_to_come(&self, now: Timestamp) -> Result<(), Failure> {
        let (from, until) = (self.from, self.until);
        let usage = |message: String, hint: String| Err(fail(Kind::Usage, message, hint));
        let times = format!("times are UTC: it is {now} now");
        // Who says "now" said so a moment ago.
        if from + NOW < now {
            return usage(format!("it would begin in the past: {from}"), times);
        }
        if until <= now {
            return usage(format!("it would end in the past: {until}"), times);
        }
        if until <= from {
            return usage(
                format!("it would be over before it begins: {from} to {until}"),
                "say when it ends with --until".into(),
            );
        }
        Ok(())
    }

    fn whom(&self, policy: &Policy) -> Result<Whom, Failure> {
        match &self.whom {
            Party::User(login) => Ok(Whom::User {
                uid: uid_of(login)?,
                login: login.clone(),
            }),
            Party::Group(group) if policy.has_group(group) => Ok(Whom::Group(group.clone())),
            Party::Group(group) => {
                let message = format!("the policy has no group {group:?}");
                let hint = "see groups in resource-limits.yaml";
                Err(fail(Kind::NotFound, message, hint.into()))
            }
        }
    }

    fn what(&self, inventory: &Inventory) -> Result<What, Failure> {
        let slots = match &self.what {
            Wanted::Amount(amount) => return Ok(What::Amount(*amount)),
            Wanted::Slots(slots) => slots,
        };
        // Each counts once.
        let slots: BTreeSet<_> = slots.iter().collect();
        let held = slots.iter().map(|slot| {
            let found = inventory
                .devices
                .iter()
                .find(|device| device.slot == **slot);
            found.map(Held::from).ok_or_else(|| {
                let message = format!("this host has no GPU {slot}");
                let parts = inventory.devices.iter().map(|device| device.slot);
                let parts = parts.filter(|part| slot.mig.is_none() && part.gpu == slot.gpu);
                let parts: Vec<_> = parts.map(|part| part.to_string()).collect();
                let hint = match parts.is_empty() {
                    true => "see what there is with gpu-status".into(),
                    false => format!("it is split: --gpu={}", parts.join(",")),
                };
                fail(Kind::NotFound, message, hint)
            })
        });
        Ok(What::Devices(held.collect::<Result<_, _>>()?))
    }
}

impl Operation for CancelReservation {
    const NAME: &'static str = "cancel-reservation";
    type Answer = Reservation;

    fn run(&self, site: &Site, caller: Caller) -> Result<Reservation, Failure> {
        admins_only(site, caller)?;
        let gone = site.change(&site.look(&Scope::Nothing)?, |ledger, now| {
            let reserved = &mut ledger.line.reservations;
            let is_it = |one: &Reservation| one.id == self.id && now < one.until;
            let at = reserved.iter().position(is_it);
            at.map(|at| reserved.remove(at)).ok_or_else(|| {
                let message = format!("there is no reservation {}", self.id);
                fail(
                    Kind::NotFound,
                    message,
                    "see them with gpu-reserve list".into(),
                )
            })
        })?;
        log(site, "queue.cancelled", caller, &gone);
        Ok(gone)
    }
}

fn admins_only(site: &Site, caller: Caller) -> Result<(), Failure> {
    match site.is_admin(caller)? {
        true => Ok(()),
        false => Err(fail(
            Kind::Forbidden,
            "only admins reserve GPUs".into(),
            "wait in line with gpu-queue join, or ask an admin".into(),
        )),
    }
}

/// Nothing is promised to two, nor more than there is.
fn fits(new: &Reservation, ledger: &Ledger, inventory: &Inventory) -> Result<(), Failure> {
    let all: Share = inventory.devices.iter().map(|device| device.share).sum();
    let others = ledger.line.reservations.iter();
    let others = others.filter(|other| new.from < other.until && other.from < new.until);
    let at_a_time: Vec<_> = others.chain([new]).collect();
    for other in &at_a_time {
        let What::Devices(devices) = &new.what else {
            continue;
        };
        if other.id != new.id && devices.iter().any(|device| other.covers(device)) {
            let (id, whom, what) = (other.id, &other.whom, &other.what);
            let message = format!(
                "{what} is reserved for {whom} until {} already",
                other.until
            );
            let hint = format!("take that back with gpu-reserve cancel {id}");
            return Err(fail(Kind::State, message, hint));
        }
    }
    // It is most where one begins.
    let begins = at_a_time.iter().map(|one| one.from.max(new.from));
    let promised = begins.map(|at| {
        let lasting = at_a_time
            .iter()
            .filter(|one| one.from <= at && at < one.until);
        lasting.map(|one| one.what.share()).sum::<Share>()
    });
    let promised = promised.max().unwrap_or(Share::NONE);
    if promised > all {
        let message =
            format!("more would be reserved at a time ({promised}) than this host has ({all})");
        return Err(fail(
            Kind::State,
            message,
            "see what is with gpu-reserve list".into(),
        ));
    }
    Ok(())
}

fn log(site: &Site, kind: &str, by: Caller, about: &Reservation) {
    let event = Event::new(clock::now(), kind).of(login(by.uid));
    let event = event.with("id", about.id).with("for", &about.whom);
    let event = event.with("what", &about.what);
    site.log(event.with("from", about.from).with("until", about.until));
}
