//! Points in time as they are stored and printed.

use std::{
    fmt,
    ops::{Add, Sub},
    str::FromStr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

/// Whole seconds since 1970, UTC. Reads and prints as `2026-11-05T10:30:00Z`; stored as the number.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// Time since `earlier`; zero if the clock was set back in between.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(self.0.saturating_sub(earlier.0))
    }

    /// Parses RFC 3339 in UTC, as the engine prints it. Its year-1 "never" is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        humantime::parse_rfc3339_weak(text).ok().map(Self::from)
    }

    /// The same as people type it: without the seconds, or a day alone.
    pub fn typed(text: &str) -> Option<Self> {
        let forms = [
            text.to_string(),
            format!("{text}:00"),
            format!("{text} 00:00:00"),
        ];
        forms.iter().find_map(|form| Self::parse(form))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        Self(
            time.duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
        )
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration.as_secs()))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration.as_secs()))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The formatter knows years to 9999 only.
        let seconds = self.0.min(253_402_300_799);
        humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).fmt(f)
    }
}

/// Time since this host was started, by a clock that nobody sets and that goes on while the host
/// sleeps. In milliseconds; it says nothing about another boot.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Uptime(pub u64);

impl Uptime {
    /// Time since `earlier`; zero if that is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Uptime {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(ms))
    }
}

/// One moment by both clocks: people read the one, durations are measured by the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// The time of day, which can be set.
    pub wall: Timestamp,
    /// The time since boot.
    pub uptime: Uptime,
}

/// A length of time as people type it: `90s`, `12h`, `2d`, `1h 30m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Age(pub Duration);

impl FromStr for Age {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = humantime::parse_duration(text).map(Self);
        parsed.map_err(|_| "expected a length of time such as 30m, 12h or 2d")
    }
}

/// A length of time in whole seconds: for JSON that scripts read.
pub mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// Writes it.
    ///
    /// # Errors
    ///
    /// The serializer's.
    pub fn serialize<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
        time.as_secs().serialize(to)
    }

    /// Reads it.
    ///
    /// # Errors
    ///
    /// The deserializer's.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_secs)
    }

    /// The same, or `null`.
    pub mod or_null {
        use super::{Deserialize, Deserializer, Duration, Serialize, Serializer};

        /// Writes it.
        ///
        /// # Errors
        ///
        /// The serializer's.
        pub fn serialize<S: Serializer>(time: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
            time.map(|time| time.as_secs()).serialize(to)
        }

        /// Reads it.
        ///
        /// # Errors
        ///
        /// The deserializer's.
        pub fn deserialize<'de, D>(from: D) -> Result<Option<Duration>, D::Error>
        where
            D: Deserializer<'de>,
        {
            Ok(Option::deserialize(from)?.map(Duration::from_secs))
        }
    }
}

/// A point in time as people type it: how long ago, `90s`, `2d`; or when, `2026-11-05T10:30:00Z`,
/// `2026-11-05 10:30`, or a day of that form, all in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// So long ago.
    Ago(Duration),
    /// Then.
    At(Timestamp),
}

impl Moment {
    /// When that is, as seen at `now`.
    pub fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Ago(ago) => now - ago,
            Self::At(time) => time,
        }
    }
}

impl FromStr for Moment {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let time = Timestamp::typed(text).map(Self::At);
        let ago = || text.parse::<Age>().map(|age| Self::Ago(age.0)).ok();
        time.or_else(ago).ok_or(
            "expected how long ago, such as 30m or 2d, or a time in UTC, such as '2026-11-05 10:30'",
        )
    }
}

/// How long to wait, as people type it: `90`, which is seconds, or what [`Age`] reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience(pub Duration);

impl FromStr for Patience {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let seconds = text.parse().map(Duration::from_secs);
        let parsed = seconds.or_else(|_| text.parse().map(|Age(length)| length));
        let odd = "expected seconds, or a length of time such as 90s or 30m";
        parsed.map(Self).map_err(|_| odd)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_needs_its_unit() {
        let hours = |hours: u64| Ok(Age(Duration::from_secs(3600 * hours)));
        for (text, age) in [("2d", hours(48)), ("1d 12h", hours(36)), ("0s", hours(0))] {
            assert_eq!(text.parse::<Age>(), age);
        }
        for odd in ["", "2", "-2d", "two days", "99999999999999999999d"] {
            assert!(odd.parse::<Age>().is_err(), "{odd}");
        }
    }

    #[test]
    fn a_point_in_time_is_so_long_ago_a_time_or_a_day() {
        let at = |text: &str| {
            let moment = text.parse::<Moment>();
            moment.map(|moment| moment.at(Timestamp(1_000_000)).0)
        };
        for (text, time) in [
            ("0s", 1_000_000),
            ("1h", 996_400),
            ("99999d", 0),
            ("1970-01-02", 86_400),
            ("1970-01-01T00:01:00Z", 60),
            ("1970-01-01 00:01:00", 60),
            ("1970-01-01 00:01", 60),
            ("1970-01-01T00:01", 60),
        ] {
            assert_eq!(at(text), Ok(time), "{text}");
        }
        for odd in ["", "12", "yesterday", "2026-13-01", "-1h"] {
            assert!(at(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn who_waits_may_leave_the_unit_out() {
        let seconds = |seconds| Ok(Patience(Duration::from_secs(seconds)));
        for (text, length) in [("0", 0), ("90", 90), ("90s", 90), ("1h 30m", 5400)] {
            assert_eq!(text.parse::<Patience>(), seconds(length));
        }
        for odd in ["", "-1", "1.5", "soon"] {
            assert!(odd.parse::<Patience>().is_err(), "{odd}");
        }
    }

    #[test]
    fn the_engines_times_are_read() {
        let at = Timestamp::parse("2026-11-05T10:30:00.123456789Z").unwrap();
        assert_eq!(at.to_string(), "2026-11-05T10:30:00Z");
        assert_eq!(Timestamp::parse("0001-01-01T00:00:00Z"), None);
        assert_eq!(Timestamp(u64::MAX).to_string(), "9999-12-31T23:59:59Z");
    }
}
