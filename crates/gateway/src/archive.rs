//! A folder's archive, read as it comes and written anew.
//!
//! Two readers can find different files in the same bytes. So the engine is never sent the bytes
//! that came, but an archive that says what was understood of them in the plainest form: cleaned
//! paths, GNU's long names, and nothing of PAX. The Dockerfile is left out: the keeper writes it
//! itself, as the first entry ([`dockerfile_entry`]), under the path that the request names. Source:
//! tar(5), "Ustar", "PAX", "GNU".

use std::{
    collections::HashSet,
    io::{self, Write},
};

use tar::{EntryType, Header};

mod head;
mod pax;
#[cfg(test)]
mod tests;

use head::{Made, clean};
pub(crate) use head::{dockerfile_entry, root_entry};
use pax::Extended;

/// The unit of an archive.
const BLOCK: usize = 512;

/// The longest Dockerfile.
const LONGEST_DOCKERFILE: u64 = 1 << 20;

/// The longest entry that says more about the next one.
const LONGEST_EXTENSION: u64 = 64 << 10;

/// Each is a file on the engine's disk.
const MOST_ENTRIES: usize = 1 << 20;

/// Bytes of the paths of links, which are remembered.
const MOST_OF_LINKS: usize = 64 << 20;

/// That an archive is not one to build from.
fn refused(text: impl Into<String>) -> io::Error {
    io::Error::other(text.into())
}

/// A path for people.
fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path).escape_debug().to_string()
}

/// The path of a Dockerfile that a request names, as it is in the archive. Without a name, it is
/// `Dockerfile`.
///
/// # Errors
///
/// If it leads out, or could make the archive, which begins with it, look packed.
pub(crate) fn dockerfile_path(named: &str) -> io::Result<String> {
    let named = match named {
        "" => "Dockerfile",
        named => named,
    };
    let path = String::from_utf8(clean(named.as_bytes())?).map_err(io::Error::other)?;
    let begins = |first: char| first.is_ascii_alphanumeric() || first == '.' || first == '_';
    if !path.starts_with(begins) || path.starts_with("BZh") || path.contains(char::is_control) {
        let name = shown(path.as_bytes());
        return Err(refused(format!("a Dockerfile cannot be called {name:?}")));
    }
    Ok(path)
}

/// What becomes of the bytes that follow a header.
enum Data {
    /// Of a file, they go on.
    Kept,
    /// They say more about the next entry.
    Extension(EntryType, Vec<u8>),
    Dockerfile(Vec<u8>),
    Dropped,
}

/// What comes next.
enum Next {
    /// A header, of which this has come.
    Head(Vec<u8>),
    /// So many bytes, and so many that fill up the block.
    Data(Data, u64, usize),
    /// Nothing that counts: the archive has ended.
    End,
    /// Nothing that is looked at: it was refused.
    Refused,
}

/// An archive on its way to where it is written anew.
pub(crate) struct Anew<W> {
    to: W,
    next: Next,
    /// Where the Dockerfile has to be.
    path: Vec<u8>,
    dockerfile: Option<Vec<u8>>,
    extended: Extended,
    entries: usize,
    /// Where links are: nothing can be in them.
    links: HashSet<Vec<u8>>,
    links_length: usize,
}

impl<W: Write> Anew<W> {
    /// `dockerfile` is a [`dockerfile_path`]; or empty, which no file's path is: none is looked for.
    pub(crate) fn new(to: W, dockerfile: &str) -> Self {
        Self {
            to,
            next: Next::Head(Vec::new()),
            path: dockerfile.into(),
            dockerfile: None,
            extended: Extended::default(),
            entries: 0,
            links: HashSet::new(),
            links_length: 0,
        }
    }

    /// Ends the archive: where it was written, and the Dockerfile's text, if there was one.
    ///
    /// # Errors
    ///
    /// If it ends before it should, or the Dockerfile is not UTF-8.
    pub(crate) fn end(mut self) -> io::Result<(W, Option<String>)> {
        match self.next {
            Next::End => {}
            Next::Head(part) if part.is_empty() && self.extended.is_empty() => {}
            _ => return Err(refused("it ends in the middle of a file")),
        }
        self.to.write_all(&[0; 2 * BLOCK])?;
        let text = self.dockerfile.map(String::from_utf8).transpose();
        Ok((
            self.to,
            text.map_err(|_| refused("its Dockerfile is not UTF-8"))?,
        ))
    }

    /// Takes some of these bytes: how many.
    fn take(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match std::mem::replace(&mut self.next, Next::Refused) {
            Next::Head(mut part) => {
                let count = bytes.len().min(BLOCK - part.len());
                part.extend_from_slice(bytes.get(..count).unwrap_or_default());
                self.next = match <[u8; BLOCK]>::try_from(part) {
                    Ok(block) => self.head(&block)?,
                    Err(part) => Next::Head(part),
                };
                Ok(count)
            }
            Next::Data(data, 0, 0) => {
                self.next = Next::Head(Vec::new());
                self.ended(data)?;
                Ok(0)
            }
            Next::Data(data, 0, fill) => {
                let count = bytes.len().min(fill);
                if matches!(data, Data::Kept) {
                    self.to.write_all(&[0; BLOCK][..count])?;
                }
                self.next = Next::Data(data, 0, fill - count);
                Ok(count)
            }
            Next::Data(mut data, left, fill) => {
                let count = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                let bytes = &bytes[..count];
                match &mut data {
                    Data::Kept => self.to.write_all(bytes)?,
                    Data::Extension(_, text) | Data::Dockerfile(text) => text.extend(bytes),
                    Data::Dropped => {}
                }
                self.next = Next::Data(data, left - count as u64, fill);
                Ok(count)
            }
            Next::End => {
                self.next = Next::End;
                Ok(bytes.len())
            }
            Next::Refused => Err(refused("it was refused")),
        }
    }

    /// The bytes that follow a header have come.
    fn ended(&mut self, data: Data) -> io::Result<()> {
        match data {
            Data::Extension(kind, text) => self.extended.add(kind, text),
            Data::Dockerfile(text) => {
                self.dockerfile = Some(text);
                Ok(())
            }
            Data::Kept | Data::Dropped => Ok(()),
        }
    }

    /// A header has come.
    fn head(&mut self, block: &[u8; BLOCK]) -> io::Result<Next> {
        if block.iter().all(|byte| *byte == 0) {
            return match self.extended.is_empty() {
                true => Ok(Next::End),
                false => Err(refused("it ends with a name of no file")),
            };
        }
        let header = Header::from_byte_slice(block);
        let sum = block.iter().enumerate().map(|(at, byte)| match at {
            148..156 => u32::from(b' '),
            _ => u32::from(*byte),
        });
        if header.cksum()? != sum.sum::<u32>() {
            return Err(refused("it is no tar archive, or damaged"));
        }
        let (kind, size) = (header.entry_type(), header.entry_size()?);
        if pax::extends(kind) {
            return match size > LONGEST_EXTENSION {
                true => Err(refused("it has a name that is too long")),
                false => Ok(data(Data::Extension(kind, Vec::new()), size)),
            };
        }
        self.entries += 1;
        if self.entries > MOST_ENTRIES {
            return Err(refused(format!("it has more than {MOST_ENTRIES} files")));
        }
        let made = Made::of(header, std::mem::take(&mut self.extended))?;
        self.entry(made)
    }

    /// An entry has come, with all that is said about it.
    fn entry(&mut self, made: Made) -> io::Result<Next> {
        let path = made.path.as_slice();
        let name = || shown(path);
        let is_in = |path: &[u8], folder: &[u8]| {
            path.strip_prefix(folder)
                .is_some_and(|rest| rest.starts_with(b"/"))
        };
        if path.is_empty() {
            return match made.kind {
                EntryType::Directory => Ok(data(Data::Dropped, 0)),
                _ => Err(refused("it has a file without a name")),
            };
        }
        let folders = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        if folders
            .map(|(at, _)| &path[..at])
            .any(|folder| self.links.contains(folder))
        {
            return Err(refused(format!("{} is in a link", name())));
        }
        if path == self.path {
            return match made.kind {
                EntryType::Regular if self.dockerfile.is_some() => {
                    Err(refused(format!("{} is in it twice", name())))
                }
                EntryType::Regular if made.size <= LONGEST_DOCKERFILE => {
                    Ok(data(Data::Dockerfile(Vec::new()), made.size))
                }
                _ => Err(refused(format!("{} is no file, or too long", name()))),
            };
        }
        if is_in(path, &self.path) || (is_in(&self.path, path) && made.kind != EntryType::Directory)
        {
            let dockerfile = shown(&self.path);
            return Err(refused(format!("{} is in the way of {dockerfile}", name())));
        }
        match made.kind {
            // Docker's client sends it where a folder has one; nobody needs one of an image.
            EntryType::Fifo => return Ok(data(Data::Dropped, 0)),
            // One of the second kind may be to one of the first.
            EntryType::Symlink | EntryType::Link if !self.links.contains(path) => {
                self.links_length += path.len();
                if self.links_length > MOST_OF_LINKS {
                    return Err(refused("it has too many links"));
                }
                self.links.insert(path.into());
            }
            _ => {}
        }
        self.to.write_all(&made.head())?;
        Ok(data(Data::Kept, made.size))
    }
}

/// What follows a header, in whole blocks.
fn data(data: Data, size: u64) -> Next {
    let over = (size % BLOCK as u64) as usize;
    Next::Data(data, size, (BLOCK - over) % BLOCK)
}

impl<W: Write> Write for Anew<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        while !rest.is_empty() || matches!(self.next, Next::Data(_, 0, 0)) {
            let count = self.take(rest)?;
            rest = rest.get(count..).unwrap_or_default();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
