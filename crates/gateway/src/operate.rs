//! What changes the ledger or asks the driver is done by a process of its own, with one thread:
//! as in the commands, so that a crash ends one request and a driver that hangs holds up one.

use std::{
    collections::HashMap,
    io::{self, Read, Write},
    process::{ExitCode, Stdio},
    sync::{Arc, Mutex, PoisonError},
};

use ds01_core::{
    failure::{Failure, Kind},
    ledger::Process,
};
use ds01_host::{Caller, Site, config::Config, ops};
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};
use tokio::{
    io::AsyncWriteExt,
    process::Command,
    sync::{OwnedSemaphorePermit, Semaphore},
};

use crate::OPERATE;

/// Processes of one user at a time; who asks for more waits.
const OF_A_USER: usize = 8;

/// Processes of all users at a time.
const OF_ALL: usize = 64;

/// One operation, as that process reads it.
#[derive(Serialize, Deserialize)]
struct Task<'a> {
    /// That of the gateway, whatever its file says by now.
    config: Config,
    caller: Caller,
    /// That of the client.
    process: Option<Process>,
    name: String,
    #[serde(borrow)]
    request: &'a RawValue,
}

/// Starts the processes.
#[derive(Debug)]
pub(crate) struct Operations {
    program: &'static str,
    config: Config,
    turns: Turns,
}

/// Who may start a process, in the order in which they asked.
#[derive(Debug)]
struct Turns {
    of: Mutex<HashMap<u32, Arc<Semaphore>>>,
    of_all: Arc<Semaphore>,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            of: Mutex::default(),
            of_all: Arc::new(Semaphore::new(OF_ALL)),
        }
    }
}

impl Turns {
    /// Waits for a turn, which lasts while what is returned lives.
    async fn take(&self, uid: u32) -> io::Result<[OwnedSemaphorePermit; 2]> {
        let mine = {
            let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
            // Those that nobody has or waits for are as new ones.
            of.retain(|_, turns| Arc::strong_count(turns) > 1);
            let new = || Arc::new(Semaphore::new(OF_A_USER));
            Arc::clone(of.entry(uid).or_insert_with(new))
        };
        // One's own first: who waits for those keeps nobody else waiting.
        let mine = mine.acquire_owned().await.map_err(io::Error::other)?;
        let all = Arc::clone(&self.of_all).acquire_owned().await;
        Ok([mine, all.map_err(io::Error::other)?])
    }
}

impl Operations {
    pub(crate) fn new(config: Config) -> Self {
        let program = "/proc/self/exe";
        Self {
            program,
            config,
            turns: Turns::default(),
        }
    }

    /// Where none can be done.
    pub(crate) fn none() -> Self {
        let program = "/nonexistent";
        Self {
            program,
            config: Config::default(),
            turns: Turns::default(),
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
        process: Option<Process>,
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
            process,
            name: name.into(),
            request: serde_json::from_str(request).map_err(|error| {
                Failure::new(Kind::Usage, format!("the request is not JSON: {error}"))
            })?,
        };
        let task = serde_json::to_vec(&task).map_err(|error| failed(error.into()))?;
        let turn = self.turns.take(caller.uid).await.map_err(failed)?;
        let mut child = Command::new(self.program)
            .arg(OPERATE)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        // It goes on without a client who has left, and so does its turn.
        let done = tokio::spawn(async move {
            let _turn = turn;
            let broken = || io::Error::from(io::ErrorKind::BrokenPipe);
            let mut input = child.stdin.take().ok_or_else(broken)?;
            let written = input.write_all(&task).await;
            drop(input);
            let output = child.wait_with_output().await?;
            written.map(|()| output)
        });
        let output = done.await.map_err(|error| failed(error.into()))?;
        let output = output.map_err(failed)?;
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
    let site = Site::new(task.config, "gateway")?.for_client(task.process);
    ops::run(&site, task.caller, &task.name, task.request.get())
}
