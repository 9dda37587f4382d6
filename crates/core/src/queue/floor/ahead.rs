//! What is to come: when somebody can be served at the latest, and who would make them wait longer.

use super::Floor;
use crate::{
    ledger::Allocation,
    line::{Passed, Waiter},
    share::Share,
    time::Timestamp,
};

/// Whom nobody may make wait longer.
pub(in crate::queue) struct Head<'a> {
    waiter: &'a Waiter,
    budget: Option<Share>,
    /// What it could use.
    of_use: Vec<usize>,
    /// When it is served at the latest.
    served: Option<Timestamp>,
}

impl Floor<'_> {
    /// What somebody could be given within the budget, in time: each device with the cheapest
    /// others that make up the number.
    pub(super) fn of_use(&self, waiter: &Waiter, budget: Option<Share>) -> Vec<usize> {
        let count = waiter.devices.count as usize;
        let costs = self.usable(waiter).map(|at| (self.cost(waiter, &[at]), at));
        let mut costs: Vec<_> = costs.collect();
        if count == 0 || costs.len() < count {
            return Vec::new();
        }
        costs.sort();
        let least = |count: usize| -> Share { costs[..count].iter().map(|(cost, _)| *cost).sum() };
        let (all, others) = (least(count), least(count - 1));
        let with = costs.iter().enumerate().filter(|(rank, (cost, _))| {
            let total = if *rank < count { all } else { others + *cost };
            budget.is_none_or(|budget| total <= budget)
        });
        with.map(|(_, (_, at))| *at).collect()
    }

    /// Who is kept waiting by others, so that nobody may make it longer; `None` if it is by
    /// their own quota, by what they hold themselves, or by a reservation.
    pub(in crate::queue) fn head<'w>(
        &self,
        waiter: &'w Waiter,
        budget: Option<Share>,
        served: Option<Timestamp>,
    ) -> Option<Head<'w>> {
        let mut of_use = self.of_use(waiter, budget);
        of_use.retain(|at| !self.is_with(*at, waiter) && self.is_allowed(&[*at], waiter));
        let count = waiter.devices.count as usize;
        let is_right = |so_far: &[usize]| {
            let cost = self.cost(waiter, so_far);
            let rest = of_use.iter().copied().filter(|at| !so_far.contains(at));
            let left = budget.map(|budget| budget - cost);
            self.is_allowed(so_far, waiter)
                && budget.is_none_or(|budget| cost <= budget)
                && self.is_enough(waiter, count - so_far.len(), left, rest)
        };
        // Of what is with others, nobody is short.
        let mut order = of_use.clone();
        order.sort_by_key(|at| {
            (
                self.free_at[*at] == Some(self.now),
                self.cost(waiter, &[*at]),
            )
        });
        let enough = self.first_fitting(&order, count, is_right).len() == count;
        (enough && count > 0).then_some(Head {
            waiter,
            budget,
            of_use,
            served,
        })
    }

    /// Whether somebody in line is kept waiting by others, and could use one of these devices.
    pub(in crate::queue) fn counts_on(&self, waiter: &Waiter, devices: &[usize]) -> bool {
        let budget = self.budget(waiter, Share::NONE);
        let waits = self.choose(waiter, budget, None).is_err();
        let head = self.head(waiter, budget, None).filter(|_| waits);
        head.is_some_and(|head| devices.iter().any(|at| head.of_use.contains(at)))
    }

    /// Whether the user has it, or is about to: by a turn, if that is of another request of theirs.
    fn is_with(&self, at: usize, waiter: &Waiter) -> bool {
        let (device, uid) = (self.device(at), waiter.uid);
        let theirs = |entry: &Allocation| {
            entry.container.uid == uid && entry.devices.iter().any(|held| held.overlaps(device))
        };
        self.given[at].is_some_and(|given| given.uid == uid)
            || self.kept_for[at].is_some_and(|turn| turn.uid == uid)
                && !self.is_kept_for(at, waiter)
            || self.ledger.holding(self.now).any(theirs)
    }

    /// Puts somebody behind all who were put there before: when they are served at the latest. From
    /// then on they have what they wait for.
    pub(in crate::queue) fn queue_up(
        &mut self,
        waiter: &Waiter,
        budget: Option<Share>,
    ) -> Option<Timestamp> {
        let count = waiter.devices.count as usize;
        let when = |at: usize| {
            let free = self.later[at]?;
            let against = self.against(waiter);
            let off = against.filter(|reserved| reserved.covers(self.device(at)));
            Some(
                off.map(|reserved| reserved.until)
                    .fold(free, Timestamp::max),
            )
        };
        let mut coming: Vec<_> = self
            .of_use(waiter, budget)
            .into_iter()
            .filter_map(|at| Some((when(at)?, self.share(at), at)))
            .collect();
        coming.sort();
        let served = (count..=coming.len()).find_map(|first| {
            let so_far = coming[..first].iter().map(|(_, _, at)| *at);
            self.is_enough(waiter, count, budget, so_far)
                .then(|| coming[first - 1].0)
        })?;
        let mut theirs: Vec<_> = coming.iter().filter(|(free, ..)| *free <= served).collect();
        theirs.sort_by_key(|(_, share, at)| (*share, *at));
        let theirs: Vec<_> = theirs
            .into_iter()
            .map(|(_, _, at)| *at)
            .take(count)
            .collect();
        let served = self.short_until(waiter, &theirs, served);
        for at in theirs {
            self.later[at] = waiter.longest().map(|longest| served + longest);
        }
        Some(served)
    }

    /// Whether somebody who is given devices now has given them back by then.
    fn is_over_by(&self, then: Timestamp, waiter: &Waiter) -> bool {
        let longest = waiter.longest();
        longest.is_some_and(|longest| self.now + longest <= then)
    }

    /// The head, if it counts on having some of these devices when they are given back.
    pub(in crate::queue) fn passes(
        &self,
        head: &Head<'_>,
        waiter: &Waiter,
        chosen: &[usize],
    ) -> Option<Passed> {
        let served = head.served?;
        let of_use = |at: &usize| head.of_use.contains(at) && !self.is_promised_to(*at, waiter);
        let counts = chosen.iter().any(of_use) && self.is_over_by(served, waiter);
        counts.then_some(Passed {
            ticket: head.waiter.ticket,
            served,
        })
    }

    /// Whether the head might wait longer if somebody else had these devices: for one of them, or
    /// for its own quota, if they are for the same user.
    pub(super) fn delays(&self, head: &Head<'_>, waiter: &Waiter, chosen: &[usize]) -> bool {
        let of_use = |at: &usize| head.of_use.contains(at) && !self.is_promised_to(*at, waiter);
        let takes = chosen.iter().any(of_use);
        let cost = self.cost(waiter, chosen);
        let own = waiter.uid == head.waiter.uid && head.budget.is_some() && cost > Share::NONE;
        if !takes && !own {
            return false;
        }
        let less = |budget| budget - cost;
        let budget = if own {
            head.budget.map(less)
        } else {
            head.budget
        };
        let Some(served) = head.served else {
            let could = |budget| self.of_use(head.waiter, budget).len();
            return takes || could(budget) < could(head.budget);
        };
        if self.is_over_by(served, waiter) {
            return false;
        }
        let by_then = |at: &usize| self.free_at[*at].is_some_and(|free| free <= served);
        let left = head.of_use.iter().copied();
        let left = left.filter(|at| by_then(at) && !chosen.contains(at));
        !self.is_enough(
            head.waiter,
            head.waiter.devices.count as usize,
            budget,
            left,
        )
    }
}
