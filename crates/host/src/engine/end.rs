//! Ending containers that have had their time, all at once.

use std::{future::Future, time::Duration};

use bollard::{
    Docker,
    errors::Error as Bollard,
    exec::{StartExecOptions, StartExecResults},
    models::ExecConfig,
    query_parameters::StopContainerOptions,
};
use ds01_core::{container::ContainerId, lifecycle::Run};
use futures_util::{StreamExt, future::join_all};
use tokio::time::timeout;

use super::{Call, Client, Engine, EngineError, inspect::look_at};

/// The owner's own command before a stop. As git names its hooks, and Kubernetes the moment.
const HOOK: &str = "/workspace/.ds01-hooks/pre-stop";

/// How long that may take.
const HOOK_LIMIT: Duration = Duration::from_secs(30);

/// Bytes that it may print: one that prints without end is not waited for.
const MOST_SAID: usize = 1 << 20;

const WHAT: Call = Call::Change("stop it");

/// A container to be ended.
#[derive(Debug, Clone)]
pub struct Ending {
    /// Its id.
    pub id: ContainerId,
    /// The run that is to end: no other one is.
    pub run: Run,
    /// Seconds between SIGTERM and SIGKILL.
    pub grace: Duration,
    /// What its hook finds in its environment: `NAME=value`.
    pub env: Vec<String>,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// It has stopped; otherwise that run was over already.
    pub stopped: bool,
    /// What became of its hook, if it has one that ran.
    pub hook: Option<HookEnd>,
}

/// How a hook ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookEnd {
    /// With this status.
    Status(i64),
    /// Not in its time.
    Late,
}

impl Engine {
    /// Ends containers, each of them if it is in the same run still: first its hook, inside and as
    /// its user, then SIGTERM, and SIGKILL after the grace. All at once, so that none waits for another.
    ///
    /// # Errors
    ///
    /// If the engine cannot be asked at all; of each, as every call: [`EngineError`].
    pub fn end(&self, all: &[Ending]) -> Result<Vec<Result<Ended, EngineError>>, EngineError> {
        let Client { docker, runtime } = self.client()?;
        let ends = all.iter().map(|ending| self.ended(docker, ending));
        Ok(runtime.block_on(join_all(ends)))
    }

    async fn ended(&self, docker: &Docker, ending: &Ending) -> Result<Ended, EngineError> {
        let over = Ended {
            stopped: false,
            hook: None,
        };
        if !self.is_in(docker, ending).await? {
            return Ok(over);
        }
        let hook = match timeout(HOOK_LIMIT, run_hook(docker, ending)).await {
            // Without one, or where nothing can be run inside, there is nothing to wait for.
            Ok(ended) => ended.unwrap_or_default(),
            Err(_) => Some(HookEnd::Late),
        };
        if !self.is_in(docker, ending).await? {
            return Ok(Ended { hook, ..over });
        }
        let seconds = i32::try_from(ending.grace.as_secs()).unwrap_or(i32::MAX);
        let options = StopContainerOptions {
            t: Some(seconds),
            ..StopContainerOptions::default()
        };
        let call = docker.stop_container(&ending.id.0, Some(options));
        self.within(self.limit + ending.grace, call).await?;
        Ok(Ended {
            stopped: true,
            hook,
        })
    }

    /// Whether it is in that run still.
    async fn is_in(&self, docker: &Docker, ending: &Ending) -> Result<bool, EngineError> {
        let inspected = self.within(self.limit, look_at(docker, &ending.id)).await?;
        Ok(inspected.is_some_and(|inspected| {
            let Run { pid, started, .. } = ending.run;
            inspected.pid == Some(pid) && inspected.started == Some(started)
        }))
    }

    async fn within<T>(
        &self,
        limit: Duration,
        call: impl Future<Output = Result<T, Bollard>>,
    ) -> Result<T, EngineError> {
        match timeout(limit, call).await {
            Ok(done) => {
                done.map_err(|error| EngineError::from_bollard(WHAT, error, self.socket.clone()))
            }
            Err(_) => Err(EngineError::TimedOut { what: WHAT, limit }),
        }
    }
}

/// Runs the hook; `None` if there is none.
async fn run_hook(docker: &Docker, ending: &Ending) -> Result<Option<HookEnd>, Bollard> {
    let config = ExecConfig {
        cmd: Some(vec![HOOK.into()]),
        env: Some(ending.env.clone()),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        ..ExecConfig::default()
    };
    let exec = docker.create_exec(&ending.id.0, config).await?.id;
    let started = docker.start_exec(&exec, None::<StartExecOptions>);
    if let StartExecResults::Attached { mut output, .. } = started.await? {
        // What it says nobody reads; that this ends is its end.
        let mut said = 0;
        while let Some(chunk) = output.next().await {
            said += chunk?.into_bytes().len();
            if said > MOST_SAID {
                return Ok(Some(HookEnd::Late));
            }
        }
    }
    let status = docker.inspect_exec(&exec).await?.exit_code;
    // 126 and 127: it cannot be run, or is not there.
    let ran = status.filter(|status| !matches!(status, 126 | 127));
    Ok(ran.map(HookEnd::Status))
}
