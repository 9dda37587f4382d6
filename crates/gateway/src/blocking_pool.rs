//! Threads for blocking work, so that a hanging name service or file system of the host does not stop
//! the event loop that serves everybody.

use std::{sync::Arc, time::Duration};

use ds01_core::failure::{Failure, Kind};
use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};

use crate::places::Places;

/// Jobs at a time: one that hangs keeps its thread, and tokio has some hundred.
const AT_A_TIME: usize = 64;

/// Jobs of one user at a time.
const OF_A_USER: usize = 8;

/// The time limit of a job without which the request cannot go on.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// Runs a limited number of blocking jobs, in all and for each user.
#[derive(Debug, Clone)]
pub(crate) struct BlockingPool {
    of: Arc<Places>,
    of_all: Arc<Semaphore>,
}

impl Default for BlockingPool {
    fn default() -> Self {
        Self {
            of: Arc::new(Places::new(OF_A_USER)),
            of_all: Arc::new(Semaphore::new(AT_A_TIME)),
        }
    }
}

impl BlockingPool {
    /// Runs `work` for a user, and gives up waiting for it after `patience`.
    ///
    /// # Errors
    ///
    /// If it takes longer, the wait for a thread included.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        uid: u32,
        patience: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let failed = |error: String| Failure::new(Kind::Failed, error);
        let done = async {
            // One's own first: who waits for those keeps nobody else waiting.
            let mine = self.of.take(uid).await;
            let mine = mine.map_err(|error| failed(error.to_string()))?;
            let turn = Arc::clone(&self.of_all).acquire_owned().await;
            let turn = turn.map_err(|error| failed(error.to_string()))?;
            let done = spawn_blocking(move || {
                let done = work();
                drop((turn, mine));
                done
            });
            done.await.map_err(|error| failed(error.to_string()))
        };
        timeout(patience, done).await.unwrap_or_else(|_| {
            let seconds = patience.as_secs();
            let message =
                format!("the name service or a file system did not answer within {seconds} s");
            let hint =
                "try again; if that is no better, tell an admin: id <login> on the host shows it";
            Err(Failure::new(Kind::Unreachable, message).with_hint(hint))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc::channel,
    };

    use super::*;

    #[test]
    fn what_hangs_is_given_up_and_keeps_no_more_threads_than_it_may() {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().build().unwrap().block_on(async {
            let (go_on, wait) = channel::<()>();
            let (wait, begun) = (Arc::new(Mutex::new(wait)), Arc::new(AtomicUsize::new(0)));
            let (pool, moment) = (BlockingPool::default(), Duration::from_millis(20));
            let hang = async |uid: u32| {
                let (wait, begun) = (Arc::clone(&wait), Arc::clone(&begun));
                let hung = pool.run(uid, moment, move || {
                    begun.fetch_add(1, Ordering::SeqCst);
                    wait.lock().unwrap().recv().is_ok()
                });
                let message = hung.await.unwrap_err().message;
                let given_up = "the name service or a file system did not answer within 0 s";
                assert_eq!(message, given_up);
            };
            let long = Duration::from_secs(60);
            // The one too many has no turn, however long the others took to begin.
            let fill = async |uid: Option<u32>, most: usize| {
                let mut asked = 0;
                while begun.load(Ordering::SeqCst) < most || asked <= most {
                    hang(uid.unwrap_or(asked as u32)).await;
                    asked += 1;
                }
                assert_eq!(begun.load(Ordering::SeqCst), most);
            };
            fill(Some(1), OF_A_USER).await;
            // Whose work hangs keeps nobody else waiting.
            assert_eq!(pool.run(2, long, || 7).await.unwrap(), 7);
            fill(None, AT_A_TIME).await;
            drop(go_on);
            assert_eq!(pool.run(1, long, || 7).await.unwrap(), 7);
        });
    }
}
