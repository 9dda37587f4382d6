//! A longer run, as far as the owner's policy allows.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    failure::{Kind, UserError},
    line::gpu_is,
    time::Timestamp,
};

/// By how much one run of a container may be longer than its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    /// When that run was started, by the engine: the next one has none.
    pub started: Timestamp,
    /// By how much, all extensions together.
    pub by: Duration,
}

/// Why a run is not extended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotExtended {
    /// The policy allows it to nobody of this group.
    #[error("your group's policy does not let you extend a run")]
    NotAllowed,
    /// More than the policy allows.
    #[error(
        "a run can be extended by {} in all, and by {} still: {} asked for",
        humantime::format_duration(*allowed),
        humantime::format_duration(*left),
        humantime::format_duration(*asked)
    )]
    TooLong {
        /// By how much in all.
        allowed: Duration,
        /// How much of that is left.
        left: Duration,
        /// How much was asked for.
        asked: Duration,
    },
    /// Others are to have its devices before the longer run would be over.
    #[error(
        "{} promised to {whom} from {from}, and the longer run could hold it until {until}",
        gpu_is(.slots)
    )]
    Promised {
        /// The devices, as users read them.
        slots: String,
        /// To whom.
        whom: String,
        /// From when on.
        from: Timestamp,
        /// How long the run could last, the hold after it included.
        until: Timestamp,
        /// By how much it could be longer all the same.
        left: Duration,
    },
}

impl UserError for NotExtended {
    fn kind(&self) -> Kind {
        match self {
            Self::Promised { .. } => Kind::Busy,
            _ => Kind::Denied,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Promised { left, .. } => match left.as_secs() / 60 * 60 {
                0 => "see for whom GPUs are kept with gpu-queue list".into(),
                left => {
                    let left = Duration::from_secs(left);
                    format!("ask for less: {}", humantime::format_duration(left))
                }
            },
            Self::TooLong { left, .. } if !left.is_zero() => {
                format!("ask for less: {}", humantime::format_duration(*left))
            }
            _ => "ask an admin: policies.max_extension_h in resource-limits.yaml".into(),
        };
        Some(hint)
    }
}

/// Extends the run that was started then by `asked`. `before` is what it has, if it is of that run;
/// `allowed` is for all extensions of a run together, `None` without limit.
///
/// # Errors
///
/// [`NotExtended`].
pub fn extend(
    before: Option<Extension>,
    started: Timestamp,
    asked: Duration,
    allowed: Option<Duration>,
) -> Result<Extension, NotExtended> {
    let has = of_run(before, started);
    match allowed {
        Some(Duration::ZERO) => Err(NotExtended::NotAllowed),
        Some(allowed) if has.saturating_add(asked) > allowed => Err(NotExtended::TooLong {
            allowed,
            left: allowed.saturating_sub(has),
            asked,
        }),
        _ => Ok(Extension {
            started,
            by: has.saturating_add(asked),
        }),
    }
}

/// The extension to suggest for the run that was started then, as `container-extend` reads it: half
/// a day, or what is left; `None` if that is nothing.
pub fn suggested(
    before: Option<Extension>,
    started: Timestamp,
    allowed: Option<Duration>,
) -> Option<String> {
    const MOST: Duration = Duration::from_secs(12 * 3600);
    let left = |allowed: Duration| allowed.saturating_sub(of_run(before, started));
    let minutes = allowed.map_or(MOST, left).min(MOST).as_secs() / 60;
    match minutes {
        0 => None,
        1..60 => Some(format!("{minutes}m")),
        _ => Some(format!("{}h", minutes / 60)),
    }
}

/// By how much the run that was started then is extended.
pub fn of_run(extension: Option<Extension>, started: Timestamp) -> Duration {
    let own = extension.filter(|extension| extension.started == started);
    own.map_or(Duration::ZERO, |extension| extension.by)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const STARTED: Timestamp = Timestamp(7);

    #[test]
    fn extensions_of_a_run_add_up_to_what_is_allowed() {
        let has = |hours: u32| {
            Some(Extension {
                started: STARTED,
                by: hours * HOUR,
            })
        };
        let too_long = |left: u32, asked: u32| {
            Err(NotExtended::TooLong {
                allowed: 24 * HOUR,
                left: left * HOUR,
                asked: asked * HOUR,
            })
        };
        for (before, asked, allowed, result) in [
            (None, 24, Some(24), Ok(24)),
            (None, 25, Some(24), too_long(24, 25)),
            (has(12), 12, Some(24), Ok(24)),
            (has(12), 13, Some(24), too_long(12, 13)),
            (has(24), 1, Some(24), too_long(0, 1)),
            (has(24), 1, None, Ok(25)),
            (None, 1, Some(0), Err(NotExtended::NotAllowed)),
        ] {
            let allowed = allowed.map(|hours: u32| hours * HOUR);
            let extended = extend(before, STARTED, asked * HOUR, allowed);
            assert_eq!(extended, result.map(|hours| has(hours).unwrap()));
        }
    }

    #[test]
    fn what_is_suggested_is_allowed() {
        let has = |minutes: u32| {
            Some(Extension {
                started: STARTED,
                by: minutes * HOUR / 60,
            })
        };
        for (before, allowed, suggestion) in [
            (None, None, Some("12h")),
            (None, Some(24 * HOUR), Some("12h")),
            (has(20 * 60), Some(24 * HOUR), Some("4h")),
            (has(22 * 60 + 30), Some(24 * HOUR), Some("1h")),
            (has(23 * 60 + 30), Some(24 * HOUR), Some("30m")),
            (has(24 * 60), Some(24 * HOUR), None),
            (None, Some(Duration::ZERO), None),
        ] {
            let suggested = suggested(before, STARTED, allowed);
            assert_eq!(suggested.as_deref(), suggestion);
        }
    }

    #[test]
    fn the_next_run_is_not_extended() {
        let before = Extension {
            started: Timestamp(6),
            by: 20 * HOUR,
        };
        assert_eq!(of_run(Some(before), STARTED), Duration::ZERO);
        assert_eq!(of_run(Some(before), Timestamp(6)), 20 * HOUR);
        let extended = extend(Some(before), STARTED, 24 * HOUR, Some(24 * HOUR)).unwrap();
        assert_eq!(extended.by, 24 * HOUR);
    }

    #[test]
    fn a_refusal_says_what_is_left() {
        let refused = extend(None, STARTED, 30 * HOUR, Some(24 * HOUR)).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "a run can be extended by 1day in all, and by 1day still: 1day 6h asked for"
        );
        assert_eq!(refused.hint().unwrap(), "ask for less: 1day");
        let refused = NotExtended::NotAllowed;
        assert_eq!(
            refused.hint().unwrap(),
            "ask an admin: policies.max_extension_h in resource-limits.yaml"
        );
    }
}
