//! Until when devices are occupied: held by containers, or kept for a turn in the line.

use crate::{
    ledger::{Holder, Ledger},
    line::{Known, Turn},
    time::Timestamp,
};

/// How one device is occupied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Occupancy<'a> {
    /// Somebody holds it.
    is_held: bool,
    /// When its holders have given it back at the latest; `None` if nobody knows.
    free_at: Option<Timestamp>,
    /// The turn it is kept for, if nobody else holds it.
    turn: Option<&'a Turn>,
}

impl<'a> Occupancy<'a> {
    fn by_nobody(now: Timestamp) -> Self {
        Self {
            is_held: false,
            free_at: Some(now),
            turn: None,
        }
    }

    /// Counts one more holder in.
    fn add(&mut self, holder: Holder<'a>, now: Timestamp) {
        let (free, turn) = match holder {
            Holder::Allocation(entry) => (entry.free_at(now), None),
            // Its user may use it at the last moment.
            Holder::Turn(turn) => (turn.longest.map(|longest| turn.until + longest), Some(turn)),
            Holder::Unmanaged(_) => (None, None),
        };
        self.free_at = self.free_at.zip(free).map(|(first, then)| first.max(then));
        self.turn = turn.filter(|_| !self.is_held);
        self.is_held = true;
    }

    /// From when on the device can be given, and for whose turn it is kept, if nothing else keeps it
    /// from others.
    fn free_at_and_turn(self, known: &Known) -> (Option<Timestamp>, Option<&'a Turn>) {
        match known.busy {
            true => (self.free_at.filter(|_| self.is_held), None),
            false => (self.free_at, self.turn),
        }
    }
}

/// From when on each of `devices` is free, at the latest, and for whose turn it is kept, if that is
/// all that keeps it from others: by those whom [`Ledger::holders_of`] tells of.
pub(super) fn availability<'a>(
    ledger: &'a Ledger,
    devices: &[Known],
    now: Timestamp,
) -> impl Iterator<Item = (Option<Timestamp>, Option<&'a Turn>)> {
    let mut all = vec![Occupancy::by_nobody(now); devices.len()];
    // Each by its own name and that of its GPU: whatever overlaps it has one of them.
    let names = devices.iter().enumerate().flat_map(|(at, known)| {
        let of_gpu = (known.device.gpu != known.device.uuid).then_some(&known.device.gpu);
        let names = std::iter::once(&known.device.uuid).chain(of_gpu);
        names.map(move |name| (name, at))
    });
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    for entry in ledger.holding(now) {
        for held in &entry.devices {
            let of_gpu = (held.gpu != held.uuid).then_some(&held.gpu);
            for name in std::iter::once(&held.uuid).chain(of_gpu) {
                let first = names.partition_point(|(other, _)| *other < name);
                let same = names[first..]
                    .iter()
                    .take_while(|(other, _)| *other == name);
                for (_, at) in same.filter(|(_, at)| devices[*at].device.overlaps(held)) {
                    all[*at].add(Holder::Allocation(entry), now);
                }
            }
        }
    }
    for (kept, known) in all.iter_mut().zip(devices) {
        let others = ledger.others_on(&known.device, now);
        others.for_each(|other| kept.add(other, now));
    }
    let each = all.into_iter().zip(devices);
    each.map(|(kept, known)| kept.free_at_and_turn(known))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        device::{
            Device,
            tests::{mig, whole},
        },
        ledger::{
            Holding,
            tests::{HOLD, NOW, entry, ledger, named, seconds, unmanaged},
        },
    };

    fn turn(device: &Device) -> Turn {
        Turn {
            ticket: 1,
            uid: 1,
            group: String::new(),
            container: None,
            logged: true,
            devices: vec![device.into()],
            until: NOW + HOLD,
            longest: None,
            passed: None,
            launch: None,
            told: false,
            doing: None,
        }
    }

    /// However two devices overlap, in containers of one and of several, with and without a turn.
    #[test]
    fn all_devices_are_kept_by_those_who_keep_each() {
        let of_gpu = |gpu| [whole(gpu), mig(gpu, 0, 3), mig(gpu, 1, 4)];
        let devices: Vec<Device> = (0..2).flat_map(of_gpu).collect();
        let mut known: Vec<_> = devices.iter().map(Known::from).collect();
        known[5].busy = true;
        let stopped = |name: &str, devices: &[Device]| {
            let since = NOW - seconds(name.len() as u64);
            entry(name, devices, Holding::Stopped { since })
        };
        for chosen in 0_usize..1 << devices.len() {
            let numbered = devices.iter().enumerate();
            let theirs = numbered.filter(|(at, _)| chosen >> at & 1 == 1);
            let theirs: Vec<_> = theirs.map(|(_, device)| device.clone()).collect();
            let each = theirs.chunks(2).zip(["a", "bb", "ccc"]);
            let each = each.map(|(one, name)| stopped(&format!("{name}._.1"), one));
            let mut ledger = ledger(&each.collect::<Vec<_>>());
            ledger.unmanaged = vec![unmanaged("other", named("MIG-0-1"))];
            ledger.line.turns = vec![turn(&devices[4])];
            let all = availability(&ledger, &known, NOW);
            for ((device, known), found) in devices.iter().zip(&known).zip(all) {
                let mut expected = Occupancy::by_nobody(NOW);
                let holders = ledger.holders_of(device, NOW);
                holders.for_each(|holder| expected.add(holder, NOW));
                assert_eq!(found, expected.free_at_and_turn(known), "{theirs:?}");
            }
        }
    }
}
