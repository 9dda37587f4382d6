//! The Docker Engine, through bollard: every call has a time limit, none asks for the version.
//!
//! Calls carry no API version, which the engine takes for its own newest: release 20.10 and
//! those that refuse old versions both answer, without the round trip that negotiation costs.

mod about;
mod account;
mod build;
mod claim;
mod create;
mod error;
mod exec;
mod images;
mod read;
mod usage;

use std::{
    future::Future,
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
use ds01_core::{
    container::ContainerId,
    failure::{Failure, Kind},
    name::EngineName,
};
use tokio::{runtime::Runtime, time::timeout};

pub use about::{About, Part};
pub(crate) use build::{Heard, Unbuilt};
pub use error::EngineError;
pub use exec::{Exec, Terminal};
pub use images::ImageSummary;
pub use read::{Abilities, Image, Inspected, Query};

/// A connection to the engine. Making one asks it nothing.
pub struct Engine {
    docker: Docker,
    runtime: Runtime,
    socket: PathBuf,
    /// What it has to answer any call but a stop.
    limit: Duration,
}

impl Engine {
    /// Prepares to talk to the engine at `socket`, which has `limit` to answer any call but a stop.
    ///
    /// # Errors
    ///
    /// [`EngineError::Absent`] if there is no such socket; a failure if the process has no
    /// file descriptors left.
    pub fn new(socket: &Path, limit: Duration) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::new(Kind::Failed, format!("no event loop: {error}")))?;
        let docker = Docker::connect_with_unix(
            &socket.to_string_lossy(),
            // Ours is shorter, and covers the body as well.
            2 * limit.as_secs(),
            API_DEFAULT_VERSION,
        )
        .map_err(|error| EngineError::from_bollard("answer", error, socket.into()))?;
        Ok(Self {
            docker,
            runtime,
            socket: socket.into(),
            limit,
        })
    }

    /// Waits for a call, or several, within the usual limit.
    fn wait<T>(
        &self,
        what: &'static str,
        call: impl Future<Output = Result<T, Bollard>>,
    ) -> Result<T, EngineError> {
        self.wait_for(what, self.limit, call)
    }

    fn wait_for<T>(
        &self,
        what: &'static str,
        limit: Duration,
        call: impl Future<Output = Result<T, Bollard>>,
    ) -> Result<T, EngineError> {
        match self.runtime.block_on(async { timeout(limit, call).await }) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(EngineError::from_bollard(what, error, self.socket.clone())),
            Err(_) => Err(EngineError::TimedOut { what, limit }),
        }
    }

    /// Starts a container; one that runs already is left alone.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`].
    pub fn start(&self, id: &ContainerId) -> Result<(), EngineError> {
        self.wait("start it", self.docker.start_container(&id.0, None))
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
        let call = self.docker.stop_container(&id.0, Some(options));
        self.wait_for("stop it", self.limit + grace, call)
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
        self.wait("kill it", self.docker.kill_container(&id.0, Some(options)))
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
        self.wait(
            "remove it",
            self.docker.remove_container(&id.0, Some(options)),
        )
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
        self.wait("rename it", self.docker.rename_container(&id.0, options))
    }

    /// Freezes a container's processes.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`].
    pub fn pause(&self, id: &ContainerId) -> Result<(), EngineError> {
        self.wait("pause it", self.docker.pause_container(&id.0))
    }

    /// Lets a container's processes go on.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`].
    pub fn unpause(&self, id: &ContainerId) -> Result<(), EngineError> {
        self.wait("resume it", self.docker.unpause_container(&id.0))
    }
}
