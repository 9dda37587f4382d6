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
    let script =
        format!("#!/bin/sh\nsleep 1000 &\necho $! >{shown}.new\nmv {shown}.new {shown}\nwait\n");
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
    let stays = std::future::pending();
    let done = operations.run(CALLER, None, name, request, stays).await;
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
            let turn = operations.turns.take(CALLER.uid, PATIENCE, PATIENCE);
            turns.push(turn.await.expect("its turn is not over"));
        }
        operations.limit = Duration::from_millis(100);
        // One's own operations are waited for: they may say that they take an hour.
        let waited = timeout(operations.limit, failure(&operations, "list", "{}")).await;
        assert!(waited.is_err(), "{waited:?}");
        // But not by who has left, and not for ever.
        let run = operations.run(CALLER, None, "list", "{}", std::future::ready(()));
        let left = timeout(PATIENCE, run)
            .await
            .expect("it is still to be done");
        assert_eq!(left.unwrap_err().message, "the client has left");
        operations.patience = Duration::from_millis(50);
        let crowded = timeout(PATIENCE, failure(&operations, "list", "{}")).await;
        let message = "no turn within 50ms: you have 8 operations under way at most";
        assert_eq!(crowded.expect("it waits").message, message);
        // Nobody waits for those of all others for ever.
        for other in 0..(OF_ALL - OF_A_USER) as u32 {
            let turn = operations.turns.take(5000 + other, PATIENCE, PATIENCE);
            turns.push(turn.await.unwrap());
        }
        turns.drain(..OF_A_USER);
        for other in 0..OF_A_USER as u32 {
            let turn = operations.turns.take(6000 + other, PATIENCE, PATIENCE);
            turns.push(turn.await.unwrap());
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
