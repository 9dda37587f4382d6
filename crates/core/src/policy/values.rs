//! From YAML to a value in its unit.

use std::time::Duration;

use super::yaml::Node;
use crate::{share::Share, time::Timestamp};

/// What a value should have been.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    expected: &'static str,
    or_null: bool,
}

impl Wrong {
    /// The sentence for a message.
    pub(super) fn instead_of(&self, found: &Node) -> String {
        let or_null = if self.or_null {
            ", or null for no limit"
        } else {
            ""
        };
        format!("must be {}{or_null}, not {found}", self.expected)
    }
}

pub(super) type Read<T> = Result<T, Wrong>;

/// `null`, or the original's "unlimited", is no limit.
pub(super) fn nullable<T>(node: &Node, read: fn(&Node) -> Read<T>) -> Read<Option<T>> {
    match node {
        Node::Null => Ok(None),
        Node::Text(text) if text == "unlimited" => Ok(None),
        other => read(other).map(Some).map_err(|wrong| Wrong {
            or_null: true,
            ..wrong
        }),
    }
}

fn expect<T>(value: Option<T>, expected: &'static str) -> Read<T> {
    value.ok_or(Wrong {
        expected,
        or_null: false,
    })
}

fn number(node: &Node, least: f64, most: f64) -> Option<f64> {
    match node {
        Node::Number(number) => Some(*number).filter(|number| (least..=most).contains(number)),
        _ => None,
    }
}

fn whole(node: &Node, least: f64, most: f64) -> Option<u64> {
    number(node, least, most)
        .filter(|number| number.fract() == 0.0)
        .map(|number| number as u64)
}

pub(super) fn flag(node: &Node) -> Read<bool> {
    let value = match node {
        Node::Bool(value) => Some(*value),
        _ => None,
    };
    expect(value, "true or false")
}

pub(super) fn text(node: &Node) -> Read<String> {
    let value = match node {
        Node::Text(text) if !text.is_empty() => Some(text.clone()),
        _ => None,
    };
    expect(value, "text (a number in quotes)")
}

/// A list of texts; null is an empty one, which never gives anyone more.
pub(super) fn texts(node: &Node) -> Read<Vec<String>> {
    let value = match node {
        Node::Null => Some(Vec::new()),
        Node::List(items) => items.iter().map(|item| text(item).ok()).collect(),
        _ => None,
    };
    expect(value, "a list of texts (numbers in quotes)")
}

pub(super) fn gpus(node: &Node) -> Read<Share> {
    expect(
        number(node, 0.0, 1e6).and_then(Share::from_gpus),
        "a number of GPUs, 0 or more",
    )
}

pub(super) fn count(node: &Node) -> Read<u32> {
    let value = whole(node, 0.0, 1e9).and_then(|count| count.try_into().ok());
    expect(value, "a whole number, 0 or more")
}

/// Not 0: the engine and systemd read that as no limit.
pub(super) fn tasks(node: &Node) -> Read<u64> {
    expect(whole(node, 1.0, 1e9), "a whole number, 1 or more")
}

pub(super) fn checks(node: &Node) -> Read<u32> {
    let value = whole(node, 1.0, 1e6).and_then(|count| count.try_into().ok());
    expect(value, "a whole number, 1 or more")
}

pub(super) fn priority(node: &Node) -> Read<u8> {
    let value = whole(node, 1.0, 100.0).and_then(|priority| priority.try_into().ok());
    expect(value, "a whole number from 1 to 100")
}

/// In thousand millionths; 0.01 is the least that the engine takes.
pub(super) fn cpus(node: &Node) -> Read<u64> {
    let value = number(node, 0.01, 1e6).map(|cpus| (cpus * 1e9).round() as u64);
    expect(value, "a number of CPUs, 0.01 or more")
}

/// systemd's form: 100% is one CPU.
pub(super) fn cpu_quota(node: &Node) -> Read<u64> {
    let value = match node {
        Node::Text(text) => text
            .strip_suffix('%')
            .and_then(|percent| percent.parse().ok()),
        _ => None,
    };
    expect(
        value.filter(|percent| (1..=1_000_000_000).contains(percent)),
        "a percentage like \"400%\"",
    )
}

pub(super) fn percent(node: &Node) -> Read<f64> {
    expect(number(node, 0.0, 1e6), "a percentage, 0 or more")
}

pub(super) fn fraction(node: &Node) -> Read<f64> {
    expect(number(node, 0.0, 1.0), "a number from 0 to 1")
}

fn duration(node: &Node, unit_ms: f64, least: f64) -> Option<Duration> {
    // A century is more than anyone means.
    let ms = number(node, least, 876_000.0 * 3_600_000.0 / unit_ms)? * unit_ms;
    Some(Duration::from_millis(ms.round() as u64))
}

/// Hours of which 0 would be read as "at once" by one and as "no limit" by another.
pub(super) fn hours(node: &Node) -> Read<Duration> {
    let value = duration(node, 3_600_000.0, 0.0).filter(|hours| !hours.is_zero());
    expect(value, "a number of hours above 0")
}

/// Hours after which something ends; 0 is at once.
pub(super) fn hold_hours(node: &Node) -> Read<Duration> {
    expect(
        duration(node, 3_600_000.0, 0.0),
        "a number of hours, 0 or more",
    )
}

pub(super) fn minutes(node: &Node) -> Read<Duration> {
    expect(
        duration(node, 60_000.0, 0.0),
        "a number of minutes, 0 or more",
    )
}

pub(super) fn seconds(node: &Node) -> Read<Duration> {
    expect(
        duration(node, 1000.0, 0.0),
        "a number of seconds, 0 or more",
    )
}

/// The longest time between the signal to stop and the kill, in seconds: for that long a pass of the
/// duty that stops does nothing else, and systemd gives it no other one.
const LONGEST_GRACE_S: f64 = 300.0;

/// Seconds between the signal to stop and the kill: a longer time is the longest.
pub(super) fn grace(node: &Node) -> Read<Duration> {
    let longest = Duration::from_millis((LONGEST_GRACE_S * 1000.0) as u64);
    seconds(node).map(|grace| grace.min(longest))
}

/// What is to be said of a time between the signal to stop and the kill that is not in force.
pub(super) fn shortened(node: &Node) -> Option<String> {
    number(node, 0.0, f64::MAX)
        .filter(|seconds| *seconds > LONGEST_GRACE_S)
        .map(|_| format!("has no effect above {LONGEST_GRACE_S}"))
}

/// When something ends: at that time, or with that day. Without a zone it is UTC.
pub(super) fn end(node: &Node) -> Read<Timestamp> {
    let value = match node {
        Node::Text(text) => end_of(text),
        _ => None,
    };
    expect(
        value,
        "a date like 2026-12-31, or a time like 2026-12-31T18:00:00+01:00",
    )
}

fn end_of(text: &str) -> Option<Timestamp> {
    const DAY: Duration = Duration::from_secs(86_400);
    if let Some(day) = Timestamp::parse(&format!("{text}T00:00:00Z")) {
        return Some(day + DAY);
    }
    let (time, zone) = text.split_at_checked(text.len().saturating_sub("+01:00".len()))?;
    let ahead = zone.starts_with('+');
    let Some((hours, minutes)) = zone
        .strip_prefix(['+', '-'])
        .and_then(|z| z.split_once(':'))
    else {
        return Timestamp::parse(text);
    };
    let number = |digits: &str, below| digits.parse::<u64>().ok().filter(|number| *number < below);
    let offset = Duration::from_secs(3600 * number(hours, 24)? + 60 * number(minutes, 60)?);
    let time = Timestamp::parse(time)?;
    Some(if ahead { time - offset } else { time + offset })
}

pub(super) fn bytes(node: &Node) -> Read<u64> {
    expect(size(node), "a size like 1m, or a number of bytes")
}

pub(super) fn shm(node: &Node) -> Read<u64> {
    expect(
        size(node).filter(|&bytes| bytes > 0),
        "a size above 0 like 16g",
    )
}

/// The engine takes no container of less than 6 MiB; a smaller one is a forgotten unit.
pub(super) fn memory(node: &Node) -> Read<u64> {
    expect(
        size(node).filter(|&bytes| bytes >= 6 << 20),
        "a size like 32g, 6m or more",
    )
}

/// Bytes as a number, or as Docker reads them: `512m`, `1.5 GiB`; units are powers of 1024.
fn size(node: &Node) -> Option<u64> {
    const MOST: f64 = (1u64 << 60) as f64;
    let text = match node {
        Node::Text(text) => text.to_ascii_lowercase(),
        other => return whole(other, 0.0, MOST),
    };
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let unit = unit.strip_prefix(' ').unwrap_or(unit);
    let power = match unit
        .strip_suffix("ib")
        .or(unit.strip_suffix('b'))
        .unwrap_or(unit)
    {
        "" if !unit.starts_with('i') => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return None,
    };
    let plain = digits.starts_with(|c: char| c.is_ascii_digit()) && !digits.ends_with('.');
    let bytes = digits.parse::<f64>().ok().filter(|_| plain)? * 1024f64.powi(power);
    (bytes <= MOST).then_some(bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_docker_reads_them() {
        let of = |text: &str| size(&Node::Text(text.into()));
        for (text, bytes) in [
            ("32g", 32 << 30),
            ("96G", 96 << 30),
            ("512m", 512 << 20),
            ("1k", 1024),
            ("2t", 2 << 40),
            ("1.5gb", 3 << 29),
            ("1 GiB", 1 << 30),
            ("4096", 4096),
            ("4096b", 4096),
        ] {
            assert_eq!(of(text), Some(bytes), "{text}");
        }
        for text in [
            "", "g", "-1g", "1x", "1gg", "1  g", "1ib", ".5g", "1.g", "1.2.3g", "1e3", "nan",
            "inf", "9999p", "١g",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
        assert_eq!(size(&Node::Number(4096.0)), Some(4096));
        assert_eq!(size(&Node::Number(0.5)), None);
    }

    #[test]
    fn an_end_is_that_time_or_the_end_of_that_day() {
        let noon = Timestamp::parse("2026-12-31T12:00:00Z").unwrap();
        let hours = |hours: u64| Duration::from_secs(3600 * hours);
        for (text, end) in [
            ("2026-12-31", noon + hours(12)),
            ("2026-12-31T12:00:00Z", noon),
            ("2026-12-31T12:00:00", noon),
            ("2026-12-31 12:00:00", noon),
            ("2026-12-31T12:00:00.5Z", noon),
            ("2026-12-31T13:00:00+01:00", noon),
            ("2026-12-31T06:30:00-05:30", noon),
        ] {
            assert_eq!(end_of(text), Some(end), "{text}");
        }
        for odd in [
            "",
            "never",
            "2026-13-01",
            "31.12.2026",
            "2026-12-31T12",
            "2026-12-31T12:00:00+1:00",
            "2026-12-31T12:00:00+99:00",
            "+01:00",
            "äöü+01:00",
        ] {
            assert_eq!(end_of(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_hundredth_of_an_hour_is_36_seconds() {
        assert_eq!(hours(&Node::Number(0.01)), Ok(Duration::from_secs(36)));
        assert_eq!(hours(&Node::Number(0.1)), Ok(Duration::from_secs(360)));
        assert_eq!(hold_hours(&Node::Number(0.0)), Ok(Duration::ZERO));
        for odd in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e300] {
            assert!(hours(&Node::Number(odd)).is_err(), "{odd}");
        }
    }
}
