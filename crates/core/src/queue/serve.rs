//! The line, changed: who joins, who is given a turn, who is known to be able to take theirs.

use std::{collections::BTreeSet, time::Duration};

use super::plan;
use crate::{
    admit::{Denied, Request, admit, admit_again},
    allocate::{Chosen, Reason, allocate, allocate_again},
    device::{Held, Inventory},
    failure::{Kind, UserError},
    gpu_request::GpuRequest,
    ledger::{Allocation, Ledger, Process},
    lifecycle,
    limits::Limits,
    line::{KEPT, Known, Passed, Stay, Terms, Turn, WAITING, Waiter},
    name::ContainerName,
    time::Timestamp,
};

/// Somebody who is to join the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    /// The user.
    pub uid: u32,
    /// See [`Waiter::container`].
    pub container: Option<ContainerName>,
    /// How many devices, and of which type.
    pub devices: GpuRequest,
    /// What kind of container.
    pub kind: lifecycle::ContainerKind,
    /// What of the user's limits decides.
    pub terms: Terms,
    /// How they wait.
    pub stay: Stay,
}

impl Join {
    /// As somebody in the line of `ledger`, who came at `now`.
    ///
    /// The ticket is the generation that will be: it is raised at every save, and a ledger that
    /// was lost begins with a higher one.
    pub(crate) fn waiter(self, ledger: &Ledger, now: Timestamp) -> Waiter {
        Waiter {
            ticket: ledger.generation + 1,
            uid: self.uid,
            container: self.container,
            devices: self.devices,
            kind: self.kind,
            terms: self.terms,
            since: now,
            logged: true,
            stay: self.stay,
        }
    }
}

/// Who waits in line, and how long, if what is asked for cannot be had at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// What kind of container waits.
    pub kind: lifecycle::ContainerKind,
    /// The process that waits.
    pub process: Option<Process>,
    /// When it gives up.
    pub until: Timestamp,
}

/// What [`Ledger::request_devices`] decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestOutcome {
    /// They are given: the caller records who has them.
    Given {
        /// The devices.
        devices: Vec<Held>,
        /// Why these.
        reasons: BTreeSet<Reason>,
        /// What of them was kept for the user: see [`Line::keep_again`].
        ///
        /// [`Line::keep_again`]: crate::line::Line::keep_again
        used: Vec<Turn>,
        /// Whom it passes in line, or did when its turn came.
        passed: Option<Passed>,
    },
    /// The request waits in line, with this ticket, for this reason.
    Waits(u64, Denied),
}

/// Whom somebody passes by what they are given now, or did when a turn came that they have `used`:
/// as long as they hold it no longer than was planned then.
fn passed(passes: Option<Passed>, used: &[Turn], terms: &Terms) -> Option<Passed> {
    let mut planned = used.iter().filter(|turn| turn.allows(terms.longest));
    passes.or(planned.find_map(|turn| turn.passed))
}

impl Ledger {
    /// Gives the devices that are asked for, or puts the request into the line for as long as `wait`
    /// says. Without `wait` the request leaves the line if it was there.
    ///
    /// To be followed by [`Ledger::serve_line`], once what was given is recorded. `unclear` is a
    /// container that the engine is making, of which it cannot tell yet which devices it has:
    /// nothing is given before it can.
    ///
    /// # Errors
    ///
    /// Those of [`allocate`]: those that do not change by waiting, unless who asks waits already and
    /// they may yet, and without `wait` the others too; [`Denied::Waiting`] if the user has as many requests in line as may be.
    pub fn request_devices(
        &mut self,
        request: &Request,
        limits: &Limits,
        inventory: &Inventory,
        unclear: Option<&str>,
        wait: Option<Wait>,
        now: Timestamp,
    ) -> Result<RequestOutcome, Denied> {
        let (uid, name) = (request.container.uid, &request.container.name);
        let waits = self.line.waits_for(uid, name);
        let ticket = waits.map(|waiter| waiter.ticket);
        let away = waits.is_some_and(|waiter| matches!(waiter.stay, Stay::Away { .. }));
        let decided = match unclear {
            None => allocate(request, limits, inventory, self, now),
            Some(name) => admit(uid, &request.devices, limits, inventory, self, now)
                .and(Err(Denied::Unclear { name: name.into() })),
        };
        let denied = match decided {
            Ok(Chosen {
                devices,
                reasons,
                passes,
            }) => {
                let used = self.line.take(&request.container, &devices);
                if let Some(ticket) = ticket {
                    self.line.leave(uid, ticket);
                }
                let passed = passed(passes, &used, &Terms::of(limits, request.run));
                return Ok(RequestOutcome::Given {
                    devices,
                    reasons,
                    used,
                    passed,
                });
            }
            Err(denied) => denied,
        };
        // Who waits already may have been given something else meanwhile, which comes back; as does a
        // GPU that the driver does not show for a moment.
        let waits_on = matches!(
            denied,
            Denied::Quota { .. } | Denied::TooFew { .. } | Denied::TooFewOfType { .. }
        );
        let waits_on = waits_on && ticket.is_some();
        let Some(wait) = wait.filter(|_| denied.kind() == Kind::Busy || waits_on) else {
            if let Some(ticket) = ticket.filter(|_| !away) {
                self.line.leave(uid, ticket);
            }
            return Err(denied);
        };
        let join = Join {
            uid,
            container: Some(name.clone()),
            devices: request.devices.clone(),
            kind: wait.kind,
            terms: Terms::of(limits, request.run),
            stay: Stay::Present {
                process: wait.process,
                until: wait.until,
                offered: None,
            },
        };
        let waiters = &mut self.line.waiters;
        if let Some(waiter) = waiters.iter_mut().find(|w| Some(w.ticket) == ticket) {
            // Who waits beyond the terminal goes on when this one gives up.
            if !away {
                (waiter.devices, waiter.kind) = (join.devices, join.kind);
                (waiter.terms, waiter.stay) = (join.terms, join.stay);
            }
            return Ok(RequestOutcome::Waits(waiter.ticket, denied));
        }
        if waiters.iter().filter(|w| w.uid == uid).count() >= WAITING {
            return Err(Denied::Waiting { limit: WAITING });
        }
        Ok(RequestOutcome::Waits(self.join(join, now), denied))
    }

    /// Gives a container the devices again that it had until its hold ended, for another run of `run`
    /// at most: the caller records who has them. `devices` are those of the host as far as they are
    /// known.
    ///
    /// Returns what of them was kept for the user, and whom it passes in line, or did when its turn
    /// came.
    ///
    /// # Errors
    ///
    /// Those of [`admit_again`] and [`allocate_again`].
    pub fn request_same_devices(
        &mut self,
        entry: &Allocation,
        limits: &Limits,
        run: Option<Duration>,
        devices: &[Known],
        now: Timestamp,
    ) -> Result<(Vec<Turn>, Option<Passed>), Denied> {
        admit_again(entry, limits, self, now)?;
        let passes = allocate_again(entry, limits, run, devices, self, now)?;
        let used = self.line.take(&entry.container, &entry.devices);
        let passed = passed(passes, &used, &Terms::of(limits, run));
        Ok((used, passed))
    }

    /// Puts somebody in the line; at most one in each saved change. Their ticket.
    pub fn join(&mut self, join: Join, now: Timestamp) -> u64 {
        let mut waiter = join.waiter(self, now);
        waiter.logged = self.line.count_join(waiter.uid, now);
        let ticket = waiter.ticket;
        self.line.waiters.push(waiter);
        ticket
    }

    /// Gives what is free at `now` to those in the line who do not wait at a terminal, for
    /// [`KEPT`], or until it is reserved for others; and notes of those who do that they can take
    /// theirs. `asks` is one who knows.
    ///
    /// `devices` are those of the host, as the driver has just told. The new turns.
    pub fn serve_line(
        &mut self,
        devices: &[Known],
        asks: Option<u64>,
        now: Timestamp,
    ) -> Vec<Turn> {
        if self.line.waiters.is_empty() {
            self.line.devices.clear();
            return Vec::new();
        }
        self.line.devices = devices.into();
        let served = plan(self, devices, None, now).into_iter();
        let served = served.filter_map(|entry| {
            let kept = now + KEPT;
            let until = entry.reserved.map_or(kept, |reserved| kept.min(reserved));
            let (ticket, passed) = (entry.waiter.ticket, entry.passes);
            Some((ticket, entry.verdict.ok()?, until, passed))
        });
        let served: Vec<_> = served.collect();
        let mut turns = Vec::new();
        self.line.waiters.retain_mut(|waiter| {
            let theirs = served.iter().find(|(ticket, ..)| *ticket == waiter.ticket);
            match (&mut waiter.stay, theirs) {
                (Stay::Away { launch }, Some((_, devices, until, passed))) => {
                    turns.push(Turn {
                        ticket: waiter.ticket,
                        uid: waiter.uid,
                        group: waiter.terms.group.clone(),
                        container: waiter.container.clone(),
                        logged: waiter.logged,
                        devices: devices.clone(),
                        until: *until,
                        longest: waiter.terms.longest,
                        passed: *passed,
                        launch: launch.take(),
                        told: false,
                        doing: None,
                    });
                    return false;
                }
                (Stay::Away { .. }, None) => {}
                (Stay::Present { offered, .. }, Some(_)) if asks != Some(waiter.ticket) => {
                    offered.get_or_insert(now);
                }
                (Stay::Present { offered, .. }, _) => *offered = None,
            }
            true
        });
        self.line.turns.extend(turns.iter().cloned());
        self.line.forget_devices();
        turns
    }
}
