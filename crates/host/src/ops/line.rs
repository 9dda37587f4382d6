//! What the operations on the waiting line share.

use ds01_core::{
    device::Inventory,
    event::Event,
    failure::{Failure, Kind},
    ledger::Ledger,
    line::{self, Known, Turn},
    time::Timestamp,
};

use crate::{Site, clock, ledger_file::Stored, site::fail, users::login};

/// Gives those in the line what is theirs by now: `asks` is one who knows. The new turns.
pub(super) fn serve(
    ledger: &mut Ledger,
    inventory: &Inventory,
    asks: Option<u64>,
    now: Timestamp,
) -> Vec<Turn> {
    let known: Vec<_> = inventory.devices.iter().map(Known::from).collect();
    ledger.serve_line(&known, asks, now)
}

/// Logs that the turn of these has come.
pub(super) fn log_turns(site: &Site, turns: &[Turn]) {
    for turn in turns {
        let event = Event::new(clock::now(), "queue.served").of(login(turn.uid));
        let event = event.with("ticket", turn.ticket);
        let event = event.with("gpus", line::slots(&turn.devices));
        site.log(event.with("until", turn.until));
    }
}

/// The ledger as it is stored: the line is in it and nowhere else.
pub(super) fn stored(site: &Site) -> Result<Ledger, Failure> {
    match site.ledger.read()? {
        Stored::Whole(ledger) => Ok(ledger),
        Stored::Damaged(damage) => Err(fail(
            Kind::Unreachable,
            format!("the ledger cannot be trusted: {damage}"),
            "it is rebuilt when somebody asks for a GPU, without the waiting line".into(),
        )),
    }
}
