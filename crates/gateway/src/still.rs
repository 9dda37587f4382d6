//! Copies of files that stand still.
//!
//! As long as somebody reads files of a container, or writes some, the engine does nothing else with
//! it, and tells nobody of it. So a client that keeps its end open and neither reads nor writes is
//! cut off, and so is one that moves next to nothing. An engine may take its time: while another copy has
//! the container, it waits for that.

use std::{
    future::pending,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use hyper::body::{Body, Buf, Frame, SizeHint};
use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};

/// Bytes that a client moves in its time, or it stands still.
const LEAST: usize = 64 << 10;

/// Whether anything moves on a connection.
pub(crate) struct Motion {
    patience: Duration,
    watched: Notify,
    moved: Notify,
    /// So much, since the client got its time anew.
    bytes: AtomicUsize,
    /// It is the client who has to go on, and not the engine.
    of_client: AtomicBool,
    /// The engine has said all that it had to: nobody waits for the client.
    over: AtomicBool,
}

impl Motion {
    pub(crate) fn new(patience: Duration) -> Self {
        let (watched, moved) = (Notify::new(), Notify::new());
        let (of_client, over) = (AtomicBool::new(true), AtomicBool::new(false));
        Self {
            patience,
            watched,
            moved,
            bytes: AtomicUsize::new(0),
            of_client,
            over,
        }
    }

    /// From now on it has to move.
    pub(crate) fn watch(&self) {
        self.watched.notify_one();
    }

    /// Waits until the client has moved too little in the time that others waited for it, where that
    /// matters.
    pub(crate) async fn stood_still(&self) {
        self.watched.notified().await;
        let mut left = self.patience;
        loop {
            let moved = self.moved.notified();
            if !self.of_client.load(Ordering::Relaxed) {
                moved.await;
            } else {
                let since = Instant::now();
                if timeout(left, moved).await.is_err() {
                    break;
                }
                left = left.saturating_sub(since.elapsed());
            }
            if self.bytes.load(Ordering::Relaxed) >= LEAST {
                self.bytes.store(0, Ordering::Relaxed);
                left = self.patience;
            }
        }
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
        let polled = Pin::new(&mut self.body).poll_frame(context);
        let of_client = polled.is_ready() == self.is_answer;
        let before = self.motion.of_client.swap(of_client, Ordering::Relaxed);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            let count = frame.data_ref().map_or(0, Buf::remaining);
            self.motion.bytes.fetch_add(count, Ordering::Relaxed);
        }
        if let Poll::Ready(frame) = &polled
            && (frame.is_none() || self.body.is_end_stream())
        {
            self.motion.over.fetch_or(self.is_answer, Ordering::Relaxed);
        }
        if polled.is_ready() || of_client != before {
            self.motion.moved.notify_one();
        }
        polled
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
    use std::{convert::Infallible, pin::pin, task::Waker};

    use http_body_util::{BodyExt, Full};
    use hyper::body::Bytes;
    use tokio::time::sleep;

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
            // At its end nobody has to be cut off.
            let motion = Arc::new(Motion::new(SHORT));
            motion.watch();
            let mut answer = Moving::to_client(Full::new(Bytes::from("file")), &motion);
            answer.frame().await.unwrap().unwrap();
            let ended = timeout(10 * SHORT, motion.stood_still()).await;
            assert!(ended.is_err(), "a client that has it all");
        });
    }
    /// A body of which this comes next, and then nothing for now.
    struct Slow(Option<Bytes>);

    impl Body for Slow {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            let next = self.0.take().map(|part| Some(Ok(Frame::data(part))));
            next.map_or(Poll::Pending, Poll::Ready)
        }
    }

    #[test]
    fn who_moves_next_to_nothing_stands_still() {
        block_on(async {
            for (part, is_cut) in [(1, true), (LEAST, false)] {
                let motion = Arc::new(Motion::new(10 * SHORT));
                motion.watch();
                let mut body = pin!(Moving::to_engine(Slow(None), &motion));
                let moves = async {
                    for _ in 0..10 {
                        sleep(2 * SHORT).await;
                        body.body.0 = Some(Bytes::from(vec![0; part]));
                        // It comes, and then the client is waited for.
                        let mut context = Context::from_waker(Waker::noop());
                        for _ in 0..2 {
                            let _ = body.as_mut().poll_frame(&mut context);
                        }
                    }
                };
                let was_cut = tokio::select! {
                    () = motion.stood_still() => true,
                    () = moves => false,
                };
                assert_eq!(was_cut, is_cut, "{part}");
            }
        });
    }

    #[test]
    fn who_waits_for_the_engine_does_not_stand_still() {
        block_on(async {
            for (is_answer, parts) in [(false, 1), (true, 2)] {
                let motion = Arc::new(Motion::new(SHORT));
                motion.watch();
                let body = Moving {
                    is_answer,
                    ..Moving::to_engine(Slow(Some(Bytes::from("file"))), &motion)
                };
                let mut body = pin!(body);
                let mut context = Context::from_waker(Waker::noop());
                // What the engine has yet to take, or has not said yet.
                for _ in 0..parts {
                    let _ = body.as_mut().poll_frame(&mut context);
                }
                let waits = timeout(10 * SHORT, motion.stood_still()).await;
                assert!(waits.is_err(), "{is_answer}: the engine has to go on");
                // What the client has not said yet, or has yet to take.
                body.body.0 = Some(Bytes::from("more")).filter(|_| is_answer);
                let _ = body.as_mut().poll_frame(&mut context);
                motion.watch();
                timeout(LONG, motion.stood_still()).await.unwrap();
            }
        });
    }
}
