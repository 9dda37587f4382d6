//! What follows from what the ledger learned: events, and the records of what is gone.

use ds01_core::{
    container::Sighting, event::Event, ledger::Allocation, line, reconcile::Change, record::Record,
    time::Timestamp,
};

use crate::{
    ledger_file::Stored,
    site::{Site, slots},
    users,
};

impl Site {
    /// Carries out what follows from reconciling: events, and the records of what is gone.
    pub(crate) fn carry_out(&self, changes: &[Change], containers: &[Sighting], now: Timestamp) {
        for change in changes {
            let event = |kind: &str, entry: &Allocation| {
                let user = users::login(entry.container.uid);
                let slots = slots(entry);
                let event = Event::new(now, kind)
                    .of(user)
                    .with("container", &entry.container);
                if slots.is_empty() {
                    event
                } else {
                    event.with("gpus", slots)
                }
            };
            match change {
                Change::Confirmed(name) => {
                    let found = containers.iter().find(|c| c.name == name.to_string());
                    let stored = self.ledger.read();
                    if let (Some(found), Ok(Stored::Whole(ledger))) = (found, stored)
                        && let Some(entry) = ledger.entry(name)
                    {
                        let record = Record::of_found(entry, found, &crate::system::name());
                        if self.metadata.of(name, &record.id).is_none() {
                            self.note(self.metadata.write(name, &record));
                        }
                        self.log(event("container.create", entry).with("found", "after a crash"));
                    }
                }
                Change::Gone(entry) => {
                    if let Some(id) = &entry.id {
                        self.forget(&entry.container, id);
                    }
                    self.log(event("container.remove", entry).with("found", "gone"));
                }
                Change::Lapsed(entry) => {
                    self.log(event("gpu.release", entry).with("reason", "never created"));
                }
                Change::Released(entry) => {
                    self.log(event("gpu.release", entry).with("reason", "hold after stop ended"));
                }
                Change::Left(waiter, why) => {
                    let event = Event::new(now, "queue.left").of(users::login(waiter.uid));
                    self.log(event.with("ticket", waiter.ticket).with("reason", why));
                }
                Change::TurnOver(turn) => {
                    let event = Event::new(now, "gpu.release").of(users::login(turn.uid));
                    let event = event.with("gpus", line::slots(&turn.devices));
                    self.log(event.with("reason", "not used in time when their turn had come"));
                }
                Change::Found(found) => {
                    let event = Event::new(now, "detection.unmanaged_container");
                    self.log(event.with("container", &found.name).with("id", &found.id));
                }
            }
        }
    }
}
