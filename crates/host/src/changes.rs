//! Acts on what reconciling changed in the ledger: logs events, and brings our records in line.

use ds01_core::{
    container::Sighting, device::slot_list, event::Event, ledger::Allocation, reconcile::Change,
    time::Timestamp,
};

use crate::{ledger_file::Stored, ops::line_event, site::Site};

impl Site {
    /// Logs each change: under the ledger's lock, before it is saved. If this process is killed between
    /// the two, the next one finds and logs them again: each is logged at least once.
    pub(crate) fn log_changes(&self, changes: &[Change], now: Timestamp) {
        for change in changes {
            match change {
                Change::Confirmed(_) => {}
                Change::Gone(entry) => {
                    let gone = self.about("container.remove", entry, now);
                    self.log(gone.with("found", "gone"));
                    if entry.holds(now) && !entry.devices.is_empty() {
                        let release = self.about("gpu.release", entry, now);
                        self.log(release.with("reason", "its container is gone"));
                    }
                }
                Change::Lapsed(entry) => {
                    let release = self.about("gpu.release", entry, now);
                    self.log(release.with("reason", "never created"));
                }
                Change::Released(entry) => {
                    let release = self.about("gpu.release", entry, now);
                    self.log(release.with("reason", "hold after stop ended"));
                }
                Change::Left(waiter, why) => {
                    if waiter.logged {
                        let container = waiter.container.as_ref();
                        let event =
                            line_event(self, "queue.left", waiter.uid, waiter.ticket, container);
                        self.log(event.with("reason", why));
                    }
                }
                Change::TurnOver(turn) => {
                    let container = turn.container.as_ref();
                    let event = line_event(self, "gpu.release", turn.uid, turn.ticket, container);
                    let event = event.with("gpus", slot_list(&turn.devices));
                    let reason = match turn.told {
                        true => "not used in time when their turn had come",
                        false => "its time was over before its user was told",
                    };
                    self.log(event.with("reason", reason));
                }
                Change::Found(found) => {
                    let event = Event::new(now, "detection.unmanaged_container");
                    self.log(event.with("container", &found.name).with("id", &found.id));
                }
            }
        }
    }

    /// Brings our records in line with the changes, once the ledger is saved.
    pub(crate) fn update_records(
        &self,
        changes: &[Change],
        containers: &[Sighting],
        now: Timestamp,
    ) {
        for change in changes {
            match change {
                Change::Confirmed(name) => {
                    let found = containers.iter().find(|c| c.name == name.to_string());
                    let stored = self.ledger.read();
                    if let (Some(found), Ok(Stored::Whole(ledger))) = (found, stored)
                        && let Some(entry) = ledger.entry(name)
                    {
                        self.record_found(&[(entry, found)]);
                        let made = self.about("container.create", entry, now);
                        self.log(made.with("found", "after a crash"));
                    }
                }
                Change::Gone(entry) => {
                    let id = entry.id.as_ref();
                    let known = id.and_then(|id| self.metadata.of_gone(&entry.container, id));
                    let mounts = known.and_then(|record| record.mounts);
                    self.clear(&entry.container, mounts.as_deref());
                }
                _ => {}
            }
        }
    }

    /// Logs that these containers are there again: the log says that each had gone.
    pub(crate) fn log_returned(&self, back: &[Allocation], now: Timestamp) {
        for entry in back {
            let made = self.about("container.create", entry, now);
            self.log(made.with("found", "again"));
        }
    }

    /// An event about a container of ours and its devices.
    fn about(&self, kind: &str, entry: &Allocation, now: Timestamp) -> Event {
        let event = Event::new(now, kind).of(self.login(entry.container.uid));
        let event = event.with("container", &entry.container);
        match slot_list(&entry.devices) {
            slots if slots.is_empty() => event,
            slots => event.with("gpus", slots),
        }
    }
}
