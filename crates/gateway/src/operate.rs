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
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};
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
    limit: Duration,
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
    /// as everybody's. `None` if all of those are taken for so long.
    async fn take(&self, uid: u32, patience: Duration) -> io::Result<Option<(Turn, Instant)>> {
        // One's own first: who waits for those keeps nobody else waiting, and their own may say that
        // they take an hour.
        let mine = self.of.take(uid).await?;
        let since = Instant::now();
        let all = Arc::clone(&self.of_all).acquire_owned();
        let Ok(all) = timeout(patience, all).await else {
            return Ok(None);
        };
        Ok(Some(((mine, all.map_err(io::Error::other)?), since)))
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
        let limit = self.limit.saturating_add(ops::takes(name, request));
        // What begins has time left to end.
        let wait = self.limit / 2;
        let turn = self.turns.take(caller.uid, wait).await.map_err(failed)?;
        let (turn, since) = turn.ok_or_else(|| crowded(wait))?;
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

fn crowded(limit: Duration) -> Failure {
    let limit = words(limit);
    let message =
        format!("no turn within {limit}: all users have {OF_ALL} operations under way at most");
    Failure::new(Kind::Unreachable, message)
        .with_hint("try again; if that is no better, tell an admin: systemctl status ds01-gateway")
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

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, Permissions},
        os::unix::fs::PermissionsExt,
        path::{Path, PathBuf},
    };

    use ds01_host::Operation;
    use nix::{errno::Errno, sys::signal::kill};

    use super::*;

    const CALLER: Caller = Caller {
        uid: 1001,
        gid: 1001,
        may_be_admin: false,
    };

    /// What patience a test has with a busy machine.
    const PATIENCE: Duration = Duration::from_secs(60);

    /// Operations that never end, each with somebody who works for it: who, is in `helper`.
    fn hanging(test: &str, limit: Duration) -> (Operations, PathBuf) {
        let name = format!("ds01-{test}-{}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        fs::create_dir_all(&dir).unwrap();
        let (program, helper) = (dir.join("program"), dir.join("helper"));
        let shown = helper.display();
        let script = format!(
            "#!/bin/sh\nsleep 1000 &\necho $! >{shown}.new\nmv {shown}.new {shown}\nwait\n"
        );
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        let program = program.to_str().unwrap().to_string();
        let operations = Operations {
            program: Box::leak(program.into_boxed_str()),
            limit,
            ..Operations::none()
        };
        (operations, helper)
    }

    fn block_on(work: impl Future<Output = ()>) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().build().unwrap().block_on(work);
    }

    /// The failure of an operation of that name.
    async fn failure(operations: &Operations, name: &str, request: &str) -> Failure {
        let done = operations.run(CALLER, None, name, request).await;
        done.unwrap_err()
    }

    fn is_gone(helper: &Path) -> bool {
        let pid: i32 = fs::read_to_string(helper).unwrap().trim().parse().unwrap();
        let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        kill(Pid::from_raw(pid), None) == Err(Errno::ESRCH) || state.contains(") Z ")
    }

    #[test]
    fn an_operation_that_hangs_is_killed_with_all_that_it_started_and_gives_its_turn_back() {
        block_on(async {
            let mut limit = Duration::from_millis(50);
            let (mut operations, helper) = hanging("hang", limit);
            // Until it has begun by then.
            while !helper.exists() {
                operations.limit = limit;
                let failure = failure(&operations, "list", "{}").await;
                let message = format!(
                    "the operation list did not end within {}, and was killed",
                    words(limit)
                );
                assert_eq!(
                    (failure.kind, failure.message),
                    (Kind::Unreachable, message)
                );
                limit *= 2;
            }
            let gone = async {
                while !is_gone(&helper) {
                    tokio::task::yield_now().await;
                }
            };
            timeout(PATIENCE, gone).await.expect("its helper lives on");
            let mut turns = Vec::new();
            for _ in 0..OF_A_USER {
                let turn = operations.turns.take(CALLER.uid, PATIENCE);
                let turn = timeout(PATIENCE, turn).await;
                turns.push(turn.expect("its turn is not over").unwrap());
            }
            operations.limit = Duration::from_millis(100);
            // One's own operations are waited for: they may say that they take an hour.
            let waited = timeout(operations.limit, failure(&operations, "list", "{}")).await;
            assert!(waited.is_err(), "{waited:?}");
            // Nobody waits for those of all others for ever.
            for other in 0..(OF_ALL - OF_A_USER) as u32 {
                turns.push(operations.turns.take(5000 + other, PATIENCE).await.unwrap());
            }
            turns.drain(..OF_A_USER);
            for other in 0..OF_A_USER as u32 {
                turns.push(operations.turns.take(6000 + other, PATIENCE).await.unwrap());
            }
            let crowded = failure(&operations, "list", "{}").await.message;
            let message = "no turn within 50ms: all users have 64 operations under way at most";
            assert_eq!(crowded, message);
            fs::remove_dir_all(helper.parent().unwrap()).unwrap();
        });
    }

    #[test]
    fn an_operation_has_the_time_that_it_says_it_takes() {
        block_on(async {
            let (operations, helper) = hanging("takes", Duration::from_millis(50));
            let stop = ops::Stop {
                name: "thesis".parse().unwrap(),
                grace_seconds: 1,
                kill: false,
            };
            let request = serde_json::to_string(&stop).unwrap();
            // Whatever it says, it does not keep its turn for more than an hour.
            let long = request.replace(":1,", &format!(":{},", u32::MAX));
            assert_eq!(ops::takes(ops::Stop::NAME, &long).as_secs(), 3600);
            let message = failure(&operations, ops::Stop::NAME, &request)
                .await
                .message;
            assert_eq!(
                message,
                "the operation stop did not end within 1s, and was killed"
            );
            fs::remove_dir_all(helper.parent().unwrap()).unwrap();
        });
    }
}
