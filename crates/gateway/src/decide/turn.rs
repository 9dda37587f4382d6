//! A container that waits in line for its GPUs, as long as the client keeps the connection open.

use std::{
    future::pending,
    time::{Duration, Instant},
};

use ds01_core::failure::{Failure, Kind};
use ds01_host::{
    Operation, clock,
    line_watch::{Await, Awaited},
    ops::{Leave, WaitUntil},
};
use tokio::io::AsyncReadExt;

use super::Call;
use crate::{body, socket::Socket};

/// One request that may wait.
pub(super) struct InLine {
    patience: Duration,
    begun: Instant,
    ticket: Option<u64>,
}

impl InLine {
    /// From now on, for so long.
    pub(super) fn new(patience: Duration) -> Self {
        Self {
            patience,
            begun: Instant::now(),
            ticket: None,
        }
    }

    /// How the request waits, if it is to be in line again: by the clock as it is now, which may have
    /// been set since the wait began.
    pub(super) fn wait(&self) -> Option<WaitUntil> {
        let left = Some(self.left()).filter(|left| !left.is_zero())?;
        let ticket = self.ticket;
        // The ledger knows whole seconds, and is not to be the first to give up.
        let at = clock::now() + left + Duration::from_secs(1);
        Some(WaitUntil { at, ticket })
    }

    fn left(&self) -> Duration {
        self.patience.saturating_sub(self.begun.elapsed())
    }

    /// Nothing came of it: if it has waited, that is said too.
    pub(super) fn in_vain(&self, failure: Failure) -> Failure {
        if failure.kind != Kind::Busy || self.ticket.is_none() {
            return failure;
        }
        let waited = self.patience.as_secs();
        let message = format!("{}; waited for {waited}s", failure.message);
        Failure { message, ..failure }.with_hint("wait beyond it with gpu-queue join")
    }
}

impl Call<'_> {
    /// Waits until it is time to ask again, or the time is over.
    ///
    /// # Errors
    ///
    /// If the client has gone, which leaves the line; or the ledger cannot be read.
    pub(super) async fn turn(
        &self,
        line: &mut InLine,
        ticket: u64,
        channel: &mut Socket,
    ) -> Result<(), Failure> {
        line.ticket = Some(ticket);
        let mut known = None;
        loop {
            let within = line.left();
            if within.is_zero() {
                return Ok(());
            }
            let asked = Await {
                ticket,
                known: known.take(),
                within,
            };
            let mut nothing = [0; 1];
            let awaited = tokio::select! {
                awaited = self.gateway.line.wait(self.caller.uid, asked) => awaited,
                // The parser says nothing more: it lets go when the client has.
                _ = channel.read(&mut nothing) => Err(self.gone(ticket).await),
            };
            match awaited? {
                Awaited::Ask => return Ok(()),
                Awaited::Stands(standing) => known = Some(standing),
            }
        }
    }

    /// Out of the line at once.
    async fn gone(&self, ticket: u64) -> Failure {
        let left = match body::write(&Leave {
            ticket,
            present: true,
        }) {
            Ok(leave) => {
                let left = self.operate_until(Leave::NAME, &leave, pending());
                left.await.map(drop)
            }
            Err(failure) => Err(failure),
        };
        let gone = Failure::new(Kind::Interrupted, "the client has left");
        // Nobody hears of it: a request that stays is not there when its turn comes, and goes then.
        left.err().unwrap_or(gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ledger_is_told_of_what_is_left_of_a_wait_by_the_clock_as_it_is() {
        let hour = Duration::from_secs(3600);
        let mut line = InLine::new(2 * hour);
        line.begun -= hour;
        let at = line.wait().unwrap().at;
        let left = at.since(clock::now());
        assert!(
            left <= hour + Duration::from_secs(1) && left > hour / 2,
            "{left:?}"
        );
        line.begun -= hour;
        assert_eq!(line.wait(), None);
    }
}
