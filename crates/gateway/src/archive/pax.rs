//! What entries say about the one that follows: names that are too long for a header, and PAX.

use std::io;

use tar::EntryType;

use super::refused;

/// Whether an entry of this type says more about others.
pub(super) fn extends(kind: EntryType) -> bool {
    kind.is_gnu_longname()
        || kind.is_gnu_longlink()
        || kind.is_pax_local_extensions()
        || kind.is_pax_global_extensions()
}

/// What has been said about the next entry.
#[derive(Debug, Default)]
pub(super) struct Extended {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
    pub(super) mtime: Option<u64>,
    /// Which types of entries have said it.
    said: Vec<EntryType>,
}

impl Extended {
    pub(super) fn is_empty(&self) -> bool {
        self.said.is_empty()
    }

    /// Adds what an entry says.
    ///
    /// # Errors
    ///
    /// If another one of its type has, or it cannot be read, or is of a sparse file.
    pub(super) fn add(&mut self, kind: EntryType, mut text: Vec<u8>) -> io::Result<()> {
        // About all entries: the engine leaves it out too.
        if kind.is_pax_global_extensions() {
            return Ok(());
        }
        if self.said.contains(&kind) {
            return Err(refused("it has two names for a file"));
        }
        self.said.push(kind);
        if kind.is_pax_local_extensions() {
            return self.records(&text);
        }
        let end = text.iter().position(|byte| *byte == 0);
        text.truncate(end.unwrap_or(text.len()));
        let name = match kind.is_gnu_longname() {
            true => &mut self.path,
            false => &mut self.link,
        };
        *name = Some(text);
        Ok(())
    }

    /// PAX records: `length key=value\n`, where the length is that of all of it.
    fn records(&mut self, mut text: &[u8]) -> io::Result<()> {
        let unread = || refused("what it says about a file cannot be read");
        while !text.is_empty() {
            let space = text
                .iter()
                .position(|byte| *byte == b' ')
                .ok_or_else(unread)?;
            let length = number(&text[..space]).ok_or_else(unread)?;
            let record = usize::try_from(length)
                .ok()
                .and_then(|length| text.split_at_checked(length));
            let (record, rest) = record.ok_or_else(unread)?;
            let record = record
                .get(space + 1..)
                .and_then(|record| record.strip_suffix(b"\n"));
            let record = record.ok_or_else(unread)?;
            let equals = record
                .iter()
                .position(|byte| *byte == b'=')
                .ok_or_else(unread)?;
            self.record(&record[..equals], &record[equals + 1..])?;
            text = rest;
        }
        Ok(())
    }

    fn record(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        let whole = || value.split(|byte| *byte == b'.').next().and_then(number);
        match key {
            b"path" => self.path = Some(value.into()),
            b"linkpath" => self.link = Some(value.into()),
            b"size" => {
                let size = number(value).ok_or_else(|| refused("a file's size is no number"))?;
                self.size = Some(size);
            }
            b"uid" => self.uid = whole(),
            b"gid" => self.gid = whole(),
            b"mtime" => self.mtime = whole(),
            key if key.starts_with(b"GNU.sparse.") => return Err(sparse()),
            _ => {}
        }
        Ok(())
    }
}

/// That a file is stored without its holes, which every reader fills in its own way.
pub(super) fn sparse() -> io::Error {
    refused("it has a sparse file; pack it without --sparse")
}

fn number(text: &[u8]) -> Option<u64> {
    // `parse` would take a sign.
    let digits = text.iter().all(u8::is_ascii_digit);
    str::from_utf8(text).ok().filter(|_| digits)?.parse().ok()
}
