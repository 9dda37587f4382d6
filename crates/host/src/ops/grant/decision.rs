//! What is decided about a request while the ledger is locked.

use std::collections::BTreeMap;

use ds01_core::{
    admit::{Denied, Request},
    allocate::in_words,
    device::{Held, Inventory},
    event::Event,
    failure::{Failure, Kind},
    ledger::{Allocation, Holding, Ledger},
    line::{Passed, Terms, Turn},
    name::EngineName,
    queue::{RequestOutcome, Wait},
    time::Timestamp,
};

use super::{GrantRequest, Granted};
use crate::{
    Site,
    look::Look,
    ops::{
        draft::Order,
        intent::pending,
        line::{joined, serve, terms_today},
    },
    site::fail,
};

/// All that deciding about a request takes, gathered before the ledger is locked.
pub(super) struct Decision<'a> {
    site: &'a Site,
    order: &'a Order,
    request: Request,
    inventory: &'a Inventory,
    /// A container that the engine is making, whose devices it cannot tell yet.
    unclear: Option<&'a str>,
    /// How it waits, if it may.
    wait: Option<Wait>,
    /// The ticket with which it waits already.
    ticket: Option<u64>,
    /// What the limits of those in line are today.
    terms: BTreeMap<u64, Terms>,
}

impl<'a> Decision<'a> {
    pub(super) fn new(
        site: &'a Site,
        order: &'a Order,
        wanted: GrantRequest<'_>,
        look: &'a Look,
        inventory: &'a Inventory,
    ) -> Result<Self, Failure> {
        let waits = wanted.wait.filter(|_| !wanted.dry_run);
        Ok(Self {
            site,
            order,
            request: Request {
                container: order.container.clone(),
                devices: wanted.gpus.clone(),
                run: order.run,
            },
            inventory,
            unclear: look.unclear().filter(|_| wanted.gpus.count > 0),
            wait: waits.map(|wait| Wait {
                kind: order.kind,
                process: site.client(),
                until: wait.at,
            }),
            ticket: waits.and_then(|wait| wait.ticket),
            terms: terms_today(site, &look.before)?,
        })
    }

    /// Decides, and records in the ledger what was decided. `turns` becomes whose turn in line has come.
    pub(super) fn decide(
        mut self,
        ledger: &mut Ledger,
        turns: &mut Vec<Turn>,
        now: Timestamp,
    ) -> Result<Decided, Failure> {
        let (order, container) = (self.order, &self.order.container);
        let orphan = replaceable(ledger, container)?;
        still_waits(ledger, container.uid, self.ticket)?;
        ledger.line.recent.half_life = order.half_life;
        ledger.line.renew(&self.terms);
        let in_line = ledger.line.waits_for(container.uid, &container.name);
        let waited = in_line.is_some();
        let (limits, wait) = (&order.limits, self.wait.take());
        match ledger.request_devices(
            &self.request,
            limits,
            self.inventory,
            self.unclear,
            wait,
            now,
        ) {
            Ok(RequestOutcome::Given {
                devices,
                reasons,
                used,
                passed,
            }) => {
                ledger.put(intent(order, &devices, passed, orphan.as_ref(), now));
                self.serve_others(ledger, None, turns, now);
                Ok(Decided::Granted(Granted {
                    devices,
                    reason: in_words(&reasons),
                    used,
                    orphan,
                    since: now,
                }))
            }
            Ok(RequestOutcome::Waits(ticket, why)) => {
                self.serve_others(ledger, Some(ticket), turns, now);
                let joined = (!waited)
                    .then(|| joined(self.site, ledger, container.uid, ticket))
                    .flatten();
                Ok(Decided::Waits(ticket, why, joined))
            }
            // Who is refused serves the others all the same: nobody else may look for a while.
            Err(denied) => {
                self.serve_others(ledger, None, turns, now);
                Err(denied.into())
            }
        }
    }

    /// Serves the others in line, if it is known which devices there are. `asks` is the ticket of this
    /// request.
    fn serve_others(
        &self,
        ledger: &mut Ledger,
        asks: Option<u64>,
        turns: &mut Vec<Turn>,
        now: Timestamp,
    ) {
        if self.request.devices.count > 0 && self.unclear.is_none() {
            *turns = serve(ledger, self.inventory, asks, now);
        }
    }
}

/// What is decided under the lock.
pub(super) enum Decided {
    Granted(Granted),
    /// With this ticket, for this reason; the event of it, if it is new in the line.
    Waits(u64, Denied, Option<Event>),
}

/// The intent of a process that died, if the container has one, which may be replaced.
///
/// # Errors
///
/// Status 4 if there is such a container.
fn replaceable(ledger: &Ledger, container: &EngineName) -> Result<Option<Allocation>, Failure> {
    match ledger.entry(container) {
        Some(entry) if !matches!(entry.holding, Holding::Orphaned { .. }) => Err(exists(entry)),
        orphan => Ok(orphan.cloned()),
    }
}

/// The entry of a container that is to be made, and replaces this `orphan`.
fn intent(
    order: &Order,
    devices: &[Held],
    passed: Option<Passed>,
    orphan: Option<&Allocation>,
    now: Timestamp,
) -> Allocation {
    Allocation {
        container: order.container.clone(),
        id: None,
        devices: devices.to_vec(),
        holding: pending(now),
        hold: order.limits.gpu_hold_after_stop,
        group: order.limits.group.clone(),
        ends: None,
        passed,
        late: orphan.map(Allocation::candidates).unwrap_or_default(),
        changed: 0,
    }
}

/// # Errors
///
/// If its owner has taken the request out of the line: it does not join again.
fn still_waits(ledger: &Ledger, uid: u32, ticket: Option<u64>) -> Result<(), Failure> {
    match ticket.filter(|ticket| ledger.line.is_taken_out(uid, *ticket)) {
        None => Ok(()),
        Some(ticket) => Err(fail(
            Kind::Failed,
            format!("you took it out of the line, with gpu-queue leave {ticket}"),
            "ask again to wait anew, as the last".into(),
        )),
    }
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
