//! The Docker Engine, through bollard: every call has a time limit, none asks for the version.
//!
//! Calls carry no API version, which the engine takes for its own newest: release 20.10 and
//! those that refuse old versions both answer, without the round trip that negotiation costs.

mod about;
mod account;
mod build;
mod claim;
mod create;
mod end;
mod error;
mod exec;
mod fetch;
mod happenings;
mod images;
mod inspect;
mod list;
mod long;
mod names;
mod read;
mod unfinished;
mod usage;
mod volumes;

use std::{
    cell::OnceCell,
    future::Future,
    io,
    mem::ManuallyDrop,
    path::{Path, PathBuf},
    pin::pin,
    time::{Duration, Instant},
};

use bollard::{
    API_DEFAULT_VERSION, Docker,
    errors::Error as Bollard,
    query_parameters::{
        KillContainerOptions, RemoveContainerOptions, RenameContainerOptions, StopContainerOptions,
    },
};
use ds01_core::{container::ContainerId, name::EngineName};
use serde::Deserialize;
use tokio::{runtime::Runtime, time::timeout};

use crate::{
    http::{self, Said, SentRequest},
    patience::{Patience, Slow, USUAL},
};
pub use about::{About, Part};
pub(crate) use build::{Heard, Order};
pub use end::{Ended, Ending, HookEnd};
pub use error::{Call, EngineError};
pub use exec::{Exec, Terminal};
pub use happenings::{Happened, Happenings};
pub use images::ImageSummary;
pub use inspect::Inspected;
pub(crate) use inspect::{DS01_RUNC, is_nvidias, is_plain};
pub use list::Query;
pub(crate) use long::Unmade;
pub use read::{Abilities, Image};

/// What bollard's own limit is set to: it would end a long stop, and a long build.
const UNLIMITED: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Who answers, as users know it.
const WHO: &str = "the Docker Engine";

/// The engine at a socket. Making one asks it nothing.
pub struct Engine {
    socket: PathBuf,
    /// What it has to answer any call but a stop.
    limit: Duration,
    /// Never dropped: a process ends with its engine, and commands that only list do without the
    /// code for it.
    client: OnceCell<ManuallyDrop<Client>>,
    /// Who is told that an answer is long in coming.
    pub(crate) patience: Patience,
}

/// bollard, and the event loop that it needs.
struct Client {
    docker: Docker,
    runtime: Runtime,
}

impl Engine {
    /// Prepares to talk to the engine at `socket`, which has `limit` to answer any call but a stop.
    pub fn new(socket: &Path, limit: Duration) -> Self {
        Self {
            socket: socket.into(),
            limit,
            client: OnceCell::new(),
            patience: Patience::default(),
        }
    }

    /// bollard's client, made at first use.
    fn client(&self) -> Result<&Client, EngineError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|source| EngineError::Unasked { source })?;
        let docker = Docker::connect_with_unix(
            &self.socket.to_string_lossy(),
            // Each call has one of ours, which covers the body as well.
            UNLIMITED.as_secs(),
            API_DEFAULT_VERSION,
        )
        .map_err(|error| {
            EngineError::from_bollard(Call::Read("answer"), error, self.socket.clone())
        })?;
        let client = ManuallyDrop::new(Client { docker, runtime });
        Ok(self.client.get_or_init(|| client))
    }

    /// Waits for a call, or several, within the usual limit.
    fn wait<'a, T, C>(
        &'a self,
        what: Call,
        call: impl FnOnce(&'a Docker) -> C,
    ) -> Result<T, EngineError>
    where
        C: Future<Output = Result<T, Bollard>>,
    {
        self.wait_for(what, self.limit, call)
    }

    fn wait_for<'a, T, C>(
        &'a self,
        what: Call,
        limit: Duration,
        call: impl FnOnce(&'a Docker) -> C,
    ) -> Result<T, EngineError>
    where
        C: Future<Output = Result<T, Bollard>>,
    {
        let Client { docker, runtime } = self.client()?;
        let usual = limit.saturating_sub(self.limit) + USUAL;
        let answered = runtime.block_on(async {
            let mut call = pin!(timeout(limit, call(docker)));
            if let Ok(answered) = timeout(usual, call.as_mut()).await {
                return answered;
            }
            self.patience.ends(WHO, what.words(), limit);
            call.await
        });
        match answered {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(EngineError::from_bollard(what, error, self.socket.clone())),
            Err(_) => Err(EngineError::TimedOut { what, limit }),
        }
    }

    /// Asks, without the event loop; the answer is to be read.
    fn begin(
        &self,
        what: Call,
        method: &str,
        path: &str,
        json: &str,
    ) -> Result<SentRequest<'_>, EngineError> {
        let slow = Slow {
            patience: &self.patience,
            who: WHO,
            what: what.words(),
            at: Instant::now() + USUAL,
        };
        let begun = http::begin(&self.socket, method, path, json, self.limit);
        let begun = begun.map(|asked| asked.with(slow));
        begun.map_err(|error| self.failed(what, error))
    }

    /// The whole answer.
    fn finish(&self, what: Call, asked: SentRequest<'_>) -> Result<Said, EngineError> {
        asked.finish().map_err(|error| self.failed(what, error))
    }

    /// Asks, and reads the whole answer.
    fn ask(&self, what: Call, method: &str, path: &str, json: &str) -> Result<Said, EngineError> {
        self.finish(what, self.begin(what, method, path, json)?)
    }

    /// Reads an answer that should have `status`.
    fn read<'s, T: Deserialize<'s>>(
        &self,
        what: Call,
        said: &'s Said,
        status: u16,
    ) -> Result<T, EngineError> {
        if said.status != status {
            return Err(EngineError::refused(what, said));
        }
        let read = serde_json::from_slice(&said.body);
        read.map_err(|error| self.failed(what, error.into()))
    }

    /// Why there is no answer, or none that can be read.
    fn failed(&self, what: Call, error: io::Error) -> EngineError {
        EngineError::from_io(what, error, self.socket.clone(), self.limit)
    }

    /// Starts a container; one that runs already is left alone.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`].
    pub fn start(&self, id: &ContainerId) -> Result<(), EngineError> {
        self.wait(Call::Change("start it"), |docker| {
            docker.start_container(&id.0, None)
        })
    }

    /// Ends a container's processes: SIGTERM, and SIGKILL after `grace`.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`].
    pub fn stop(&self, id: &ContainerId, grace: Duration) -> Result<(), EngineError> {
        let seconds = i32::try_from(grace.as_secs()).unwrap_or(i32::MAX);
        let options = StopContainerOptions {
            t: Some(seconds),
            ..StopContainerOptions::default()
        };
        self.wait_for(Call::Change("stop it"), self.limit + grace, |docker| {
            docker.stop_container(&id.0, Some(options))
        })
    }

    /// Ends a container's processes at once, with SIGKILL.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`].
    pub fn kill(&self, id: &ContainerId) -> Result<(), EngineError> {
        let options = KillContainerOptions {
            signal: "KILL".into(),
        };
        self.wait(Call::Change("kill it"), |docker| {
            docker.kill_container(&id.0, Some(options))
        })
    }

    /// Removes a container that does not run, and its anonymous volumes if `volumes`. As the engine deletes
    /// files by their paths, only one that never ran goes so, or one whose files have been taken away: see
    /// [`crate::removal`].
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`].
    pub fn remove(&self, id: &ContainerId, volumes: bool) -> Result<(), EngineError> {
        let options = RemoveContainerOptions {
            v: volumes,
            force: false,
            link: false,
        };
        self.wait(Call::Change("remove it"), |docker| {
            docker.remove_container(&id.0, Some(options))
        })
    }

    /// Gives a container another name.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`]; status 409 if the name is taken.
    pub fn rename(&self, id: &ContainerId, to: &EngineName) -> Result<(), EngineError> {
        let options = RenameContainerOptions {
            name: to.to_string(),
        };
        self.wait(Call::Change("rename it"), |docker| {
            docker.rename_container(&id.0, options)
        })
    }

    /// Freezes a container's processes.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`].
    pub fn pause(&self, id: &ContainerId) -> Result<(), EngineError> {
        self.wait(Call::Change("pause it"), |docker| {
            docker.pause_container(&id.0)
        })
    }

    /// Lets a container's processes go on.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`].
    pub fn unpause(&self, id: &ContainerId) -> Result<(), EngineError> {
        self.wait(Call::Change("resume it"), |docker| {
            docker.unpause_container(&id.0)
        })
    }
}
