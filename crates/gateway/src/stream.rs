//! The channel of a connection, and a body that comes over it.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use ds01_core::route::Action;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::io::{AsyncRead, ReadBuf};

use crate::socket::Socket;

/// What a connection has as long as it lasts: the keeper counts it until the channel closes.
pub(crate) struct Held {
    pub(crate) channel: Socket,
    _busy: Arc<()>,
}

impl Held {
    pub(crate) fn new(channel: Socket, busy: &Arc<()>) -> Self {
        let _busy = Arc::clone(busy);
        Self { channel, _busy }
    }
}

/// Whether the engine has more to do for an answer than to give it: then the keeper has the connection,
/// too, and only the keeper ends it, so that it sees when the engine has done.
pub(crate) fn is_kept(action: Action) -> bool {
    matches!(
        action,
        Action::ContainerRead | Action::Image | Action::ImageSave
    )
}

/// Bytes at a time.
const AT_A_TIME: usize = 64 << 10;

/// What the keeper sends after its answer: so many bytes, or until it ends.
pub(crate) struct Channelled {
    held: Held,
    left: Option<u64>,
}

impl Channelled {
    pub(crate) fn new(held: Held, left: Option<u64>) -> Self {
        Self { held, left }
    }
}

impl Body for Channelled {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left == Some(0) {
            return Poll::Ready(None);
        }
        let mut bytes = vec![0; AT_A_TIME];
        let mut buffer = ReadBuf::new(&mut bytes);
        ready!(Pin::new(&mut self.held.channel).poll_read(context, &mut buffer))?;
        let count = buffer.filled().len();
        Poll::Ready(match (count, self.left) {
            (0, None) => None,
            // Half an answer is none.
            (0, Some(_)) => Some(Err(io::ErrorKind::UnexpectedEof.into())),
            (count, left) => {
                self.left = left.map(|left| left.saturating_sub(count as u64));
                bytes.truncate(count);
                Some(Ok(Frame::data(bytes.into())))
            }
        })
    }

    fn size_hint(&self) -> SizeHint {
        self.left
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
