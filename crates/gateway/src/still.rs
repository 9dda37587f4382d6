//! Copies of files that stand still.
//!
//! As long as somebody reads files of a container, or writes some, the engine does nothing else with
//! it, and tells nobody of it. So a client that keeps its end open and neither reads nor writes is
//! cut off.

use std::{
    future::pending,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use hyper::body::{Body, Frame, SizeHint};
use tokio::{sync::Notify, time::timeout};

/// Whether anything moves on a connection.
pub(crate) struct Motion {
    patience: Duration,
    watched: Notify,
    moved: Notify,
    /// The engine has said all that it had to: nobody waits for the client.
    over: AtomicBool,
}

impl Motion {
    pub(crate) fn new(patience: Duration) -> Self {
        let (watched, moved) = (Notify::new(), Notify::new());
        let over = AtomicBool::new(false);
        Self {
            patience,
            watched,
            moved,
            over,
        }
    }

    /// From now on it has to move.
    pub(crate) fn watch(&self) {
        self.watched.notify_one();
    }

    /// Waits until nothing has moved for too long, where that matters.
    pub(crate) async fn stood_still(&self) {
        self.watched.notified().await;
        while timeout(self.patience, self.moved.notified()).await.is_ok() {}
        if self.over.load(Ordering::Relaxed) {
            pending::<()>().await;
        }
    }
}

/// A body that tells of each part of it that moves.
pub(crate) struct Moving<B> {
    body: B,
    motion: Arc<Motion>,
    /// It is the engine's.
    is_answer: bool,
}

impl<B> Moving<B> {
    pub(crate) fn to_engine(body: B, motion: &Arc<Motion>) -> Self {
        let motion = Arc::clone(motion);
        Self {
            body,
            motion,
            is_answer: false,
        }
    }

    pub(crate) fn to_client(body: B, motion: &Arc<Motion>) -> Self {
        Self {
            is_answer: true,
            ..Self::to_engine(body, motion)
        }
    }
}

impl<B: Body + Unpin> Body for Moving<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if frame.is_none() || self.body.is_end_stream() {
            self.motion.over.fetch_or(self.is_answer, Ordering::Relaxed);
        }
        self.motion.moved.notify_one();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, Full};
    use hyper::body::Bytes;

    use super::*;

    const SHORT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(60);

    fn block_on(work: impl Future<Output = ()>) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().build().unwrap().block_on(work);
    }

    #[test]
    fn a_copy_that_stands_still_is_told_of_and_nothing_else() {
        block_on(async {
            let motion = Arc::new(Motion::new(SHORT));
            let unwatched = timeout(10 * SHORT, motion.stood_still()).await;
            assert!(unwatched.is_err(), "nobody waits for what it does");
            motion.watch();
            timeout(LONG, motion.stood_still()).await.unwrap();
            // Each part begins the time anew; at its end nobody has to be cut off.
            let motion = Arc::new(Motion::new(SHORT));
            motion.watch();
            let body = || Full::new(Bytes::from("file"));
            let sent = Moving::to_engine(body(), &motion).collect().await.unwrap();
            assert_eq!(sent.to_bytes(), "file");
            timeout(LONG, motion.stood_still()).await.unwrap();
            motion.watch();
            let mut answer = Moving::to_client(body(), &motion);
            answer.frame().await.unwrap().unwrap();
            let ended = timeout(10 * SHORT, motion.stood_still()).await;
            assert!(ended.is_err(), "a client that has it all");
        });
    }
}
