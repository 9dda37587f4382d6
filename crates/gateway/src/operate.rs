//! What changes the ledger or asks the driver is done by a process of its own, with one thread:
//! as in the commands, so that a crash ends one request and a driver that hangs holds up one.

use std::{
    io::{self, Read, Write},
    path::PathBuf,
    process::{ExitCode, Stdio},
};

use ds01_core::failure::{Failure, Kind};
use ds01_host::{Caller, Site, config::Config, ops};
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};
use tokio::{io::AsyncWriteExt, process::Command};

use crate::OPERATE;

/// One operation, as that process reads it.
#[derive(Serialize, Deserialize)]
struct Task<'a> {
    config: Option<PathBuf>,
    caller: Caller,
    name: String,
    #[serde(borrow)]
    request: &'a RawValue,
}

/// Starts the processes.
#[derive(Debug)]
pub(crate) struct Operations {
    program: &'static str,
    config: Option<PathBuf>,
}

impl Operations {
    pub(crate) fn new(config: Option<PathBuf>) -> Self {
        let program = "/proc/self/exe";
        Self { program, config }
    }

    /// Where none can be done.
    pub(crate) fn none() -> Self {
        let program = "/nonexistent";
        Self {
            program,
            config: None,
        }
    }

    /// Does the operation of this name: its answer, as JSON.
    ///
    /// # Errors
    ///
    /// The operation's own failure.
    pub(crate) async fn run(
        &self,
        caller: Caller,
        name: &str,
        request: &str,
    ) -> Result<Value, Failure> {
        let failed = |error: io::Error| {
            Failure::new(
                Kind::Failed,
                format!("the operation was not carried out: {error}"),
            )
        };
        let task = Task {
            config: self.config.clone(),
            caller,
            name: name.into(),
            request: serde_json::from_str(request).map_err(|error| {
                Failure::new(Kind::Usage, format!("the request is not JSON: {error}"))
            })?,
        };
        let task = serde_json::to_vec(&task).map_err(|error| failed(error.into()))?;
        let mut child = Command::new(self.program)
            .arg(OPERATE)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let mut input = child
            .stdin
            .take()
            .ok_or_else(|| failed(io::ErrorKind::BrokenPipe.into()))?;
        input.write_all(&task).await.map_err(failed)?;
        drop(input);
        let output = child.wait_with_output().await.map_err(failed)?;
        serde_json::from_slice::<Result<Value, Failure>>(&output.stdout)
            .map_err(|error| failed(error.into()))?
    }
}

/// Runs the process that does one operation.
pub(crate) fn run() -> ExitCode {
    let mut text = Vec::new();
    let read = io::stdin().read_to_end(&mut text);
    let done = read
        .map_err(|error| Failure::new(Kind::Failed, error.to_string()))
        .and_then(|_| operate(&text));
    let written = serde_json::to_vec(&done).map(|text| io::stdout().write_all(&text));
    match written {
        Ok(Ok(())) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn operate(text: &[u8]) -> Result<Value, Failure> {
    let task: Task<'_> = serde_json::from_slice(text)
        .map_err(|error| Failure::new(Kind::Usage, format!("no such operation: {error}")))?;
    let site = Site::new(Config::of_service(task.config.as_deref())?, "gateway")?.for_others();
    ops::run(&site, task.caller, &task.name, task.request.get())
}
