//! Which containers have been kept as long as their owners' policy says.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    container::State,
    limits::Limits,
    time::{Now, Timestamp, Uptime},
};

/// Why a container is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overdue {
    /// It was never started; otherwise it has stopped.
    pub never_started: bool,
    /// For how long.
    pub idle: Duration,
    /// How long the policy keeps such a container.
    pub kept: Duration,
}

impl fmt::Display for Overdue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.never_started {
            true => "never started in",
            false => "stopped for",
        };
        let [idle, kept] = [self.idle, self.kept].map(humantime::format_duration);
        write!(f, "{what} {idle}, kept for {kept}")
    }
}

/// Why a container is to go at `now`; `None` if it stays.
///
/// `finished` is when it stopped, if that is known: without it, a stopped container stays.
/// One that still `holds` devices stays: they are promised to it until the hold has passed.
///
/// It counts for as long as this boot has lasted, at most: a host without power may come up with a
/// clock of days ago, by which the engine dates the end of all that ran, and then learn the time.
pub fn overdue(
    state: State,
    created: Timestamp,
    finished: Option<Timestamp>,
    holds: bool,
    limits: &Limits,
    now: Now,
) -> Option<Overdue> {
    let (since, kept, never_started) = match state {
        State::Created => (created, limits.lifecycle.created_timeout?, true),
        State::Exited | State::Dead if !holds => {
            (finished?, limits.container_hold_after_stop?, false)
        }
        _ => return None,
    };
    let this_boot = now.uptime.since(Uptime::default());
    let idle = now.wall.since(since).min(this_boot);
    // What comes from a clock that was set back has no age.
    (since <= now.wall && idle >= kept).then_some(Overdue {
        never_started,
        idle,
        kept,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);
    const HALF_AN_HOUR: u64 = 1800;

    /// That time, long after the boot.
    fn at(wall: Timestamp) -> Now {
        let uptime = Uptime(1_000_000_000);
        Now { wall, uptime }
    }

    #[test]
    fn containers_go_when_their_time_is_over_and_not_before() {
        let limits = Limits::shipped();
        let old = Timestamp(NOW.0 - HALF_AN_HOUR);
        let young = Timestamp(NOW.0 - HALF_AN_HOUR + 1);
        let never = None;
        for (state, created, finished, goes) in [
            (State::Exited, Timestamp(0), Some(old), true),
            (State::Dead, Timestamp(0), Some(old), true),
            (State::Exited, Timestamp(0), Some(young), false),
            (State::Exited, Timestamp(0), never, false),
            (State::Created, old, never, true),
            (State::Created, young, never, false),
            (State::Running, Timestamp(0), Some(old), false),
            (State::Paused, Timestamp(0), Some(old), false),
            (State::Restarting, Timestamp(0), Some(old), false),
            (State::Removing, Timestamp(0), Some(old), false),
            (
                State::Exited,
                Timestamp(0),
                Some(Timestamp(NOW.0 + 9)),
                false,
            ),
        ] {
            let found = overdue(state, created, finished, false, &limits, at(NOW));
            assert_eq!(found.is_some(), goes, "{state:?} {created} {finished:?}");
        }
    }

    #[test]
    fn no_limit_keeps_for_ever_and_zero_not_at_all() {
        let due = |kept| {
            let mut limits = Limits::shipped();
            limits.container_hold_after_stop = kept;
            limits.lifecycle.created_timeout = kept;
            let goes = |state| overdue(state, NOW, Some(NOW), false, &limits, at(NOW)).is_some();
            (goes(State::Exited), goes(State::Created))
        };
        assert_eq!(due(None), (false, false));
        assert_eq!(due(Some(Duration::ZERO)), (true, true));
    }

    #[test]
    fn promised_devices_keep_a_stopped_container() {
        let limits = Limits::shipped();
        let long = Timestamp(0);
        let due = |state, holds| overdue(state, long, Some(long), holds, &limits, at(NOW));
        assert_eq!(due(State::Exited, true), None);
        assert!(due(State::Exited, false).is_some());
        assert!(due(State::Created, true).is_some(), "its hold has no end");
    }

    #[test]
    fn a_clock_that_is_set_ahead_after_the_boot_makes_nothing_old() {
        let limits = Limits::shipped();
        let kept = limits.container_hold_after_stop.unwrap();
        let monday = Timestamp(NOW.0 + 60 * 3600);
        let goes = |state, up: Duration| {
            let uptime = Uptime::default() + up;
            let now = Now {
                wall: monday,
                uptime,
            };
            overdue(state, NOW, Some(NOW), false, &limits, now).is_some()
        };
        let minute = Duration::from_secs(60);
        assert!(!goes(State::Exited, minute), "{kept:?}");
        assert!(!goes(State::Created, minute));
        assert!(!goes(State::Exited, kept - minute));
        assert!(goes(State::Exited, kept));
        assert!(goes(State::Created, Duration::from_secs(HALF_AN_HOUR)));
    }

    #[test]
    fn the_reason_has_the_figures() {
        let mut limits = Limits::shipped();
        limits.lifecycle.created_timeout = Some(Duration::from_secs(60));
        let (long, now) = (Timestamp(0), at(Timestamp(5400)));
        let due = |state| overdue(state, long, Some(long), false, &limits, now);
        let said = |state| due(state).map(|overdue| overdue.to_string());
        assert_eq!(
            said(State::Exited).as_deref(),
            Some("stopped for 1h 30m, kept for 30m")
        );
        assert_eq!(
            said(State::Created).as_deref(),
            Some("never started in 1h 30m, kept for 1m")
        );
    }
}
