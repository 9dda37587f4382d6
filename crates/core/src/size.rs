//! Memory and disk, as people read them.

/// A number of bytes: `512B`, `8.2GB`, `32GB`.
///
/// In powers of 1024, so that a limit of 32 GiB reads as it is written in the limits (`32g`);
/// one decimal below ten.
///
/// ```
/// assert_eq!(ds01_core::size::bytes(32 << 30), "32GB");
/// ```
pub fn bytes(count: u64) -> String {
    let mut size = count as f64;
    let mut unit = "B";
    for larger in ["KB", "MB", "GB", "TB", "PB", "EB"] {
        // What would round up to 1024 of a unit is 1 of the next.
        if size < 1023.5 {
            break;
        }
        size /= 1024.0;
        unit = larger;
    }
    let tenths = (size * 10.0).round();
    if tenths >= 100.0 || tenths % 10.0 == 0.0 {
        format!("{size:.0}{unit}")
    } else {
        format!("{size:.1}{unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_never_reads_as_1024_of_a_unit() {
        for (count, text) in [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1KB"),
            (1536, "1.5KB"),
            ((8.2 * f64::from(1 << 30)) as u64, "8.2GB"),
            ((1 << 30) - 1, "1GB"),
            ((10 << 30) - 1, "10GB"),
            (u64::MAX, "16EB"),
        ] {
            assert_eq!(bytes(count), text, "{count}");
        }
    }
}
