//! Quantities as people read them.

use std::time::Duration;

pub use ds01_core::size::bytes;

/// A length of time by its two largest units: `45s`, `12m 5s`, `2h 15m`, `3d 4h`.
///
/// Cut, not rounded: what has lasted 59.9 seconds has not lasted a minute.
///
/// ```
/// # use std::time::Duration;
/// assert_eq!(ds01_cli::human::duration(Duration::from_secs(8130)), "2h 15m");
/// ```
pub fn duration(length: Duration) -> String {
    let total = length.as_secs();
    let (days, hours, minutes) = (total / 86_400, total / 3600 % 24, total / 60 % 60);
    let (first, second) = match (days, hours, minutes) {
        (0, 0, 0) => return format!("{total}s"),
        (0, 0, _) => ((minutes, 'm'), (total % 60, 's')),
        (0, _, _) => ((hours, 'h'), (minutes, 'm')),
        (_, _, _) => ((days, 'd'), (hours, 'h')),
    };
    match second.0 {
        0 => format!("{}{}", first.0, first.1),
        _ => format!("{}{} {}{}", first.0, first.1, second.0, second.1),
    }
}

/// A part of a hundred: `0.4%`, `85%`; one decimal below ten.
///
/// ```
/// assert_eq!(ds01_cli::human::percent(125.0), "125%");
/// ```
pub fn percent(percent: f64) -> String {
    let tenths = (percent * 10.0).round();
    if tenths >= 100.0 || tenths % 10.0 == 0.0 {
        format!("{percent:.0}%")
    } else {
        format!("{percent:.1}%")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_two_units_at_most() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (725, "12m 5s"),
            (3600, "1h"),
            (3601, "1h"),
            (8100, "2h 15m"),
            (86_400 + 59 * 60, "1d"),
            (3 * 86_400 + 4 * 3600 + 59, "3d 4h"),
        ] {
            assert_eq!(duration(Duration::from_secs(seconds)), text, "{seconds}");
        }
    }

    #[test]
    fn a_percentage_has_a_decimal_below_ten() {
        for (number, text) in [
            (0.0, "0%"),
            (0.04, "0%"),
            (0.05, "0.1%"),
            (9.94, "9.9%"),
            (9.96, "10%"),
            (99.6, "100%"),
        ] {
            assert_eq!(percent(number), text, "{number}");
        }
    }
}
