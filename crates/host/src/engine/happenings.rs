//! Hearing that something happens, as the engine tells of it.

use std::{
    io::{self, Read},
    os::{fd::AsFd, unix::net::UnixStream},
    time::{Duration, Instant},
};

use ds01_core::time::Timestamp;
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};
use serde_json::json;

use super::{Call, Engine, EngineError, list::with_filters};
use crate::clock;

const WHAT: Call = Call::Read("tell what happens");

/// What of containers is worth a look: whatever makes one, ends it, or names it.
const OF_CONTAINERS: [&str; 5] = ["create", "start", "die", "destroy", "rename"];

/// The same for images, volumes and networks.
const OF_THE_REST: [&str; 8] = [
    "tag", "untag", "delete", "import", "load", "pull", "create", "destroy",
];

/// Events of so long before are told as well: what happens while one begins to listen.
const BEFORE: Duration = Duration::from_secs(2);

/// With nothing new in it, a burst of events is over.
const PAUSE: Duration = Duration::from_millis(100);

/// A burst that does not end is worth a look all the same.
const BURST: Duration = Duration::from_secs(1);

/// A connection on which the engine tells of each event. What they say is not read: who looks at
/// the containers themselves misses nothing.
pub struct Happenings(UnixStream);

/// What was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happened {
    /// Something happened.
    Something,
    /// Nothing, in all that time.
    Nothing,
    /// The engine has gone.
    End,
}

impl Engine {
    /// Begins to listen to what happens to containers.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`].
    pub fn happenings(&self) -> Result<Happenings, EngineError> {
        self.told(&json!({ "type": ["container"], "event": OF_CONTAINERS }))
    }

    /// Begins to listen to what happens to images, volumes and networks.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`].
    pub(crate) fn happenings_to_the_rest(&self) -> Result<Happenings, EngineError> {
        self.told(&json!({ "type": ["image", "volume", "network"], "event": OF_THE_REST }))
    }

    /// Begins to listen to containers ending, and containers and volumes going.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`].
    pub fn goings(&self) -> Result<Happenings, EngineError> {
        self.told(&json!({ "type": ["container", "volume"], "event": ["die", "destroy"] }))
    }

    fn told(&self, filters: &serde_json::Value) -> Result<Happenings, EngineError> {
        let Timestamp(since) = clock::now() - BEFORE;
        let path = with_filters(&format!("/events?since={since}&"), filters);
        let begun = self.begin(WHAT, "GET", &path, "")?.begun();
        match begun.map_err(|error| self.failed(WHAT, error))? {
            Ok(stream) => Ok(Happenings(stream)),
            Err(said) => Err(EngineError::refused(WHAT, &said)),
        }
    }
}

impl Happenings {
    /// Waits until something has happened and the burst of it is over, `limit` at most.
    pub fn next(&mut self, limit: Duration) -> Happened {
        match self.heard(limit) {
            Happened::Something => {}
            other => return other,
        }
        let end = Instant::now() + BURST;
        while Instant::now() < end {
            match self.heard(PAUSE) {
                Happened::Something => {}
                Happened::Nothing => break,
                // The next call tells.
                Happened::End => break,
            }
        }
        Happened::Something
    }

    fn heard(&mut self, limit: Duration) -> Happened {
        let until = Instant::now() + limit;
        let mut events = [0; 16 * 1024];
        loop {
            let left = until.saturating_duration_since(Instant::now());
            // Rounded up: less than a millisecond would be none.
            let wait = PollTimeout::try_from(left + Duration::from_millis(1));
            let stream = PollFd::new(self.0.as_fd(), PollFlags::POLLIN);
            match poll(&mut [stream], wait.unwrap_or(PollTimeout::MAX)) {
                Ok(0) if left.is_zero() => return Happened::Nothing,
                Ok(0) | Err(Errno::EINTR) => continue,
                Ok(_) => {}
                Err(_) => return Happened::End,
            }
            match self.0.read(&mut events) {
                Ok(0) => return Happened::End,
                Ok(_) => return Happened::Something,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Happened::End,
            }
        }
    }
}
