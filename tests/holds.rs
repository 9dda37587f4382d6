//! `ds01-holds`.

use std::{
    fs,
    time::{Duration, SystemTime},
};

use ds01_testkit::TestHost;

use crate::support::{
    duties::{events, hours, pass, until},
    expect::{created, done, engine_name, failed, running, with_limit},
    kill_points::{Fault, chosen, fails_at, points},
};

const HOLDS: &str = "ds01-holds";

fn holders(host: &TestHost) -> String {
    let status = host.run("gpu-status", &["--format=simple"]).ok();
    let cells = status
        .lines()
        .map(|line| line.split('\t').collect::<Vec<_>>());
    let pair = |cells: Vec<&str>| format!("{} {}", cells[0], cells[cells.len() - 1]);
    cells.map(pair).collect::<Vec<_>>().join(", ")
}

/// Alice's container has stopped, and keeps its device for so many seconds.
fn stopped(gpus: usize, seconds: &str) -> TestHost {
    let host = TestHost::with_gpus(gpus);
    with_limit(&host, "gpu_hold_after_stop_h", seconds);
    running(&host, "thesis");
    host.run("container-stop", &["thesis", "-t", "0"]).ok();
    host
}

#[test]
fn a_hold_that_has_passed_is_ended_once_and_is_an_event() {
    let host = stopped(1, &hours(5.0).to_string());
    let free = |dry_run| {
        let is = if dry_run { "would be" } else { "is" };
        format!("thesis of alice: its hold of 5s after the stop has ended, GPU 0 {is} free\n")
    };
    let dry_run = loop {
        let said = pass(&host, HOLDS, &["--dry-run"]).ok();
        if !said.is_empty() {
            break said;
        }
        assert_eq!(events(&host, "gpu.release").len(), 0);
    };
    assert_eq!(dry_run, free(true));
    assert_eq!(events(&host, "gpu.release").len(), 0, "nothing was done");
    assert_eq!(pass(&host, HOLDS, &[]), done(&free(false), ""));
    assert_eq!(pass(&host, HOLDS, &[]), done("", ""));
    let [event] = &events(&host, "gpu.release")[..] else {
        panic!("one event for it");
    };
    assert_eq!(event["source"], HOLDS);
    assert_eq!(event["user"], "alice");
    assert_eq!(event["details"]["container"], engine_name("thesis"));
    assert_eq!(event["details"]["gpus"], "0");
    // Free for others; the container is still there.
    let bob = host
        .as_user("bob")
        .run("container-create", &["other", "ds01-base"]);
    assert_eq!(bob, done("other with GPU 0\n", ""));
    let list = host
        .run("container-list", &["--all", "--format=simple"])
        .ok();
    assert!(list.starts_with("thesis\tstopped\t"), "{list}");
}

#[test]
fn a_hold_without_end_is_kept_and_one_of_nothing_frees_at_once() {
    let host = stopped(2, "null");
    assert_eq!(pass(&host, HOLDS, &[]), done("", ""));
    assert_eq!(holders(&host), "0 thesis (stopped), 1 -");
    let host = stopped(1, "0");
    let said = pass(&host, HOLDS, &[]);
    // Whoever looked first has ended it.
    assert!(
        [
            "",
            "thesis of alice: its hold of 0s after the stop has ended, GPU 0 is free\n"
        ]
        .contains(&&*said.stdout),
        "{said:?}"
    );
    assert_eq!(holders(&host), "0 -");
    assert_eq!(events(&host, "gpu.release").len(), 1);
}

#[test]
fn what_happened_behind_the_ledgers_back_is_learned() {
    let host = TestHost::with_gpus(3);
    created(&host, "thesis");
    let bob = host
        .as_user("bob")
        .run("container-create", &["other", "ds01-base"]);
    assert_eq!(bob.status, Some(0));
    host.as_user("bob").run("container-start", &["other"]).ok();
    host.docker(&["rm", &engine_name("thesis")]).ok();
    host.docker(&["stop", "-t", "0", "other._.20002"]).ok();
    let run = [
        "create",
        "--name",
        "odd",
        "--gpus",
        "device=2",
        "ds01-base",
        "true",
    ];
    host.docker(&run).ok();
    let lines = until(&host, HOLDS, |_| true);
    let expected = [
        "thesis of alice is gone, GPU 0 is free",
        "odd has GPUs, and DS01 did not make it",
    ];
    assert_eq!(lines, expected);
    assert_eq!(holders(&host), "0 -, 1 other (stopped), 2 odd");
    assert_eq!(pass(&host, HOLDS, &[]), done("", ""));
}

#[test]
fn a_damaged_ledger_is_rebuilt() {
    let host = TestHost::with_gpus(1);
    created(&host, "thesis");
    host.ledger().set(b"{}");
    let would = pass(&host, HOLDS, &["--dry-run"]);
    assert_eq!((would.status, would.stdout.as_str()), (Some(0), ""));
    assert!(
        would.stderr.contains("the ledger would be rebuilt: "),
        "{would:?}"
    );
    assert_eq!(host.ledger().bytes(), b"{}");
    let rebuilt = pass(&host, HOLDS, &[]);
    assert!(
        rebuilt.stderr.contains("it was rebuilt from the engine"),
        "{rebuilt:?}"
    );
    assert_eq!(holders(&host), "0 thesis");
}

#[test]
fn it_is_for_root() {
    let host = TestHost::with_gpus(1);
    let refused = "ds01-holds: only root may run this\n\
                   hint: as root: sudo ds01-holds --dry-run shows what it would do\n";
    assert_eq!(host.run(HOLDS, &[]), failed(7, refused));
}

#[test]
fn mounts_go_when_nobody_can_be_making_their_container_any_more() {
    let host = TestHost::new();
    let place = host.root().join("run/mounts/place");
    fs::create_dir_all(&place).unwrap();
    pass(&host, HOLDS, &[]).ok();
    assert!(place.exists(), "somebody may be making it");
    let folder = fs::File::open(&place).unwrap();
    let long_ago = SystemTime::now() - Duration::from_secs(180);
    folder.set_modified(long_ago).unwrap();
    pass(&host, HOLDS, &[]).ok();
    assert!(!place.exists());
}

#[test]
fn a_pass_that_is_killed_anywhere_frees_a_device_for_one_and_it_is_told() {
    let host = stopped(1, &hours(1.0).to_string());
    let config = format!("--config={}/etc/ds01.toml", host.root().display());
    let command = [HOLDS, &*config];
    let is_over = || while pass(&host, HOLDS, &["--dry-run"]).ok().is_empty() {};
    // Its first pass does once what no other does.
    pass(&host, HOLDS, &[]).ok();
    let stopped_again = || {
        host.run("container-start", &["thesis"]).ok();
        host.run("container-stop", &["thesis", "-t", "0"]).ok();
        is_over();
    };
    stopped_again();
    let chosen = chosen(points(&host, "root", Fault::Killed, &command), 1);
    let mut killed = 0;
    for point in &chosen {
        stopped_again();
        let before = events(&host, "gpu.release").len();
        killed += usize::from(fails_at(&host, "root", point, &command));
        let said = pass(&host, HOLDS, &[]);
        assert_eq!((said.status, &*said.stderr), (Some(0), ""), "{point:?}");
        assert_eq!(holders(&host), "0 -", "{point:?}");
        let told = events(&host, "gpu.release").len() - before;
        // Once, unless it was killed between the line about it and the ledger.
        assert!((1..=2).contains(&told), "{point:?}: {told}");
        let bob = |command: &str, args: &[&str]| host.as_user("bob").run(command, args);
        let made = bob("container-create", &["other", "ds01-base"]);
        assert_eq!(made, done("other with GPU 0\n", ""), "{point:?}");
        // It went to another, and comes back only from there.
        assert_eq!(host.run("container-start", &["thesis"]).status, Some(6));
        bob("container-remove", &["other"]).ok();
    }
    eprintln!("killed at {killed} of {}", chosen.len());
    assert!(
        killed * 10 >= chosen.len() * 8,
        "{killed} of {}",
        chosen.len()
    );
}
