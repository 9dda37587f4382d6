//! What the line remembers of who is not in it any more: who was taken out, who joins again and again.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Line, WAITING};
use crate::time::Timestamp;

/// How often in an hour a user's joining the line is an event: who joins and leaves in a loop
/// does not fill the log.
pub const JOINS: u32 = 60;

/// The time in which they are counted.
const JOINS_IN: Duration = Duration::from_secs(3600);

/// How long it is known that somebody was taken out of the line by its owner, so that the command
/// which waits there ends. It is woken at once.
const TAKEN_OUT: Duration = Duration::from_secs(60);

/// Somebody who was taken out of the line by its owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenOut {
    /// The user.
    pub uid: u32,
    /// The ticket with which they waited.
    pub ticket: u64,
    /// When.
    pub at: Timestamp,
}

/// How often a user has joined the line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joins {
    /// Since when they are counted.
    pub since: Timestamp,
    /// How often.
    pub count: u32,
}

/// Why somebody is not in the line any more, or has a turn no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gone {
    /// The process that waited has ended.
    Ended,
    /// They had waited as long as they wanted.
    GaveUp,
    /// Their devices were free for [`OFFER`](super::OFFER), and they did not take them.
    Absent,
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ended => "its process has ended",
            Self::GaveUp => "it waited as long as it wanted",
            Self::Absent => "it did not take what was free for it",
        })
    }
}

impl Line {
    /// Counts that a user joins at `now`. Whether it is an event.
    pub(crate) fn count_join(&mut self, uid: u32, now: Timestamp) -> bool {
        let none = Joins {
            since: now,
            count: 0,
        };
        let joins = self.joins.entry(uid).or_insert(none);
        joins.count = joins.count.saturating_add(1);
        joins.count <= JOINS
    }

    /// Until when no join of this user's is an event any more, if so many have been.
    pub fn joins_quiet_until(&self, uid: u32) -> Option<Timestamp> {
        let joins = self.joins.get(&uid).filter(|joins| joins.count >= JOINS)?;
        Some(joins.since + JOINS_IN)
    }

    /// Notes for the command that may wait there that its owner has taken it out of the line.
    pub fn take_out(&mut self, uid: u32, ticket: u64, at: Timestamp) {
        self.taken_out.push(TakenOut { uid, ticket, at });
        // No more than can wait at a time, however fast somebody joins and leaves.
        let own = self.taken_out.iter().filter(|out| out.uid == uid);
        if own.count() > WAITING {
            let oldest = self.taken_out.iter().position(|out| out.uid == uid);
            if let Some(at) = oldest {
                self.taken_out.remove(at);
            }
        }
    }

    /// Whether the owner has taken this request out of the line.
    pub fn is_taken_out(&self, uid: u32, ticket: u64) -> bool {
        let mut all = self.taken_out.iter();
        all.any(|out| (out.uid, out.ticket) == (uid, ticket))
    }

    pub(super) fn forget_old(&mut self, now: Timestamp) {
        self.taken_out.retain(|out| now < out.at + TAKEN_OUT);
        self.joins.retain(|_, joins| now < joins.since + JOINS_IN);
    }

    /// The clock was set back.
    pub(super) fn lately_not_later_than(&mut self, now: Timestamp) {
        for out in &mut self.taken_out {
            out.at = out.at.min(now);
        }
        for joins in self.joins.values_mut() {
            joins.since = joins.since.min(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_those_taken_out_only_the_newest_of_a_user_are_known() {
        let mut line = Line::default();
        let now = Timestamp(1_000_000);
        line.take_out(2, 1, now);
        let tickets = 2..=WAITING as u64 + 4;
        tickets.for_each(|ticket| line.take_out(1, ticket, now));
        let known = line.taken_out.iter().map(|out| (out.uid, out.ticket));
        let newest = (5..=WAITING as u64 + 4).map(|ticket| (1, ticket));
        let expected: Vec<_> = std::iter::once((2, 1)).chain(newest).collect();
        assert_eq!(known.collect::<Vec<_>>(), expected);
    }
}
