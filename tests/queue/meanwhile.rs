//! Who joins the line after another's command has looked, and before it decides.

use std::{
    fs::{self, File},
    thread,
    time::{Duration, Instant},
};

use ds01_testkit::{Running, Signal, TestHost};
use serde_json::json;

use super::{DUTY, QUEUE, bob};
use crate::support::{
    awaited::is_awaited,
    duties::pass,
    expect::{created, done, project, running, state, with_limit},
    hung::{hung, taken_away},
};

/// What may pass until what is waited for shows, on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);

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
    while !is_awaited(&host, "ledger.json.lock") {}
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

/// Waits until a user is told this.
#[track_caller]
fn is_told(host: &TestHost, user: &str, text: &str) {
    let deadline = Instant::now() + LIMIT;
    let mut told = String::new();
    while !told.contains(text) {
        told += &host.as_user(user).run("ds01-notices", &[]).ok();
        assert!(Instant::now() < deadline, "{user} was told: {told}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn whose_files_hang_keeps_nobody_else_from_their_turn() {
    let host = TestHost::with_gpus(3);
    let dave = |command: &str, args: &[&str]| host.as_user("dave").run(command, args).ok();
    dave("container-create", &["his", "ds01-base"]);
    let [alice, bobs] = two_launches(&host);
    let serving = hung(&host, "/home/alice/workspace/own");
    host.as_user("carol").run(QUEUE, &["join"]).ok();
    let duty = waits_for_alice(&host);
    is_told(&host, "bob", "your turn has come: own runs with GPU 2: ");
    // Her turn comes while it waits for alice still, and another pass serves her.
    dave("container-remove", &["his"]);
    let another = pass(&host, DUTY, &[]).ok();
    assert!(
        another.contains(": GPU 0 is kept for carol until "),
        "{another}"
    );
    assert_eq!(another.lines().count(), 1, "{another}");
    is_told(
        &host,
        "carol",
        "your turn has come: GPU 0 is kept for you until ",
    );
    drop(serving);
    let said = duty.wait().ok();
    let lines: Vec<_> = said.lines().collect();
    let failed = format!("ticket {alice}: own of alice was not started: ");
    let runs = format!("ticket {bobs}: own of bob runs with GPU 2");
    assert_eq!(lines[..1], [runs]);
    assert!(lines[1].starts_with(&failed), "{said}");
    assert_eq!(lines.len(), 2, "{said}");
    assert_eq!(pass(&host, DUTY, &[]), done("", ""), "all of them know");
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
    taken_away(&host, "/home/alice/workspace/own");
    let runs = format!("ticket {alice}: own of alice runs with GPU 0\n");
    let next = pass(&host, DUTY, &[]).ok();
    assert!(next.contains(&runs), "{next}");
    is_told(&host, "bob", "your turn has come: own runs with GPU 1: ");
    assert_eq!(pass(&host, DUTY, &[]), done("", ""), "all of them know");
}

/// As if a pass had begun to start bob's container, and been killed.
fn begun_by_the_dead(host: &TestHost) {
    host.ledger().edit(|ledger| {
        let turn = &mut ledger["line"]["turns"][0];
        turn["doing"] = json!({"pid": 1, "started": 1, "boot": "another"});
    });
}

#[test]
fn whose_container_was_made_by_a_pass_that_died_is_told_and_it_runs() {
    let host = TestHost::with_gpus(1);
    project(&host, "bob", "own", &[("Dockerfile", "FROM ds01-base\n")]);
    host.docker(&["tag", "ds01-base", "ds01-20002/own:latest"])
        .ok();
    let args = ["join", "--format=simple", "--launch=own"];
    let ticket = bob(&host).run(QUEUE, &args).ok();
    begun_by_the_dead(&host);
    bob(&host).run("container-create", &["own"]).ok();
    assert_eq!(state_of_bobs(&host), "created");
    assert_eq!(bob(&host).run(QUEUE, &["--format=simple"]), done("", ""));
    let runs = format!("ticket {}: own of bob runs with GPU 0\n", ticket.trim());
    assert_eq!(pass(&host, DUTY, &[]), done(&runs, ""));
    is_told(&host, "bob", "your turn has come: own runs with GPU 0: ");
    assert_eq!(state_of_bobs(&host), "running");
    assert_eq!(pass(&host, DUTY, &[]), done("", ""), "he knows");
    let line = &host.ledger().read()["line"];
    assert_eq!(line["turns"], json!([]));
}

fn state_of_bobs(host: &TestHost) -> String {
    let args = ["--all", "--format=simple"];
    let list = bob(host).run("container-list", &args).ok();
    list.split('\t').nth(1).unwrap().to_string()
}

/// One of two GPUs is kept for bob, who was not told, and dave waits behind him.
fn bobs_turn_untold(host: &TestHost) {
    created(host, "thesis");
    host.as_user("carol")
        .run("container-create", &["hers", "ds01-base"])
        .ok();
    bob(host).run(QUEUE, &["join"]).ok();
    host.as_user("dave").run(QUEUE, &["join"]).ok();
    host.run("container-remove", &["thesis"]).ok();
    // Whoever asks in vain gives bob what is free.
    let args = ["x", "ds01-base", "--no-wait"];
    let asked = host.as_user("alice").run("container-create", &args);
    assert_eq!(asked.status, Some(6), "{asked:?}");
}

#[test]
fn whose_turn_has_come_is_told_though_the_driver_is_silent() {
    let host = TestHost::with_gpus(2);
    bobs_turn_untold(&host);
    let lock = File::create(host.state_dir().join("ds01-queue.lock")).unwrap();
    lock.lock().unwrap();
    let silent = pass(&host, DUTY, &[]);
    let busy = "ds01-queue: warning: another pass asks the driver and the engine, and this one \
                served nobody new\n";
    assert_eq!((silent.status, &*silent.stderr), (Some(0), busy));
    assert!(
        silent.stdout.contains(": GPU 0 is kept for bob until "),
        "{silent:?}"
    );
    is_told(
        &host,
        "bob",
        "your turn has come: GPU 0 is kept for you until ",
    );
}

#[test]
fn who_is_being_told_is_told_once_though_the_rest_of_the_pass_fails() {
    let host = TestHost::with_gpus(2);
    bobs_turn_untold(&host);
    fs::create_dir(host.state_dir().join("ds01-queue.lock")).unwrap();
    let fails = || {
        let fails = pass(&host, DUTY, &[]);
        assert!(fails.stderr.contains("ds01-queue.lock"), "{fails:?}");
        assert_ne!(fails.status, Some(0), "{fails:?}");
        fails.stdout
    };
    let said = fails();
    assert!(said.contains(": GPU 0 is kept for bob until "), "{said}");
    assert_eq!(fails(), "", "he knows");
}

#[test]
fn who_waits_for_a_container_is_told_before_the_turn_is_over_why_it_does_not_run() {
    let host = TestHost::with_gpus(1);
    project(&host, "bob", "own", &[("Dockerfile", "FROM ds01-base\n")]);
    host.docker(&["tag", "ds01-base", "ds01-20002/own:latest"])
        .ok();
    bob(&host).run(QUEUE, &["join", "--launch=own"]).ok();
    host.gpus().remove_driver();
    let silent = || {
        let silent = pass(&host, DUTY, &[]);
        assert_eq!(silent.status, Some(8), "{silent:?}");
        assert!(silent.stderr.starts_with("ds01-queue: "), "{silent:?}");
        silent.stdout
    };
    assert_eq!(silent(), "", "it may answer soon");
    host.ledger().edit(|ledger| {
        let until = &mut ledger["line"]["turns"][0]["until"];
        *until = (until.as_u64().unwrap() - 650).into();
    });
    let said = silent();
    assert!(said.contains(": own of bob was not started: "), "{said}");
    is_told(&host, "bob", "your turn has come, but own does not run: ");
}

/// A name service can hang, and others are not to wait for it.
#[test]
fn nobody_is_asked_for_a_name_with_the_ledger_locked() {
    let host = TestHost::with_gpus(1);
    let trace = host.root().join("trace.txt");
    let to = trace.to_string_lossy();
    let reserve = ["gpu-reserve", "add", "--gpu=0", "--for=bob", "--until=1h"];
    let strace = ["-o", &to, "-e", "trace=openat,flock,renameat2"];
    for command in [&reserve[..], &["gpu-queue", "join"]] {
        let root = host.as_user("root");
        root.run("strace", &[&strace[..], command].concat()).ok();
        let calls = fs::read_to_string(&trace).unwrap();
        let (before, _) = calls.rsplit_once("renameat2(").unwrap();
        let (_, locked) = before.rsplit_once("LOCK_EX").unwrap();
        assert!(!locked.contains("/etc/passwd"), "{calls}");
    }
}
