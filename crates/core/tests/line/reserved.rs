//! Reservations in the model: made and taken back by an admin, begun and over by themselves; and
//! whether what they promise is kept, worked out from the ledger and the devices alone.

use std::time::Duration;

use ds01_core::{
    admit::Denied,
    device::Held,
    gpu_request::GpuRequest,
    ledger::Ledger,
    line::{KEPT, Stay, Terms, Waiter},
    reservation::{Reservation, What, Whom},
    share::Share,
    time::Timestamp,
};

use crate::{oracle, world::World};

/// What an admin asks for. Numbers choose among what there is.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) whom: u32,
    pub(crate) what: usize,
    /// Seconds from now until it begins, from then until it ends, and before it.
    pub(crate) times: (u64, u64, u64),
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

impl World {
    /// Sets something aside, if that is not promised to somebody already.
    pub(crate) fn reserve(&mut self, wanted: &Wanted) {
        let devices: Vec<_> = self.inventory.devices.iter().map(Held::from).collect();
        let (begins, lasts, lead) = wanted.times;
        let from = self.now + seconds(begins);
        let made = Reservation {
            id: self.number().into(),
            by: "root".into(),
            whom: match wanted.whom {
                0 => Whom::Group("some".into()),
                5 => Whom::Group("small".into()),
                uid => Whom::User {
                    uid,
                    login: uid.to_string(),
                },
            },
            what: match wanted.what {
                one @ 0..4 => What::Devices(vec![devices[one].clone()]),
                4 => What::Devices(devices[1..3].into()),
                5 => What::Amount(devices[2].share),
                6 => What::Amount(Share::WHOLE),
                _ => What::Amount(Share::WHOLE + Share::WHOLE),
            },
            from,
            until: from + seconds(lasts),
            lead: seconds(lead),
        };
        let share = |what: &What| match what {
            What::Amount(amount) => *amount,
            What::Devices(devices) => devices.iter().map(|held| held.share).sum(),
        };
        let at_a_time = self.ledger.line.reservations.iter();
        let at_a_time = at_a_time.filter(|r| r.from < made.until && made.from < r.until);
        let at_a_time: Vec<_> = at_a_time.collect();
        let twice = |device: &Held| at_a_time.iter().any(|other| other.covers(device));
        let is_twice = match &made.what {
            What::Devices(devices) => devices.iter().any(twice),
            What::Amount(_) => false,
        };
        let others: Share = at_a_time.iter().map(|other| share(&other.what)).sum();
        let all: Share = devices.iter().map(|held| held.share).sum();
        if is_twice || others + share(&made.what) > all {
            return;
        }
        self.story.push(format!("reserved: {made:?}"));
        self.change(|world| world.ledger.line.reservations.push(made));
    }

    /// Takes a reservation back.
    pub(crate) fn cancel(&mut self, which: usize) {
        let reserved = &self.ledger.line.reservations;
        if let Some(at) = which.checked_rem(reserved.len()) {
            let id = reserved[at].id;
            self.story.push(format!("reservation {id} taken back"));
            self.change(|world| {
                let reserved = &mut world.ledger.line.reservations;
                reserved.retain(|reserved| reserved.id != id);
            });
        }
    }

    /// Whether an amount is reserved for others that somebody in line may have to leave.
    pub(crate) fn minds_an_amount(&self, ledger: &Ledger, waiter: &Waiter) -> bool {
        let others = |r: &&Reservation| !r.is_for(waiter.uid, &waiter.terms.group);
        let mut others = ledger.line.reservations.iter().filter(others);
        others.any(|r| matches!(r.what, What::Amount(_)) && self.now + r.lead >= r.from)
    }

    /// Fails if `devices`, which `uid` is given, who came with `ticket`, are reserved for others, or
    /// may be held still when they will be. `before` is the ledger without that.
    pub(crate) fn nothing_reserved_is_given(
        &self,
        before: &Ledger,
        uid: u32,
        ticket: u64,
        devices: &[Held],
    ) {
        // What is kept for them was decided when it was.
        let turns = before.line.turns.iter().filter(|turn| turn.uid == uid);
        let kept: Vec<_> = turns.flat_map(|turn| &turn.devices).collect();
        let devices = devices.iter().filter(|d| !kept.contains(d));
        let devices: Vec<_> = devices.cloned().collect();
        let mut after = before.clone();
        oracle::give(&mut after, self, uid, &devices);
        let now = self.now;
        let waiters = before.line.waiters.iter();
        let mut away = waiters.filter(|w| matches!(w.stay, Stay::Away { .. }));
        let kept = match away.any(|w| w.ticket == ticket) {
            true => KEPT,
            false => Duration::ZERO,
        };
        let limits = self.limits(uid);
        let longest = Terms::of(&limits, limits.max_runtime).longest;
        let longest = longest.map(|longest| longest + kept);
        let minds = |r: &&Reservation| {
            let reaches = longest.is_none_or(|longest| now + longest > r.from);
            let coming = now + r.lead >= r.from && reaches;
            now < r.until && !r.is_for(uid, &limits.group) && (now >= r.from || coming)
        };
        let all = &before.line.reservations;
        let has_own = all.iter().any(|r| r.is_for(uid, &limits.group));
        for reserved in all.iter().filter(minds) {
            let covered = devices.iter().any(|device| reserved.covers(device));
            let short = match &reserved.what {
                // Of amounts, who has something reserved may have that.
                What::Amount(_) if !has_own && !devices.is_empty() => {
                    self.is_short(&after, reserved, uid)
                }
                _ => false,
            };
            self.must(!covered && !short, || {
                format!("{uid} was given {devices:?}, against {reserved:?}")
            });
        }
    }

    /// Whether, when something reserved begins, there is too little with nobody for what all lack
    /// then for whom an amount is reserved, but for `uid`.
    fn is_short(&self, ledger: &Ledger, reserved: &Reservation, uid: u32) -> bool {
        let (now, group) = (self.now, self.limits(uid).group);
        let then = now.max(reserved.from);
        let in_time = |end: Option<Timestamp>| end.is_some_and(|end| end <= reserved.from);
        // Of which user, of which group, and whether they are to have given it back.
        let holders = |device: &Held| {
            let held = ledger.allocations.iter().filter(|entry| {
                entry.holds(now) && entry.devices.iter().any(|held| held.overlaps(device))
            });
            let held = held.map(|entry| {
                let gone = in_time(entry.free_at(now));
                (entry.container.uid, entry.group.clone(), gone)
            });
            let kept = ledger.line.turns.iter().filter(|turn| {
                now < turn.until && turn.devices.iter().any(|held| held.overlaps(device))
            });
            let kept = kept.map(|turn| {
                let gone = in_time(turn.longest.map(|longest| turn.until + longest));
                (turn.uid, turn.group.clone(), gone)
            });
            held.chain(kept).collect::<Vec<_>>()
        };
        let devices = self.inventory.devices.iter().map(Held::from);
        let devices: Vec<_> = devices.map(|one| (holders(&one), one)).collect();
        let strange = |device: &Held| {
            let mut all = ledger.unmanaged.iter();
            all.any(|u| u.claim.covers_held(device))
        };
        let free = devices
            .iter()
            .filter(|(holders, device)| holders.iter().all(|(.., gone)| *gone) && !strange(device));
        let free: Share = free.map(|(_, device)| device.share).sum();
        let lacks = |one: &Reservation| match one.what {
            What::Amount(amount) => {
                let theirs = devices.iter().filter(|(holders, _)| {
                    holders
                        .iter()
                        .any(|(uid, group, _)| one.is_for(*uid, group))
                });
                amount - theirs.map(|(_, device)| device.share).sum()
            }
            What::Devices(_) => Share::NONE,
        };
        let all = ledger.line.reservations.iter();
        let others = all.filter(|one| one.from <= then && then < one.until);
        let others = others.filter(|one| !one.is_for(uid, &group));
        free < others.map(lacks).sum()
    }

    /// Fails if somebody has to wait although enough of what is reserved for them is free, and
    /// nobody else waits for whom it is.
    pub(crate) fn what_is_reserved_is_had(
        &self,
        uid: u32,
        ticket: u64,
        asked: &GpuRequest,
        why: &Denied,
    ) {
        if !matches!(why, Denied::Behind { .. } | Denied::Reserved { .. }) {
            return;
        }
        let (ledger, now) = (&self.ledger, self.now);
        let limits = self.limits(uid);
        let all = ledger.line.reservations.iter();
        let all = all.filter(|r| now < r.until);
        let (own, others): (Vec<_>, Vec<_>) = all.partition(|r| r.is_for(uid, &limits.group));
        if others.iter().any(|r| matches!(r.what, What::Amount(_))) {
            return;
        }
        let is_ahead = |r: &&Reservation| {
            let waiters = ledger.line.waiters.iter();
            let mut waiters = waiters.filter(|w| w.ticket != ticket);
            waiters.any(|w| r.is_for(w.uid, &w.terms.group))
        };
        let own: Vec<_> = own
            .into_iter()
            .filter(|r| r.from <= now && !is_ahead(r))
            .collect();
        let free = self.inventory.devices.iter().filter(|device| {
            let held = Held::from(*device);
            (limits.whole_gpus || held.slot.mig.is_some())
                && asked
                    .gpu_type
                    .includes(held.slot, device.profile.as_deref())
                && own.iter().any(|r| r.covers(&held))
                && !others.iter().any(|r| r.covers(&held))
                && ledger.holders_of(device, now).next().is_none()
        });
        self.must(free.count() < asked.count as usize, || {
            format!("{uid} waits for what is reserved for it: {why:?}")
        });
    }
}
