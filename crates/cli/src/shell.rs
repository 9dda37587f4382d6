//! Joins this process's terminal or pipes to a shell somewhere else.

use std::{
    io::{self, ErrorKind, IsTerminal, Read, Write},
    net::Shutdown,
    os::{fd::AsFd, unix::net::UnixStream},
    thread,
};

use ds01_core::failure::{Failure, Kind};
use nix::{
    errno::Errno,
    libc,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::{SigSet, Signal},
        signalfd::{SfdFlags, SignalFd},
        termios::{self, SetArg, Termios},
    },
};

/// Bytes moved at a time.
const CHUNK: usize = 32 * 1024;

/// The terminal that the user sits at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat {
    /// Its kind, as in `TERM`.
    pub term: String,
    /// Its lines.
    pub rows: u16,
    /// Its columns.
    pub columns: u16,
}

impl Seat {
    /// The terminal on both stdin and stdout; `None` when either is something else.
    pub fn of_this_process() -> Option<Self> {
        (io::stdin().is_terminal() && io::stdout().is_terminal()).then(|| {
            let (rows, columns) = size();
            let term = std::env::var("TERM").unwrap_or_else(|_| "xterm".into());
            Self {
                term,
                rows,
                columns,
            }
        })
    }
}

/// How a joined shell's stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The other side closed it: the shell has ended, or the engine.
    Closed,
    /// This process was told to end by this signal, or nobody reads its output any more.
    Signal(u8),
}

/// Moves bytes both ways until the shell ends.
///
/// At a terminal (`seat`), keys go to the shell as they are typed, Ctrl-C among them, and `resized`
/// is told every new number of rows and columns. Otherwise the end of input is passed on, and
/// the stream comes in Docker's frames, of which 2 are for stderr. `first` is what had been read
/// from the stream before.
///
/// # Errors
///
/// If the terminal cannot be set up, or output cannot be written. It is restored in any case.
pub fn join(
    stream: UnixStream,
    first: &[u8],
    at_terminal: bool,
    mut resized: impl FnMut(u16, u16),
) -> Result<Ended, Failure> {
    let failed = |what: &str, error: io::Error| {
        Failure::new(Kind::Failed, format!("cannot {what}: {error}"))
    };
    // Before there is another thread, so that all of them leave these signals to the descriptor.
    let signals = signals().map_err(|error| failed("take signals", error.into()))?;
    let _raw = at_terminal
        .then(Raw::new)
        .transpose()
        .map_err(|e| failed("use the terminal", e))?;
    let input = stream
        .try_clone()
        .map_err(|error| failed("use the connection", error))?;
    thread::Builder::new()
        .spawn(move || send_input(input))
        .map_err(|error| failed("read input", error))?;

    let mut output = Output {
        at_terminal,
        frames: Frames::default(),
    };
    let mut buffer = vec![0; CHUNK];
    let mut stream = stream;
    let written = output.write(first);
    if let Some(ended) = ended(written).map_err(|e| failed("write output", e))? {
        return Ok(ended);
    }
    loop {
        let mut ready = [
            PollFd::new(stream.as_fd(), PollFlags::POLLIN),
            PollFd::new(signals.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut ready, PollTimeout::NONE) {
            Ok(_) => {}
            Err(Errno::EINTR) => continue,
            Err(error) => return Err(failed("wait for output", error.into())),
        }
        let [from_shell, from_kernel] = ready.map(|fd| fd.any().unwrap_or(true));
        if from_kernel && let Ok(Some(signal)) = signals.read_signal() {
            match signal.ssi_signo as i32 {
                libc::SIGWINCH => {
                    let (rows, columns) = size();
                    resized(rows, columns);
                }
                signal => return Ok(Ended::Signal(signal as u8)),
            }
        }
        if from_shell {
            let count = match stream.read(&mut buffer) {
                Ok(0) => return Ok(Ended::Closed),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return Ok(Ended::Closed),
            };
            let written = output.write(&buffer[..count]);
            if let Some(ended) = ended(written).map_err(|e| failed("write output", e))? {
                return Ok(ended);
            }
        }
    }
}

/// A closed pipe ends the command as the signal would, without a word.
fn ended(written: io::Result<()>) -> io::Result<Option<Ended>> {
    match written {
        Ok(()) => Ok(None),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {
            Ok(Some(Ended::Signal(libc::SIGPIPE as u8)))
        }
        Err(error) => Err(error),
    }
}

/// Ends with this process: a thread that waits for a key cannot be told to stop.
fn send_input(mut shell: UnixStream) {
    let mut buffer = vec![0; CHUNK];
    let mut input = io::stdin().lock();
    loop {
        match input.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(count) if shell.write_all(&buffer[..count]).is_err() => return,
            Ok(_) => {}
        }
    }
    // The shell may be gone: then nobody needs to know that the input has ended.
    let _ = shell.shutdown(Shutdown::Write);
}

struct Output {
    at_terminal: bool,
    frames: Frames,
}

impl Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (mut out, mut err) = (io::stdout().lock(), io::stderr().lock());
        if self.at_terminal {
            out.write_all(bytes)?;
        } else {
            self.frames
                .split(bytes, |to_stderr, part| match to_stderr {
                    true => err.write_all(part),
                    false => out.write_all(part),
                })?;
        }
        out.flush()
    }
}

/// Docker's frames: a byte that names the stream, three zeros, the length in four bytes, the bytes.
///
/// Source: Docker Engine API, "Attach to a container", stream format.
#[derive(Default)]
struct Frames {
    head: Vec<u8>,
    left: usize,
}

impl Frames {
    /// Hands on the contents, in whatever pieces the frames come.
    fn split(
        &mut self,
        mut bytes: &[u8],
        mut part: impl FnMut(bool, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        const HEAD: usize = 8;
        while !bytes.is_empty() {
            if self.left == 0 {
                let taken = bytes.len().min(HEAD - self.head.len());
                self.head.extend_from_slice(&bytes[..taken]);
                bytes = &bytes[taken..];
                if let Some(&[_, _, _, _, a, b, c, d]) = self.head.first_chunk::<HEAD>() {
                    self.left = u32::from_be_bytes([a, b, c, d]) as usize;
                    if self.left == 0 {
                        self.head.clear();
                    }
                }
                continue;
            }
            let taken = bytes.len().min(self.left);
            part(self.head.first() == Some(&2), &bytes[..taken])?;
            bytes = &bytes[taken..];
            self.left -= taken;
            if self.left == 0 {
                self.head.clear();
            }
        }
        Ok(())
    }
}

/// Signals that end a command, or tell it of a new size, as something to wait for.
fn signals() -> nix::Result<SignalFd> {
    let mut mask = SigSet::empty();
    for signal in [Signal::SIGWINCH, Signal::SIGTERM, Signal::SIGHUP] {
        mask.add(signal);
    }
    mask.thread_block()?;
    SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
}

/// The terminal's size, or the size that terminals used to have.
fn size() -> (u16, u16) {
    console::Term::stdout().size_checked().unwrap_or((24, 80))
}

/// While this lives, the terminal passes on every key.
struct Raw(Termios);

impl Raw {
    fn new() -> io::Result<Self> {
        let before = termios::tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        termios::cfmakeraw(&mut raw);
        termios::tcsetattr(io::stdin(), SetArg::TCSANOW, &raw)?;
        Ok(Self(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // A terminal that is gone needs no restoring.
        let _ = termios::tcsetattr(io::stdin(), SetArg::TCSADRAIN, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_split_wherever_the_pieces_end() {
        let mut stream = Vec::new();
        for (to, text) in [(1, "out"), (2, "error"), (1, ""), (1, "\u{1}\u{2}more")] {
            stream.extend([to, 0, 0, 0]);
            stream.extend((text.len() as u32).to_be_bytes());
            stream.extend(text.as_bytes());
        }
        for size in 1..=stream.len() {
            let (mut out, mut err) = (Vec::new(), Vec::new());
            let mut frames = Frames::default();
            for piece in stream.chunks(size) {
                let part = |to_stderr: bool, part: &[u8]| {
                    if to_stderr { &mut err } else { &mut out }.extend_from_slice(part);
                    Ok(())
                };
                frames.split(piece, part).unwrap();
            }
            assert_eq!(
                (&out[..], &err[..]),
                (&b"out\x01\x02more"[..], &b"error"[..]),
                "{size}"
            );
        }
    }
}
