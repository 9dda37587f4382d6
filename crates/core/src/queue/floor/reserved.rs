//! What admins have reserved: who may have what of it, and what is left for others.

use std::collections::BTreeMap;

use super::Floor;
use crate::{
    device::Uuid,
    line::Waiter,
    reservation::{Reservation, What, Whom},
    share::Share,
    time::Timestamp,
};

impl<'a> Floor<'a> {
    fn reservations(&self) -> impl Iterator<Item = &'a Reservation> {
        self.ledger.line.reserved(self.now)
    }

    /// Those for others that somebody has to mind.
    pub(super) fn against(&self, waiter: &Waiter) -> impl Iterator<Item = &'a Reservation> {
        self.reservations()
            .filter(|reserved| reserved.holds_off(waiter, self.now))
    }

    /// Those that have begun and are for this user.
    fn own_reservations(&self, waiter: &Waiter) -> impl Iterator<Item = &'a Reservation> {
        self.reservations().filter(|reserved| {
            reserved.from <= self.now && reserved.is_for(waiter.uid, &waiter.terms.group)
        })
    }

    pub(super) fn is_reserved_for(&self, at: usize, waiter: &Waiter) -> bool {
        let mut own = self.own_reservations(waiter);
        own.any(|reserved| reserved.covers(self.device(at)))
    }

    /// Whether no reservation for others keeps somebody from these devices.
    pub(super) fn is_allowed(&self, chosen: &[usize], waiter: &Waiter) -> bool {
        self.is_allowed_by(chosen, waiter, self.now)
    }

    /// The same of those that are not over by then.
    fn is_allowed_by(&self, chosen: &[usize], waiter: &Waiter, by: Timestamp) -> bool {
        let is_new = |at: &usize| !self.is_promised_to(*at, waiter);
        let new: Vec<_> = chosen.iter().copied().filter(is_new).collect();
        let mut against = self.against(waiter).filter(|reserved| by < reserved.until);
        !against.any(|reserved| self.needs(reserved, waiter, &new, by))
    }

    /// The reservation for others with whose end somebody can have what is free: one that ends
    /// before may keep them from nothing.
    pub(super) fn kept_off_by(&self, waiter: &Waiter) -> Option<&'a Reservation> {
        let free: Vec<_> = self
            .usable(waiter)
            .filter(|at| self.is_free(*at, waiter))
            .collect();
        let (order, count) = (self.order(&free, |_| ()), waiter.devices.count as usize);
        let mut against: Vec<_> = self.against(waiter).collect();
        against.sort_by_key(|reserved| reserved.until);
        against.into_iter().find(|ended| {
            let is_right = |so_far: &[usize]| self.is_allowed_by(so_far, waiter, ended.until);
            self.first_fitting(&order, count, is_right).len() == count
        })
    }

    /// Until when amounts that are reserved for others keep somebody from these devices, which are
    /// free by `free`.
    pub(super) fn short_until(
        &self,
        waiter: &Waiter,
        chosen: &[usize],
        free: Timestamp,
    ) -> Timestamp {
        let is_short = |reserved: &&Reservation| {
            matches!(reserved.what, What::Amount(_)) && self.needs(reserved, waiter, chosen, free)
        };
        self.against(waiter)
            .filter(is_short)
            .map(|reserved| reserved.until)
            .fold(free, Timestamp::max)
    }

    /// When the first reservation for others begins that needs some of these devices then.
    pub(in crate::queue) fn reserved_at(
        &self,
        waiter: &Waiter,
        chosen: &[usize],
    ) -> Option<Timestamp> {
        let others = self.reservations().filter(|reserved| {
            reserved.from > self.now && !reserved.is_for(waiter.uid, &waiter.terms.group)
        });
        let theirs = others.filter(|reserved| self.needs(reserved, waiter, chosen, self.now));
        theirs.map(|reserved| reserved.from).min()
    }

    /// The first reservation for others that keeps somebody from having these devices longer, which
    /// are theirs until `freed`: if it has them then, and not enough without them.
    pub(in crate::queue) fn reserved_after(
        &self,
        waiter: &Waiter,
        theirs: &[usize],
        freed: Timestamp,
    ) -> Option<&'a Reservation> {
        let in_time = self.against(waiter).filter(|r| freed < r.until);
        let needed = in_time.filter(|r| self.needs(r, waiter, theirs, r.from.max(self.now)));
        needed.min_by_key(|reserved| reserved.from)
    }

    /// Whether without these devices there is not what is reserved: in what is free by then, and
    /// what those hold already for whom it is. Of an amount nobody is kept from what they have
    /// reserved themselves: there may be too little for all who have, and then who is first has it.
    fn needs(
        &self,
        reserved: &Reservation,
        waiter: &Waiter,
        chosen: &[usize],
        by: Timestamp,
    ) -> bool {
        match reserved.what {
            What::Devices(_) => chosen.iter().any(|at| reserved.covers(self.device(*at))),
            What::Amount(_) => {
                self.is_short(reserved, waiter, chosen, by)
                    && self.is_beyond_own(waiter, chosen, reserved.from)
            }
        }
    }

    /// Whether too little is free by then for this amount, and for all others that are reserved at
    /// that time: none counts what another needs.
    fn is_short(
        &self,
        reserved: &Reservation,
        waiter: &Waiter,
        chosen: &[usize],
        by: Timestamp,
    ) -> bool {
        let then = reserved.from.max(by);
        let is_free =
            |at: &usize| self.free_at[*at].is_some_and(|free| free <= by) && !chosen.contains(at);
        let free: Vec<_> = (0..self.devices.len()).filter(is_free).collect();
        let mut unused: BTreeMap<_, _> = free
            .iter()
            .map(|at| (&self.device(*at).uuid, self.share(*at)))
            .collect();
        let mut lacking = Share::NONE;
        let is_other = |other: &&Reservation| {
            let at_a_time = other.from <= then && then < other.until;
            let is_theirs = other.is_for(waiter.uid, &waiter.terms.group);
            at_a_time && !is_theirs && other.id != reserved.id
        };
        let others = self.reservations().filter(is_other);
        let mut all: Vec<_> = others.chain([reserved]).collect();
        // What a user has of their own is not the group's before.
        all.sort_by_key(|one| matches!(one.whom, Whom::Group(_)));
        for one in all {
            let What::Amount(mut amount) = one.what else {
                continue;
            };
            let mut own = self.held_under(one);
            let named = free.iter().filter(|at| self.is_named_for(**at, one));
            own.extend(named.map(|at| (&self.device(*at).uuid, self.share(*at))));
            for (uuid, share) in own {
                let left = unused.entry(uuid).or_insert(share);
                let used = amount.min(*left);
                (*left, amount) = (*left - used, amount - used);
            }
            lacking = lacking + amount;
        }
        let left = free.iter().filter(|at| !self.is_of_third(**at, reserved));
        let left: Share = left.map(|at| unused[&self.device(*at).uuid]).sum();
        left < lacking
    }

    /// Whether it is reserved by name for those for whom an amount is too.
    fn is_named_for(&self, at: usize, amount: &Reservation) -> bool {
        self.reservations().any(|other| {
            let at_a_time = other.from < amount.until && amount.from < other.until;
            at_a_time && other.whom == amount.whom && other.covers(self.device(at))
        })
    }

    /// Whether it is reserved for third ones while an amount is: it is not part of that.
    fn is_of_third(&self, at: usize, amount: &Reservation) -> bool {
        self.reservations().any(|other| {
            let at_a_time = other.from < amount.until && amount.from < other.until;
            at_a_time && other.whom != amount.whom && other.covers(self.device(at))
        })
    }

    /// Whether some of these devices are beyond what is reserved for the user, and is still when
    /// something else is that begins at `from`.
    fn is_beyond_own(&self, waiter: &Waiter, chosen: &[usize], from: Timestamp) -> bool {
        let mut beyond = chosen.to_vec();
        let mut amount = Share::NONE;
        for own in self.own_reservations(waiter) {
            match own.what {
                _ if own.until <= from => {}
                What::Devices(_) => beyond.retain(|at| !own.covers(self.device(*at))),
                What::Amount(all) => {
                    let mut used = self.held_under(own);
                    used.retain(|uuid, _| !chosen.iter().any(|at| self.device(*at).uuid == **uuid));
                    amount = amount + (all - used.into_values().sum());
                }
            }
        }
        let beyond = beyond.into_iter().map(|at| self.share(at));
        beyond.sum::<Share>() > amount
    }

    /// What those hold for whom something is reserved.
    fn held_under(&self, reserved: &Reservation) -> BTreeMap<&Uuid, Share> {
        let entries = self.ledger.entries().filter(|entry| {
            entry.holds(self.now) && reserved.is_for(entry.container.uid, &entry.group)
        });
        let turns = self.ledger.line.turns.iter();
        let turns = turns.filter(|turn| reserved.is_for(turn.uid, &turn.group));
        let is_for = |to: &Waiter| reserved.is_for(to.uid, &to.terms.group);
        let is_given = |at: &usize| self.given[*at].is_some_and(is_for);
        let given = (0..self.devices.len()).filter(is_given);
        entries
            .flat_map(|entry| &entry.devices)
            .chain(turns.flat_map(|turn| &turn.devices))
            .chain(given.map(|at| self.device(at)))
            .map(|held| (&held.uuid, held.share))
            .collect()
    }
}
