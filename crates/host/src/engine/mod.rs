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

use std::{
    cell::OnceCell,
    future::Future,
    io,
    mem::ManuallyDrop,
    path::{Path, PathBuf},
    time::Duration,
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

use crate::http::Said;
pub use about::{About, Part};
pub(crate) use build::{Heard, Order};
pub use end::{Ended, Ending, HookEnd};
pub use error::EngineError;
pub use exec::{Exec, Terminal};
pub use happenings::{Happened, Happenings};
pub use images::ImageSummary;
pub use inspect::Inspected;
pub(crate) use inspect::{is_nvidias, is_plain};
pub use list::Query;
pub(crate) use long::Unmade;
pub use read::{Abilities, Image};

/// The engine at a socket. Making one asks it nothing.
pub struct Engine {
    socket: PathBuf,
    /// What it has to answer any call but a stop.
    limit: Duration,
    /// Never dropped: a process ends with its engine, and commands that only list do without the
    /// code for it.
    client: OnceCell<ManuallyDrop<Client>>,
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
            // Ours is shorter, and covers the body as well.
            2 * self.limit.as_secs(),
            API_DEFAULT_VERSION,
        )
        .map_err(|error| EngineError::from_bollard("answer", error, self.socket.clone()))?;
        let client = ManuallyDrop::new(Client { docker, runtime });
        Ok(self.client.get_or_init(|| client))
    }

    /// Waits for a call, or several, within the usual limit.
    fn wait<'a, T, C>(
        &'a self,
        what: &'static str,
        call: impl FnOnce(&'a Docker) -> C,
    ) -> Result<T, EngineError>
    where
        C: Future<Output = Result<T, Bollard>>,
    {
        self.wait_for(what, self.limit, call)
    }

    fn wait_for<'a, T, C>(
        &'a self,
        what: &'static str,
        limit: Duration,
        call: impl FnOnce(&'a Docker) -> C,
    ) -> Result<T, EngineError>
    where
        C: Future<Output = Result<T, Bollard>>,
    {
        let Client { docker, runtime } = self.client()?;
        match runtime.block_on(async { timeout(limit, call(docker)).await }) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(EngineError::from_bollard(what, error, self.socket.clone())),
            Err(_) => Err(EngineError::TimedOut { what, limit }),
        }
    }

    /// Reads an answer that should have `status`.
    fn read<'s, T: Deserialize<'s>>(
        &self,
        what: &'static str,
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
    fn failed(&self, what: &'static str, error: io::Error) -> EngineError {
        EngineError::from_io(what, error, self.socket.clone(), self.limit)
    }

    /// Starts a container; one that runs already is left alone.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`].
    pub fn start(&self, id: &ContainerId) -> Result<(), EngineError> {
        self.wait("start it", |docker| docker.start_container(&id.0, None))
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
        self.wait_for("stop it", self.limit + grace, |docker| {
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
        self.wait("kill it", |docker| {
            docker.kill_container(&id.0, Some(options))
        })
    }

    /// Removes a container that does not run, and its anonymous volumes if `volumes`.
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
        self.wait("remove it", |docker| {
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
        self.wait("rename it", |docker| {
            docker.rename_container(&id.0, options)
        })
    }

    /// Freezes a container's processes.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`].
    pub fn pause(&self, id: &ContainerId) -> Result<(), EngineError> {
        self.wait("pause it", |docker| docker.pause_container(&id.0))
    }

    /// Lets a container's processes go on.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`].
    pub fn unpause(&self, id: &ContainerId) -> Result<(), EngineError> {
        self.wait("resume it", |docker| docker.unpause_container(&id.0))
    }
}
