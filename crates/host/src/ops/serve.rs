//! `ds01-queue`: hands free devices to those who wait beyond a terminal, and tells them.

use std::{
    fs::File,
    os::fd::AsRawFd,
    time::{Duration, Instant},
};

use ds01_core::{
    failure::{Failure, Kind},
    label::Interface,
    ledger::Ledger,
    line::{self, Turn},
    name::{ContainerArg, ContainerName},
    time::Timestamp,
};
use nix::unistd::close;
use serde::{Deserialize, Serialize};

use super::{
    Create, Creation, Start,
    line::{event, log_turns, serve, stored, terms_today},
};
use crate::{
    Operation, Site,
    apart::Apart,
    clock,
    ledger_file::StateError,
    lock::lock,
    look::Scope,
    nvml::Probe,
    site::fail,
    tell::{Notice, tell},
    users::{Caller, Person, login, person},
};

/// One pass at a time hands over: it notes afterwards that it has, and one that is killed leaves
/// the turns to the next.
const LOCK: &str = "ds01-queue.lock";

/// What the start of a project's container may take: longer than any of its calls to the engine.
const LAUNCH: Duration = Duration::from_secs(180);

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
            let untold: Vec<_> = turns.filter(|turn| !turn.told).cloned().collect();
            Ok((new, untold))
        };
        if self.dry_run {
            let (_, untold) = decide(&mut site.view(&look)?, clock::now())?;
            return Ok(untold.iter().map(would).collect());
        }
        let alone = match lock(&site.config().paths.state.join(LOCK), Instant::now()) {
            Err(StateError::Locked { .. }) => None,
            locked => Some(locked?),
        };
        let (new, untold) = site.change(&look, decide)?;
        log_turns(site, &new);
        if alone.is_none() && !untold.is_empty() {
            site.notice("another pass is at work, and nobody was told by this one".into());
            return Ok(Vec::new());
        }
        let launched = untold.iter().filter_map(|turn| {
            let name = turn.launch.as_ref()?;
            Some((turn, name, begin(site, turn, name, alone.as_ref())))
        });
        // All of them at once: whose files hang, keeps nobody else from theirs.
        let launched: Vec<_> = launched.collect();
        let mut handed = Vec::new();
        for turn in untold.iter().filter(|turn| turn.launch.is_none()) {
            handed.push(hand(site, turn, None)?);
        }
        for (turn, name, launch) in launched {
            handed.push(hand(site, turn, Some((name, finish(site, launch))))?);
        }
        Ok(handed)
    }
}

/// Notes that whoever's turn it is knows.
fn note(site: &Site, turn: &Turn) -> Result<(), Failure> {
    site.change(&site.look(&Scope::Nothing)?, |ledger, _| {
        let mut turns = ledger.line.turns.iter_mut();
        if let Some(told) = turns.find(|one| one.ticket == turn.ticket) {
            told.told = true;
        }
        Ok(())
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

/// Tells the user, with what came of the container that was to be started.
fn hand(
    site: &Site,
    turn: &Turn,
    launched: Option<(&ContainerName, Result<(), Failure>)>,
) -> Result<Served, Failure> {
    let (slots, until) = (line::slots(&turn.devices), turn.until);
    let keeps = format!("GPU {slots} is kept for you until {until}");
    let (text, what) = match launched {
        None => {
            let text = format!("your turn has come: {keeps}: container-create <name>");
            (text, Handed::Kept(until))
        }
        Some((name, Ok(()))) => {
            let text = format!(
                "your turn has come: {name} runs with GPU {slots}: container-attach {name}"
            );
            (text, Handed::Launched(name.clone()))
        }
        Some((name, Err(failure))) => {
            let text = format!(
                "your turn has come, but {name} does not run: {}; {keeps}: project-launch {name}",
                failure.message
            );
            (text, Handed::Failed(name.clone(), failure, until))
        }
    };
    if let Ok(person) = person(turn.uid) {
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
    note(site, turn)?;
    Ok(served(turn, what))
}

/// What a launch answers: what came of it, and what it has to say beside.
type Launching = std::io::Result<Apart<(Result<(), Failure>, Vec<String>)>>;

/// Begins to start the container of a project. Its owner's files may be where nobody answers.
fn begin(site: &Site, turn: &Turn, name: &ContainerName, alone: Option<&File>) -> Launching {
    Apart::begin(LAUNCH, || {
        // The lock is the pass's: what hangs may be left behind by one that is killed.
        let _ = alone.map(|lock| close(lock.as_raw_fd()));
        let site = site.anew();
        let owner = person(turn.uid).map_err(Failure::from);
        let launched = owner.and_then(|owner| launch(&site, turn, name, &owner));
        (launched, site.take_notices())
    })
}

fn finish(site: &Site, launching: Launching) -> Result<(), Failure> {
    let (launched, notices) = launching.and_then(Apart::finish).map_err(|error| {
        let what = match error.kind() {
            std::io::ErrorKind::TimedOut => format!("it took longer than {} s", LAUNCH.as_secs()),
            _ => format!("it was not started: {error}"),
        };
        Failure::new(Kind::Unreachable, what)
    })?;
    notices.into_iter().for_each(|text| site.notice(text));
    launched
}

/// Makes the container of a project as its owner would, and starts it.
fn launch(site: &Site, turn: &Turn, name: &ContainerName, owner: &Person) -> Result<(), Failure> {
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
