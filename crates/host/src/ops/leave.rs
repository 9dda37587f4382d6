//! Out of the waiting line, before one's turn has come.

use ds01_core::{
    device::slot_list,
    failure::Failure,
    line::{Stay, Turn, Waiter},
};
use serde::{Deserialize, Serialize};

use super::line::event;
use crate::{Operation, Site, look::Scope, users::Caller};

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
        let left = site.change(&look, |ledger, now| {
            let line = &mut ledger.line;
            let waiter = line.waiter(caller.uid, self.ticket);
            let is_present = |waiter: &Waiter| matches!(waiter.stay, Stay::Present { .. });
            if self.present && !waiter.is_some_and(is_present) {
                return Ok(None);
            }
            if let Some(waiter) = line.leave(caller.uid, self.ticket) {
                if !self.present {
                    line.take_out(caller.uid, self.ticket, now);
                }
                return Ok(Some((waiter.container, waiter.logged, String::new())));
            }
            let own = |turn: &Turn| {
                (turn.uid, turn.ticket) == (caller.uid, self.ticket) && !turn.is_used()
            };
            let kept = line.turns.iter().position(own);
            let kept = kept.map(|at| line.turns.remove(at));
            Ok(kept.map(|turn| (turn.container, turn.logged, slot_list(&turn.devices))))
        })?;
        if let Some((container, true, free)) = &left {
            let event = event(
                site,
                "queue.left",
                caller.uid,
                self.ticket,
                container.as_ref(),
            );
            site.log(match free.is_empty() {
                true => event.with("reason", "its owner left"),
                false => event
                    .with("reason", "its owner gave up the turn")
                    .with("gpus", free),
            });
        }
        Ok(left.map(|(.., free)| free))
    }
}
