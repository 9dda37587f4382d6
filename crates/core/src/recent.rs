//! What each user has used lately: the more, the later they are served.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{ledger::Ledger, share::Share, time::Timestamp};

/// After this time, what somebody used counts half.
///
/// A day, as the machine is shared by people who come back each day: what was used yesterday
/// counts half, what was used last week nothing. Slurm's default of a week
/// (`PriorityDecayHalfLife`) is for clusters whose runs take days. A host sets its own with
/// `waiting_line.recent_use_half_life_h`.
pub const HALF_LIFE: Duration = Duration::from_secs(24 * 3600);

/// What is held now, or about to be, counts as if it had been held for this long: or a user with
/// many requests could have all that is free before their use counts.
const AHEAD: u64 = 3600;

/// What differs by less is the same use, so that seconds do not outweigh who came first: a tenth
/// of an hour of a GPU.
const STEP: u64 = 28 * 360;

/// What everybody used until some moment, decayed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recent {
    /// The moment.
    pub at: Timestamp,
    /// After this time, use counts half.
    pub half_life: Duration,
    /// By uid, in 28ths of a GPU times seconds.
    pub uses: BTreeMap<u32, u64>,
    /// What is to be counted beside at the next change, in the same unit.
    #[serde(skip)]
    charged: BTreeMap<u32, u64>,
}

impl Default for Recent {
    fn default() -> Self {
        Self {
            at: Timestamp(0),
            half_life: HALF_LIFE,
            uses: BTreeMap::new(),
            charged: BTreeMap::new(),
        }
    }
}

/// What everybody holds at `now`, by uid.
fn holdings(ledger: &Ledger, now: Timestamp) -> BTreeMap<u32, Share> {
    let mut held = BTreeMap::new();
    for entry in ledger.entries().filter(|entry| entry.holds(now)) {
        let share: &mut Share = held.entry(entry.container.uid).or_default();
        *share = *share + entry.share();
    }
    held
}

impl Recent {
    /// The same at `now`, while everybody held what `ledger` says. Who has used nothing that
    /// counts is not in it.
    fn until(&self, ledger: &Ledger, now: Timestamp) -> Self {
        let seconds = now.since(self.at).as_secs_f64();
        let half_life = self.half_life.as_secs_f64().max(1.0);
        let left = libm::exp2(-seconds / half_life);
        // A use of 1 for all this time, of which the earlier part has decayed.
        let of_one = half_life / std::f64::consts::LN_2 * (1.0 - left);
        let mut uses: BTreeMap<u32, f64> = BTreeMap::new();
        for (uid, used) in &self.uses {
            uses.insert(*uid, *used as f64 * left);
        }
        // Nothing was noted before the first time.
        if self.at > Timestamp(0) {
            for (uid, share) in holdings(ledger, self.at) {
                *uses.entry(uid).or_default() += f64::from(share.parts()) * of_one;
            }
        }
        let uses = uses
            .into_iter()
            .map(|(uid, used)| (uid, used.round() as u64));
        Self {
            at: now,
            half_life: self.half_life,
            uses: uses.filter(|(_, used)| *used > 0).collect(),
            charged: BTreeMap::new(),
        }
    }

    /// Counts devices of this share as used for so long: nobody else could have them, for somebody
    /// who did not take them. Or who never does could keep them from all others again and again.
    pub(crate) fn charge(&mut self, uid: u32, share: Share, time: Duration) {
        let parts = u64::from(share.parts());
        *self.charged.entry(uid).or_default() += parts.saturating_mul(time.as_secs());
    }
}

impl Ledger {
    /// Brings what everybody used up to `now`, by what they held in `before`: this ledger as it
    /// was until now.
    pub fn note_use(&mut self, before: &Self, now: Timestamp) {
        let Recent {
            half_life, charged, ..
        } = std::mem::take(&mut self.line.recent);
        self.line.recent = Recent {
            half_life,
            ..before.line.recent.until(before, now)
        };
        for (uid, used) in charged {
            let uses = self.line.recent.uses.entry(uid).or_default();
            *uses = uses.saturating_add(used);
        }
    }
}

/// What each user has used and is about to, for comparing.
#[derive(Debug, Clone)]
pub(crate) struct Uses(BTreeMap<u32, u64>);

impl Uses {
    /// Those at `now`.
    pub(crate) fn at(ledger: &Ledger, now: Timestamp) -> Self {
        let mut uses = Self(ledger.line.recent.until(ledger, now).uses);
        for (uid, share) in holdings(ledger, now) {
            uses.promise(uid, share);
        }
        for turn in &ledger.line.turns {
            uses.promise(turn.uid, turn.devices.iter().map(|held| held.share).sum());
        }
        uses
    }

    /// The user is about to be given this.
    pub(crate) fn promise(&mut self, uid: u32, share: Share) {
        *self.0.entry(uid).or_default() += u64::from(share.parts()) * AHEAD;
    }

    /// Less is served first; the same is the same.
    pub(crate) fn level(&self, uid: u32) -> u64 {
        self.0.get(&uid).copied().unwrap_or_default() / STEP
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        device::tests::{mig, whole},
        ledger::{
            Holding,
            tests::{NOW, entry, ledger, seconds},
        },
    };

    const DAY: Duration = HALF_LIFE;

    fn held(holding: Holding) -> Ledger {
        let mut ledger = ledger(&[entry("a._.1", &[whole(0)], holding)]);
        ledger.line.recent.at = NOW;
        ledger
    }

    /// Hours of a GPU.
    fn hours(ledger: &Ledger, now: Timestamp) -> f64 {
        let uses = ledger.line.recent.until(ledger, now).uses;
        uses.get(&1)
            .map_or(0.0, |used| *used as f64 / 28.0 / 3600.0)
    }

    #[test]
    fn what_is_held_adds_up_and_counts_half_after_the_half_life() {
        let used = hours(&held(Holding::Live), NOW + seconds(3600));
        assert!((0.98..1.0).contains(&used), "{used}");
        // Held for ever, it is what a half-life's hours add up to.
        let most = 24.0 / std::f64::consts::LN_2;
        let used = hours(&held(Holding::Live), NOW + 40 * DAY);
        assert!((used - most).abs() < 0.1, "{used}");
        let mut past = held(Holding::Released);
        past.line.recent.uses.insert(1, 28 * 3600);
        assert!((hours(&past, NOW + DAY) - 0.5).abs() < 0.001);
        assert_eq!(
            past.line.recent.until(&past, NOW + 60 * DAY).uses,
            BTreeMap::new()
        );
    }

    #[test]
    fn how_often_it_is_noted_does_not_matter() {
        let at_once = held(Holding::Live);
        let mut often = at_once.clone();
        for step in 1..=100 {
            let before = often.clone();
            often.note_use(&before, NOW + seconds(600 * step));
        }
        let mut at_once = at_once;
        let before = at_once.clone();
        at_once.note_use(&before, NOW + seconds(60_000));
        let (one, many) = (at_once.line.recent.uses[&1], often.line.recent.uses[&1]);
        assert!(one.abs_diff(many) < 200, "{one} {many}");
    }

    #[test]
    fn who_has_a_device_comes_after_who_has_none_and_seconds_of_use_are_nothing() {
        let mut ledger = ledger(&[entry("a._.1", &[mig(0, 0, 1)], Holding::Live)]);
        ledger.line.recent.at = NOW;
        ledger.line.recent.uses.insert(2, 28 * 300);
        let uses = Uses::at(&ledger, NOW);
        assert_eq!([1, 2, 3].map(|uid| uses.level(uid)), [1, 0, 0]);
    }

    #[test]
    fn what_was_kept_in_vain_counts_once_as_if_it_had_been_used() {
        let mut ledger = held(Holding::Released);
        for _ in 0..2 {
            let before = ledger.clone();
            ledger.note_use(&before, NOW);
            assert_eq!(ledger.line.recent.uses.get(&1), None);
        }
        let before = ledger.clone();
        ledger
            .line
            .recent
            .charge(1, Share::WHOLE, Duration::from_secs(900));
        ledger.note_use(&before, NOW);
        let before = ledger.clone();
        ledger.note_use(&before, NOW);
        assert_eq!(ledger.line.recent.uses.get(&1), Some(&(28 * 900)));
    }

    #[test]
    fn a_clock_that_was_set_back_adds_nothing() {
        let ledger = held(Holding::Live);
        assert_eq!(hours(&ledger, NOW - DAY), 0.0);
    }
}
