//! How much of a kind a user may have under way at a time.

use std::{
    collections::HashMap,
    hash::Hash,
    io,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// One that is taken, until it is dropped.
pub(crate) type Place = OwnedSemaphorePermit;

/// Places for each user, by uid or [`crate::keeper::Who`], who get them in the order in which they
/// asked.
#[derive(Debug)]
pub(crate) struct Places<K = u32> {
    /// Of each user.
    most: usize,
    of: Mutex<HashMap<K, Arc<Semaphore>>>,
}

impl<K: Eq + Hash> Places<K> {
    pub(crate) fn new(most: usize) -> Self {
        let of = Mutex::default();
        Self { most, of }
    }

    /// Waits for a place, which lasts while what is returned lives.
    pub(crate) async fn take(&self, who: K) -> io::Result<Place> {
        self.take_many(who, 1).await
    }

    /// Waits for so many at once, or for all that there are.
    pub(crate) async fn take_many(&self, who: K, count: usize) -> io::Result<Place> {
        let mine = {
            let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
            // Those that nobody has or waits for are as new ones.
            of.retain(|_, places| Arc::strong_count(places) > 1);
            let new = || Arc::new(Semaphore::new(self.most));
            Arc::clone(of.entry(who).or_insert_with(new))
        };
        let count = count.min(self.most).try_into().map_err(io::Error::other)?;
        mine.acquire_many_owned(count)
            .await
            .map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use super::*;

    #[test]
    fn a_third_of_two_waits_for_one_of_them() {
        let places = Places::new(2);
        let at_once = |uid| {
            let mut context = Context::from_waker(Waker::noop());
            match pin!(places.take(uid)).poll(&mut context) {
                Poll::Ready(place) => Some(place.unwrap()),
                Poll::Pending => None,
            }
        };
        let first = at_once(1).unwrap();
        let _second = at_once(1).unwrap();
        let _somebody_elses = at_once(2).unwrap();
        assert!(at_once(1).is_none(), "a third of two");
        drop(first);
        assert!(at_once(1).is_some(), "it is still taken");
        let mut context = Context::from_waker(Waker::noop());
        let too_many = pin!(places.take_many(3, 7)).poll(&mut context);
        assert!(
            matches!(too_many, Poll::Ready(Ok(_))),
            "they are never there"
        );
    }
}
