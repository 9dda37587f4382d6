//! A connection to the engine on which the keeper has written the head of a request.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use hyper::rt::{Read, ReadBufCursor, Write};

/// What separates the head from the body.
const END: [u8; 4] = *b"\r\n\r\n";

/// Lets the HTTP client go on after a head that it did not write: the one that it writes itself
/// is dropped, and nothing is read before.
pub(crate) struct Written<T> {
    inner: T,
    /// How much of [`END`] has been seen.
    seen: usize,
    reader: Option<Waker>,
    /// It is the keeper that ends it.
    is_kept: bool,
}

impl<T> Written<T> {
    pub(crate) fn new(inner: T, is_kept: bool) -> Self {
        Self {
            inner,
            seen: 0,
            reader: None,
            is_kept,
        }
    }

    /// How many of these bytes are still of the head.
    fn of_head(&mut self, bytes: &[u8]) -> usize {
        for (at, byte) in bytes.iter().enumerate() {
            if self.seen == END.len() {
                return at;
            }
            self.seen = match *byte == END[self.seen] {
                true => self.seen + 1,
                false => usize::from(*byte == END[0]),
            };
        }
        bytes.len()
    }
}

impl<T: Read + Unpin> Read for Written<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.seen < END.len() {
            self.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<T: Write + Unpin> Write for Written<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.seen < END.len() {
            let dropped = self.of_head(bytes);
            if self.seen == END.len()
                && let Some(reader) = self.reader.take()
            {
                reader.wake();
            }
            return Poll::Ready(Ok(dropped));
        }
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.is_kept {
            true => self.poll_flush(context),
            false => Pin::new(&mut self.inner).poll_shutdown(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_after_the_head_is_the_body() {
        let mut written = Written::new((), false);
        assert_eq!(written.of_head(b"POST / HTTP/1.1\r\nA: b\r\n\r"), 24);
        assert_eq!(written.of_head(b"\nbody"), 1);
        assert_eq!(written.of_head(b"more"), 0);
        let mut odd = Written::new((), false);
        assert_eq!(odd.of_head(b"a\r\n\r\r\n\r\nb"), 8);
    }
}
