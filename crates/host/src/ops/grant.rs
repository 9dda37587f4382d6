//! The devices of a container to be made: decided under the lock, or waited for in line.

mod decision;

use ds01_core::{
    device::{Held, Inventory},
    event::Event,
    failure::{Failure, Kind},
    gpu_request::GpuRequest,
    ledger::{Allocation, Holding, Ledger, PENDING, SETTLED},
    line::{OFFER, Turn},
    name::EngineName,
    time::Timestamp,
};

use super::{
    create::{Creation, WaitUntil},
    draft::Order,
    folders,
    intent::{is_of_this_process, pending},
    line::log_turns,
};
use crate::{
    Site, clock, ledger_file,
    look::{Look, Scope},
    nvml,
    site::fail,
};

use decision::{Decided, Decision};

// Who asks as soon as it may keeps its place, however late it is answered.
const _: () = {
    let (driver, folder, lock) = (nvml::LIMIT, folders::PATIENCE, ledger_file::PATIENCE);
    let answer = driver.as_secs() + folder.as_secs() + lock.as_secs();
    assert!(answer <= OFFER.as_secs(), "OFFER is shorter than an ask");
};

/// How many devices, whether to take them, and until when to wait for them.
#[derive(Clone, Copy)]
pub(super) struct GrantRequest<'a> {
    pub(super) gpus: &'a GpuRequest,
    pub(super) dry_run: bool,
    pub(super) wait: Option<WaitUntil>,
}

/// Decides under the lock whether `order` gets its devices, and records the intent, or that it waits
/// in line.
///
/// # Errors
///
/// Why it is not granted.
pub(super) fn grant(
    site: &Site,
    order: &Order,
    wanted: GrantRequest<'_>,
    look: &Look,
    inventory: &Inventory,
) -> Result<Creation<Granted>, Failure> {
    let decision = Decision::new(site, order, wanted, look, inventory)?;
    site.knows(&order.person);
    let mut turns = Vec::new();
    let decide = |ledger: &mut Ledger, now| decision.decide(ledger, &mut turns, now);
    let decided = if wanted.dry_run {
        decide(&mut site.view(look)?, clock::now())
    } else {
        site.change(look, decide)
    };
    log_decision(site, order, &decided, wanted.dry_run);
    for problem in &inventory.problems {
        site.notice(problem.clone());
    }
    if !wanted.dry_run {
        log_turns(site, &turns);
    }
    Ok(match decided? {
        Decided::Granted(granted) => Creation::Made(granted),
        Decided::Waits(ticket, ..) => Creation::Waits(ticket),
    })
}

/// Logs that the request was refused, or is new in the line.
fn log_decision(site: &Site, order: &Order, decided: &Result<Decided, Failure>, dry_run: bool) {
    match decided {
        Err(failure) if matches!(failure.kind, Kind::Denied | Kind::Busy) && !dry_run => {
            let event = Event::new(clock::now(), "gpu.reject").of(&order.person.login);
            let event = event.with("container", &order.container);
            site.log(event.with("reason", &failure.message));
        }
        Ok(Decided::Waits(_, why, Some(joined))) => site.log(joined.clone().with("reason", why)),
        _ => {}
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
