//! Who joins the line after another's command has looked, and before it decides.

use std::{
    fs::{File, TryLockError},
    thread,
    time::{Duration, Instant},
};

use ds01_testkit::TestHost;
use serde_json::json;

use super::{QUEUE, bob};
use crate::support::expect::{running, state, with_limit};

/// What may pass until a command wants the lock, on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);

/// Waits until a command has looked, and wants the lock of the ledger.
#[track_caller]
fn wants_the_lock(host: &TestHost) {
    let next = File::open(host.state_dir().join("ledger.json.turn")).unwrap();
    let deadline = Instant::now() + LIMIT;
    while !matches!(next.try_lock(), Err(TryLockError::WouldBlock)) {
        next.unlock().unwrap();
        assert!(Instant::now() < deadline, "nobody wants it");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_start_does_not_pass_who_joined_while_it_looked() {
    let host = TestHost::with_gpus(2);
    with_limit(&host, "max_gpu_equivalents", "2");
    with_limit(&host, "max_gpu_slots_per_container", "2");
    with_limit(&host, "gpu_hold_after_stop_h", "0");
    running(&host, "thesis");
    bob(&host)
        .run("container-create", &["his", "ds01-base"])
        .ok();
    bob(&host).run("container-start", &["his"]).ok();
    host.run("container-stop", &["thesis", "-t", "0"]).ok();
    host.as_user("carol").run(QUEUE, &["join", "--gpu=2"]).ok();
    let line = host.ledger().read()["line"].clone();
    host.ledger().edit(|ledger| {
        (ledger["line"]["waiters"], ledger["line"]["devices"]) = (json!([]), json!([]));
    });
    let lock = File::open(host.state_dir().join("ledger.json.lock")).unwrap();
    lock.lock().unwrap();
    let start = host.as_user("alice").spawn("container-start", &["thesis"]);
    wants_the_lock(&host);
    host.ledger().edit(|ledger| ledger["line"] = line);
    drop(lock);
    let refused = start.wait();
    let behind = "container-start: no GPU free for you yet: 1 asked for, 1 free, and 1 ahead of \
                  you in line\n";
    assert_eq!(refused.status, Some(6), "{refused:?}");
    assert!(refused.stderr.starts_with(behind), "{refused:?}");
    assert_eq!(state(&host, "thesis"), "exited");
}
