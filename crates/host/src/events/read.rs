//! Reading `events.jsonl` on from where one was, over the renames by which logrotate turns it.
//!
//! The log is the file `events.jsonl`; turned, it is `events.jsonl.1`, then `.2`. A file is known by
//! its number on the disk, whatever its name is by now. Whoever had opened it just before it was
//! renamed still appends to it, so the last few are read on as well.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt},
    path::Path,
};

use ds01_core::time::Timestamp;
use nix::libc;
use serde::{Deserialize, Serialize};

use super::{EventLog, FILE};

/// Bytes that are read at a time, far more than the longest line.
const CHUNK: usize = 1 << 20;

/// Bytes that are looked at before whoever asked is answered.
const BUDGET: usize = 64 * CHUNK;

/// How many files are read on at once: the log, and those that it was turned into last. A writer
/// that is held up between opening the log and appending to it writes to one of them.
const READ_ON: usize = 4;

/// How far somebody has read: the files read last, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place(Vec<Spot>);

/// How far one file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Spot {
    /// The file's number on the disk.
    file: u64,
    /// Bytes that are read, to the end of a line.
    offset: u64,
}

/// Somebody who takes lines, and says when it is enough.
pub(crate) trait Reader {
    /// Takes a line without its newline; `false` if it was the last to be taken for now.
    fn line(&mut self, line: &[u8]) -> bool;
}

impl EventLog {
    /// Hands on the lines after `place`, or all that may be of `since` or later, oldest first.
    ///
    /// The place after them, and whether that is the end for now.
    ///
    /// # Errors
    ///
    /// If the log cannot be read; none at all is an empty one.
    pub(crate) fn read(
        &self,
        place: Option<&Place>,
        since: Option<Timestamp>,
        reader: &mut impl Reader,
    ) -> io::Result<(Place, bool)> {
        let files = self.files(place, since)?;
        let mut spots: Vec<Spot> = Vec::new();
        let mut budget = BUDGET;
        for (at, (number, file)) in files.iter().enumerate() {
            let known = place.and_then(|place| place.spot(*number));
            let mut spot = Spot {
                file: *number,
                offset: known.map_or(0, |spot| spot.offset),
            };
            // Of the newest the last line may not be whole yet.
            let is_whole = at + READ_ON < files.len();
            let went_on = read_file(file, &mut spot.offset, is_whole, &mut budget, reader)?;
            spots.push(spot);
            if !went_on {
                return Ok((Place::of(spots), false));
            }
        }
        Ok(match (spots.is_empty(), place) {
            // It was turned, and nobody has written since.
            (true, Some(place)) => (place.clone(), true),
            _ => (Place::of(spots), true),
        })
    }

    /// The files that are to be read, oldest first, each with its number.
    fn files(
        &self,
        place: Option<&Place>,
        since: Option<Timestamp>,
    ) -> io::Result<Vec<(u64, File)>> {
        let dir = self.path.parent().unwrap_or(Path::new("/"));
        let mut files: Vec<(u64, File)> = Vec::new();
        // Newest first, as they move to higher names: none is missed, some are met twice.
        for turn in 0..=last_turn(dir)? + 2 {
            let name = match turn {
                0 => self.path.clone(),
                turn => dir.join(format!("{FILE}.{turn}")),
            };
            let file = OpenOptions::new()
                .read(true)
                .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
                .open(name);
            let file = match file {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                // A link, which somebody has planted.
                Err(error) if error.raw_os_error() == Some(libc::ELOOP) => continue,
                file => file?,
            };
            let known = file.metadata()?;
            if !known.is_file() || files.iter().any(|(number, _)| *number == known.ino()) {
                continue;
            }
            if place.is_none() && since.is_some_and(|since| is_before(&known, since)) {
                break;
            }
            files.push((known.ino(), file));
            if place.is_some_and(|place| place.oldest() == Some(known.ino())) {
                break;
            }
        }
        if let Some(place) = place.filter(|place| !place.0.is_empty()) {
            // What is older than the place has been read.
            let known = |(number, _): &(u64, File)| place.spot(*number).is_some();
            let last = files.iter().rposition(known);
            // Somebody took away all that was read: what is there by the log's own name is new.
            files.truncate(last.map_or(1, |last| last + 1));
        }
        files.reverse();
        Ok(files)
    }
}

/// Whether all in a file was written before `since`. A day is left for clocks that were set.
fn is_before(known: &fs::Metadata, since: Timestamp) -> bool {
    let written = u64::try_from(known.mtime()).unwrap_or(0);
    written + 24 * 3600 < since.0
}

/// The highest number that a turned log has.
fn last_turn(dir: &Path) -> io::Result<u32> {
    let names = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        names => names?,
    };
    let turn = |name: &str| name.strip_prefix(FILE)?.strip_prefix('.')?.parse().ok();
    let turns = names.filter_map(|file| turn(file.ok()?.file_name().to_str()?));
    // One that somebody else named costs no more than looking for so many.
    Ok(turns.filter(|turn| *turn < 10_000).max().unwrap_or(0))
}

/// Hands on the lines from `offset`, which moves on. `false` if the reader or the budget had enough.
fn read_file(
    file: &File,
    offset: &mut u64,
    is_whole: bool,
    budget: &mut usize,
    reader: &mut impl Reader,
) -> io::Result<bool> {
    if file.metadata()?.len() < *offset {
        // Cut back: what is in it now is new.
        *offset = 0;
    }
    let mut chunk = vec![0; CHUNK];
    loop {
        let count = read_full(file, &mut chunk, *offset)?;
        let at_end = count < chunk.len();
        let mut rest = &chunk[..count];
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            *offset += end as u64 + 1;
            if !reader.line(&rest[..end]) {
                return Ok(false);
            }
            rest = &rest[end + 1..];
        }
        // A torn end to which nobody appends any more, or what is no line at all.
        if !rest.is_empty() && ((at_end && is_whole) || rest.len() == chunk.len()) {
            *offset += rest.len() as u64;
            if !reader.line(rest) {
                return Ok(false);
            }
        }
        if at_end {
            return Ok(true);
        }
        *budget = budget.saturating_sub(count);
        if *budget == 0 {
            return Ok(false);
        }
    }
}

/// Reads until the chunk is full or the file ends.
fn read_full(file: &File, chunk: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut count = 0;
    while count < chunk.len() {
        match file.read_at(&mut chunk[count..], offset + count as u64)? {
            0 => break,
            more => count += more,
        }
    }
    Ok(count)
}

impl Place {
    fn of(mut spots: Vec<Spot>) -> Self {
        spots.drain(..spots.len().saturating_sub(READ_ON));
        Self(spots)
    }

    fn spot(&self, file: u64) -> Option<&Spot> {
        self.0.iter().find(|spot| spot.file == file)
    }

    fn oldest(&self) -> Option<u64> {
        self.0.first().map(|spot| spot.file)
    }
}

#[cfg(test)]
mod tests;
