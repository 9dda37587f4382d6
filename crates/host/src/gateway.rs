//! The gateway, as a command without direct access uses it.

use std::{
    io,
    os::fd::BorrowedFd,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use ds01_core::{
    failure::{Failure, Kind},
    ledger::PENDING,
};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Answered, Operation,
    config::Config,
    engine::Engine,
    http::{self, Said, SentRequest},
    line_watch::{Await, Awaited},
    patience::{Patience, Slow, USUAL_OPERATION},
};

/// How long a gateway is asked again that ended before it heard what was asked, as when it is
/// restarted: longer than that takes, and not so long that nobody knows what a command waits for.
const RESTART: Duration = Duration::from_secs(2);

/// How often.
const AGAIN: Duration = Duration::from_millis(100);

/// The gateway of this host.
pub(crate) struct Gateway {
    socket: PathBuf,
    engine: Engine,
    patience: Patience,
}

/// What the body of a refusal holds for us.
#[derive(serde::Deserialize)]
struct Refusal {
    ds01: Failure,
}

impl Gateway {
    /// That of `config`. Nothing is asked yet.
    pub(crate) fn new(config: &Config) -> Self {
        let socket = config.paths.run.join("docker.sock");
        let engine = Engine::new(&socket, config.engine.timeout());
        Self {
            socket,
            engine,
            patience: Patience::default(),
        }
    }

    /// Whether this host has one, be it running or not.
    pub(crate) fn is_there(&self) -> bool {
        self.socket.exists()
    }

    /// It answers Docker's own calls as well.
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Has `told` know, once, if an answer is long in coming.
    pub(crate) fn is_told_if_slow(&self, told: fn(&str)) {
        self.patience.is_told(told);
        self.engine.patience.is_told(told);
    }

    /// Has an operation done by the gateway.
    ///
    /// # Errors
    ///
    /// The operation's own; or if the gateway does not answer.
    pub(crate) fn ask<O: Operation>(&self, operation: &O) -> Result<Answered<O::Answer>, Failure> {
        // Nothing that the ledger waits for takes longer.
        let limit = PENDING + operation.takes();
        let mut ended = None;
        loop {
            let said = self.begin(O::NAME, operation, limit)?;
            let slow = Slow {
                patience: &self.patience,
                who: "DS01's gateway",
                what: "answer",
                at: Instant::now() + operation.takes() + USUAL_OPERATION,
            };
            match said.and_then(|asked| asked.with(slow).finish()) {
                Err(error)
                    if is_unheard(&error, ended.is_some())
                        && ended.get_or_insert_with(Instant::now).elapsed() < RESTART =>
                {
                    thread::sleep(AGAIN);
                }
                said => return answer(said, limit),
            }
        }
    }

    /// Waits at the gateway; `None` as soon as `stop` can be read.
    ///
    /// # Errors
    ///
    /// If the gateway does not answer, or cannot read the ledger.
    pub(crate) fn wait(
        &self,
        asked: &Await,
        stop: BorrowedFd<'_>,
    ) -> Result<Option<Awaited>, Failure> {
        let limit = PENDING;
        let asked = self.begin(Await::NAME, asked, limit)?;
        let asked = asked.map_err(|error| silent(&error, limit))?;
        match asked.comes(stop).map_err(|error| silent(&error, limit))? {
            true => answer(asked.finish(), limit).map(Some),
            false => Ok(None),
        }
    }

    fn begin(
        &self,
        name: &str,
        request: &impl Serialize,
        limit: Duration,
    ) -> Result<io::Result<SentRequest<'static>>, Failure> {
        let request = serde_json::to_string(request).map_err(|error| failed(error.to_string()))?;
        let path = format!("/ds01/v1/{name}");
        Ok(http::begin(&self.socket, "POST", &path, &request, limit))
    }
}

/// Whether a request did not come whole to a gateway that may be back in a moment, so that nothing
/// was done about it: the other end was closed before all of it was read, which the kernel tells
/// apart from one that was closed after (unix(7)). What is read by a gateway that dies then is never
/// asked again. That nobody listens is a part of a restart only where one has `ended` just before:
/// systemd keeps the socket meanwhile, and for a gateway that is not there nobody waits.
fn is_unheard(error: &io::Error, ended: bool) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionRefused, ConnectionReset, NotFound};
    match error.kind() {
        ConnectionReset | BrokenPipe => true,
        ConnectionRefused | NotFound => ended,
        _ => false,
    }
}

fn failed(error: String) -> Failure {
    let mut failure = Failure::new(Kind::Unreachable, "DS01's gateway does not answer");
    failure.causes = vec![error];
    failure.with_hint("tell an admin: systemctl status ds01-gateway")
}

fn silent(error: &io::Error, limit: Duration) -> Failure {
    match error.kind() {
        io::ErrorKind::TimedOut => failed(format!("no answer within {} s", limit.as_secs())),
        _ => failed(error.to_string()),
    }
}

/// What the gateway said.
fn answer<T: DeserializeOwned>(said: io::Result<Said>, limit: Duration) -> Result<T, Failure> {
    let said = said.map_err(|error| silent(&error, limit))?;
    match said.status {
        200 => serde_json::from_slice(&said.body).map_err(|error| failed(error.to_string())),
        status => {
            let refusal = serde_json::from_slice::<Refusal>(&said.body);
            Err(refusal.map_or_else(|_| failed(format!("HTTP {status}")), |r| r.ds01))
        }
    }
}

#[cfg(test)]
mod tests;
