//! The devices of a container to be made: decided under the lock, or waited for in line.

use ds01_core::{
    admit::{Denied, Request},
    allocate::in_words,
    device::{Held, Inventory},
    event::Event,
    failure::{Failure, Kind},
    ledger::{Allocation, Holding, Ledger, PENDING, SETTLED},
    line::{OFFER, Turn},
    name::EngineName,
    queue::{RequestOutcome, Wait},
    time::Timestamp,
};

use super::{
    create::{Creation, WaitUntil},
    draft::Order,
    folders,
    intent::{is_of_this_process, pending},
    line::{joined, log_turns, serve, terms_today},
};
use crate::{
    Site, clock, ledger_file,
    look::{Look, Scope},
    nvml,
    site::fail,
};

// Who asks as soon as it may keeps its place, however late it is answered.
const _: () = {
    let (driver, folder, lock) = (nvml::LIMIT, folders::PATIENCE, ledger_file::PATIENCE);
    let answer = driver.as_secs() + folder.as_secs() + lock.as_secs();
    assert!(answer <= OFFER.as_secs(), "OFFER is shorter than an ask");
};

/// How many devices, whether to take them, and until when to wait for them.
#[derive(Clone, Copy)]
pub(super) struct GpuRequest {
    pub(super) gpus: u32,
    pub(super) dry_run: bool,
    pub(super) wait: Option<WaitUntil>,
}

/// Decides under the lock, and records the intent, or that it waits in line.
///
/// # Errors
///
/// Why it is not granted.
pub(super) fn grant(
    site: &Site,
    order: &Order,
    ask: GpuRequest,
    look: &Look,
    inventory: &Inventory,
) -> Result<Creation<Granted>, Failure> {
    let container = &order.container;
    let request = Request {
        container: container.clone(),
        devices: ask.gpus,
        run: order.run,
    };
    let unclear = look.unclear().filter(|_| ask.gpus > 0);
    let waits = ask.wait.filter(|_| !ask.dry_run);
    let wait = waits.map(|wait| Wait {
        kind: order.kind,
        process: site.client(),
        until: wait.at,
    });
    let today = terms_today(site, &look.before)?;
    site.knows(&order.person);
    let mut turns = Vec::new();
    let decide = |ledger: &mut Ledger, now: Timestamp| {
        let orphan = ledger.entry(container).cloned();
        if let Some(entry) = &orphan
            && !matches!(entry.holding, Holding::Orphaned { .. })
        {
            return Err(exists(entry));
        }
        still_waits(ledger, container.uid, waits)?;
        ledger.line.recent.half_life = order.half_life;
        ledger.line.renew(&today);
        let waited = ledger
            .line
            .waits_for(container.uid, &container.name)
            .is_some();
        let asked = ledger.request_devices(&request, &order.limits, inventory, unclear, wait, now);
        // Who is refused serves the others all the same: nobody else may look for a while.
        let mut serve = |ledger: &mut Ledger, asks| {
            if ask.gpus > 0 && unclear.is_none() {
                turns = serve(ledger, inventory, asks, now);
            }
        };
        let (devices, reasons, used, passed) = match asked {
            Ok(RequestOutcome::Given {
                devices,
                reasons,
                used,
                passed,
            }) => (devices, reasons, used, passed),
            Ok(RequestOutcome::Waits(ticket, why)) => {
                serve(ledger, Some(ticket));
                let joined = (!waited)
                    .then(|| joined(site, ledger, container.uid, ticket))
                    .flatten();
                return Ok(Decided::Waits(ticket, why, joined));
            }
            Err(denied) => {
                serve(ledger, None);
                return Err(denied.into());
            }
        };
        ledger.put(Allocation {
            container: container.clone(),
            id: None,
            devices: devices.clone(),
            holding: pending(now),
            hold: order.limits.gpu_hold_after_stop,
            group: order.limits.group.clone(),
            ends: None,
            passed,
            late: orphan
                .as_ref()
                .map(Allocation::candidates)
                .unwrap_or_default(),
            changed: 0,
        });
        serve(ledger, None);
        Ok(Decided::Granted(Granted {
            devices,
            reason: in_words(&reasons),
            used,
            orphan,
            since: now,
        }))
    };
    let decided = if ask.dry_run {
        decide(&mut site.view(look)?, clock::now())
    } else {
        site.change(look, decide)
    };
    let event = |kind: &str| {
        Event::new(clock::now(), kind)
            .of(&order.person.login)
            .with("container", container)
    };
    match &decided {
        Err(failure) if matches!(failure.kind, Kind::Denied | Kind::Busy) && !ask.dry_run => {
            site.log(event("gpu.reject").with("reason", &failure.message));
        }
        Ok(Decided::Waits(_, why, Some(joined))) => site.log(joined.clone().with("reason", why)),
        _ => {}
    }
    for problem in &inventory.problems {
        site.notice(problem.clone());
    }
    if !ask.dry_run {
        log_turns(site, &turns);
    }
    Ok(match decided? {
        Decided::Granted(granted) => Creation::Made(granted),
        Decided::Waits(ticket, ..) => Creation::Waits(ticket),
    })
}

/// What is decided under the lock.
enum Decided {
    Granted(Granted),
    /// With this ticket, for this reason; the event of it, if it is new in the line.
    Waits(u64, Denied, Option<Event>),
}

/// # Errors
///
/// If its owner has taken the request out of the line: it does not join again.
fn still_waits(ledger: &Ledger, uid: u32, wait: Option<WaitUntil>) -> Result<(), Failure> {
    let ticket = wait.and_then(|wait| wait.ticket);
    match ticket.filter(|ticket| ledger.line.is_taken_out(uid, *ticket)) {
        None => Ok(()),
        Some(ticket) => Err(fail(
            Kind::Failed,
            format!("you took it out of the line, with gpu-queue leave {ticket}"),
            "ask again to wait anew, as the last".into(),
        )),
    }
}

/// What the ledger grants.
pub(super) struct Granted {
    pub(super) devices: Vec<Held>,
    /// Why these; empty without any.
    pub(super) reason: String,
    /// What of them was kept for the owner, whose turn had come.
    pub(super) used: Vec<Turn>,
    /// The intent of a process that died, which this one replaced: its container may yet turn up.
    pub(super) orphan: Option<Allocation>,
    /// When.
    since: Timestamp,
}

impl Granted {
    /// Makes sure, right before the engine is asked, that it is kept for as long as that may take.
    ///
    /// # Errors
    ///
    /// Status 6 if it was given up: what lay between, such as the file system of a folder, took too long.
    pub(super) fn renew(&self, site: &Site, container: &EngineName) -> Result<(), Failure> {
        if clock::now() + SETTLED < self.since + PENDING {
            return Ok(());
        }
        site.change(&site.look(&Scope::Nothing)?, |ledger, now| {
            let entry = ledger.entry(container);
            if !entry.is_some_and(is_ours) {
                let name = &container.name;
                return Err(fail(
                    Kind::Busy,
                    format!("making {name} took too long: what was kept for it was given up"),
                    "try again".into(),
                ));
            }
            ledger.change(container, |entry| entry.holding = pending(now));
            Ok(())
        })
    }
}

/// Whether it is what this process was granted, for a container to be made.
pub(super) fn is_ours(entry: &Allocation) -> bool {
    entry.id.is_none() && is_of_this_process(entry)
}

/// The container does not exist: its devices are free at once. If the engine did not answer it
/// may exist: then they stay until it shows, or [`PENDING`] has passed. An orphan that was
/// replaced is waited for again, and what was kept for the owner is kept again.
pub(super) fn give_back(
    site: &Site,
    container: &EngineName,
    unanswered: bool,
    orphan: Option<&Allocation>,
    used: Vec<Turn>,
) -> Result<(), Failure> {
    site.change(&site.look(&Scope::Nothing)?, |ledger, _| {
        // After a lapse the name may have gone to another process.
        if !ledger.entry(container).is_some_and(is_ours) {
            return Ok(());
        }
        if unanswered {
            ledger.change(container, |entry| {
                if let Holding::Pending { creator, .. } = &mut entry.holding {
                    *creator = None;
                }
            });
        } else {
            ledger.remove(container);
            ledger.line.keep_again(used);
            orphan
                .cloned()
                .into_iter()
                .for_each(|orphan| ledger.put(orphan));
        }
        Ok(())
    })
}

/// Status 4, in the words of the state that it is in.
fn exists(entry: &Allocation) -> Failure {
    let name = &entry.container.name;
    let (state, hint) = match entry.holding {
        Holding::Pending { .. } => (
            "is being created",
            "see what became of it with container-list --all".to_string(),
        ),
        _ => (
            "exists already",
            format!("use it with container-run {name}, or remove it with container-retire {name}"),
        ),
    };
    fail(Kind::State, format!("container {name} {state}"), hint)
}

#[cfg(test)]
mod tests {
    use nix::unistd::mkdtemp;

    use super::*;
    use crate::{config::Config, ledger_file::Stored};

    #[test]
    fn what_another_process_was_granted_meanwhile_is_not_given_back() {
        let root = mkdtemp(&std::env::temp_dir().join("ds01-grant-XXXXXX")).unwrap();
        let mut config = Config::default();
        config.paths.state = root.join("state");
        config.paths.log = root.join("log");
        let site = Site::new(config, "test").unwrap();
        let container: EngineName = "thesis._.20001".parse().unwrap();
        let (this, another) = (clock::this_process(), clock::process(1));
        let left = |creator, unanswered| {
            let look = site.look(&Scope::Nothing).unwrap();
            let put = |ledger: &mut Ledger, now| {
                ledger.put(Allocation {
                    container: container.clone(),
                    id: None,
                    devices: Vec::new(),
                    holding: Holding::Pending {
                        creator,
                        lapses: now + PENDING,
                    },
                    hold: None,
                    group: String::new(),
                    ends: None,
                    passed: None,
                    late: Vec::new(),
                    changed: 0,
                });
                Ok(())
            };
            site.change(&look, put).unwrap();
            give_back(&site, &container, unanswered, None, Vec::new()).unwrap();
            let Stored::Whole(ledger) = site.ledger.read().unwrap() else {
                panic!("damaged");
            };
            let entry = ledger.entry(&container);
            entry.map(|entry| match &entry.holding {
                Holding::Pending { creator, .. } => creator.clone(),
                other => panic!("{other:?}"),
            })
        };
        assert_eq!(left(another.clone(), false), Some(another.clone()));
        assert_eq!(left(another.clone(), true), Some(another));
        assert_eq!(left(this.clone(), true), Some(None));
        assert_eq!(left(this, false), None);
        std::fs::remove_dir_all(root).unwrap();
    }
}
