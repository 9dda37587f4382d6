//! How somebody waits in line without asking again and again: the ledger's file tells when.
//!
//! Whoever changes the ledger puts a new file in the old one's place, which the kernel tells at
//! once. What nobody changes, such as the end of a hold, the ledger tells the time of. Only who is
//! first looks now and then ([`LOOK`]) at what the ledger cannot know.

use std::{
    ops::ControlFlow,
    os::fd::{AsFd, BorrowedFd},
    path::Path,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use ds01_core::{
    failure::{Failure, Kind},
    ledger::Ledger,
    line::LOOK,
    queue::{Standing, Survey},
    time::Timestamp,
};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::inotify::{AddWatchFlags, InitFlags, Inotify},
};
use serde::{Deserialize, Serialize};

use crate::{
    clock,
    ledger_file::{LedgerFile, StateError, Stored},
    look::dead_processes,
};

/// What is answered at the latest after this, though nothing is new: whoever waits knows so that
/// it is still being waited for them.
const LONGEST: Duration = Duration::from_secs(20);

/// Who has just asked and should ask again, as far as the ledger knows, does so after this time: it
/// may be wrong about devices for as long as the engine is making a container.
const PAUSE: Duration = Duration::from_millis(250);

/// How often the file is read where the kernel does not tell: a user may have as many watches as
/// are allowed.
const UNTOLD: Duration = Duration::from_millis(400);

/// Asks to be told of one's place in the line, or that it is time to ask for the devices again.
/// Not an operation: what waits has no process of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Await {
    /// The ticket that was given.
    pub ticket: u64,
    /// What is known already.
    pub known: Option<Standing>,
    /// When to answer at the latest, though nothing is new.
    pub within: Duration,
}

/// What somebody who waits is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Awaited {
    /// To ask again: the devices may be theirs, or they are not in the line any more.
    Ask,
    /// Where they stand; again, if nothing is new for a while.
    Stands(Standing),
}

impl Await {
    /// The name of it at the gateway.
    pub const NAME: &'static str = "await";
}

/// One wait for an answer.
#[derive(Debug)]
pub struct Vigil {
    uid: u32,
    asked: Await,
    begun: Instant,
    /// What the ledger said of the line when it was looked at last.
    last: Option<Arc<Survey>>,
    /// Since when it says that.
    since: Instant,
}

impl Vigil {
    /// From now on.
    pub fn new(uid: u32, asked: Await) -> Self {
        let begun = Instant::now();
        Self {
            uid,
            asked,
            begun,
            last: None,
            since: begun,
        }
    }

    /// The answer by what the ledger says now; or how long to wait at most before it is looked at
    /// again, if it does not change before. Without a ledger that is whole one has to ask.
    pub fn look(&mut self, survey: Option<Arc<Survey>>) -> ControlFlow<Awaited, Duration> {
        let same = match (&self.last, &survey) {
            (Some(last), Some(survey)) => survey.is_like(last),
            (last, survey) => last.is_none() || survey.is_none(),
        };
        if !same {
            self.since = Instant::now();
        }
        self.last = survey;
        let survey = self.last.as_deref();
        let outlook = survey.and_then(|survey| survey.outlook(self.uid, self.asked.ticket));
        let quiet = self.since.elapsed() >= LOOK;
        let Some(outlook) = outlook.filter(|outlook| !outlook.asks(quiet)) else {
            return match PAUSE.checked_sub(self.begun.elapsed()) {
                Some(left) if self.since == self.begun => ControlFlow::Continue(left),
                _ => ControlFlow::Break(Awaited::Ask),
            };
        };
        let left = LONGEST.min(self.asked.within);
        let left = left.saturating_sub(self.begun.elapsed());
        let known = self.asked.known.as_ref();
        let is_known = known.is_some_and(|known| outlook.standing.is_like(known));
        if !is_known || left.is_zero() {
            return ControlFlow::Break(Awaited::Stands(outlook.standing));
        }
        let until_quiet = LOOK.checked_sub(self.since.elapsed());
        let next = survey.and_then(|survey| survey.next).map(until);
        let first = [until_quiet, next].into_iter().flatten().min();
        ControlFlow::Continue(first.map_or(left, |first| left.min(first)))
    }
}

/// The time until `at`, which is a whole second.
fn until(at: Timestamp) -> Duration {
    let at = UNIX_EPOCH + Duration::from_secs(at.0);
    at.duration_since(SystemTime::now()).unwrap_or_default()
}

/// What the ledger says of the line now; `None` if it is not whole.
///
/// # Errors
///
/// If it is there and cannot be read.
pub fn survey(ledger: &LedgerFile) -> Result<Option<Arc<Survey>>, StateError> {
    let survey = |ledger: &Ledger| ledger.survey(&dead_processes(ledger), clock::now());
    Ok(match ledger.read()? {
        Stored::Whole(ledger) => Some(Arc::new(survey(&ledger))),
        Stored::Damaged(_) => None,
    })
}

/// Watches a state directory for a new ledger.
#[derive(Debug)]
pub struct LedgerWatch(Inotify);

impl LedgerWatch {
    /// That of `state`, from now on.
    ///
    /// # Errors
    ///
    /// If the user has as many watches as may be.
    pub fn new(state: &Path) -> nix::Result<Self> {
        let watch = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        watch.add_watch(state, AddWatchFlags::IN_MOVED_TO)?;
        Ok(Self(watch))
    }

    /// Forgets what the kernel has told until now: it can be read again when it tells something
    /// new.
    ///
    /// # Errors
    ///
    /// If the kernel does not tell any more.
    pub fn clear(&self) -> nix::Result<()> {
        loop {
            match self.0.read_events() {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}

impl AsFd for LedgerWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Waits in this process; `None` as soon as `stop` can be read.
///
/// # Errors
///
/// If the ledger cannot be read.
pub(crate) fn wait(
    ledger: &LedgerFile,
    vigil: &mut Vigil,
    stop: BorrowedFd<'_>,
) -> Result<Option<Awaited>, Failure> {
    let watch = LedgerWatch::new(ledger.dir()).ok();
    loop {
        let left = match vigil.look(survey(ledger)?) {
            ControlFlow::Break(awaited) => return Ok(Some(awaited)),
            ControlFlow::Continue(left) => left,
        };
        let stops = PollFd::new(stop, PollFlags::POLLIN);
        let mut both = vec![stops];
        both.extend(
            watch
                .as_ref()
                .map(|watch| PollFd::new(watch.as_fd(), PollFlags::POLLIN)),
        );
        let left = if watch.is_none() {
            left.min(UNTOLD)
        } else {
            left
        };
        // Never none: a time that is all but over would be asked for again and again.
        let left = left.max(Duration::from_millis(1));
        match poll(
            &mut both,
            PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX),
        ) {
            Ok(_) if both[0].any() == Some(true) => return Ok(None),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(unwatched(error)),
        }
        watch
            .as_ref()
            .map_or(Ok(()), LedgerWatch::clear)
            .map_err(unwatched)?;
    }
}

fn unwatched(error: Errno) -> Failure {
    Failure::new(
        Kind::Failed,
        format!("the ledger cannot be watched: {error}"),
    )
}
