//! `gpu-queue join`: into the waiting line, beyond one's terminal.

use ds01_core::{
    admit::{Denied, admit},
    failure::{Failure, Kind},
    gpu_request::GpuRequest,
    ledger::Ledger,
    lifecycle,
    line::{Stay, Terms, WAITING},
    name::{ContainerName, EngineName},
    queue::{Join, Standing},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use super::{
    line::{self, log_turns, serve, terms_today},
    queue::KeptDevices,
};
use crate::{
    Operation, Site,
    look::Scope,
    nvml::Probe,
    site::fail,
    users::{Caller, person},
};

/// Joins the line for devices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinLine {
    /// The container that they are for; without one, whichever the user makes then.
    pub name: Option<ContainerName>,
    /// GPUs or MIG devices.
    pub gpus: GpuRequest,
    /// The container is that of the project of its name, and is started when the turn has come.
    pub launch: bool,
}

/// Somebody in the line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    /// The ticket.
    pub ticket: u64,
    /// Where they stand; `None` if their turn has come at once.
    pub standing: Option<Standing>,
    /// What is kept for them already.
    pub kept: Option<KeptDevices>,
}

impl Operation for JoinLine {
    const NAME: &'static str = "join-line";
    type Answer = Joined;

    fn run(&self, site: &Site, caller: Caller) -> Result<Joined, Failure> {
        if self.gpus.count == 0 {
            let hint = "a container without a GPU need not wait: container-create --cpu-only";
            let message = "there is no line for no GPU";
            return Err(fail(Kind::Usage, message.into(), hint.into()));
        }
        let probe = Probe::begin(site.config().gpu.library.as_deref())?;
        let person = person(caller.uid)?;
        site.knows(&person);
        let policy = site.policy()?;
        let limits = policy.limits_for(&person.login);
        let kind = lifecycle::ContainerKind::Ds01;
        let look = site.look(&Scope::Of(caller.uid))?;
        let inventory = probe.finish()?;
        let today = terms_today(site, &look.before)?;
        let (joined, event, turns) = site.change(&look, |ledger, now| {
            let run = policy.longest_run(&person.login, &limits, kind, now);
            look.tells_all_devices()?;
            ledger.line.renew(&today);
            self.may_join(ledger, caller.uid)?;
            admit(caller.uid, &self.gpus, &limits, &inventory, ledger, now)?;
            ledger.line.recent.half_life = policy.recent_use_half_life();
            let join = Join {
                uid: caller.uid,
                container: self.name.clone(),
                devices: self.gpus.clone(),
                kind,
                terms: Terms::of(&limits, run),
                stay: Stay::Away {
                    launch: self.name.clone().filter(|_| self.launch),
                },
            };
            let ticket = ledger.join(join, now);
            let turns = serve(ledger, &inventory, None, now);
            let event = line::joined(site, ledger, caller.uid, ticket);
            Ok((joined(site, ledger, caller.uid, ticket, now), event, turns))
        })?;
        inventory
            .problems
            .into_iter()
            .for_each(|problem| site.notice(problem));
        if let Some(event) = event {
            site.log(event);
        }
        log_turns(site, &turns);
        Ok(joined)
    }
}

impl JoinLine {
    /// Once for a container, and once for whichever.
    fn may_join(&self, ledger: &Ledger, uid: u32) -> Result<(), Failure> {
        let line = &ledger.line;
        let own = || line.waiters.iter().filter(|waiter| waiter.uid == uid);
        if let Some(waiter) = own().find(|waiter| waiter.container == self.name) {
            let ticket = waiter.ticket;
            let message = match &self.name {
                Some(name) => format!("{name} waits in line already, with ticket {ticket}"),
                None => format!("you wait in line already, with ticket {ticket}"),
            };
            let hint =
                format!("see how far you are with gpu-queue status, or gpu-queue leave {ticket}");
            return Err(fail(Kind::State, message, hint));
        }
        if own().count() >= WAITING {
            return Err(Denied::Waiting { limit: WAITING }.into());
        }
        let container = self.name.clone().map(|name| EngineName { name, uid });
        match container.filter(|container| ledger.has(container)) {
            Some(EngineName { name, .. }) => Err(fail(
                Kind::State,
                format!("container {name} exists already: nothing more is given to it"),
                format!("remove it with container-retire {name}, or join for another"),
            )),
            None => Ok(()),
        }
    }
}

fn joined(site: &Site, ledger: &mut Ledger, uid: u32, ticket: u64, now: Timestamp) -> Joined {
    let mut turns = ledger.line.turns.iter_mut();
    let turn = turns.find(|turn| turn.ticket == ticket);
    let kept = turn.map(|turn| {
        // The answer tells them; what is to be started is started by the duty.
        turn.told = turn.launch.is_none();
        KeptDevices::of(site, turn, uid)
    });
    let outlook = ledger.survey(&[], now).outlook(uid, ticket);
    Joined {
        ticket,
        standing: outlook.map(|outlook| outlook.standing),
        kept,
    }
}
