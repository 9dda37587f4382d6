//! A step that is due, in words and figures.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use super::warning::{Step, Warnings};
use crate::time::Now;

/// The two rules by which a container with devices is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// It has idled too long.
    Idle,
    /// It has run too long.
    Longest,
}

/// A step, and why it is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// By which rule.
    pub rule: Rule,
    /// What is to be done.
    pub step: Step,
    /// How long it has idled or run.
    pub elapsed: Duration,
    /// How long it may.
    pub limit: Duration,
}

impl Due {
    /// The type of its event, in the words of the original system.
    pub fn event_type(&self) -> &'static str {
        match (self.rule, self.step) {
            (Rule::Idle, Step::Exempt) => "maintenance.idle_exempt",
            (Rule::Idle, Step::Warn { .. }) => "maintenance.idle_warning",
            (Rule::Idle, Step::Stop) => "maintenance.idle_kill",
            (Rule::Longest, Step::Exempt) => "maintenance.runtime_exempt",
            (Rule::Longest, Step::Warn { .. }) => "maintenance.runtime_warning",
            (Rule::Longest, Step::Stop) => "maintenance.runtime_kill",
        }
    }
}

/// The reason: `idle for 23m, limit 30m`.
impl fmt::Display for Due {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.rule {
            Rule::Idle => "idle",
            Rule::Longest => "up",
        };
        let (elapsed, limit) = (words(self.elapsed), words(self.limit));
        write!(f, "{what} for {elapsed}, limit {limit}")
    }
}

/// A length of time for people: whole seconds, if there are any.
pub fn words(length: Duration) -> humantime::FormattedDuration {
    humantime::format_duration(match length.as_secs() {
        0 => Duration::from_millis(length.subsec_millis().into()),
        seconds => Duration::from_secs(seconds),
    })
}

/// The next step for a run of which so much has `elapsed`, if it has a `limit`.
pub fn longest(
    warnings: &mut Warnings,
    elapsed: Duration,
    limit: Option<Duration>,
    exempt: bool,
    now: Now,
) -> Option<Due> {
    let Some(limit) = limit else {
        warnings.last = None;
        return None;
    };
    let step = warnings.next(elapsed, limit, exempt, now.uptime)?;
    Some(Due {
        rule: Rule::Longest,
        step,
        elapsed,
        limit,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        lifecycle::Level,
        time::{Timestamp, Uptime},
    };

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn the_longest_run_is_warned_of_twice_then_over_unless_it_is_exempt_or_has_no_limit() {
        let steps = |limit: Option<Duration>, exempt| {
            let mut warnings = Warnings::default();
            let mut at = |minutes: u64| {
                let now = Now {
                    wall: Timestamp(0),
                    uptime: Uptime(minutes * 60_000),
                };
                let elapsed = Duration::from_secs(60 * minutes);
                let due = longest(&mut warnings, elapsed, limit, exempt, now)?;
                Some((minutes, due.event_type(), due.to_string()))
            };
            (0..=24 * 60).filter_map(&mut at).collect::<Vec<_>>()
        };
        let expected = [
            (
                1080,
                "maintenance.runtime_warning",
                "up for 18h, limit 1day",
            ),
            (
                1296,
                "maintenance.runtime_warning",
                "up for 21h 36m, limit 1day",
            ),
            (1440, "maintenance.runtime_kill", "up for 1day, limit 1day"),
        ];
        let expected = expected.map(|(at, kind, why)| (at, kind, why.to_string()));
        assert_eq!(steps(Some(24 * HOUR), false), expected);
        let exempt = (1080, "maintenance.runtime_exempt", expected[0].2.clone());
        assert_eq!(steps(Some(24 * HOUR), true), [exempt]);
        assert_eq!(steps(None, false), []);
        assert_eq!(steps(Some(36 * HOUR), false), [], "extended");
    }

    #[test]
    fn a_reason_has_whole_seconds_where_there_are_any() {
        let due = Due {
            rule: Rule::Idle,
            step: Step::Warn {
                level: Level::First,
                left: HOUR,
            },
            elapsed: Duration::from_millis(2750),
            limit: Duration::from_millis(360),
        };
        assert_eq!(due.to_string(), "idle for 2s, limit 360ms");
        assert_eq!(due.event_type(), "maintenance.idle_warning");
    }
}
