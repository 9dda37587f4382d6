//! How long a run has been idle, as far as anybody watched, and what follows.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    due::{Due, Rule},
    signal::{Before, Judged, Sample, Verdict, judge},
    warning::Warnings,
};
use crate::{
    limits::Lifecycle,
    share::Share,
    time::{Now, Timestamp, Uptime},
};

/// The most that one pause between two checks counts as idle: in a longer one nobody watched.
const LONGEST_UNWATCHED: Duration = Duration::from_secs(600);

/// From this part of its limit on, in percent, anything is done about an idle container.
const NEAR_PERCENT: u128 = 75;

/// What is known of the idleness of one run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Idle {
    before: Option<Before>,
    /// The last check found it idle, so that the time until the next may count.
    was_idle: bool,
    /// How long it was seen idle since it was last seen in use.
    idle: Duration,
    /// Idle checks since then.
    checks: u32,
    warnings: Warnings,
    keep_alive: Option<KeepAlive>,
}

/// A `.keep-alive` file as it was first seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct KeepAlive {
    touched: Timestamp,
    seen: Uptime,
    /// How long ago it had been touched by then.
    age: Duration,
}

/// The compute in use, and all there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// Held by containers.
    pub used: Share,
    /// All devices that there are.
    pub total: Share,
}

impl Demand {
    /// Whether demand is high by this policy. Without any device it is not.
    pub fn is_high(self, policy: &Lifecycle) -> bool {
        let threshold = policy.high_demand_threshold * self.total.as_gpus();
        self.total > Share::NONE && self.used.as_gpus() >= threshold
    }
}

/// How long a container may idle: less while demand is high. `None` is for ever.
///
/// Where the devices are not known, demand is not high.
pub fn idle_limit(
    timeout: Option<Duration>,
    policy: &Lifecycle,
    demand: Option<Demand>,
) -> Option<Duration> {
    let high = demand.is_some_and(|demand| demand.is_high(policy));
    let factor = if high {
        policy.high_demand_idle_factor
    } else {
        1.0
    };
    timeout.map(|timeout| timeout.mul_f64(factor))
}

impl Idle {
    /// How long it has been seen idle.
    pub fn length(&self) -> Duration {
        self.idle
    }

    /// Takes a sample of a run that `began` then.
    ///
    /// Time counts between two checks that found it idle. One that could not tell counts neither
    /// way: the time around it is not idle time, and what was seen before it stays. During the
    /// grace after its start a run is never idle.
    pub fn observe(&mut self, sample: &Sample, began: Uptime, policy: &Lifecycle) -> Judged {
        let judged = judge(self.before.as_ref(), sample, policy);
        let pause = self.before.as_ref().map(|before| before.pause(sample));
        self.before = Some(Before::from(sample));
        let in_grace = sample.at.since(began) < policy.grace;
        match judged.verdict {
            Verdict::Idle if !in_grace => {
                let pause = pause.filter(|_| self.was_idle).unwrap_or_default();
                self.idle += pause.min(LONGEST_UNWATCHED);
                self.checks = self.checks.saturating_add(1);
                self.was_idle = true;
            }
            Verdict::Unknown if !in_grace => self.was_idle = false,
            _ => self.used(),
        }
        judged
    }

    /// It is in use: whatever was known of its idleness is over.
    fn used(&mut self) {
        *self = Self {
            before: self.before.take(),
            warnings: Warnings {
                exempt_told: self.warnings.exempt_told,
                ..Warnings::default()
            },
            ..Self::default()
        };
    }

    /// Whether a step may be due, so that it matters whether there is a `.keep-alive`.
    pub fn is_near(&self, limit: Option<Duration>, policy: &Lifecycle) -> bool {
        self.checks >= policy.idle_checks
            && limit
                .is_some_and(|limit| self.idle.as_nanos() * 100 >= limit.as_nanos() * NEAR_PERCENT)
    }

    /// The next step, at `now`. `limit` is by [`idle_limit`], `touched` when the `.keep-alive` of its
    /// workspace was touched, if it has one.
    ///
    /// A `.keep-alive` keeps for as long as the policy says after it was touched, and no longer than
    /// that since the container has become idle: touching it again and again does not keep for ever.
    pub fn next(
        &mut self,
        limit: Option<Duration>,
        touched: Option<Timestamp>,
        exempt: bool,
        policy: &Lifecycle,
        now: Now,
    ) -> Option<Due> {
        let kept = self.keep_alive_effect(touched, policy.keep_alive, now);
        let (Some(limit), true) = (limit, self.is_near(limit, policy)) else {
            self.warnings.last = None;
            return None;
        };
        let limit = match kept {
            KeepAliveEffect::Not => limit,
            KeepAliveEffect::Until(end) => limit.max(end),
            KeepAliveEffect::ForEver => {
                self.warnings.last = None;
                return None;
            }
        };
        let step = self.warnings.next(self.idle, limit, exempt, now.uptime)?;
        Some(Due {
            rule: Rule::Idle,
            step,
            elapsed: self.idle,
            limit,
        })
    }

    /// Whether a `.keep-alive` would keep it, if it was touched just now: it has not been idle for
    /// longer than one keeps.
    pub fn may_be_kept(&self, policy: &Lifecycle) -> bool {
        policy.keep_alive.is_none_or(|most| self.idle < most)
    }

    /// What was told of it was not told: whoever was about to has died.
    pub fn not_told(&mut self) {
        self.warnings = Warnings::default();
    }

    fn keep_alive_effect(
        &mut self,
        touched: Option<Timestamp>,
        most: Option<Duration>,
        now: Now,
    ) -> KeepAliveEffect {
        let Some(touched) = touched else {
            self.keep_alive = None;
            return KeepAliveEffect::Not;
        };
        // Its age is told by the time of day once, when it is first seen: a clock that is set
        // afterwards makes it no older.
        let seen = self.keep_alive.filter(|file| file.touched == touched);
        let file = seen.unwrap_or(KeepAlive {
            touched,
            seen: now.uptime,
            age: now.wall.since(touched),
        });
        self.keep_alive = Some(file);
        let Some(most) = most else {
            return KeepAliveEffect::ForEver;
        };
        let age = file.age + now.uptime.since(file.seen);
        match most.saturating_sub(age.max(self.idle)) {
            Duration::ZERO => KeepAliveEffect::Not,
            left => KeepAliveEffect::Until(self.idle + left),
        }
    }
}

/// What a `.keep-alive` file does for a container: whether it is spared from the idle rule.
enum KeepAliveEffect {
    Not,
    /// Until it has idled so long.
    Until(Duration),
    ForEver,
}

#[cfg(test)]
mod tests;
