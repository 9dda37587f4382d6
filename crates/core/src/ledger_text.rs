//! The ledger as it is stored: JSON that tells whether it is whole.
//!
//! ```json
//! {"version":2,"crc32":"1c291ca3","ledger":{"generation":7,…}}
//! ```
//!
//! The checksum is over the bytes of the `ledger` value. No sync is asked of the disk: after a
//! power cut the file may be old or torn, and this is how a torn one is known. An old one is
//! made good by the engine's list.

use serde::Deserialize;

use crate::ledger::Ledger;

/// The version of the format that this build writes.
const VERSION: u32 = 2;

/// The oldest version that this build reads: one without a waiting line.
const OLDEST: u32 = 1;

/// What is around the parts of a stored ledger.
const BEFORE_VERSION: &str = "{\"version\":";
const BEFORE_SUM: &str = ",\"crc32\":\"";
const BEFORE_LEDGER: &str = "\",\"ledger\":";
const AFTER: &str = "}\n";

/// Digits of a checksum.
const SUM: usize = 8;

/// Bytes that an allocation takes, about.
const EACH: usize = 512;

/// Why a stored ledger cannot be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// No such file, in a state directory that is not new.
    #[error("it is missing")]
    Missing,
    /// No bytes, or only zeros.
    #[error("it is empty")]
    Empty,
    /// Not the JSON that was written.
    #[error("it is not whole: {0}")]
    Torn(String),
    /// The bytes have changed since they were written.
    #[error("its checksum is {found}, not {written}")]
    Checksum {
        /// What the bytes add up to.
        found: String,
        /// What they added up to when they were written.
        written: String,
    },
    /// Written by another release.
    #[error("it has version {0}, this release reads versions {OLDEST} to {VERSION}")]
    Version(u32),
    /// Written as a whole, by a release that knows more.
    #[error("another release of DS01 wrote it: {0}")]
    Foreign(String),
}

/// A stored ledger of this release's form.
struct Envelope<'a> {
    version: u32,
    crc32: &'a str,
    /// JSON.
    ledger: &'a str,
}

impl<'a> Envelope<'a> {
    /// As [`write`] writes it, to the letter.
    fn of(text: &'a str) -> Option<Self> {
        let (version, rest) = text.strip_prefix(BEFORE_VERSION)?.split_once(BEFORE_SUM)?;
        let (crc32, rest) = rest.split_at_checked(SUM)?;
        Some(Self {
            version: version.parse().ok()?,
            crc32,
            ledger: rest.strip_prefix(BEFORE_LEDGER)?.strip_suffix(AFTER)?,
        })
    }
}

#[derive(Deserialize)]
struct VersionOnly {
    version: u32,
}

/// Reads a stored ledger.
///
/// # Errors
///
/// [`Damage`] if anything about it is not as it was written.
pub fn read(bytes: &[u8]) -> Result<Ledger, Damage> {
    if bytes.iter().all(|byte| *byte == 0) {
        return Err(Damage::Empty);
    }
    let text = str::from_utf8(bytes).map_err(|error| Damage::Torn(error.to_string()))?;
    let Some(envelope) = Envelope::of(text) else {
        // Another version may have another form.
        let only = serde_json::from_str::<VersionOnly>(text);
        return Err(match only.map_err(|error| error.to_string()) {
            Ok(VersionOnly { version }) if !is_read(version) => Damage::Version(version),
            Ok(_) => Damage::Torn("it is not in the form of its version".into()),
            Err(error) => Damage::Torn(error),
        });
    };
    if !is_read(envelope.version) {
        return Err(Damage::Version(envelope.version));
    }
    let found = checksum(envelope.ledger.as_bytes());
    if found != envelope.crc32 {
        return Err(Damage::Checksum {
            found,
            written: envelope.crc32.into(),
        });
    }
    // It is what was written: only who wrote it can know more.
    serde_json::from_str(envelope.ledger).map_err(|error| Damage::Foreign(error.to_string()))
}

fn is_read(version: u32) -> bool {
    (OLDEST..=VERSION).contains(&version)
}

/// The bytes to store for `ledger`.
///
/// # Errors
///
/// Never for a ledger of ours: JSON has a form for each of its values.
pub fn write(ledger: &Ledger) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = Vec::with_capacity(EACH * (1 + ledger.allocations.len()));
    let before_sum = format!("{BEFORE_VERSION}{VERSION}{BEFORE_SUM}");
    let sum = before_sum.len()..before_sum.len() + SUM;
    bytes.extend(before_sum.bytes().chain([b'0'; SUM]));
    bytes.extend(BEFORE_LEDGER.bytes());
    let begin = bytes.len();
    serde_json::to_writer(&mut bytes, ledger)?;
    let found = checksum(&bytes[begin..]);
    bytes[sum].copy_from_slice(found.as_bytes());
    bytes.extend(AFTER.bytes());
    Ok(bytes)
}

/// Of [`SUM`] digits.
fn checksum(ledger: &[u8]) -> String {
    format!("{:08x}", crc32fast::hash(ledger))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored() -> Vec<u8> {
        write(&Ledger {
            generation: 7,
            ..Ledger::default()
        })
        .unwrap()
    }

    #[test]
    fn what_was_written_is_read() {
        assert_eq!(read(&stored()).unwrap().generation, 7);
    }

    #[test]
    fn a_ledger_of_the_release_without_a_waiting_line_is_read() {
        let ledger = r#"{"generation":7,"grants_after":null,"allocations":[{"container":"a._.1","id":"x","devices":[],"holding":"live","hold":null,"changed":7}],"unmanaged":[],"marks":[],"recent":[]}"#;
        let sum = checksum(ledger.as_bytes());
        let text = format!("{{\"version\":1,\"crc32\":\"{sum}\",\"ledger\":{ledger}}}\n");
        let read = read(text.as_bytes()).unwrap();
        assert_eq!((read.generation, read.line), (7, Default::default()));
    }

    #[test]
    fn a_ledger_of_a_release_that_knows_more_is_told_apart_from_a_torn_one() {
        let text = String::from_utf8(stored()).unwrap();
        let ledger = Envelope::of(&text).unwrap().ledger;
        let more = ledger.replacen('{', r#"{"news":[],"#, 1);
        let sum = checksum(more.as_bytes());
        let text = format!("{{\"version\":2,\"crc32\":\"{sum}\",\"ledger\":{more}}}\n");
        let why = read(text.as_bytes()).unwrap_err().to_string();
        let expected = "another release of DS01 wrote it: unknown field `news`, expected one of ";
        assert!(why.starts_with(expected), "{why}");
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let whole = stored();
        for at in 0..whole.len() - 1 {
            assert!(read(&whole[..at]).is_err(), "cut at {at}");
            for bit in 0..8 {
                let mut flipped = whole.clone();
                flipped[at] ^= 1 << bit;
                assert!(read(&flipped).is_err(), "bit {bit} of byte {at}");
            }
        }
    }

    #[test]
    fn empty_zeroed_and_future_files_are_told_apart() {
        assert_eq!(read(b""), Err(Damage::Empty));
        assert_eq!(read(&[0; 4096]), Err(Damage::Empty));
        assert_eq!(
            read(br#"{"version":3,"anything":[]}"#),
            Err(Damage::Version(3))
        );
    }
}
