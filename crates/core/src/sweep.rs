//! Which containers have been kept as long as their owners' policy says.

mod at_rest;

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{container::State, limits::Limits, time::Timestamp};

pub use at_rest::AtRest;

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

/// Since when a container in this state does not run, as the engine dates it; `None` if it runs, or
/// that is not known.
pub fn since(state: State, created: Timestamp, finished: Option<Timestamp>) -> Option<Timestamp> {
    match state {
        State::Created => Some(created),
        State::Exited | State::Dead => finished,
        _ => None,
    }
}

/// Why a container that does not run `since` then is to go at `now`; `None` if it stays.
///
/// One that still `holds` devices stays: they are promised to it until the hold has passed. So does
/// one that has not `rested` for as long, by a clock that nobody sets: see [`AtRest`].
pub fn overdue(
    state: State,
    since: Timestamp,
    rested: Duration,
    holds: bool,
    limits: &Limits,
    now: Timestamp,
) -> Option<Overdue> {
    let (kept, never_started) = match state {
        State::Created => (limits.lifecycle.created_timeout?, true),
        State::Exited | State::Dead if !holds => (limits.container_hold_after_stop?, false),
        _ => return None,
    };
    let idle = now.since(since);
    // What comes from a clock that was set back has no age.
    (since <= now && idle.min(rested) >= kept).then_some(Overdue {
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

    const LONG: Duration = Duration::MAX;

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
            let found = since(state, created, finished)
                .and_then(|since| overdue(state, since, LONG, false, &limits, NOW));
            assert_eq!(found.is_some(), goes, "{state:?} {created} {finished:?}");
        }
    }

    #[test]
    fn no_limit_keeps_for_ever_and_zero_not_at_all() {
        let due = |kept| {
            let mut limits = Limits::shipped();
            limits.container_hold_after_stop = kept;
            limits.lifecycle.created_timeout = kept;
            let goes = |state| overdue(state, NOW, LONG, false, &limits, NOW).is_some();
            (goes(State::Exited), goes(State::Created))
        };
        assert_eq!(due(None), (false, false));
        assert_eq!(due(Some(Duration::ZERO)), (true, true));
    }

    #[test]
    fn promised_devices_keep_a_stopped_container() {
        let limits = Limits::shipped();
        let long = Timestamp(0);
        let due = |state, holds| overdue(state, long, LONG, holds, &limits, NOW);
        assert_eq!(due(State::Exited, true), None);
        assert!(due(State::Exited, false).is_some());
        assert!(due(State::Created, true).is_some(), "its hold has no end");
    }

    #[test]
    fn whatever_the_clock_says_one_stays_until_it_has_rested_for_as_long() {
        let limits = Limits::shipped();
        let goes =
            |state, rested| overdue(state, Timestamp(0), rested, false, &limits, NOW).is_some();
        let kept = Duration::from_secs(HALF_AN_HOUR);
        let short = kept - Duration::from_millis(1);
        for state in [State::Exited, State::Dead, State::Created] {
            assert_eq!((goes(state, short), goes(state, kept)), (false, true));
        }
    }

    #[test]
    fn the_reason_has_the_figures() {
        let mut limits = Limits::shipped();
        limits.lifecycle.created_timeout = Some(Duration::from_secs(60));
        let (long, now) = (Timestamp(0), Timestamp(5400));
        let due = |state| {
            overdue(
                state,
                long,
                Duration::from_millis(5_399_413),
                false,
                &limits,
                now,
            )
        };
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
