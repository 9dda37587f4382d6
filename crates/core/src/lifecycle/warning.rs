//! Warned twice, then stopped: each in a pass of its own.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Uptime;

/// From this part of the limit on, its owner is warned.
const FIRST_PERCENT: u32 = 75;
/// And once more.
const FINAL_PERCENT: u32 = 90;
/// The longest that a warning which came late puts the end off: otherwise it is a tenth of the limit.
const LONGEST_REACTION: Duration = Duration::from_secs(300);

/// How urgent a warning is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// At 75 % of the limit.
    First,
    /// At 90 %, or as soon as anybody looks after that.
    Final,
}

impl Level {
    /// The part of the limit that it stands for, in percent.
    pub fn percent(self) -> u32 {
        match self {
            Self::First => FIRST_PERCENT,
            Self::Final => FINAL_PERCENT,
        }
    }
}

/// The last warning that was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warned {
    /// Which.
    pub level: Level,
    /// When.
    pub at: Uptime,
}

/// What is known of the warnings of one run, by one rule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warnings {
    /// The last one.
    pub last: Option<Warned>,
    /// The owner was told once that an exemption keeps it.
    pub exempt_told: bool,
}

/// What is to be done about a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Tell its owner, once, that an exemption keeps it.
    Exempt,
    /// Warn its owner.
    Warn {
        /// How urgently.
        level: Level,
        /// The time until it is stopped.
        left: Duration,
    },
    /// Stop it.
    Stop,
}

impl Warnings {
    /// The next step for a container that has used `elapsed` of its `limit`, at `now`.
    ///
    /// One step a pass. None is stopped without a final warning in an earlier pass, a tenth of the
    /// limit ago (five minutes at most): who looks late still warns first. One that is used again,
    /// or whose limit has grown, is warned anew when its time comes.
    pub fn next(
        &mut self,
        elapsed: Duration,
        limit: Duration,
        exempt: bool,
        now: Uptime,
    ) -> Option<Step> {
        let passed =
            |percent: u32| elapsed.as_nanos() * 100 >= limit.as_nanos() * u128::from(percent);
        if exempt {
            self.last = None;
            let tell = passed(FIRST_PERCENT) && !self.exempt_told;
            self.exempt_told |= tell;
            return tell.then_some(Step::Exempt);
        }
        let reaction = (limit / 10).min(LONGEST_REACTION);
        let due = if passed(FINAL_PERCENT) {
            Level::Final
        } else if passed(FIRST_PERCENT) {
            Level::First
        } else {
            self.last = None;
            return None;
        };
        match self.last {
            Some(warned) if warned.level == due => {
                let over = passed(100) && now.since(warned.at) >= reaction;
                (due == Level::Final && over).then_some(Step::Stop)
            }
            // Its limit has grown since: the final warning will be due again.
            Some(warned) if warned.level > due => {
                self.last = Some(Warned {
                    level: due,
                    ..warned
                });
                None
            }
            _ => {
                self.last = Some(Warned {
                    level: due,
                    at: now,
                });
                let left = limit.saturating_sub(elapsed).max(reaction);
                Some(Step::Warn { level: due, left })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(1000);

    /// A pass after so many seconds, with that much of the limit used.
    fn pass(warnings: &mut Warnings, now: u64, elapsed: u64) -> Option<Step> {
        warnings.next(
            Duration::from_secs(elapsed),
            LIMIT,
            false,
            Uptime(now * 1000),
        )
    }

    fn warn(level: Level, left: u64) -> Option<Step> {
        let left = Duration::from_secs(left);
        Some(Step::Warn { level, left })
    }

    #[test]
    fn both_warnings_come_before_the_stop_at_their_parts_of_the_limit() {
        let mut warnings = Warnings::default();
        for (seconds, step) in [
            (0, None),
            (749, None),
            (750, warn(Level::First, 250)),
            (751, None),
            (899, None),
            (900, warn(Level::Final, 100)),
            (901, None),
            (999, None),
            (1000, Some(Step::Stop)),
        ] {
            assert_eq!(pass(&mut warnings, seconds, seconds), step, "{seconds}");
        }
    }

    #[test]
    fn who_looks_late_warns_first_and_gives_a_tenth_of_the_limit() {
        let mut warnings = Warnings::default();
        assert_eq!(pass(&mut warnings, 5000, 5000), warn(Level::Final, 100));
        assert_eq!(pass(&mut warnings, 5000, 5000), None, "in the same moment");
        assert_eq!(pass(&mut warnings, 5099, 5099), None);
        assert_eq!(pass(&mut warnings, 5100, 5100), Some(Step::Stop));
        let mut warnings = Warnings::default();
        assert_eq!(pass(&mut warnings, 760, 760), warn(Level::First, 240));
        assert_eq!(pass(&mut warnings, 990, 990), warn(Level::Final, 100));
        assert_eq!(pass(&mut warnings, 1000, 1000), None);
        assert_eq!(pass(&mut warnings, 1090, 1090), Some(Step::Stop));
    }

    #[test]
    fn a_late_warning_puts_the_end_of_a_long_limit_off_by_five_minutes() {
        let day = Duration::from_secs(86_400);
        let mut warnings = Warnings::default();
        let mut at = |seconds: u64| warnings.next(2 * day, day, false, Uptime(seconds * 1000));
        assert_eq!(at(0), warn(Level::Final, 300));
        assert_eq!(at(299), None);
        assert_eq!(at(300), Some(Step::Stop));
    }

    #[test]
    fn what_is_used_again_is_warned_anew() {
        let mut warnings = Warnings::default();
        assert_eq!(pass(&mut warnings, 0, 900), warn(Level::Final, 100));
        assert_eq!(pass(&mut warnings, 10, 0), None);
        assert_eq!(warnings, Warnings::default());
        assert_eq!(pass(&mut warnings, 2000, 1990), warn(Level::Final, 100));
        // A longer limit, with less of it used than before.
        assert_eq!(pass(&mut warnings, 2001, 800), None);
        assert_eq!(pass(&mut warnings, 2150, 950), warn(Level::Final, 100));
    }

    #[test]
    fn who_is_exempt_is_told_once_and_never_stopped() {
        let mut warnings = Warnings::default();
        let mut at = |elapsed, exempt| {
            warnings.next(
                Duration::from_secs(elapsed),
                LIMIT,
                exempt,
                Uptime(elapsed * 1000),
            )
        };
        assert_eq!(at(749, true), None);
        assert_eq!(at(750, true), Some(Step::Exempt));
        assert_eq!(at(5000, true), None);
        assert_eq!(at(0, true), None);
        assert_eq!(at(900, true), None, "once for a run");
        // The exemption has ended: warned as everybody.
        assert_eq!(at(5001, false), warn(Level::Final, 100));
        assert_eq!(at(5002, true), None);
        assert_eq!(
            at(5200, false),
            warn(Level::Final, 100),
            "not stopped by the old one"
        );
    }
}
