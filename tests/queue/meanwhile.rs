//! Who joins the line after another's command has looked, and before it decides.

use std::{
    fs::{File, TryLockError},
    thread,
    time::{Duration, Instant},
};

use ds01_testkit::{Running, Signal, TestHost};
use serde_json::json;

use super::{DUTY, QUEUE, bob};
use crate::support::{
    duties::pass,
    expect::{done, project, running, state, with_limit},
    hung::hung,
};

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

/// Alice and bob wait for a project of theirs to be started, her before him, and their turn has
/// come: their tickets.
fn two_launches(host: &TestHost) -> [String; 2] {
    [("alice", 20001), ("bob", 20002)].map(|(user, uid)| {
        let image = format!("ds01-{uid}/own:latest");
        project(host, user, "own", &[("Dockerfile", "FROM ds01-base\n")]);
        host.docker(&["tag", "ds01-base", &image]).ok();
        let args = ["join", "--format=simple", "--launch=own"];
        host.as_user(user).run(QUEUE, &args).ok().trim().into()
    })
}

/// A pass that has started bob's, and waits for a file of alice's.
fn waits_for_alice(host: &TestHost) -> Running {
    let config = format!("--config={}/etc/ds01.toml", host.root().display());
    let root = host.as_user("root");
    let duty = root.spawn(DUTY, &[&config]);
    let deadline = Instant::now() + LIMIT;
    let runs = || {
        let list = bob(host).run("container-list", &["--format=simple"]).ok();
        list.starts_with("own\trunning\t")
    };
    while !runs() {
        assert!(Instant::now() < deadline, "bob's is not started");
        thread::sleep(Duration::from_millis(20));
    }
    duty
}

#[test]
fn whose_files_hang_keeps_nobody_else_from_their_turn() {
    let host = TestHost::with_gpus(2);
    let [alice, bob] = two_launches(&host);
    let serving = hung(&host, "/home/alice/workspace/own");
    let duty = waits_for_alice(&host);
    let another = pass(&host, DUTY, &[]);
    let busy = "ds01-queue: warning: another pass is at work, and nobody was told by this one\n";
    assert_eq!(another, done("", busy));
    drop(serving);
    let said = duty.wait().ok();
    let lines: Vec<_> = said.lines().collect();
    let failed = format!("ticket {alice}: own of alice was not started: ");
    let runs = format!("ticket {bob}: own of bob runs with GPU 1");
    assert!(lines[0].starts_with(&failed), "{said}");
    assert_eq!(lines[1..], [runs]);
    assert_eq!(pass(&host, DUTY, &[]), done("", ""), "both know");
}

#[test]
fn a_pass_that_is_killed_leaves_its_turns_to_the_next() {
    let host = TestHost::with_gpus(2);
    let [alice, _] = two_launches(&host);
    let serving = hung(&host, "/home/alice/workspace/own");
    let duty = waits_for_alice(&host);
    duty.signal(Signal::SIGKILL);
    assert_eq!(duty.wait().status, None);
    drop(serving);
    let unmount = ["/home/alice/workspace/own"];
    host.as_user("root").run("umount", &unmount).ok();
    let runs = format!("ticket {alice}: own of alice runs with GPU 0\n");
    assert_eq!(pass(&host, DUTY, &[]), done(&runs, ""));
}
