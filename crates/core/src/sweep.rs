//! Which containers have been kept as long as their owners' policy says.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{container::State, limits::Limits, time::Timestamp};

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
pub fn overdue(
    state: State,
    created: Timestamp,
    finished: Option<Timestamp>,
    holds: bool,
    limits: &Limits,
    now: Timestamp,
) -> Option<Overdue> {
    let (since, kept, never_started) = match state {
        State::Created => (created, limits.lifecycle.created_timeout?, true),
        State::Exited | State::Dead if !holds => {
            (finished?, limits.container_hold_after_stop?, false)
        }
        _ => return None,
    };
    let idle = now.since(since);
    // What comes from a clock that was set back has no age.
    (since <= now && idle >= kept).then_some(Overdue {
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
            let found = overdue(state, created, finished, false, &limits, NOW);
            assert_eq!(found.is_some(), goes, "{state:?} {created} {finished:?}");
        }
    }

    #[test]
    fn no_limit_keeps_for_ever_and_zero_not_at_all() {
        let due = |kept| {
            let mut limits = Limits::shipped();
            limits.container_hold_after_stop = kept;
            limits.lifecycle.created_timeout = kept;
            let at = |state| overdue(state, NOW, Some(NOW), false, &limits, NOW).is_some();
            (at(State::Exited), at(State::Created))
        };
        assert_eq!(due(None), (false, false));
        assert_eq!(due(Some(Duration::ZERO)), (true, true));
    }

    #[test]
    fn promised_devices_keep_a_stopped_container() {
        let limits = Limits::shipped();
        let at =
            |state, holds| overdue(state, Timestamp(0), Some(Timestamp(0)), holds, &limits, NOW);
        assert_eq!(at(State::Exited, true), None);
        assert!(at(State::Exited, false).is_some());
        assert!(at(State::Created, true).is_some(), "its hold has no end");
    }

    #[test]
    fn the_reason_has_the_figures() {
        let mut limits = Limits::shipped();
        limits.lifecycle.created_timeout = Some(Duration::from_secs(60));
        let at = |state| {
            overdue(
                state,
                Timestamp(0),
                Some(Timestamp(0)),
                false,
                &limits,
                Timestamp(5400),
            )
        };
        let said = |state| at(state).map(|overdue| overdue.to_string());
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
