//! The waiting line, for those who wait on a connection: the ledger is watched and read once for
//! all of them, and none has a process.

use std::{
    ops::ControlFlow,
    os::fd::AsFd,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use ds01_core::{
    failure::{Failure, Kind},
    queue::Survey,
    time::Timestamp,
};
use ds01_host::{
    clock,
    ledger_file::LedgerFile,
    line_watch::{Await, Awaited, LedgerWatch, Vigil, survey},
};
use tokio::{
    io::Interest,
    sync::watch,
    time::{sleep, timeout},
};

use crate::socket::watched;

/// While the ledger cannot be watched, it is taken for changed this often.
const UNTOLD: Duration = Duration::from_millis(400);

/// The survey of the line after so many changes of the ledger, and in which second.
type LastSurvey = (u64, Timestamp, Option<Arc<Survey>>);

/// The line of one host.
#[derive(Debug)]
pub(crate) struct Line {
    state: PathBuf,
    ledger: Arc<LedgerFile>,
    changes: watch::Sender<u64>,
    seen: Mutex<Option<LastSurvey>>,
}

impl Line {
    /// That of the state directory `state`.
    pub(crate) fn new(state: &Path) -> Self {
        Self {
            state: state.into(),
            ledger: Arc::new(LedgerFile::new(state)),
            changes: watch::Sender::default(),
            seen: Mutex::default(),
        }
    }

    /// Tells those who wait of each change, for ever.
    pub(crate) async fn watch(&self) {
        loop {
            if let Ok(watch) = LedgerWatch::new(&self.state)
                && let Ok(told) = watched(watch.as_fd(), Interest::READABLE)
            {
                while let Ok(mut ready) = told.readable().await {
                    ready.clear_ready();
                    if watch.clear().is_err() {
                        break;
                    }
                    self.changes.send_modify(|count| *count += 1);
                }
            }
            sleep(UNTOLD).await;
            self.changes.send_modify(|count| *count += 1);
        }
    }

    /// Waits until there is something to tell, or it is time to ask again.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read.
    pub(crate) async fn wait(&self, uid: u32, asked: Await) -> Result<Awaited, Failure> {
        let mut vigil = Vigil::new(uid, asked);
        let mut changes = self.changes.subscribe();
        loop {
            let count = *changes.borrow_and_update();
            let left = match vigil.look(self.survey(count).await?) {
                ControlFlow::Break(awaited) => return Ok(awaited),
                ControlFlow::Continue(left) => left,
            };
            // Never none: a time that is all but over would be asked for again and again.
            let left = left.max(Duration::from_millis(1));
            let _ = timeout(left, changes.changed()).await;
        }
    }

    /// What the ledger says, read once for all who ask after so many changes in the same second.
    async fn survey(&self, count: u64) -> Result<Option<Arc<Survey>>, Failure> {
        let now = clock::now();
        let seen = || self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, then, survey)) = &*seen()
            && (*at, *then) == (count, now)
        {
            return Ok(survey.clone());
        }
        let ledger = Arc::clone(&self.ledger);
        let read = tokio::task::spawn_blocking(move || survey(&ledger)).await;
        let read = read.map_err(|error| Failure::new(Kind::Failed, error.to_string()))??;
        *seen() = Some((count, now, read.clone()));
        Ok(read)
    }
}
