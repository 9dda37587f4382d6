//! Headers of an archive: what is understood of one, and how it is written anew.

use std::io;

use tar::{EntryType, Header};

use super::{
    BLOCK,
    pax::{self, Extended},
    refused, shown,
};
use crate::context::LONGEST;

/// The longest path on Linux.
const LONGEST_PATH: usize = 4096;

/// What a Dockerfile that the keeper writes may be read by.
const READABLE: u32 = 0o644;

/// A path without what does nothing, from the folder itself; empty for that.
///
/// # Errors
///
/// If it leads out of the folder, or no file can have it.
pub(super) fn clean(path: &[u8]) -> io::Result<Vec<u8>> {
    if path.len() > LONGEST_PATH || path.contains(&0) {
        return Err(refused("it has a name that is too long, or is none"));
    }
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                let leads_out = || refused(format!("{} leads out of it", shown(path)));
                parts.pop().ok_or_else(leads_out)?;
            }
            part => parts.push(part),
        }
    }
    Ok(parts.join(&b'/'))
}

/// An entry, as it is understood.
pub(super) struct Made {
    pub(super) path: Vec<u8>,
    pub(super) kind: EntryType,
    /// Of what follows.
    pub(super) size: u64,
    link: Option<Vec<u8>>,
    mode: u32,
    uid: u64,
    gid: u64,
    mtime: u64,
}

impl Made {
    /// What a header and what was said before it make.
    ///
    /// # Errors
    ///
    /// If it is a device or the like, or leads out of the folder.
    pub(super) fn of(header: &Header, said: Extended) -> io::Result<Self> {
        let raw = said
            .path
            .unwrap_or_else(|| header.path_bytes().into_owned());
        let old = header.as_bytes()[156] == 0;
        let kind = match header.entry_type() {
            // Before there were types, so was a folder written.
            EntryType::Regular if old && raw.ends_with(b"/") => EntryType::Directory,
            EntryType::Regular | EntryType::Continuous => EntryType::Regular,
            EntryType::GNUSparse => return Err(pax::sparse()),
            kind @ (EntryType::Directory
            | EntryType::Symlink
            | EntryType::Link
            | EntryType::Fifo) => kind,
            _ => {
                let path = shown(&raw);
                return Err(refused(format!("{path} is neither file, folder nor link")));
            }
        };
        // Nothing follows anything but a file, whatever the header says.
        let size = match kind {
            EntryType::Regular => said.size.map_or_else(|| header.entry_size(), Ok)?,
            _ => 0,
        };
        if size > LONGEST {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let target = || {
            let from = said
                .link
                .or_else(|| Some(header.link_name_bytes()?.into_owned()));
            let usable =
                |to: &Vec<u8>| !to.is_empty() && to.len() <= LONGEST_PATH && !to.contains(&0);
            let to = from.filter(usable);
            to.ok_or_else(|| refused(format!("{} links to nothing", shown(&raw))))
        };
        let link = match kind {
            EntryType::Symlink => Some(target()?),
            EntryType::Link => Some(clean(&target()?)?),
            _ => None,
        };
        Ok(Self {
            path: clean(&raw)?,
            kind,
            size,
            link,
            mode: header.mode()? & 0o7777,
            uid: said.uid.map_or_else(|| header.uid(), Ok)?,
            gid: said.gid.map_or_else(|| header.gid(), Ok)?,
            mtime: said.mtime.or(header.mtime().ok()).unwrap_or_default(),
        })
    }

    /// The header, after the names that are too long for it.
    pub(super) fn head(&self) -> Vec<u8> {
        let mut path = self.path.clone();
        if self.kind == EntryType::Directory {
            path.push(b'/');
        }
        let mut written = Vec::new();
        let mut header = Header::new_gnu();
        header.set_entry_type(self.kind);
        header.set_size(self.size);
        header.set_mode(self.mode);
        header.set_uid(self.uid);
        header.set_gid(self.gid);
        header.set_mtime(self.mtime);
        if let Some(gnu) = header.as_gnu_mut() {
            let link = self.link.as_deref().unwrap_or_default();
            fit(
                &mut written,
                EntryType::GNULongLink,
                link,
                &mut gnu.linkname,
            );
            fit(&mut written, EntryType::GNULongName, &path, &mut gnu.name);
        }
        header.set_cksum();
        written.extend(header.as_bytes());
        written
    }
}

/// Writes a name into its field of a header; one that does not fit, into an entry before it too.
fn fit(before: &mut Vec<u8>, kind: EntryType, name: &[u8], field: &mut [u8; 100]) {
    let fits = name.len().min(field.len());
    field[..fits].copy_from_slice(&name[..fits]);
    if fits == name.len() {
        return;
    }
    let mut long = Header::new_gnu();
    long.set_entry_type(kind);
    long.set_size(name.len() as u64 + 1);
    long.set_mode(READABLE);
    long.set_mtime(0);
    long.set_uid(0);
    long.set_gid(0);
    if let Some(gnu) = long.as_gnu_mut() {
        const CALLED: &[u8] = b"././@LongLink";
        gnu.name[..CALLED.len()].copy_from_slice(CALLED);
    }
    long.set_cksum();
    before.extend(long.as_bytes());
    before.extend(name);
    before.push(0);
    fill(before);
}

/// Fills up the last block.
fn fill(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
}

/// The entry of an image's own root, as root has it. What the engine's archive of an image begins
/// with: a first name of the user's could make it look packed.
pub(crate) fn root_entry() -> Vec<u8> {
    Made {
        path: b".".into(),
        kind: EntryType::Directory,
        size: 0,
        link: None,
        mode: 0o755,
        uid: 0,
        gid: 0,
        mtime: 0,
    }
    .head()
}

/// The entry of a Dockerfile, in whole blocks: what the engine's archive begins with. `path` is a
/// [`super::dockerfile_path`].
pub(crate) fn dockerfile_entry(path: &str, text: &str) -> Vec<u8> {
    let made = Made {
        path: path.into(),
        kind: EntryType::Regular,
        size: text.len() as u64,
        link: None,
        mode: READABLE,
        uid: 0,
        gid: 0,
        mtime: 0,
    };
    let mut entry = made.head();
    entry.extend(text.as_bytes());
    fill(&mut entry);
    entry
}
