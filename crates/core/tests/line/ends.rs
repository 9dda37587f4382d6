//! How it ends: everybody is served, however long the line.

use std::time::Duration;

use ds01_core::{
    device::{Device, Slot, Uuid},
    gpu_request::GpuRequest,
    name::EngineName,
    time::Timestamp,
};

use crate::world::World;

impl World {
    /// Nobody new comes; those who hold something give it back one after the other, and everybody
    /// looks only when something was changed, a time has come, or a while has passed.
    pub(crate) fn everybody_is_served(&mut self) {
        self.ledger.unmanaged.clear();
        self.clients
            .iter_mut()
            .for_each(|client| client.suspended = false);
        for _ in 0..10_000 {
            let mut asked = false;
            for at in (0..self.clients.len()).rev() {
                asked |= self.look(at, false);
                self.check();
            }
            if asked {
                continue;
            }
            if self.clients.is_empty() && self.ledger.line.waiters.is_empty() {
                return;
            }
            // Nothing has changed for two seconds.
            self.pass(2);
            for at in (0..self.clients.len()).rev() {
                asked |= self.look(at, true);
                self.check();
            }
            if asked
                && self
                    .ledger
                    .survey(&self.dead, self.now)
                    .all
                    .iter()
                    .any(|(_, s)| s.is_served())
            {
                continue;
            }
            match self.ledger.survey(&self.dead, self.now).next {
                Some(next) => self.now = next,
                None => self.remove(0),
            }
            self.duty();
            // What is kept beyond a terminal is used, and removed in its turn.
            self.check();
        }
        let line = format!("{:#?}", self.ledger.line);
        self.must(false, || format!("they wait for ever: {line}"));
    }

    /// User 1 wants two of three whole GPUs, which are held for `holds` seconds; then others come,
    /// one each second, each for one, as long as `stays` says. After how many seconds it is served.
    pub(crate) fn large_among_small(&mut self, holds: &[u64], stays: &[u64]) -> u64 {
        let third = Device {
            uuid: Uuid("GPU-9".into()),
            gpu: Uuid("GPU-9".into()),
            slot: Slot { gpu: 9, mig: None },
            ..self.inventory.devices[0].clone()
        };
        self.inventory
            .devices
            .retain(|device| device.slot.mig.is_none());
        self.inventory.devices.push(third);
        let begun = self.now;
        let mut stays = stays.iter().copied();
        for uid in (10..).take(holds.len()) {
            self.comes(uid, GpuRequest::any(1), true);
        }
        self.comes(1, GpuRequest::any(2), true);
        let mut ends: Vec<(EngineName, Timestamp)> = Vec::new();
        let mut lengths = holds.iter().copied();
        for uid in 100.. {
            for entry in &self.ledger.allocations {
                if !ends.iter().any(|(name, _)| *name == entry.container) {
                    let length = lengths.next().or_else(|| stays.next()).unwrap_or(1);
                    ends.push((
                        entry.container.clone(),
                        self.now + Duration::from_secs(length),
                    ));
                }
            }
            if self.ledger.of(1).next().is_some() {
                break;
            }
            if uid < 120 {
                self.comes(uid, GpuRequest::any(1), true);
            }
            self.pass(1);
            let now = self.now;
            for (name, _) in ends.iter().filter(|(_, end)| *end <= now) {
                self.change(|world| world.ledger.remove(name));
            }
            for at in (0..self.clients.len()).rev() {
                self.look(at, false);
            }
            self.check();
        }
        self.now.since(begun).as_secs()
    }
}
