//! One HTTP request over a unix socket, in a process that waits for nothing else: no event loop.

use std::{
    io::{self, Read, Write},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd},
        unix::net::UnixStream,
    },
    path::Path,
    time::{Duration, Instant},
};

use ds01_core::route::DS01;
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        socket::{
            AddressFamily, SockFlag, SockType, UnixAddr, connect, setsockopt, socket, sockopt,
        },
        time::TimeVal,
    },
};

use crate::patience::Slow;

/// The longest answer that is read: a list of 10,000 containers has 40 MB.
const LONGEST: usize = 256 << 20;

/// Bytes that are read at a time.
const AT_A_TIME: usize = 64 << 10;

/// Headers of an answer: the engine's has nine.
const MOST_HEADERS: usize = 64;

/// An answer.
#[derive(Debug)]
pub(crate) struct Said {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The whole body.
    pub(crate) body: Vec<u8>,
}

/// A request whose answer is still to be read. Several can be under way at once.
pub(crate) struct SentRequest<'a> {
    stream: UnixStream,
    limit: Duration,
    deadline: Instant,
    /// What is still to be said about it.
    slow: Option<Slow<'a>>,
}

/// Asks; the answer has `limit` from now.
///
/// # Errors
///
/// If nobody listens, or nobody takes the request in time.
pub(crate) fn begin(
    socket: &Path,
    method: &str,
    path: &str,
    json: &str,
    limit: Duration,
) -> io::Result<SentRequest<'static>> {
    let deadline = Instant::now() + limit;
    let mut stream = connected(socket, limit)?;
    // Version 1.0: the answer ends with the connection, and does not come in chunks.
    let head = format!(
        "{method} {path} HTTP/1.0\r\nHost: {DS01}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        json.len()
    );
    stream
        .write_all(&[head.as_bytes(), json.as_bytes()].concat())
        .map_err(late)?;
    Ok(SentRequest {
        stream,
        limit,
        deadline,
        slow: None,
    })
}

/// A connection on which no write waits longer than `limit`; nor does this.
fn connected(path: &Path, limit: Duration) -> io::Result<UnixStream> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    let limit = TimeVal::new(limit.as_secs().try_into().unwrap_or(i64::MAX), 0);
    setsockopt(&socket, sockopt::SendTimeout, &limit)?;
    connect(socket.as_raw_fd(), &UnixAddr::new(path)?).map_err(|error| late(error.into()))?;
    Ok(socket.into())
}

impl<'a> SentRequest<'a> {
    /// Has it told if the answer is long in coming.
    pub(crate) fn with(self, slow: Slow<'a>) -> Self {
        Self {
            slow: Some(slow),
            ..self
        }
    }

    /// Waits until the answer begins to come, or its time is over; `false` if `stop` can be read
    /// first.
    ///
    /// # Errors
    ///
    /// If it cannot be waited for.
    pub(crate) fn comes(&self, stop: BorrowedFd<'_>) -> io::Result<bool> {
        let fds = [self.stream.as_fd(), stop];
        let mut fds = fds.map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        wait(&mut fds, self.deadline)?;
        Ok(fds[1].any() != Some(true))
    }

    /// Whether the answer begins to come within `time`.
    ///
    /// # Errors
    ///
    /// If it cannot be waited for.
    pub(crate) fn comes_within(&self, time: Duration) -> io::Result<bool> {
        let mut fds = [PollFd::new(self.stream.as_fd(), PollFlags::POLLIN)];
        wait(&mut fds, self.deadline.min(Instant::now() + time))?;
        Ok(fds[0].any() == Some(true))
    }

    /// Reads the whole answer.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::TimedOut`] at the deadline; or if the connection fails, or what comes is not HTTP.
    pub(crate) fn finish(self) -> io::Result<Said> {
        self.finish_from(Vec::new())
    }

    /// Waits for the beginning of an answer that has no end: the connection, on which the rest will
    /// come; of the body, what came with the head is dropped. Any other status than 200 has an end,
    /// and is read to it.
    ///
    /// # Errors
    ///
    /// As [`SentRequest::finish`].
    pub(crate) fn begun(mut self) -> io::Result<Result<UnixStream, Said>> {
        let mut answer = Vec::new();
        let mut part = vec![0; AT_A_TIME];
        loop {
            match Head::of(&answer)? {
                Some(head) if head.status == 200 => {
                    self.stream.set_read_timeout(None)?;
                    return Ok(Ok(self.stream));
                }
                Some(_) => return self.finish_from(answer).map(Err),
                None => {}
            }
            match self.read(&mut part)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => answer.extend_from_slice(&part[..count]),
            }
        }
    }

    /// Reads the rest of an answer.
    fn finish_from(mut self, mut answer: Vec<u8>) -> io::Result<Said> {
        let mut part = vec![0; AT_A_TIME];
        let (mut head, mut ended) = (None, false);
        loop {
            if head.is_none() {
                head = Head::of(&answer)?;
            }
            match &head {
                Some(head) if ended || head.end.is_some_and(|end| answer.len() >= end) => {
                    return head.answer(answer);
                }
                None if ended => return Err(io::ErrorKind::UnexpectedEof.into()),
                _ if answer.len() > LONGEST => return Err(io::ErrorKind::FileTooLarge.into()),
                _ => {}
            }
            let count = self.read(&mut part)?;
            answer.extend_from_slice(&part[..count]);
            ended = count == 0;
        }
    }

    fn is_slow(&mut self) {
        if let Some(slow) = self.slow.take() {
            slow.patience.ends(slow.who, slow.what, self.limit);
        }
    }

    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let slow = self.slow.as_ref().map(|slow| slow.at);
            let slow = slow.map_or(left, |at| at.saturating_duration_since(Instant::now()));
            if slow.is_zero() {
                self.is_slow();
                continue;
            }
            self.stream.set_read_timeout(Some(slow.min(left)))?;
            match self.stream.read(into) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && slow < left => {}
                other => return other.map_err(late),
            }
        }
    }
}

/// Waits until one of them has something to tell, or `until`.
fn wait(fds: &mut [PollFd<'_>], until: Instant) -> io::Result<()> {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match poll(fds, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)) {
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The head of an answer.
struct Head {
    status: u16,
    /// Where the body begins.
    length: usize,
    /// Where it ends, if that is told.
    end: Option<usize>,
}

impl Head {
    /// `None` if it has not come whole.
    fn of(answer: &[u8]) -> io::Result<Option<Self>> {
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut head = httparse::Response::new(&mut headers);
        let odd = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        let httparse::Status::Complete(length) =
            head.parse(answer).map_err(|e| odd(e.to_string()))?
        else {
            return Ok(None);
        };
        let value = |name| {
            let named = |header: &&httparse::Header<'_>| header.name.eq_ignore_ascii_case(name);
            head.headers.iter().find(named).map(|header| header.value)
        };
        if value("Transfer-Encoding").is_some() {
            return Err(odd("an answer in chunks was not asked for".into()));
        }
        let end = value("Content-Length").map(|value| {
            let text = std::str::from_utf8(value).unwrap_or_default().trim();
            let body = text
                .parse::<u32>()
                .map_err(|_| odd(format!("a length of {text:?}")));
            body.map(|body| length + body as usize)
        });
        Ok(Some(Self {
            status: head.code.unwrap_or_default(),
            length,
            end: end.transpose()?,
        }))
    }

    /// The body of an answer that has ended.
    fn answer(&self, mut answer: Vec<u8>) -> io::Result<Said> {
        if self.end.is_some_and(|end| answer.len() < end) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        answer.drain(..self.length);
        Ok(Said {
            status: self.status,
            body: answer,
        })
    }
}

/// The kernel's word for a wait that was too long has another meaning elsewhere.
fn late(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
        _ => error,
    }
}
