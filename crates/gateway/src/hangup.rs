//! Clients that are gone, and not only silent.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::io::Interest;

use crate::socket::watched;

/// Another look at a client's socket, while something else reads and writes it.
pub(crate) struct Hangup(OwnedFd);

impl Hangup {
    /// That of `client`: its own socket, or what stands for it.
    ///
    /// # Errors
    ///
    /// If the process has no descriptors left.
    pub(crate) fn of(client: impl AsFd) -> io::Result<Self> {
        client.as_fd().try_clone_to_owned().map(Self)
    }

    /// Waits until the client has closed its end, or died: one that has only said all that it has
    /// to say still listens. Most are never waited for, so that it is watched from here on.
    pub(crate) async fn wait(&self) {
        // What the event loop is told of afterwards, it tells at its next turn.
        if self.is_gone() {
            return;
        }
        // Without a descriptor left for that, it is as good as gone.
        let watch = |client| watched(client, Interest::PRIORITY);
        let Ok(client) = self.0.try_clone().and_then(watch) else {
            return;
        };
        while let Ok(mut told) = client.ready(Interest::PRIORITY).await {
            // Of ends, this interest is told only where both directions have ended.
            if told.ready().is_read_closed() {
                return;
            }
            told.clear_ready();
        }
    }

    fn is_gone(&self) -> bool {
        let gone = PollFlags::POLLHUP | PollFlags::POLLERR;
        let mut client = [PollFd::new(self.0.as_fd(), PollFlags::empty())];
        poll(&mut client, PollTimeout::ZERO).is_ok()
            && client[0].revents().is_none_or(|seen| seen.intersects(gone))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::poll_fn,
        pin::{Pin, pin},
        task::Poll,
        time::Duration,
    };

    use tokio::{io::AsyncWriteExt, net::UnixStream, time::timeout};

    use super::*;

    async fn poll_once(mut what: Pin<&mut impl Future<Output = ()>>) -> Poll<()> {
        poll_fn(|context| Poll::Ready(what.as_mut().poll(context))).await
    }

    #[test]
    fn who_has_only_said_all_is_not_gone() {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().build().unwrap().block_on(async {
            let (client, mut end) = UnixStream::pair().unwrap();
            let hangup = Hangup::of(&client).unwrap();
            end.shutdown().await.unwrap();
            let gone = timeout(Duration::from_millis(20), hangup.wait()).await;
            assert!(gone.is_err(), "it still listens");
            let mut waiting = pin!(hangup.wait());
            assert!(poll_once(waiting.as_mut()).await.is_pending());
            drop(end);
            let gone = timeout(Duration::from_secs(60), waiting).await;
            gone.expect("it is gone");
            // Who asks only now is told at once.
            assert!(poll_once(pin!(hangup.wait())).await.is_ready());
        });
    }
}
