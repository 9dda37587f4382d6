//! The folder that an image is built from, as a tar archive: written while it is read, and sent
//! while it is written.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Read, Write},
    os::unix::{fs::OpenOptionsExt, net::UnixStream},
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use ds01_core::{
    dockerignore::Ignore,
    failure::{Failure, Kind},
    project::{DOCKERFILE, DOCKERIGNORE},
};
use nix::libc::{O_NOFOLLOW, O_NONBLOCK};

/// Bytes written at a time.
const AT_A_TIME: usize = 256 << 10;

/// Why an archive is not whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unsent {
    /// Nobody reads it any more: why is known where it was read.
    Unwanted,
    /// Something could not be read.
    Unread(Failure),
}

/// An archive on its way.
pub(crate) struct Context {
    /// Where it comes out.
    pub(crate) archive: UnixStream,
    /// How it ended, which is before the last of it is read.
    pub(crate) ended: Arc<OnceLock<Result<(), Unsent>>>,
    /// Bytes so far.
    pub(crate) sent: Arc<AtomicU64>,
}

impl Context {
    /// Begins to read `folder`, in a thread of its own.
    ///
    /// # Errors
    ///
    /// If there is no thread or descriptor to be had.
    pub(crate) fn begin(folder: PathBuf, ignore: Ignore) -> Result<Self, Failure> {
        let system = |error| Failure::new(Kind::Failed, format!("cannot send the folder: {error}"));
        let (archive, input) = UnixStream::pair().map_err(system)?;
        let context = Self {
            archive,
            ended: Arc::default(),
            sent: Arc::default(),
        };
        let (ended, sent) = (Arc::clone(&context.ended), Arc::clone(&context.sent));
        let work = move || {
            // What is read from `input` ends with this thread: by then it is known how.
            let counted = Counted {
                out: &input,
                sent: &sent,
            };
            let packed = pack(&folder, &ignore, counted);
            // It is set nowhere else.
            let _ = ended.set(packed);
        };
        thread::Builder::new().spawn(work).map_err(system)?;
        Ok(context)
    }
}

/// Counts what is written.
struct Counted<'a> {
    out: &'a UnixStream,
    sent: &'a AtomicU64,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.sent.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn pack(folder: &Path, ignore: &Ignore, out: impl Write) -> Result<(), Unsent> {
    let mut packer = Packer {
        root: folder,
        ignore,
        tar: tar::Builder::new(BufWriter::with_capacity(AT_A_TIME, out)),
    };
    packer.folder(Path::new(""))?;
    let written = packer.tar.into_inner().and_then(|mut out| out.flush());
    written.map_err(|error| unread(Path::new(""), &error))
}

/// The failure that names what could not be read.
fn unread(path: &Path, error: &io::Error) -> Unsent {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Unsent::Unwanted;
    }
    let message = format!("cannot send {} to the engine: {error}", path.display());
    let hint = format!("leave it out with {DOCKERIGNORE}");
    Unsent::Unread(Failure::new(Kind::Failed, message).with_hint(hint))
}

struct Packer<'a, W: Write> {
    root: &'a Path,
    ignore: &'a Ignore,
    tar: tar::Builder<W>,
}

impl<W: Write> Packer<'_, W> {
    /// Adds what is in a folder, which is relative to the root.
    fn folder(&mut self, folder: &Path) -> Result<(), Unsent> {
        let entries = fs::read_dir(self.root.join(folder)).and_then(Iterator::collect);
        let mut entries: Vec<fs::DirEntry> = entries.map_err(|error| unread(folder, &error))?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = folder.join(entry.file_name());
            let text = path.to_string_lossy();
            // The engine needs both; it takes them away again where they are left out.
            let needed = [DOCKERFILE, DOCKERIGNORE].contains(&&*text);
            let out = !needed && self.ignore.leaves_out(&text);
            let kind = entry.file_type().map_err(|error| unread(&path, &error))?;
            if !out {
                self.add(&path, kind)
                    .map_err(|error| unread(&path, &error))?;
            }
            if kind.is_dir() && (!out || self.ignore.may_keep_in(&text)) {
                self.folder(&path)?;
            }
        }
        Ok(())
    }

    /// Adds a folder, file or link. Pipes, sockets and devices are none.
    fn add(&mut self, path: &Path, kind: fs::FileType) -> io::Result<()> {
        let real = self.root.join(path);
        if kind.is_symlink() {
            let mut header = header(&fs::symlink_metadata(&real)?);
            return self
                .tar
                .append_link(&mut header, path, fs::read_link(&real)?);
        }
        if kind.is_dir() {
            let mut header = header(&fs::metadata(&real)?);
            return self.tar.append_data(&mut header, path, io::empty());
        }
        if !kind.is_file() {
            return Ok(());
        }
        let mut options = File::options();
        // Meanwhile it may be something else.
        options.read(true).custom_flags(O_NOFOLLOW | O_NONBLOCK);
        let file = options.open(&real)?;
        let about = file.metadata()?;
        if !about.is_file() {
            return Ok(());
        }
        let left = about.len();
        self.tar
            .append_data(&mut header(&about), path, Exactly { file, left })
    }
}

/// As it is, but root's: so are all files of an image that say nothing else.
fn header(about: &fs::Metadata) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_metadata(about);
    header.set_uid(0);
    header.set_gid(0);
    header
}

/// A file, as long as it was when it was opened: an archive says so before.
struct Exactly {
    file: File,
    left: u64,
}

impl Read for Exactly {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer
            .len()
            .min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if most == 0 {
            return Ok(0);
        }
        match self.file.read(&mut buffer[..most])? {
            0 => Err(io::Error::other("it was cut short while it was read")),
            count => {
                self.left -= count as u64;
                Ok(count)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_nobody_reads_on_is_no_fault_of_the_folder() {
        let folder = std::env::temp_dir().join(format!("ds01-unwanted-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        // More than any buffer on the way takes.
        let large = File::create(folder.join("large")).unwrap();
        large.set_len(64 << 20).unwrap();
        let context = Context::begin(folder.clone(), Ignore::default()).unwrap();
        drop(context.archive);
        while context.ended.get().is_none() {
            thread::yield_now();
        }
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(context.ended.get(), Some(&Err(Unsent::Unwanted)));
    }

    #[test]
    fn a_file_is_as_long_as_it_was_or_an_error() {
        let path = std::env::temp_dir().join(format!("ds01-exactly-{}", std::process::id()));
        fs::write(&path, "12345").unwrap();
        let read = |left| {
            let file = File::open(&path).unwrap();
            let mut text = String::new();
            let read = Exactly { file, left }.read_to_string(&mut text);
            read.map(|_| text).map_err(|error| error.to_string())
        };
        let (grown, shrunk) = (read(3), read(6));
        fs::remove_file(&path).unwrap();
        assert_eq!(grown.as_deref(), Ok("123"));
        assert_eq!(shrunk.unwrap_err(), "it was cut short while it was read");
    }
}
