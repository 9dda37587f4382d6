//! What the ledger alone says to somebody who waits: whether to ask again, and what to tell.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Entry, plan};
use crate::{
    admit::Denied,
    ledger::{Holding, Ledger, Process},
    line::{OFFER, Stay},
    time::Timestamp,
};

/// Times that differ by less are the same to somebody who waits.
const CLOSE: Duration = Duration::from_secs(60);

/// Where somebody stands in the line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Their ticket.
    pub ticket: u64,
    /// Their place: 1 is the first.
    pub place: u32,
    /// How many wait.
    pub of: u32,
    /// Why they wait still; `None` if what they wait for is free by now.
    pub why: Option<Denied>,
    /// When they are served at the latest; `None` if no end is known of what they wait for.
    pub expected: Option<Timestamp>,
}

/// What the ledger says of everybody in the line at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// Where everybody stands, the first first; with their uids.
    pub all: Vec<(u32, Standing)>,
    /// When it will say something else, though nobody changes it.
    pub next: Option<Timestamp>,
}

/// What somebody who waits should do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outlook {
    /// Where they stand.
    pub standing: Standing,
    /// It is for them to look now and then at what the ledger cannot know: containers of others,
    /// processes outside all containers.
    pub looks: bool,
    /// Somebody else could take theirs and has not yet: should they not come, others are to ask.
    pub others_served: bool,
}

impl Standing {
    fn of(at: usize, entries: &[Entry<'_>]) -> Self {
        let entry = &entries[at];
        Self {
            ticket: entry.waiter.ticket,
            place: at as u32 + 1,
            of: entries.len() as u32,
            why: entry.verdict.as_ref().err().cloned(),
            expected: entry.expected,
        }
    }

    /// Whether, by what is known, their devices are free: it is for them to ask.
    pub fn is_served(&self) -> bool {
        self.why.is_none()
    }

    /// Whether somebody who knows the `other` need not be told: the time at which they are served
    /// moves on with those who are about to be served and have not begun.
    pub fn is_like(&self, other: &Self) -> bool {
        let close = match (self.expected, other.expected) {
            (Some(one), Some(other)) => one.since(other).max(other.since(one)) < CLOSE,
            (one, other) => one == other,
        };
        close && self.is_at_place_of(other)
    }

    fn is_at_place_of(&self, other: &Self) -> bool {
        let all = |one: &Self| (one.ticket, one.place, one.of);
        all(self) == all(other) && self.why == other.why
    }

    fn waits_for_own_quota(&self) -> bool {
        matches!(self.why, Some(Denied::Quota { .. }))
    }
}

impl Outlook {
    /// Whether to ask again; `quiet`, if nothing has changed for [`LOOK`].
    ///
    /// [`LOOK`]: crate::line::LOOK
    pub fn asks(&self, quiet: bool) -> bool {
        self.standing.is_served() || quiet && (self.looks || self.others_served)
    }
}

impl Survey {
    /// Whether everybody stands where they stood by the `other`, and for the same reasons.
    pub fn is_like(&self, other: &Self) -> bool {
        let mut both = self.all.iter().zip(&other.all);
        self.all.len() == other.all.len()
            && both.all(|((_, one), (_, other))| one.is_at_place_of(other))
    }

    /// What this user should do who waits with this ticket; `None` if they are not in the line.
    pub fn outlook(&self, uid: u32, ticket: u64) -> Option<Outlook> {
        let theirs = |(of, standing): &(u32, Standing)| (*of, standing.ticket) == (uid, ticket);
        let at = self.all.iter().position(theirs)?;
        let waits =
            |(_, other): &(u32, Standing)| !other.is_served() && !other.waits_for_own_quota();
        let others = self.all.iter().filter(|other| !theirs(other));
        let mut others = others.map(|(_, other)| other);
        Some(Outlook {
            standing: self.all[at].1.clone(),
            looks: at == 0 || self.all.iter().position(waits) == Some(at),
            others_served: others.any(Standing::is_served),
        })
    }
}

impl Ledger {
    /// Where everybody in the line stands at `now`, by the ledger alone. `dead` are processes
    /// that have ended.
    pub fn survey(&self, dead: &[Process], now: Timestamp) -> Survey {
        let mut ledger = self.clone();
        ledger.tidy_line(dead, now);
        let entries = plan(&ledger, &ledger.line.devices, None, now);
        let standing = |at: usize| (entries[at].waiter.uid, Standing::of(at, &entries));
        Survey {
            all: (0..entries.len()).map(standing).collect(),
            next: ledger.next_change(now),
        }
    }

    /// The next moment after `now` at which something of the line is over or begins by itself.
    fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let line = &self.line;
        let holds = self
            .allocations
            .iter()
            .filter_map(|entry| match entry.holding {
                Holding::Stopped { .. } => entry.free_at(now),
                _ => None,
            });
        let turns = line.turns.iter().map(|turn| turn.until);
        let offers = line.waiters.iter().filter_map(|waiter| match waiter.stay {
            Stay::Present {
                offered: Some(at), ..
            } => Some(at + OFFER),
            _ => None,
        });
        let reserved = line.reservations.iter();
        let reserved = reserved.flat_map(|r| [r.from - r.lead, r.from, r.until]);
        let times = holds.chain(turns).chain(offers).chain(reserved);
        times.chain(self.grants_after).filter(|at| *at > now).min()
    }
}
