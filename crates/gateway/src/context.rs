//! The folder that an image is built from: kept, so that its Dockerfiles can be read first.

use std::{
    fs::File,
    io::{self, Read, Seek, Write},
    pin::Pin,
    task::{Context as Waiting, Poll},
};

use ds01_core::{
    failure::{Failure, Kind},
    route,
};
use flate2::write::MultiGzDecoder;
use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};

use crate::channel::{Ask, Context};

/// The longest folder, in bytes.
pub(crate) const LONGEST: u64 = 8 << 30;

/// The longest Dockerfile.
const LONGEST_DOCKERFILE: u64 = 1 << 20;

/// Files in a folder that are called as its Dockerfile.
const MOST: usize = 100;

/// Bytes at a time.
const AT_A_TIME: usize = 256 << 10;

/// What begins a file that gzip has packed.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// A folder on its way into its file. Compose packs it with gzip: it is unpacked here, so that the
/// engine builds from what was read.
enum Folder<'a> {
    /// Too little has come to tell which it is.
    Begun(Vec<u8>, Counted<'a>),
    Plain(Counted<'a>),
    Packed(Box<MultiGzDecoder<Counted<'a>>>),
}

impl<'a> Folder<'a> {
    fn new(file: &'a File) -> Self {
        Self::Begun(Vec::new(), Counted { file, length: 0 })
    }

    fn add(&mut self, data: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(to) => to.write_all(data),
            Self::Packed(to) => to.write_all(data),
            Self::Begun(first, to) => {
                first.extend(data);
                if first.len() < GZIP.len() {
                    return Ok(());
                }
                let (first, to) = (std::mem::take(first), *to);
                *self = match first.starts_with(&GZIP) {
                    true => Self::Packed(Box::new(MultiGzDecoder::new(to))),
                    false => Self::Plain(to),
                };
                self.add(&first)
            }
        }
    }

    /// Its length.
    fn end(self) -> io::Result<u64> {
        let written = match self {
            Self::Begun(first, mut to) => to.write_all(&first).map(|()| to)?,
            Self::Plain(to) => to,
            Self::Packed(to) => to.finish()?,
        };
        Ok(written.length)
    }
}

/// A file that takes [`LONGEST`] bytes.
#[derive(Clone, Copy)]
struct Counted<'a> {
    file: &'a File,
    length: u64,
}

impl Write for Counted<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.length + data.len() as u64 > LONGEST {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let written = self.file.write(data)?;
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Writes a request's body to a file, and reads its Dockerfile.
///
/// # Errors
///
/// If it is too long, no tar archive, or has no Dockerfile.
pub(crate) async fn keep(
    ask: &Ask,
    body: &mut Incoming,
    mut file: &File,
) -> Result<Context, Failure> {
    let usage = |text: String| Failure::new(Kind::Usage, text);
    let failed = |error: io::Error| Failure::new(Kind::Failed, format!("the folder: {error}"));
    let unkept = |error: io::Error| match error.kind() {
        io::ErrorKind::FileTooLarge => {
            let most = LONGEST >> 30;
            usage(format!("the folder has more than {most} GB"))
                .with_hint("leave out what the image does not need with .dockerignore")
        }
        io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof => {
            usage(format!("the folder cannot be unpacked: {error}"))
        }
        _ => failed(error),
    };
    let mut folder = Folder::new(file);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| usage(format!("the folder cannot be read: {error}")))?;
        if let Ok(data) = frame.into_data() {
            folder.add(&data).map_err(unkept)?;
        }
    }
    let length = folder.end().map_err(unkept)?;
    file.rewind().map_err(failed)?;
    let found = route::route(&ask.method, &ask.path, ask.query.as_deref())?;
    let named = found
        .query
        .get("dockerfile")
        .and_then(|values| values.first());
    let named = named.map_or("Dockerfile", String::as_str);
    let dockerfiles = dockerfiles(file, named).map_err(|error| {
        usage(format!("the folder cannot be built from: {error}"))
            .with_hint("send it as it is or packed with gzip, as docker build does")
    })?;
    if dockerfiles.is_empty() {
        return Err(usage(format!("the folder has no {named}")));
    }
    file.rewind().map_err(failed)?;
    Ok(Context {
        length,
        dockerfiles,
    })
}

/// The texts of all files in an archive that are called as the Dockerfile is, in whatever folder:
/// links between folders could make each of them the one that counts.
fn dockerfiles(archive: &File, name: &str) -> io::Result<Vec<String>> {
    let last = |path: &str| {
        path.rsplit('/')
            .find(|part| !part.is_empty())
            .map(str::to_string)
    };
    let mut found = Vec::new();
    let mut archive = tar::Archive::new(io::BufReader::with_capacity(AT_A_TIME, archive));
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let kind = entry.header().entry_type();
        if last(&path) != last(name) || kind.is_dir() {
            continue;
        }
        if !kind.is_file() || entry.size() > LONGEST_DOCKERFILE || found.len() == MOST {
            return Err(io::Error::other(format!("{path} is a link, or too long")));
        }
        let mut text = Vec::new();
        entry.read_to_end(&mut text)?;
        found.push(String::from_utf8(text).map_err(io::Error::other)?);
    }
    Ok(found)
}

/// What was kept, as the body of a request.
pub(crate) struct Kept {
    file: File,
    left: u64,
}

impl Kept {
    pub(crate) fn new(file: File) -> Self {
        let left = file.metadata().map_or(0, |file| file.len());
        Self { file, left }
    }
}

impl Body for Kept {
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
