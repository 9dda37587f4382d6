//! Clients that are gone, and not only silent.

use std::{io, os::fd::AsFd};

use tokio::{io::Interest, net::UnixStream};

use crate::parser::watched;

/// Another look at a client's socket, while something else reads and writes it.
pub(crate) struct Hangup(UnixStream);

impl Hangup {
    /// That of `client`.
    ///
    /// # Errors
    ///
    /// If the process has no descriptors left.
    pub(crate) fn of(client: &UnixStream) -> io::Result<Self> {
        watched(client.as_fd().try_clone_to_owned()?).map(Self)
    }

    /// Waits until the client has closed its end, or died: one that has only said all that it has
    /// to say still listens.
    pub(crate) async fn wait(&self) {
        while let Ok(ready) = self.0.ready(Interest::WRITABLE).await {
            if ready.is_write_closed() {
                return;
            }
            // Until the kernel tells something new: it is taken for full.
            let full: io::Result<()> = Err(io::ErrorKind::WouldBlock.into());
            let _ = self.0.try_io(Interest::WRITABLE, || full);
        }
    }
}
