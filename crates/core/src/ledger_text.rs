//! The ledger as it is stored: JSON that tells whether it is whole.
//!
//! ```json
//! {"version":2,"crc32":"1c291ca3","ledger":{"generation":7,…,"allocations":[
//! {"container":"thesis._.1001",…},
//! {"container":"work._.1002",…}
//! ]}}
//! ```
//!
//! An allocation has a line of its own: whoever knows the ledger of a moment ago reads and writes
//! the lines that changed since. Others may be in one line, as earlier builds wrote them.
//!
//! The checksum is over the bytes of the `ledger` value. No sync is asked of the disk: after a
//! power cut the file may be old or torn, and this is how a torn one is known. An old one is
//! made good by the engine's list.

use std::{ops::Range, sync::Arc};

use serde::Deserialize;

use crate::ledger::{Allocation, Ledger};

/// The version of the format that this build writes.
const VERSION: u32 = 2;

/// The oldest version that this build reads: one without a waiting line.
const OLDEST: u32 = 1;

/// What is around the parts of a stored ledger.
const BEFORE_VERSION: &str = "{\"version\":";
const BEFORE_SUM: &str = ",\"crc32\":\"";
const BEFORE_LEDGER: &str = "\",\"ledger\":";
const AFTER: &str = "}\n";

/// What is around the lines of the allocations: no text within JSON breaks a line.
const BEFORE_LINES: &str = ",\"allocations\":[";
const AFTER_LINES: &str = "]}";

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

/// A ledger that was read or is to be written, and its text.
#[derive(Debug)]
pub struct Known {
    text: String,
    ledger: Arc<Ledger>,
    /// Where in the text each allocation is; of none, if they have no lines.
    lines: Vec<Range<usize>>,
}

/// An allocation and its line.
type Line<'a> = (&'a str, &'a Arc<Allocation>);

impl Known {
    /// What is stored.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it says.
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    fn lines(&self) -> Vec<Line<'_>> {
        let lines = self.lines.iter().map(|line| &self.text[line.clone()]);
        lines.zip(&self.ledger.allocations).collect()
    }
}

/// The first of the `known` that is this one. Those before it are done with: what stays, stays in order.
fn next<'a>(known: &mut &[Line<'a>], is_it: impl Fn(&Line<'_>) -> bool) -> Option<Line<'a>> {
    let at = known.iter().position(is_it)?;
    let (line, rest) = known[at..].split_first()?;
    *known = rest;
    Some(*line)
}

#[derive(Deserialize)]
struct VersionOnly {
    version: u32,
}

/// Reads a stored ledger. What did not change since it was `known` is shared with that.
///
/// # Errors
///
/// [`Damage`] if anything about it is not as it was written.
pub fn read(bytes: &[u8], known: Option<&Known>) -> Result<Known, Damage> {
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
    parse(text, envelope.ledger, known).map_err(|error| Damage::Foreign(error.to_string()))
}

fn is_read(version: u32) -> bool {
    (OLDEST..=VERSION).contains(&version)
}

/// Reads the `json` of a ledger, which is in `text`.
fn parse(text: &str, json: &str, known: Option<&Known>) -> Result<Known, serde_json::Error> {
    let Some((rest, all)) = in_lines(json) else {
        return Ok(Known {
            text: text.into(),
            ledger: serde_json::from_str(json)?,
            lines: Vec::new(),
        });
    };
    let mut ledger: Ledger = serde_json::from_str(&format!("{rest}{AFTER_LINES}"))?;
    let known = known.map(Known::lines).unwrap_or_default();
    let (mut known, mut lines) = (&*known, Vec::new());
    for line in all {
        let allocation = match next(&mut known, |(same, _)| *same == line) {
            Some((_, allocation)) => Arc::clone(allocation),
            None => serde_json::from_str(line)?,
        };
        ledger.allocations.push(allocation);
        let begin = line.as_ptr().addr() - text.as_ptr().addr();
        lines.push(begin..begin + line.len());
    }
    Ok(Known {
        text: text.into(),
        ledger: Arc::new(ledger),
        lines,
    })
}

/// The JSON of a ledger up to the allocations, and their lines, if it is as [`write`] writes it.
fn in_lines(json: &str) -> Option<(&str, Vec<&str>)> {
    let (rest, lines) = json.split_once('\n')?;
    let lines = lines.strip_suffix(AFTER_LINES)?;
    let lines = lines.strip_suffix('\n').unwrap_or(lines);
    let lines = lines.split_inclusive('\n').map(|line| {
        let before_another = line.strip_suffix('\n');
        before_another.map_or(Some(line), |line| line.strip_suffix(','))
    });
    Some((rest, lines.collect::<Option<_>>()?)).filter(|(rest, _)| rest.ends_with(BEFORE_LINES))
}

/// The text to store for `ledger`, which shares with the `known` what did not change since.
///
/// # Errors
///
/// Never for a ledger of ours: JSON has a form for each of its values.
pub fn write(ledger: Ledger, known: Option<&Known>) -> Result<Known, serde_json::Error> {
    let known = known.map(Known::lines).unwrap_or_default();
    let mut known = &*known;
    let mut text = String::with_capacity(EACH * (1 + ledger.allocations.len()));
    text += &format!("{BEFORE_VERSION}{VERSION}{BEFORE_SUM}");
    let sum = text.len()..text.len() + SUM;
    text.extend(['0'; SUM]);
    text += BEFORE_LEDGER;
    let begin = text.len();
    text += &serde_json::to_string(&ledger)?;
    text.pop();
    text += BEFORE_LINES;
    let mut lines = Vec::with_capacity(ledger.allocations.len());
    for (number, allocation) in ledger.allocations.iter().enumerate() {
        text += if number > 0 { ",\n" } else { "\n" };
        let begin = text.len();
        match next(&mut known, |(_, same)| Arc::ptr_eq(same, allocation)) {
            Some((line, _)) => text += line,
            None => text += &serde_json::to_string(allocation)?,
        }
        lines.push(begin..text.len());
    }
    text.push('\n');
    text += AFTER_LINES;
    let found = checksum(&text.as_bytes()[begin..]);
    text.replace_range(sum, &found);
    text += AFTER;
    let ledger = Arc::new(ledger);
    Ok(Known {
        text,
        ledger,
        lines,
    })
}

/// Of [`SUM`] digits.
fn checksum(ledger: &[u8]) -> String {
    format!("{:08x}", crc32fast::hash(ledger))
}

#[cfg(test)]
mod tests;
