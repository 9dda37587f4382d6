//! Out of the waiting line, before one's turn has come.

use ds01_core::{
    event::Event,
    failure::Failure,
    line::{Stay, Turn, Waiter, slots},
};
use serde::{Deserialize, Serialize};

use crate::{
    Operation, Site, clock,
    look::Scope,
    users::{Caller, login},
};

/// Takes a request of the caller's out of the line, or gives up their turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leave {
    /// Its ticket.
    pub ticket: u64,
    /// Only if it waits at a terminal or on a connection: what was joined beyond that stays when
    /// somebody who asked for the same container gives up.
    pub present: bool,
}

impl Operation for Leave {
    const NAME: &'static str = "leave";
    /// The devices that were kept, as users read them, and are free; `None` if it was not in the line.
    type Answer = Option<String>;

    fn run(&self, site: &Site, caller: Caller) -> Result<Option<String>, Failure> {
        let look = site.look(&Scope::Nothing)?;
        let left = site.change(&look, |ledger, _| {
            let waiter = ledger.line.waiter(caller.uid, self.ticket);
            let is_present = |waiter: &Waiter| matches!(waiter.stay, Stay::Present { .. });
            if self.present && !waiter.is_some_and(is_present) {
                return Ok(None);
            }
            let waited = ledger
                .line
                .leave(caller.uid, self.ticket)
                .map(|_| String::new());
            let turns = &mut ledger.line.turns;
            let own = |turn: &Turn| turn.uid == caller.uid && turn.ticket == self.ticket;
            let kept = turns.iter().position(own).map(|at| turns.remove(at));
            Ok(waited.or(kept.map(|turn| slots(&turn.devices))))
        })?;
        if let Some(free) = &left {
            let event = Event::new(clock::now(), "queue.left").of(login(caller.uid));
            let event = event.with("ticket", self.ticket);
            site.log(match free.is_empty() {
                true => event.with("reason", "its owner left"),
                false => event
                    .with("reason", "its owner gave up the turn")
                    .with("gpus", free),
            });
        }
        Ok(left)
    }
}
