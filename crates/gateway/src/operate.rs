//! What changes the ledger or asks the driver is done by a process of its own, with one thread:
//! as in the commands, so that a crash ends one request and a driver that hangs holds up one.

use std::{
    io::{self, Read, Write},
    process::{ExitCode, Stdio},
    sync::Arc,
    time::Duration,
};

use ds01_core::{
    failure::{Failure, Kind},
    ledger::{PENDING, Process},
    lifecycle::words,
};
use ds01_host::{Caller, Site, config::Config, ops};
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout, timeout_at},
};

use crate::{
    OPERATE,
    places::{Place, Places},
};

/// Processes of one user at a time; who asks for more waits.
const OF_A_USER: usize = 8;

/// Processes of all users at a time.
const OF_ALL: usize = 64;

/// What an operation may take beyond the time that it says it takes, the wait for its turn counted
/// in: less than our commands wait for the gateway. The engine and the driver have limits of their
/// own; this is for what has none, such as a name service or a file system.
const LIMIT: Duration = Duration::from_secs(PENDING.as_secs() - 30);

/// What somebody waits for their own operations, which may say that they take an hour. What all others
/// have under way may be waited for after that: our commands do not give up before.
const OWN: Duration = Duration::from_secs(PENDING.as_secs() - LIMIT.as_secs() / 2);

/// One operation, as that process reads it.
#[derive(Serialize, Deserialize)]
struct Task {
    /// That of the gateway, whatever its file says by now.
    config: Config,
    caller: Caller,
    /// That of the client.
    process: Option<Process>,
    name: String,
    /// JSON.
    request: String,
}

/// Starts the processes.
#[derive(Debug)]
pub(crate) struct Operations {
    program: &'static str,
    config: Config,
    turns: Turns,
    limit: Duration,
    /// What somebody waits for their own operations.
    patience: Duration,
}

/// What lasts as long as somebody has a turn: one of their own, and one of everybody's.
type Turn = (Place, OwnedSemaphorePermit);

/// Who may start a process, in the order in which they asked.
#[derive(Debug)]
struct Turns {
    of: Places,
    of_all: Arc<Semaphore>,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            of: Places::new(OF_A_USER),
            of_all: Arc::new(Semaphore::new(OF_ALL)),
        }
    }
}

impl Turns {
    /// Waits for a turn, which lasts while what is returned lives, with the time from which it counts
    /// as everybody's.
    ///
    /// # Errors
    ///
    /// If their own are taken for `own`, or those of all for `patience`.
    async fn take(
        &self,
        uid: u32,
        own: Duration,
        patience: Duration,
    ) -> Result<(Turn, Instant), Failure> {
        // One's own first: who waits for those keeps nobody else waiting.
        let mine = timeout(own, self.of.take(uid)).await;
        let mine = mine.map_err(|_| crowded(own, "you have", OF_A_USER))?;
        let since = Instant::now();
        let all = timeout(patience, Arc::clone(&self.of_all).acquire_owned()).await;
        let all = all.map_err(|_| crowded(patience, "all users have", OF_ALL))?;
        let turn = (
            mine.map_err(failed)?,
            all.map_err(io::Error::other).map_err(failed)?,
        );
        Ok((turn, since))
    }
}

impl Operations {
    pub(crate) fn new(config: Config) -> Self {
        let program = "/proc/self/exe";
        Self {
            program,
            config,
            turns: Turns::default(),
            limit: LIMIT,
            patience: OWN,
        }
    }

    /// Where none can be done.
    pub(crate) fn none() -> Self {
        let program = "/nonexistent";
        Self {
            program,
            config: Config::default(),
            turns: Turns::default(),
            limit: LIMIT,
            patience: OWN,
        }
    }

    /// Does the operation of this name: its answer, as JSON. One whose client has `left` before its
    /// turn is not begun: what its names mean may be something else by then.
    ///
    /// # Errors
    ///
    /// The operation's own failure; or there is no turn in time.
    pub(crate) async fn run(
        &self,
        caller: Caller,
        process: Option<Process>,
        name: &str,
        request: &str,
        left: impl Future<Output = ()>,
    ) -> Result<Value, Failure> {
        serde_json::from_str::<IgnoredAny>(request).map_err(|error| {
            Failure::new(Kind::Usage, format!("the request is not JSON: {error}"))
        })?;
        let task = Task {
            config: self.config.clone(),
            caller,
            process,
            name: name.into(),
            request: request.into(),
        };
        let task = serde_json::to_vec(&task).map_err(|error| failed(error.into()))?;
        let limit = self.limit.saturating_add(ops::takes(name, request));
        // What begins has time left to end.
        let wait = self.limit / 2;
        let (turn, since) = tokio::select! {
            biased;
            () = left => return Err(Failure::new(Kind::Interrupted, "the client has left")),
            turn = self.turns.take(caller.uid, self.patience, wait) => turn?,
        };
        let ends = since + limit;
        let mut child = Command::new(self.program)
            .arg(OPERATE)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        // It goes on without a client who has left, and so does its turn.
        let done = tokio::spawn(async move {
            match timeout_at(ends, answer(&mut child, &task)).await {
                Ok(answered) => {
                    drop(turn);
                    answered.map(Some)
                }
                Err(_) => {
                    end(child, turn);
                    Ok(None)
                }
            }
        });
        let answered = done.await.map_err(|error| failed(error.into()))?;
        let answered = answered.map_err(failed)?.ok_or_else(|| hung(name, limit))?;
        serde_json::from_slice::<Result<Value, Failure>>(&answered)
            .map_err(|error| failed(error.into()))?
    }
}

/// Hands a process its task; what it says to its end.
async fn answer(child: &mut Child, task: &[u8]) -> io::Result<Vec<u8>> {
    let broken = || io::Error::from(io::ErrorKind::BrokenPipe);
    let mut input = child.stdin.take().ok_or_else(broken)?;
    let mut output = child.stdout.take().ok_or_else(broken)?;
    let written = input.write_all(task).await;
    drop(input);
    let mut text = Vec::new();
    output.read_to_end(&mut text).await?;
    child.wait().await?;
    written.map(|()| text)
}

/// Ends a process with all that it has started. One that hangs in the kernel may not even die: as
/// long as it is there, it has its turn.
fn end(mut child: Child, turn: Turn) {
    if let Some(pid) = child.id() {
        let _ = killpg(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL);
    }
    tokio::spawn(async move {
        let _ = child.wait().await;
        drop(turn);
    });
}

fn hung(name: &str, limit: Duration) -> Failure {
    let limit = words(limit);
    let message = format!("the operation {name} did not end within {limit}, and was killed");
    Failure::new(Kind::Unreachable, message).with_hint(
        "see with container-list --all what came of it, and try again; if that hangs too, tell an \
         admin: a name service or a file system does not answer",
    )
}

fn crowded(limit: Duration, who_have: &str, most: usize) -> Failure {
    let limit = words(limit);
    let message = format!("no turn within {limit}: {who_have} {most} operations under way at most");
    Failure::new(Kind::Unreachable, message)
        .with_hint("try again; if that is no better, tell an admin: systemctl status ds01-gateway")
}

fn failed(error: io::Error) -> Failure {
    let message = format!("the operation was not carried out: {error}");
    Failure::new(Kind::Failed, message)
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
    let task: Task = serde_json::from_slice(text)
        .map_err(|error| Failure::new(Kind::Usage, format!("no such operation: {error}")))?;
    let site = Site::new(task.config, "gateway")?.for_client(task.process);
    ops::run(&site, task.caller, &task.name, &task.request)
}

#[cfg(test)]
mod tests;
