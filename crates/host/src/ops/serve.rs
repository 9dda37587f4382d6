//! `ds01-queue`: hands free devices to those who wait beyond a terminal, and tells them.

use ds01_core::{
    failure::{Failure, Kind},
    label::Interface,
    ledger::Ledger,
    line::{self, Turn},
    name::{ContainerArg, ContainerName},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use super::{
    Create, Creation, Start,
    line::{event, log_turns, serve, stored, terms_today},
};
use crate::{
    Operation, Site, clock,
    look::Scope,
    nvml::Probe,
    site::fail,
    tell::{Notice, tell},
    users::{Caller, Person, login, person},
};

/// Asks for the line to be served. For root alone, which the gateway never is: it is not one of its
/// operations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServeLine {
    /// Only say what would be done.
    pub dry_run: bool,
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
    /// It was not, for this reason: the devices are kept until then, and they were told.
    Failed(ContainerName, Failure, Timestamp),
}

impl Operation for ServeLine {
    const NAME: &'static str = "serve-line";
    type Answer = Vec<Served>;

    fn run(&self, site: &Site, caller: Caller) -> Result<Vec<Served>, Failure> {
        if caller.uid != 0 || !caller.may_be_admin {
            return Err(fail(
                Kind::Forbidden,
                "only root serves the line of all users".into(),
                "see how far you are with gpu-queue status".into(),
            ));
        }
        // Nearly always nobody waits: then neither the driver nor the engine is asked.
        let ledger = stored(site)?;
        if ledger.line.waiters.is_empty() && ledger.line.turns.iter().all(|turn| turn.told) {
            return Ok(Vec::new());
        }
        let probe = Probe::begin(site.config().gpu.library.as_deref())?;
        let look = site.look(&Scope::Everything)?;
        let inventory = probe.finish()?;
        let today = terms_today(site, &look.before)?;
        let decide = |ledger: &mut Ledger, now: Timestamp| {
            look.tells_all_devices()?;
            ledger.line.renew(&today);
            let new = serve(ledger, &inventory, None, now);
            let turns = ledger.line.turns.iter();
            let mut untold: Vec<_> = turns.filter(|turn| !turn.told).cloned().collect();
            // A start can take its time: nobody is told later for it.
            untold.sort_by_key(|turn| turn.launch.is_some());
            Ok((new, untold))
        };
        if self.dry_run {
            let (_, untold) = decide(&mut site.view(&look)?, clock::now())?;
            return Ok(untold.iter().map(would).collect());
        }
        let (new, untold) = site.change(&look, decide)?;
        log_turns(site, &new);
        let mut handed = Vec::new();
        for turn in &untold {
            if take(site, turn)? {
                handed.push(hand(site, turn));
            }
        }
        Ok(handed)
    }
}

/// Whether this pass is the one that hands it over, if two run at once: noted one by one, so that
/// a pass that is killed leaves the others to the next.
fn take(site: &Site, turn: &Turn) -> Result<bool, Failure> {
    site.change(&site.look(&Scope::Nothing)?, |ledger, _| {
        let mut turns = ledger.line.turns.iter_mut();
        let mine = turns.find(|one| one.ticket == turn.ticket && !one.told);
        Ok(mine.map(|turn| turn.told = true).is_some())
    })
}

fn served(turn: &Turn, what: Handed) -> Served {
    Served {
        ticket: turn.ticket,
        login: login(turn.uid),
        slots: line::slots(&turn.devices),
        what,
    }
}

fn would(turn: &Turn) -> Served {
    let kept = || Handed::Kept(turn.until);
    served(
        turn,
        turn.launch.clone().map_or_else(kept, Handed::Launched),
    )
}

/// Starts what is to be started, and tells the user.
fn hand(site: &Site, turn: &Turn) -> Served {
    let (slots, until) = (line::slots(&turn.devices), turn.until);
    let keeps = format!("GPU {slots} is kept for you until {until}");
    let person = person(turn.uid).ok();
    let (text, what) = match &turn.launch {
        None => {
            let text = format!("your turn has come: {keeps}: container-create <name>");
            (text, Handed::Kept(until))
        }
        Some(name) => match launch(site, turn, name, person.as_ref()) {
            Ok(()) => {
                let text = format!(
                    "your turn has come: {name} runs with GPU {slots}: container-attach {name}"
                );
                (text, Handed::Launched(name.clone()))
            }
            Err(failure) => {
                let text = format!(
                    "your turn has come, but {name} does not run: {}; {keeps}: project-launch {name}",
                    failure.message
                );
                (text, Handed::Failed(name.clone(), failure, until))
            }
        },
    };
    if let Some(person) = person {
        let event = event(
            site,
            "queue.notified",
            turn.uid,
            turn.ticket,
            turn.container.as_ref(),
        );
        site.log(event.with("text", &text));
        let workspace = None;
        tell(site, &person, &Notice { text, workspace });
    }
    served(turn, what)
}

/// Makes the container of a project as its owner would, and starts it.
fn launch(
    site: &Site,
    turn: &Turn,
    name: &ContainerName,
    owner: Option<&Person>,
) -> Result<(), Failure> {
    let Some(owner) = owner else {
        let message = format!("uid {} has no login on this host", turn.uid);
        return Err(Failure::new(Kind::Forbidden, message));
    };
    let caller = Caller {
        uid: owner.uid,
        gid: owner.gid,
        may_be_admin: false,
    };
    let create = Create {
        name: name.clone(),
        image: None,
        project: None,
        workspace: None,
        data: None,
        gpus: turn.devices.len() as u32,
        dry_run: false,
        interface: Interface::Orchestration,
        wait: None,
    };
    match create.run(site, caller)? {
        Creation::Made(_) => {}
        Creation::Waits(ticket) => {
            let message = format!("it waits in line, with ticket {ticket}");
            return Err(Failure::new(Kind::Busy, message));
        }
    }
    let name = ContainerArg {
        name: name.clone(),
        uid: None,
    };
    Start { name }.run(site, caller).map(drop)
}
