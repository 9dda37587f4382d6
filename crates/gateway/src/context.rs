//! The folder that an image is built from, or the archive of one that is imported: written anew into a
//! file, so that its Dockerfile is read first, and that it has no devices or pipes.

use std::{
    fs::File,
    io::{self, BufWriter, Read, Seek, Write},
    pin::Pin,
    task::{Context as Waiting, Poll},
    time::Duration,
};

use ds01_core::{
    failure::{Failure, Kind},
    route::{self, Action},
};
use flate2::write::MultiGzDecoder;
use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use nix::sys::statvfs::fstatvfs;
use tokio::time::timeout;

use crate::{
    archive::{Anew, dockerfile_path},
    channel::{Context, ParsedRequest},
};

/// The longest folder, in bytes.
pub(crate) const LONGEST: u64 = 8 << 30;

/// What a client that sends nothing is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What stays free on the disk: this, or the share of a small one.
const STAYS_FREE: u64 = 1 << 30;
const STAYS_FREE_PER_CENT: u64 = 5;

/// After so many bytes it is looked again whether there is room.
const LOOK_EVERY: u64 = 16 << 20;

/// Bytes at a time.
const AT_A_TIME: usize = 256 << 10;

/// What begins a file that gzip has packed.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// A folder's archive, limited on both of its sides.
type Limited<'a> = Counted<Anew<BufWriter<Counted<Roomy<'a>>>>>;

/// A folder on its way into its file. Compose packs it with gzip: it is unpacked here, so that the
/// engine builds from what was read.
enum Folder<'a> {
    /// Too little has come to tell which it is.
    Begun(Vec<u8>, Box<Limited<'a>>),
    Plain(Box<Limited<'a>>),
    Packed(Box<MultiGzDecoder<Box<Limited<'a>>>>),
    /// A write has failed.
    Broken,
}

impl<'a> Folder<'a> {
    fn new(file: &'a File, dockerfile: &str) -> io::Result<Self> {
        let file = Counted::new(Roomy::new(file)?);
        let anew = Anew::new(BufWriter::with_capacity(AT_A_TIME, file), dockerfile);
        Ok(Self::Begun(Vec::new(), Box::new(Counted::new(anew))))
    }

    fn add(&mut self, data: &[u8]) -> io::Result<()> {
        match std::mem::replace(self, Self::Broken) {
            Self::Plain(mut to) => {
                to.write_all(data)?;
                *self = Self::Plain(to);
            }
            Self::Packed(mut to) => {
                to.write_all(data)?;
                *self = Self::Packed(to);
            }
            Self::Begun(mut first, to) => {
                first.extend(data);
                if first.len() < GZIP.len() {
                    *self = Self::Begun(first, to);
                    return Ok(());
                }
                *self = match first.starts_with(&GZIP) {
                    true => Self::Packed(Box::new(MultiGzDecoder::new(to))),
                    false => Self::Plain(to),
                };
                self.add(&first)?;
            }
            Self::Broken => return Err(io::ErrorKind::BrokenPipe.into()),
        }
        Ok(())
    }

    /// The length of its archive, and its Dockerfile.
    fn end(self) -> io::Result<(u64, Option<String>)> {
        let written = match self {
            Self::Begun(first, mut to) => to.write_all(&first).map(|()| to)?,
            Self::Plain(to) => to,
            Self::Packed(to) => to.finish()?,
            Self::Broken => return Err(io::ErrorKind::BrokenPipe.into()),
        };
        let (file, text) = written.to.end()?;
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok((file.length, text))
    }
}

/// What takes [`LONGEST`] bytes.
struct Counted<W> {
    to: W,
    length: u64,
}

impl<W> Counted<W> {
    fn new(to: W) -> Self {
        Self { to, length: 0 }
    }
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.length + data.len() as u64 > LONGEST {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let written = self.to.write(data)?;
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// A file on a disk that never gets full of it.
struct Roomy<'a> {
    file: &'a File,
    /// What can be written before it is looked again.
    unlooked: u64,
}

impl<'a> Roomy<'a> {
    fn new(file: &'a File) -> io::Result<Self> {
        let mut roomy = Self { file, unlooked: 0 };
        roomy.look()?;
        Ok(roomy)
    }

    fn look(&mut self) -> io::Result<()> {
        let disk = fstatvfs(self.file)?;
        let unit = disk.fragment_size();
        if !has_room(disk.blocks() * unit, disk.blocks_available() * unit) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.unlooked = LOOK_EVERY;
        Ok(())
    }
}

impl Write for Roomy<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.unlooked == 0 {
            self.look()?;
        }
        let written = self.file.write(data)?;
        self.unlooked = self.unlooked.saturating_sub(written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Whether a disk of this size has room for a folder. In bytes.
fn has_room(size: u64, free: u64) -> bool {
    free >= STAYS_FREE.min(size / 100 * STAYS_FREE_PER_CENT)
}

/// Why the archive of an image was not kept.
fn unkept_image(error: io::Error) -> Failure {
    if error.kind() != io::ErrorKind::Other {
        let mut failure = unkept(error);
        failure.message = failure.message.replace("the folder", "the archive");
        return failure;
    }
    let message = format!("the archive cannot be imported: {error}");
    Failure::new(Kind::Usage, message).with_hint(
        "pack it without devices, and as it is or with gzip: tar --exclude=./dev/* -czf image.tar.gz .",
    )
}

/// Why a folder was not kept.
fn unkept(error: io::Error) -> Failure {
    let usage = |text: String| Failure::new(Kind::Usage, text);
    match error.kind() {
        io::ErrorKind::FileTooLarge => {
            let most = LONGEST >> 30;
            usage(format!("the folder has more than {most} GB"))
                .with_hint("leave out what the image does not need with .dockerignore")
        }
        io::ErrorKind::StorageFull => {
            let text = "the host's disk has no room for the folder of a build or import";
            let hint = "tell an admin: the disk with DS01's state directory is almost full";
            Failure::new(Kind::Busy, text).with_hint(hint)
        }
        io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof => {
            usage(format!("the folder cannot be unpacked: {error}"))
        }
        io::ErrorKind::Other => usage(format!("the folder cannot be built from: {error}"))
            .with_hint("send it as it is or packed with gzip, as docker build does"),
        _ => Failure::new(Kind::Failed, format!("the folder: {error}")),
    }
}

/// Writes a request's body to a file, as the archive that the engine is to have, and reads its
/// Dockerfile. That of an image that is imported has none.
///
/// # Errors
///
/// If it is too long, no tar archive, has no Dockerfile, or does not come.
pub(crate) async fn keep(
    ask: &ParsedRequest,
    body: &mut Incoming,
    mut file: &File,
) -> Result<Context, Failure> {
    let usage = |text: String| Failure::new(Kind::Usage, text);
    let found = route::route(&ask.method, &ask.path, ask.query.as_deref())?;
    let is_image = found.action == Action::ImageCreate;
    let unkept = match is_image {
        true => unkept_image,
        false => unkept,
    };
    let named = found
        .query
        .get("dockerfile")
        .and_then(|values| values.first());
    let named = match is_image {
        true => String::new(),
        false => dockerfile_path(named.map_or("", String::as_str)).map_err(unkept)?,
    };
    let mut folder = Folder::new(file, &named).map_err(unkept)?;
    loop {
        let late = |_| usage(format!("the folder stopped for {} s", PATIENCE.as_secs()));
        let frame = timeout(PATIENCE, body.frame()).await.map_err(late)?;
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|error| usage(format!("the folder cannot be read: {error}")))?;
        if let Ok(data) = frame.into_data() {
            folder.add(&data).map_err(unkept)?;
        }
    }
    let (length, text) = folder.end().map_err(unkept)?;
    let dockerfile = match is_image {
        true => String::new(),
        false => text.ok_or_else(|| usage(format!("the folder has no {named}")))?,
    };
    file.rewind()
        .map_err(|error| Failure::new(Kind::Failed, format!("the folder: {error}")))?;
    Ok(Context { length, dockerfile })
}

/// A build context that was kept in a file, as the body of a request to the engine.
pub(crate) struct ContextBody {
    file: File,
    left: u64,
}

impl ContextBody {
    pub(crate) fn new(file: File) -> Self {
        let left = file.metadata().map_or(0, |file| file.len());
        Self { file, left }
    }
}

impl Body for ContextBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Waiting<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let mut bytes = vec![0; AT_A_TIME];
        // From a file, there is nothing to wait for. A short body ends the connection, which is
        // what an error would do.
        let count = self.file.read(&mut bytes).unwrap_or(0);
        bytes.truncate(count);
        self.left = self.left.saturating_sub(count as u64);
        Poll::Ready((count > 0).then(|| Ok(Frame::data(bytes.into()))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_keeps_a_gigabyte_or_a_twentieth() {
        for (size, free, room) in [
            (1000 << 30, 1 << 30, true),
            (1000 << 30, (1 << 30) - 1, false),
            (100_000, 5000, true),
            (100_000, 4999, false),
            // Some have no size.
            (0, 0, true),
        ] {
            assert_eq!(has_room(size, free), room, "{size} {free}");
        }
    }
}
