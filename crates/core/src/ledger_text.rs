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
use serde_json::value::RawValue;

use crate::ledger::Ledger;

/// The version of the format that this build writes.
const VERSION: u32 = 2;

/// The oldest version that this build reads: one without a waiting line.
const OLDEST: u32 = 1;

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

#[derive(Deserialize)]
struct Envelope<'a> {
    version: u32,
    crc32: String,
    #[serde(borrow)]
    ledger: &'a RawValue,
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
    let torn = |error: serde_json::Error| Damage::Torn(error.to_string());
    let envelope = serde_json::from_slice::<Envelope>(bytes).or_else(|error| {
        // Another version may have another form.
        let VersionOnly { version } = serde_json::from_slice(bytes).map_err(torn)?;
        Err(match version {
            OLDEST..=VERSION => torn(error),
            other => Damage::Version(other),
        })
    })?;
    if !(OLDEST..=VERSION).contains(&envelope.version) {
        return Err(Damage::Version(envelope.version));
    }
    let found = checksum(envelope.ledger.get());
    if found != envelope.crc32 {
        return Err(Damage::Checksum {
            found,
            written: envelope.crc32,
        });
    }
    // It is what was written: only who wrote it can know more.
    serde_json::from_str(envelope.ledger.get()).map_err(|error| Damage::Foreign(error.to_string()))
}

/// The bytes to store for `ledger`.
///
/// # Errors
///
/// Never for a ledger of ours: JSON has a form for each of its values.
pub fn write(ledger: &Ledger) -> Result<Vec<u8>, serde_json::Error> {
    let ledger = serde_json::to_string(ledger)?;
    let sum = checksum(&ledger);
    let text = format!("{{\"version\":{VERSION},\"crc32\":\"{sum}\",\"ledger\":{ledger}}}\n");
    Ok(text.into_bytes())
}

fn checksum(text: &str) -> String {
    format!("{:08x}", crc32fast::hash(text.as_bytes()))
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
        let sum = checksum(ledger);
        let text = format!("{{\"version\":1,\"crc32\":\"{sum}\",\"ledger\":{ledger}}}\n");
        let read = read(text.as_bytes()).unwrap();
        assert_eq!((read.generation, read.line), (7, Default::default()));
    }

    #[test]
    fn a_ledger_of_a_release_that_knows_more_is_told_apart_from_a_torn_one() {
        let text = String::from_utf8(stored()).unwrap();
        let ledger: Envelope = serde_json::from_str(&text).unwrap();
        let more = ledger.ledger.get().replacen('{', r#"{"news":[],"#, 1);
        let sum = checksum(&more);
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
