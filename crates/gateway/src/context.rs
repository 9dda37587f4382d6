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
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| usage(format!("the folder cannot be read: {error}")))?;
        if let Ok(data) = frame.into_data() {
            length += data.len() as u64;
            if length > LONGEST {
                let most = LONGEST >> 30;
                return Err(usage(format!("the folder has more than {most} GB"))
                    .with_hint("leave out what the image does not need with .dockerignore"));
            }
            file.write_all(&data).map_err(failed)?;
        }
    }
    file.rewind().map_err(failed)?;
    let found = route::route(&ask.method, &ask.path, ask.query.as_deref())?;
    let named = found
        .query
        .get("dockerfile")
        .and_then(|values| values.first());
    let named = named.map_or("Dockerfile", String::as_str);
    let dockerfiles = dockerfiles(file, named).map_err(|error| {
        usage(format!("the folder cannot be built from: {error}"))
            .with_hint("send it uncompressed, as docker build does")
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
