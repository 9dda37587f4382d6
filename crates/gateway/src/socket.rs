//! Sockets of which the event loop watches what comes.
//!
//! tokio's own are told of room to write as well: whoever reads at the other end then wakes this
//! process, and pays for it. That there is room, a write finds out.

use std::{
    io::{self, Read, Write},
    net::Shutdown,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::Path,
    pin::Pin,
    sync::OnceLock,
    task::{Context, Poll, ready},
};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, unix::AsyncFd};

/// A connected unix socket.
pub(crate) struct Socket {
    socket: AsyncFd<UnixStream>,
    /// The same, watched for room once there was none.
    room: OnceLock<AsyncFd<UnixStream>>,
}

impl Socket {
    /// One that this process has made, or was given.
    ///
    /// # Errors
    ///
    /// If the event loop takes no more.
    pub(crate) fn new(socket: impl Into<OwnedFd>) -> io::Result<Self> {
        let socket = UnixStream::from(socket.into());
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket: watched(socket, Interest::READABLE)?,
            room: OnceLock::new(),
        })
    }

    /// Connects, which never waits: a listener with too many connections refuses this one.
    ///
    /// # Errors
    ///
    /// If nobody listens there.
    pub(crate) fn connect(path: &Path) -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
        connect(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
        Self::new(socket)
    }

    /// Waits until something has come, or the other end has closed.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await.map(drop)
    }

    /// Waits for something to come, and takes it by `receive`.
    pub(crate) async fn receive<T>(
        &self,
        receive: impl FnMut(&UnixStream) -> io::Result<T>,
    ) -> io::Result<T> {
        self.socket.async_io(Interest::READABLE, receive).await
    }

    /// Waits for room, and uses it by `send`. Many may wait.
    pub(crate) async fn send<T>(
        &self,
        mut send: impl FnMut(&UnixStream) -> io::Result<T>,
    ) -> io::Result<T> {
        if let Some(done) = self.at_once(&mut send)? {
            return Ok(done);
        }
        self.room()?.async_io(Interest::WRITABLE, send).await
    }

    /// The same for the one task that writes.
    fn poll_send<T>(
        &self,
        context: &mut Context<'_>,
        mut send: impl FnMut(&UnixStream) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        if let Some(done) = self.at_once(&mut send)? {
            return Poll::Ready(Ok(done));
        }
        let room = self.room()?;
        loop {
            let mut guard = ready!(room.poll_write_ready(context))?;
            if let Ok(done) = guard.try_io(|room| send(room.get_ref())) {
                return Poll::Ready(done);
            }
        }
    }

    /// Sends unless there was no room before, or is none.
    fn at_once<T>(
        &self,
        send: &mut impl FnMut(&UnixStream) -> io::Result<T>,
    ) -> io::Result<Option<T>> {
        if self.room.get().is_some() {
            return Ok(None);
        }
        match send(self.socket.get_ref()) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            done => done.map(Some),
        }
    }

    fn room(&self) -> io::Result<&AsyncFd<UnixStream>> {
        if let Some(room) = self.room.get() {
            return Ok(room);
        }
        let again = self.socket.get_ref().try_clone()?;
        let room = watched(again, Interest::WRITABLE)?;
        Ok(self.room.get_or_init(|| room))
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.get_ref().as_fd()
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let mut guard = ready!(self.socket.poll_read_ready(context))?;
            let into = buffer.initialize_unfilled();
            let room = into.len();
            let Ok(read) = guard.try_io(|socket| socket.get_ref().read(into)) else {
                continue;
            };
            let count = read?;
            // All that had come: to find that out costs a call.
            if count > 0 && count < room {
                guard.clear_ready();
            }
            buffer.advance(count);
            return Poll::Ready(Ok(()));
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(context, |mut socket| socket.write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(context, |mut socket| socket.write_vectored(parts))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.socket.get_ref().shutdown(Shutdown::Write))
    }
}

/// Anything with a descriptor, watched by the event loop.
///
/// # Errors
///
/// If the event loop takes no more.
pub(crate) fn watched<T: AsRawFd>(inner: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    // SAFETY: what is watched here are types of the standard library that own one descriptor, or
    // borrow it, which is open and stays the same until they are dropped.
    #[expect(unsafe_code, reason = "the event loop has to be told that")]
    let watched = unsafe { AsyncFd::register_with_interest(inner, interest) };
    watched.map_err(|refused| refused.into_parts().1)
}

#[cfg(test)]
mod tests {
    use std::{io::IoSlice, time::Duration};

    use nix::sys::socket::{MsgFlags, sendmsg, socketpair};
    use tokio::time::timeout;

    use super::*;

    #[test]
    fn all_that_wait_for_room_get_it() {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().build().unwrap().block_on(async {
            let kind = SockType::SeqPacket;
            let (ours, theirs) =
                socketpair(AddressFamily::Unix, kind, None, SockFlag::SOCK_CLOEXEC).unwrap();
            let (ours, theirs) = (Socket::new(ours).unwrap(), Socket::new(theirs).unwrap());
            let ours = std::sync::Arc::new(ours);
            let message = [b'x'; 1 << 10];
            let send = move |to: &UnixStream| {
                let parts = [IoSlice::new(&message)];
                let flags = MsgFlags::MSG_NOSIGNAL;
                Ok(sendmsg::<()>(to.as_raw_fd(), &parts, &[], flags, None)?)
            };
            let mut sent = 0;
            while ours.at_once(&mut send.clone()).unwrap().is_some() {
                sent += 1;
            }
            let waiting: Vec<_> = (0..sent)
                .map(|_| {
                    let ours = std::sync::Arc::clone(&ours);
                    tokio::spawn(async move { ours.send(send).await })
                })
                .collect();
            for _ in 0..2 * sent {
                let take = |mut from: &UnixStream| from.read(&mut [0; 2 << 10]);
                let taken = timeout(Duration::from_secs(60), theirs.receive(take)).await;
                assert_eq!(taken.expect("one waits for ever").unwrap(), message.len());
            }
            for one in waiting {
                one.await.unwrap().unwrap();
            }
        });
    }
}
