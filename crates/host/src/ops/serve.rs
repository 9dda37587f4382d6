//! `ds01-queue`: hands free devices to those who wait beyond a terminal, and tells them.

use std::{collections::BTreeMap, fs::File};

use ds01_core::{
    device::{Inventory, slot_list},
    failure::{Failure, Kind},
    ledger::Ledger,
    line::{Terms, Turn},
    name::ContainerName,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use super::{
    for_root,
    hand::{Claimed, Hands, LATE, claim, served},
    line::{log_turns, serve, stored, terms_today},
};
use crate::{
    Operation, Site, clock,
    lock::lock_if_free,
    look::{Look, Scope},
    nvml::Probe,
    users::Caller,
};

/// One pass at a time asks the driver and the engine. A driver that hangs keeps it, by the process
/// that asks and cannot be ended: one, and not one for each minute.
const LOCK: &str = "ds01-queue.lock";

/// Asks for the line to be served. For root alone, which the gateway never is: it is not one of its
/// operations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServeLine {
    /// Only say what would be done.
    pub dry_run: bool,
}

/// What a pass did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinePassed {
    /// Those whose turn has come.
    pub served: Vec<Served>,
    /// What failed.
    pub failed: Vec<Failure>,
}

/// Somebody whose turn has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Served {
    /// The ticket with which they waited.
    pub ticket: u64,
    /// Their login.
    pub login: String,
    /// The devices, as users read them.
    pub slots: String,
    /// What was done, or would be.
    pub what: Handed,
}

/// What becomes of somebody's turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Handed {
    /// The devices are kept until then, and they were told.
    Kept(Timestamp),
    /// Their project's container was started.
    Launched(ContainerName),
    /// It was not, for this reason, and they were told. Until when the devices are kept, unless they
    /// are with the container or with others.
    Failed(ContainerName, Failure, Option<Timestamp>),
}

impl Operation for ServeLine {
    const NAME: &'static str = "serve-line";
    type Answer = LinePassed;

    fn run(&self, site: &Site, caller: Caller) -> Result<LinePassed, Failure> {
        for_root(
            caller,
            "only root serves the line of all users",
            "see how far you are with gpu-queue status",
        )?;
        // Nearly always nobody waits: then neither the driver nor the engine is asked.
        let ledger = stored(site)?;
        if ledger.line.waiters.is_empty() && ledger.line.turns.iter().all(|turn| turn.told) {
            return Ok(LinePassed::default());
        }
        if self.dry_run {
            return would(site);
        }
        let mut hands = Hands::of(site);
        // To be told, who has a turn already needs neither.
        let (told, is_all) = site.change(&site.look(&Scope::Nothing)?, |ledger, _| {
            let told = claim(ledger, |turn| turn.launch.is_none());
            let mut turns = ledger.line.turns.iter();
            let is_started = |turn: &Turn| turn.launch.is_some() && !turn.told;
            Ok((
                told,
                ledger.line.waiters.is_empty() && !turns.any(is_started),
            ))
        })?;
        told.into_iter().for_each(|one| hands.begin(one));
        // Whatever fails there, those who are being told are waited for.
        if !is_all && let Err(failure) = others(site, &mut hands) {
            hands.failed(failure);
        }
        Ok(hands.all())
    }
}

/// Begins to hand over what is free now, and to start containers.
fn others(site: &Site, hands: &mut Hands<'_>) -> Result<(), Failure> {
    let alone = lock_if_free(&site.config().paths.state.join(LOCK))?;
    let is_alone = alone.is_some();
    let failure = match alone.map_or_else(|| Err(at_work()), |alone| new(site, alone)) {
        Ok(turns) => {
            turns.into_iter().for_each(|one| hands.begin(one));
            return Ok(());
        }
        Err(failure) => failure,
    };
    let late = site.change(&site.look(&Scope::Nothing)?, |ledger, now| {
        let is_late = |turn: &Turn| turn.launch.is_some() && turn.until <= now + LATE;
        Ok(claim(ledger, is_late))
    })?;
    for one in late {
        hands.refuse(one, failure.clone());
    }
    match is_alone {
        true => hands.failed(failure),
        false => site.notice(failure.message),
    }
    Ok(())
}

fn at_work() -> Failure {
    let what = "another pass asks the driver and the engine, and this one served nobody new";
    Failure::new(Kind::Unreachable, what)
}

/// Gives those in the line what is free, and takes their turns to hand them over. The lock ends with
/// this, or with who asks a driver that hangs.
fn new(site: &Site, _alone: File) -> Result<Vec<Claimed>, Failure> {
    let answers = Answers::of(site)?;
    let (new, untold) = site.change(&answers.look, |ledger, now| {
        let new = answers.serve(ledger, now)?;
        Ok((new, claim(ledger, |_| true)))
    })?;
    log_turns(site, &new);
    Ok(untold)
}

fn would(site: &Site) -> Result<LinePassed, Failure> {
    let answers = Answers::of(site)?;
    let mut ledger = site.view(&answers.look)?;
    answers.serve(&mut ledger, clock::now())?;
    let would = |turn: &Turn| {
        let kept = || Handed::Kept(turn.until);
        let launched = turn.launch.clone().map(Handed::Launched);
        let slots = slot_list(&turn.devices);
        served(turn, slots, launched.unwrap_or_else(kept))
    };
    let untold = ledger.line.turns.iter().filter(|turn| !turn.told);
    Ok(LinePassed {
        served: untold.map(would).collect(),
        failed: Vec::new(),
    })
}

/// What the driver, the engine and the policy have told.
struct Answers {
    look: Look,
    inventory: Inventory,
    today: BTreeMap<u64, Terms>,
}

impl Answers {
    fn of(site: &Site) -> Result<Self, Failure> {
        let probe = Probe::begin(site.config().gpu.library.as_deref())?;
        let look = site.look(&Scope::Everything)?;
        Ok(Self {
            inventory: probe.finish()?,
            today: terms_today(site, &look.before)?,
            look,
        })
    }

    /// Gives those in the line what is theirs by now. The new turns.
    fn serve(&self, ledger: &mut Ledger, now: Timestamp) -> Result<Vec<Turn>, Failure> {
        self.look.tells_all_devices()?;
        ledger.line.renew(&self.today);
        Ok(serve(ledger, &self.inventory, None, now))
    }
}
