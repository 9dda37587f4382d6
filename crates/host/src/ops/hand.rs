//! What `ds01-queue` does for those whose turn has come: all of them at once, so that whose files
//! or terminals hang keeps nobody else from what is theirs.

use std::{io, time::Duration};

use ds01_core::{
    device::slot_list,
    failure::{Failure, Kind},
    gpu_request::GpuRequest,
    label::Interface,
    ledger::{Holding, Ledger},
    line::{self, Turn},
    name::ContainerName,
};
use serde::{Deserialize, Serialize};

use super::{
    Create, Creation, Start,
    line::{event, stored},
    serve::{Handed, LinePassed, Served},
};
use crate::{
    Operation, Site,
    child_task::{self, ChildTask},
    clock,
    look::Scope,
    tell::{Notice, tell},
    users::{Caller, Person, UnknownUser, login, person},
};

/// What the start of a project's container may take. A pass ends before the timer begins the next,
/// which serves those whose turn comes meanwhile; it goes on with what was made in this time.
const LAUNCH: Duration = Duration::from_secs(45);

/// More than it takes to tell somebody: each way of that has its own limit, and so has the engine.
const TELL: Duration = Duration::from_secs(150);

/// Before a turn is over, its user is told if the container cannot be started yet.
pub(super) const LATE: Duration = Duration::from_secs(300);

/// A turn that this process hands over.
pub(super) struct Claimed {
    pub(super) turn: Turn,
    /// Its container has the devices already: whoever made it was killed before its user was told.
    made: bool,
}

/// Takes those of the turns that are meant which nobody else hands over, nor who is still alive
/// makes the container.
pub(super) fn claim(ledger: &mut Ledger, is_meant: impl Fn(&Turn) -> bool) -> Vec<Claimed> {
    let entry_of = |turn: &Turn| ledger.entry(&turn.launched()?);
    let is_being_made = |turn: &Turn| {
        entry_of(turn).is_some_and(|entry| {
            entry.id.is_none() && matches!(entry.holding, Holding::Pending { .. })
        })
    };
    let is_nobodys = |turn: &Turn| turn.doing.as_ref().is_none_or(clock::is_dead);
    let all = ledger.line.turns.iter();
    let untold = all.filter(|turn| !turn.told && is_nobodys(turn) && !is_being_made(turn));
    let claimed = untold.filter(|turn| is_meant(turn)).map(|turn| {
        let made = turn.is_used();
        let mut turn = turn.clone();
        if let Some(entry) = entry_of(&turn).filter(|_| made) {
            turn.devices.clone_from(&entry.devices);
        }
        Claimed { turn, made }
    });
    let claimed: Vec<_> = claimed.collect();
    for turn in &mut ledger.line.turns {
        if claimed.iter().any(|one| one.turn.ticket == turn.ticket) {
            turn.doing = clock::this_process();
        }
    }
    claimed
}

/// What came of the start of a container.
#[derive(Serialize, Deserialize)]
enum Launched {
    Runs,
    /// It does not run, for this reason; `true` if it took too long.
    Not(Failure, bool),
}

/// What a process of its own has done, and what it has to say beside.
type Ended = (What, Vec<String>);

#[derive(Serialize, Deserialize)]
enum What {
    Launched(Launched),
    /// `None`: nobody was told yet, as the next pass goes on with it.
    Told(Result<Option<Served>, Failure>),
}

struct Doing {
    one: Claimed,
    is_launch: bool,
    work: ChildTask<Ended>,
}

/// Those turns that are being handed over.
pub(super) struct Hands<'a> {
    site: &'a Site,
    under_way: Vec<Doing>,
    passed: LinePassed,
}

impl<'a> Hands<'a> {
    pub(super) fn of(site: &'a Site) -> Self {
        Self {
            site,
            under_way: Vec::new(),
            passed: LinePassed::default(),
        }
    }

    /// What failed beside.
    pub(super) fn failed(&mut self, failure: Failure) {
        self.passed.failed.push(failure);
    }

    /// Begins to tell somebody that their turn has come, or to start their container before.
    pub(super) fn begin(&mut self, one: Claimed) {
        let Some(name) = one.turn.launch.clone() else {
            return self.tell(one, None);
        };
        let begun = ChildTask::begin(LAUNCH, || {
            let site = self.site.anew();
            let owner = person(one.turn.uid).map_err(Failure::from);
            let launched = owner.and_then(|owner| launch(&site, &one, &name, &owner));
            let launched =
                launched.map_or_else(|failure| Launched::Not(failure, false), |()| Launched::Runs);
            (What::Launched(launched), site.take_notices())
        });
        match begun {
            Ok(work) => self.under_way.push(Doing {
                one,
                is_launch: true,
                work,
            }),
            Err(error) => self.tell(one, Some(Launched::Not(not_started(&error), false))),
        }
    }

    /// Begins to tell somebody why their container does not run.
    pub(super) fn refuse(&mut self, one: Claimed, why: Failure) {
        self.tell(one, Some(Launched::Not(why, false)));
    }

    fn tell(&mut self, one: Claimed, launched: Option<Launched>) {
        let begun = ChildTask::begin(TELL, || {
            let site = self.site.anew();
            let told = hand(&site, &one, launched);
            (What::Told(told), site.take_notices())
        });
        match begun {
            Ok(work) => self.under_way.push(Doing {
                one,
                is_launch: false,
                work,
            }),
            Err(error) => self.failed(untold(&one.turn, &error)),
        }
    }

    /// Waits until all are handed over, whoever is ready first.
    pub(super) fn all(mut self) -> LinePassed {
        while !self.under_way.is_empty() {
            let mut all = self.under_way.iter_mut().enumerate();
            match all.find_map(|(at, doing)| Some((at, doing.work.ended()?))) {
                Some((at, what)) => {
                    let doing = self.under_way.remove(at);
                    self.ended(doing, what);
                }
                None => {
                    let works = self.under_way.iter().map(|doing| &doing.work);
                    child_task::wait(&works.collect::<Vec<_>>());
                }
            }
        }
        self.passed
    }

    fn ended(&mut self, doing: Doing, what: io::Result<Ended>) {
        let Doing { one, is_launch, .. } = doing;
        let what = what.map(|(what, notices)| {
            notices.into_iter().for_each(|text| self.site.notice(text));
            what
        });
        match what {
            Ok(What::Launched(launched)) => self.tell(one, Some(launched)),
            Ok(What::Told(Ok(None))) => {}
            Ok(What::Told(Ok(Some(served)))) => self.passed.served.push(served),
            Ok(What::Told(Err(failure))) => self.failed(failure),
            Err(error) if is_launch => {
                self.tell(one, Some(Launched::Not(not_started(&error), true)))
            }
            Err(error) => self.failed(untold(&one.turn, &error)),
        }
    }
}

fn not_started(error: &io::Error) -> Failure {
    let what = match error.kind() {
        io::ErrorKind::TimedOut => format!("it took longer than {} s", LAUNCH.as_secs()),
        _ => format!("it was not started: {error}"),
    };
    Failure::new(Kind::Unreachable, what)
}

fn untold(turn: &Turn, error: &io::Error) -> Failure {
    let (ticket, login) = (turn.ticket, login(turn.uid));
    let what = format!("ticket {ticket}: {login} may not have been told: {error}");
    Failure::new(Kind::Failed, what)
}

pub(super) fn served(turn: &Turn, slots: String, what: Handed) -> Served {
    Served {
        ticket: turn.ticket,
        login: login(turn.uid),
        slots,
        what,
    }
}

/// Tells the user, with what came of the container that was to be started, and notes it. `None` if
/// the next pass goes on with that container.
fn hand(site: &Site, one: &Claimed, launched: Option<Launched>) -> Result<Option<Served>, Failure> {
    let turn = &one.turn;
    let (mut slots, until) = (slot_list(&turn.devices), turn.until);
    let keeps = format!("{} kept for you until {until}", line::gpu_is(&slots));
    let (text, what) = match (&turn.launch, launched) {
        (Some(name), Some(Launched::Runs)) => {
            slots = its_slots(site, turn)?.unwrap_or(slots);
            let text = format!(
                "your turn has come: {name} runs with GPU {slots}: container-attach {name}"
            );
            (text, Handed::Launched(name.clone()))
        }
        (Some(name), Some(Launched::Not(failure, is_given_up))) => {
            let left = left(site, turn)?;
            let is_late = turn.until <= clock::now() + LATE;
            // What it cannot reach it may reach soon. Where its files hang, they do so again.
            let is_soon = failure.kind == Kind::Unreachable && !is_late;
            let (rest, kept) = match left {
                Left::WithContainer if is_soon => return Ok(None),
                Left::Kept if is_soon && !is_given_up => return Ok(None),
                Left::Kept => (format!("{keeps}: project-launch {name}"), Some(until)),
                Left::WithContainer => {
                    slots = its_slots(site, turn)?.unwrap_or(slots);
                    (format!("it has GPU {slots}: container-start {name}"), None)
                }
                Left::Nothing => ("wait anew: gpu-queue join".into(), None),
            };
            let text = format!(
                "your turn has come, but {name} does not run: {}; {rest}",
                failure.message
            );
            (text, Handed::Failed(name.clone(), failure, kept))
        }
        _ => {
            let text = format!("your turn has come: {keeps}: container-create <name>");
            (text, Handed::Kept(until))
        }
    };
    let known = match person(turn.uid) {
        // It is not told: the next pass may.
        Err(error @ UnknownUser::Service(_)) => {
            let failure = Failure::from(error);
            let message = format!(
                "ticket {} waits to be told: {}",
                turn.ticket, failure.message
            );
            return Err(Failure { message, ..failure });
        }
        known => known.ok(),
    };
    if let Some(person) = known {
        let container = turn.container.as_ref();
        let event = event(site, "queue.notified", turn.uid, turn.ticket, container);
        site.log(event.with("text", &text));
        let workspace = None;
        tell(site, &person, &Notice { text, workspace });
    }
    site.change(&site.look(&Scope::Nothing)?, |ledger, _| {
        ledger.line.note_told(turn.ticket);
        Ok(())
    })?;
    Ok(Some(served(turn, slots, what)))
}

/// The devices of the container that was started with a turn: what was kept may have been in use by then,
/// and others in its place.
fn its_slots(site: &Site, turn: &Turn) -> Result<Option<String>, Failure> {
    let ledger = stored(site)?;
    let entry = turn.launched().and_then(|name| ledger.entry(&name));
    Ok(entry.map(|entry| slot_list(&entry.devices)))
}

/// What is left of a turn whose container was not started.
enum Left {
    Kept,
    WithContainer,
    Nothing,
}

/// Looks, as whoever was killed may have gone as far as the engine.
fn left(site: &Site, turn: &Turn) -> Result<Left, Failure> {
    let look = site.look(&Scope::Of(turn.uid));
    let look = look.or_else(|_| site.look(&Scope::Nothing))?;
    site.change(&look, |ledger, _| {
        let mut turns = ledger.line.turns.iter();
        let now = turns.find(|now| now.ticket == turn.ticket);
        Ok(match now {
            Some(now) if now.is_used() => Left::WithContainer,
            Some(_) => Left::Kept,
            None => Left::Nothing,
        })
    })
}

/// Makes the container of a project as its owner would, and starts it.
fn launch(site: &Site, one: &Claimed, name: &ContainerName, owner: &Person) -> Result<(), Failure> {
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
        gpus: GpuRequest::any(one.turn.devices.len() as u32),
        dry_run: false,
        interface: Interface::Orchestration,
        wait: None,
    };
    let created = (!one.made).then(|| create.run(site, caller));
    if let Some(Creation::Waits(ticket)) = created.transpose()? {
        let message = format!("it waits in line, with ticket {ticket}");
        return Err(Failure::new(Kind::Busy, message));
    }
    let name = name.clone().into();
    Start { name }.run(site, caller).map(drop)
}
