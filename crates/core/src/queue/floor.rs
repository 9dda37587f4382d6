//! The devices of a host while a plan is made: what is free, when the rest will be, and who may
//! have what.

mod ahead;
mod occupancy;
mod reserved;

use std::collections::BTreeMap;

use super::Applicant;
use crate::{
    admit::Denied,
    allocate::Reason,
    device::Held,
    ledger::Ledger,
    line::{Known, Stay, Turn, Waiter},
    share::Share,
    time::Timestamp,
};

pub(super) use ahead::Head;
use occupancy::availability;

/// The devices, and when they can be given.
pub(super) struct Floor<'a> {
    ledger: &'a Ledger,
    asks: Option<Applicant<'a>>,
    now: Timestamp,
    devices: &'a [Known],
    /// From when on each is free, at the latest; `None` if nobody knows. What this plan gives away
    /// counts as given.
    free_at: Vec<Option<Timestamp>>,
    /// The same after those before have had what they wait for, at the latest.
    later: Vec<Option<Timestamp>>,
    /// For whose turn each is kept, if that is all that keeps it from others.
    kept_for: Vec<Option<&'a Turn>>,
    /// Whom this plan gives each to.
    given: Vec<Option<&'a Waiter>>,
}

/// Why somebody is given nothing.
pub(super) enum Why {
    /// Too few are free.
    Free(usize),
    /// Enough are free, but reserved for others.
    Reserved(usize),
    /// Enough are free, but for those before.
    Behind(usize),
    /// The smallest that are free are more than the quota leaves.
    TooLarge(Share),
    /// So are the smallest that there are.
    Quota(Share),
}

impl<'a> Floor<'a> {
    pub(super) fn new(
        ledger: &'a Ledger,
        devices: &'a [Known],
        asks: Option<Applicant<'a>>,
        now: Timestamp,
    ) -> Self {
        let (free_at, kept_for): (Vec<_>, _) = availability(ledger, devices, now).unzip();
        Self {
            ledger,
            asks,
            now,
            devices,
            later: free_at.clone(),
            free_at,
            kept_for,
            given: vec![None; devices.len()],
        }
    }

    pub(super) fn device(&self, at: usize) -> &Held {
        &self.devices[at].device
    }

    fn share(&self, at: usize) -> Share {
        self.device(at).share
    }

    /// The devices that somebody may be given at all, by number.
    fn usable(&self, waiter: &Waiter) -> impl Iterator<Item = usize> {
        let whole = waiter.terms.whole_gpus;
        let asks = self.asks.filter(|asks| asks.waiter.ticket == waiter.ticket);
        let only = asks.and_then(|asks| asks.only);
        (0..self.devices.len()).filter(move |at| {
            let Known {
                device, profile, ..
            } = &self.devices[*at];
            match only {
                Some(only) => only.iter().any(|own| own.uuid == device.uuid),
                None => {
                    (whole || device.slot.mig.is_some())
                        && waiter
                            .devices
                            .gpu_type
                            .includes(device.slot, profile.as_deref())
                }
            }
        })
    }

    /// The least that somebody asks for.
    pub(super) fn least(&self, waiter: &Waiter) -> Share {
        let mut shares: Vec<_> = self.usable(waiter).map(|at| self.share(at)).collect();
        shares.sort();
        shares.into_iter().take(waiter.devices.count as usize).sum()
    }

    /// Whether it is kept for somebody who may take it: for who is there, and not for another
    /// request of theirs, or what is kept once would be kept again and again.
    fn is_kept_for(&self, at: usize, waiter: &Waiter) -> bool {
        self.turn_of(at, waiter).is_some()
    }

    /// Whether it is, for as long as they may hold it: others were minded when it was.
    fn is_promised_to(&self, at: usize, waiter: &Waiter) -> bool {
        let turn = self.turn_of(at, waiter);
        turn.is_some_and(|turn| turn.allows(waiter.terms.longest))
    }

    fn turn_of(&self, at: usize, waiter: &Waiter) -> Option<&'a Turn> {
        let asks = self
            .asks
            .is_some_and(|asks| asks.waiter.ticket == waiter.ticket);
        let is_there = asks || matches!(waiter.stay, Stay::Present { .. });
        let is_theirs = |turn: &&Turn| turn.uid == waiter.uid && is_there;
        let kept = self.kept_for[at].filter(is_theirs);
        kept.filter(|_| self.given[at].is_none())
    }

    fn is_free(&self, at: usize, waiter: &Waiter) -> bool {
        self.is_kept_for(at, waiter) || self.free_at[at] == Some(self.now)
    }

    /// Whether it was free before this plan gave it to somebody.
    fn was_free(&self, at: usize, waiter: &Waiter) -> bool {
        self.given[at].is_some() || self.is_free(at, waiter)
    }

    /// What is left of the quota, `promised` and what is kept for the user taken off; `None` is
    /// unlimited.
    pub(super) fn budget(&self, waiter: &Waiter, promised: Share) -> Option<Share> {
        let quota = waiter.terms.quota?;
        Some(quota - self.held(waiter, promised))
    }

    fn held(&self, waiter: &Waiter, promised: Share) -> Share {
        let turns = self.ledger.line.turns.iter();
        let turns = turns.filter(|turn| turn.uid == waiter.uid && self.now < turn.until);
        let kept: Share = turns.flat_map(|t| &t.devices).map(|held| held.share).sum();
        self.ledger.held_by(waiter.uid, self.now) + kept + promised
    }

    /// The same devices, unless the user would hold more than the quota with them: it may have been
    /// lowered since they were kept for them.
    pub(super) fn within_quota(
        &self,
        waiter: &Waiter,
        promised: Share,
        chosen: Vec<usize>,
    ) -> Result<Vec<usize>, Why> {
        let new: Share = chosen.iter().map(|at| self.share(*at)).sum();
        let all = self.ledger.held_by(waiter.uid, self.now) + promised + new;
        match waiter.terms.quota {
            Some(quota) if all > quota => Err(Why::Quota(new)),
            _ => Ok(chosen),
        }
    }

    /// What `chosen` adds to what the user holds: what is kept for them is counted already.
    pub(super) fn cost(&self, waiter: &Waiter, chosen: &[usize]) -> Share {
        let new = chosen.iter().filter(|at| !self.is_kept_for(**at, waiter));
        new.map(|at| self.share(*at)).sum()
    }

    /// Whether so many of `devices` are within the budget.
    fn is_enough(
        &self,
        waiter: &Waiter,
        count: usize,
        budget: Option<Share>,
        devices: impl Iterator<Item = usize>,
    ) -> bool {
        let mut costs: Vec<_> = devices.map(|at| self.cost(waiter, &[at])).collect();
        costs.sort();
        let least: Share = costs.iter().take(count).copied().sum();
        costs.len() >= count && budget.is_none_or(|budget| least <= budget)
    }

    /// How much somebody has a right to a device, the most first: it is kept for the very container,
    /// kept or reserved for the user, kept for another container of theirs, or free for everybody.
    fn rank(&self, at: usize, waiter: &Waiter) -> u8 {
        let is_for = |turn: &Turn| {
            let name = waiter.container.as_ref();
            name.is_some_and(|name| turn.is_for(name))
        };
        match self.turn_of(at, waiter) {
            Some(turn) if is_for(turn) => 0,
            Some(turn) if turn.container.is_some() => 2,
            Some(_) => 1,
            None if self.is_reserved_for(at, waiter) => 1,
            None => 3,
        }
    }

    /// Why somebody is given a device that they may have.
    pub(super) fn reason(&self, at: usize, waiter: &Waiter) -> Reason {
        match self.turn_of(at, waiter) {
            Some(_) => Reason::Kept,
            None if self.is_reserved_for(at, waiter) => Reason::Reserved,
            None => Reason::Smallest,
        }
    }

    /// Chooses free devices: what is kept or reserved for the user before all, by [`Floor::rank`], unless
    /// that is more than the budget; then the smallest, and whole GPUs last, so that they stay whole for those who
    /// need them; among equal ones those of the GPU with the fewest free, so that other GPUs stay
    /// empty; then in numeric order.
    pub(super) fn choose(
        &self,
        waiter: &Waiter,
        budget: Option<Share>,
        head: Option<&Head<'_>>,
    ) -> Result<Vec<usize>, Why> {
        let count = waiter.devices.count as usize;
        if self.usable(waiter).count() >= count && self.of_use(waiter, budget).is_empty() {
            return Err(Why::Quota(self.least(waiter)));
        }
        let usable = || self.usable(waiter);
        let there = usable().filter(|at| self.was_free(*at, waiter)).count();
        if there < count {
            return Err(Why::Free(there));
        }
        let free: Vec<_> = usable().filter(|at| self.is_free(*at, waiter)).collect();
        let affordable = |chosen: Vec<usize>| {
            let cost = self.cost(waiter, &chosen);
            match budget {
                Some(budget) if cost > budget => Err(Why::TooLarge(cost)),
                _ => Ok(chosen),
            }
        };
        let rank = |at| self.rank(at, waiter);
        let order = self.order(&free, rank);
        match self
            .first_allowed(&order, waiter, head, there)
            .and_then(affordable)
        {
            Err(Why::TooLarge(_)) => {
                let order = self.order(&free, |at| (self.cost(waiter, &[at]), rank(at)));
                let chosen = self.first_allowed(&order, waiter, head, there)?;
                affordable(chosen)
            }
            chosen => chosen,
        }
    }

    /// The devices `free` by `first`, then as [`Floor::choose`] says.
    fn order<K: Ord>(&self, free: &[usize], first: impl Fn(usize) -> K) -> Vec<usize> {
        let mut on_gpu: BTreeMap<u32, usize> = BTreeMap::new();
        for at in free {
            *on_gpu.entry(self.device(*at).slot.gpu).or_default() += 1;
        }
        let mut order = free.to_vec();
        order.sort_by_cached_key(|&at| {
            let device = self.device(at);
            let whole = device.slot.mig.is_none();
            let on_gpu = on_gpu[&device.slot.gpu];
            (first(at), device.share, whole, on_gpu, device.slot)
        });
        order
    }

    /// The first of `order` that nobody else has a right to; `there` are free with those that this plan
    /// gives away.
    fn first_allowed(
        &self,
        order: &[usize],
        waiter: &Waiter,
        head: Option<&Head<'_>>,
        there: usize,
    ) -> Result<Vec<usize>, Why> {
        let count = waiter.devices.count as usize;
        let allowed = self.first_fitting(order, count, |so_far| self.is_allowed(so_far, waiter));
        if allowed.len() < count && order.len() >= count {
            return Err(Why::Reserved(there));
        }
        let chosen = self.first_fitting(order, count, |so_far| {
            self.is_allowed(so_far, waiter)
                && head.is_none_or(|head| !self.delays(head, waiter, so_far))
        });
        match chosen.len() < count {
            true => Err(Why::Behind(there)),
            false => Ok(chosen),
        }
    }

    /// The first of `order`, so many, that are all right together.
    fn first_fitting(
        &self,
        order: &[usize],
        count: usize,
        is_right: impl Fn(&[usize]) -> bool,
    ) -> Vec<usize> {
        let mut chosen = Vec::new();
        for at in order {
            if chosen.len() == count {
                break;
            }
            chosen.push(*at);
            if !is_right(&chosen) {
                chosen.pop();
            }
        }
        chosen
    }

    /// Somebody has these devices from now on, for as long as they may.
    pub(super) fn give(&mut self, waiter: &'a Waiter, chosen: &[usize]) {
        let until = waiter.longest().map(|longest| self.now + longest);
        for at in chosen {
            // Never the same as free, however short it is.
            let until = until.filter(|until| *until > self.now);
            (self.free_at[*at], self.later[*at]) = (until, until);
            self.given[*at] = Some(waiter);
        }
    }
}

impl Why {
    /// The same for people. `ahead` are before them in the line.
    pub(super) fn in_words(
        self,
        floor: &Floor<'_>,
        waiter: &Waiter,
        promised: Share,
        ahead: usize,
    ) -> Denied {
        let asked = waiter.devices.count;
        let number = |count: usize| count as u32;
        let held = floor.held(waiter, promised);
        let quota = waiter.terms.quota.unwrap_or_default();
        match self {
            Self::Free(free) => {
                let exist = floor.usable(waiter).count();
                Denied::none_free(&waiter.devices, number(free), number(exist))
            }
            Self::Behind(free) => Denied::Behind {
                asked,
                free: number(free),
                ahead: number(ahead),
            },
            Self::Reserved(free) => {
                let last = floor.kept_off_by(waiter);
                Denied::Reserved {
                    asked,
                    free: number(free),
                    whom: last.map_or(String::new(), |last| last.whom.to_string()),
                    until: last.map_or(floor.now, |last| last.until),
                }
            }
            Self::TooLarge(asked) => Denied::NoneFits { held, asked, quota },
            Self::Quota(asked) => Denied::Quota { held, asked, quota },
        }
    }
}
