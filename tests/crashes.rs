//! Commands that are killed at every system call by which they write, or whose engine goes away at
//! any they read it by: whatever they leave, the next command goes on from there.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use ds01_testkit::{Outcome, TestHost};

use crate::support::{
    engine_view::{Container, assert_no_device_twice, containers},
    expect::done,
    kill_points::{Fault, Point, chosen, fails_at, points},
};

const X: &str = "x._.20001";
const CREATE_X: [&str; 4] = ["container-create", "x", "--image=ds01-base", "--gpu=1"];
const CREATE_Y: [&str; 5] = [
    "container-create",
    "y",
    "--image=ds01-base",
    "--gpu=1",
    "--no-wait",
];
const REMOVE_X: [&str; 4] = ["container-remove", "x", "--stop", "--force"];

/// A host with one device, where both users have an image with their account.
fn host() -> TestHost {
    let host = TestHost::with_gpus(1);
    for user in ["alice", "bob"] {
        let create = ["first", "--image=ds01-base", "--cpu-only"];
        host.as_user(user).run("container-create", &create).ok();
        host.as_user(user).run("container-remove", &["first"]).ok();
    }
    host
}

fn alice(host: &TestHost, command: &[&str]) -> Outcome {
    host.run(command[0], &command[1..])
}

fn bob(host: &TestHost, command: &[&str]) -> Outcome {
    host.as_user("bob").run(command[0], &command[1..])
}

fn x(host: &TestHost) -> Option<Container> {
    containers(host)
        .into_iter()
        .find(|container| container.name == X)
}

/// Tries until it works: the engine may still be at what the dead process asked for.
#[track_caller]
fn in_the_end(at: &Point, mut act: impl FnMut() -> Outcome) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let outcome = act();
        if outcome.status == Some(0) {
            return;
        }
        assert!(Instant::now() < deadline, "{at:?}: {outcome:#?}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Where the device may be after a kill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    /// With alice's container, which exists all the time and holds it.
    WithX,
    /// With her container, or free.
    Either,
}

/// Runs `command` with a fault at each of its points, every time from what `prepare` makes, and
/// judges what is left.
fn fail_and_judge(host: &TestHost, fault: Fault, left: Left, prepare: impl Fn(), command: &[&str]) {
    prepare();
    let all = points(host, "alice", fault, command);
    clean_up(host);
    let (number, mut failed) = (all.len(), 0);
    let chosen = chosen(all, 3);
    for point in &chosen {
        prepare();
        failed += usize::from(fails_at(host, "alice", point, command));
        judge(host, point, left);
        clean_up(host);
    }
    eprintln!(
        "{}: {number} points, {fault:?} at {failed} of {}",
        command[0],
        chosen.len()
    );
    // Some runs make a call less than the one that was traced.
    assert!(
        failed * 10 >= chosen.len() * 9,
        "{fault:?} at {failed} of {}",
        chosen.len()
    );
}

fn judge(host: &TestHost, at: &Point, left: Left) {
    host.ledger().read();
    for look in [
        ["container-list", "--all"],
        ["gpu-status", "--format=simple"],
    ] {
        let outcome = bob(host, &look);
        assert_eq!((outcome.status, &*outcome.stderr), (Some(0), ""), "{at:?}");
    }
    a_device_is_with_one_or_free(host, at, left);
    the_name_can_be_used(host, at);
}

/// Bob gets the device, or alice's container has it.
fn a_device_is_with_one_or_free(host: &TestHost, at: &Point, left: Left) {
    let mut outcome = bob(host, &CREATE_Y);
    if outcome.status == Some(6) && x(host).is_none() {
        // The engine was still removing it.
        outcome = bob(host, &CREATE_Y);
    }
    match outcome.status {
        Some(0) if left == Left::Either => {}
        Some(6) if x(host).is_some() => return,
        _ => panic!("{at:?}: {outcome:#?}"),
    }
    bob(host, &["container-start", "y"]).ok();
    // Alice's may have turned up late, without the device.
    if x(host).is_some() {
        let start = alice(host, &["container-start", "x"]);
        assert_eq!(start.status, Some(6), "{at:?}: {start:#?}");
    }
    let all = containers(host);
    assert_no_device_twice(host, all.iter().filter(|c| c.state == "running"));
    bob(host, &["container-remove", "y", "--stop"]).ok();
}

/// A new container of that name can be made, or one is listed and can be removed.
fn the_name_can_be_used(host: &TestHost, at: &Point) {
    let create = alice(host, &CREATE_X);
    match create.status {
        Some(0) => return,
        Some(4) => {}
        _ => panic!("{at:?}: {create:#?}"),
    }
    if x(host).is_some() {
        let list = alice(host, &["container-list", "--all", "--format=simple"]).ok();
        assert!(list.starts_with("x\t"), "{at:?}: {create:#?} {list:?}");
    }
    in_the_end(at, || alice(host, &REMOVE_X));
    alice(host, &CREATE_X).ok();
}

/// Removes alice's container: then nothing is left of anything.
fn clean_up(host: &TestHost) {
    if x(host).is_some() {
        alice(host, &REMOVE_X).ok();
    }
    assert_eq!(containers(host), []);
    // The next one to look drops the entry of what was removed.
    let create = [
        "container-create",
        "next",
        "--image=ds01-base",
        "--cpu-only",
    ];
    bob(host, &create).ok();
    bob(host, &["container-remove", "next"]).ok();
    assert_eq!(
        host.ledger().read()["allocations"]
            .as_array()
            .unwrap()
            .len(),
        0
    );
    let records = fs::read_dir(host.state_dir().join("container-metadata")).unwrap();
    let names = records.map(|record| record.unwrap().file_name().into_string().unwrap());
    assert_eq!(
        names
            .filter(|name| name.ends_with(".json"))
            .collect::<Vec<_>>(),
        [""; 0]
    );
}

#[test]
fn a_create_killed_anywhere_leaves_no_device_and_no_name_behind() {
    let host = host();
    fail_and_judge(&host, Fault::Killed, Left::Either, || {}, &CREATE_X);
}

#[test]
fn a_create_killed_while_it_makes_the_image_leaves_nothing_in_the_way() {
    let host = host();
    let forget = || {
        let images = host
            .docker(&["images", "-q", "ds01-20001/with.account"])
            .ok();
        images
            .lines()
            .for_each(|image| drop(host.docker(&["rmi", "-f", image]).ok()));
    };
    let drafts = |host: &TestHost| {
        let all = containers(host);
        all.into_iter()
            .filter(|c| c.name.starts_with("ds01-account-"))
            .collect::<Vec<_>>()
    };
    let points = points_of_image(&host, &forget);
    for point in &points {
        forget();
        fails_at(&host, "alice", point, &CREATE_X);
        the_name_can_be_used(&host, point);
        // A draft of the image may be left, without a device: the next one to make it removes it.
        assert!(drafts(&host).len() <= 1, "{point:?}");
        alice(&host, &REMOVE_X).ok();
        forget();
        alice(&host, &CREATE_X).ok();
        assert_eq!(drafts(&host), [], "{point:?}");
        clean_up(&host);
    }
}

fn points_of_image(host: &TestHost, forget: &impl Fn()) -> Vec<Point> {
    forget();
    let all = points(host, "alice", Fault::Killed, &CREATE_X);
    clean_up(host);
    chosen(all, 12)
}

#[test]
fn a_first_start_killed_anywhere_leaves_the_device_with_its_container() {
    let host = host();
    let created = || drop(alice(&host, &CREATE_X).ok());
    fail_and_judge(
        &host,
        Fault::Killed,
        Left::WithX,
        created,
        &["container-start", "x"],
    );
}

#[test]
fn a_start_killed_after_the_hold_gives_its_device_to_one_container_at_a_time() {
    let host = host();
    let limits = host.limits_text();
    host.limits_yaml(&limits.replace("gpu_hold_after_stop_h: 0.25", "gpu_hold_after_stop_h: 0"));
    let stopped = || {
        for command in [
            &CREATE_X[..],
            &["container-start", "x"],
            &["container-stop", "x", "-t", "1"],
        ] {
            alice(&host, command).ok();
        }
    };
    fail_and_judge(
        &host,
        Fault::Killed,
        Left::Either,
        stopped,
        &["container-start", "x"],
    );
}

#[test]
fn a_stop_killed_anywhere_leaves_the_device_with_its_container() {
    let host = host();
    let running = || {
        for command in [&CREATE_X[..], &["container-start", "x"]] {
            alice(&host, command).ok();
        }
    };
    fail_and_judge(
        &host,
        Fault::Killed,
        Left::WithX,
        running,
        &["container-stop", "x", "-t", "1"],
    );
}

#[test]
fn a_remove_killed_anywhere_leaves_no_device_and_no_name_behind() {
    let host = host();
    let created = || drop(alice(&host, &CREATE_X).ok());
    fail_and_judge(
        &host,
        Fault::Killed,
        Left::Either,
        created,
        &["container-remove", "x"],
    );
}

#[test]
fn an_engine_that_goes_away_before_any_answer_loses_no_device_and_no_name() {
    let host = host();
    let created = || drop(alice(&host, &CREATE_X).ok());
    let (cut, either) = (Fault::CutOff, Left::Either);
    fail_and_judge(&host, cut, either, || {}, &CREATE_X);
    fail_and_judge(&host, cut, Left::WithX, created, &["container-start", "x"]);
    fail_and_judge(&host, cut, either, created, &["container-remove", "x"]);
}

#[test]
fn a_stop_that_is_noted_late_takes_nothing_from_the_next_run() {
    let host = host();
    let limits = host.limits_text();
    host.limits_yaml(&limits.replace("gpu_hold_after_stop_h: 0.25", "gpu_hold_after_stop_h: 0"));
    let start = ["container-start", "x"];
    alice(&host, &CREATE_X).ok();
    alice(&host, &start).ok();

    // It sleeps where it is about to lock the ledger.
    let lock = host.state_dir().join("ledger.json.lock");
    let log = host.home("alice").join("late.txt");
    let [lock, path] = [&lock, &log].map(|path| path.to_str().unwrap());
    let inject = "inject=openat:signal=SIGSTOP:when=1";
    let strace = ["-o", path, "-e", "trace=openat", "-e", inject, "-P", lock];
    let late = [&strace[..], &["container-stop", "x", "-t", "1"]].concat();
    let late = host.as_user("alice").spawn("strace", &late);
    let deadline = Instant::now() + Duration::from_secs(20);
    while !fs::read_to_string(&log).is_ok_and(|log| log.contains("stopped by SIGSTOP")) {
        assert!(Instant::now() < deadline, "it never sleeps");
        thread::sleep(Duration::from_millis(5));
    }
    alice(&host, &start).ok();
    let children = format!("/proc/{0}/task/{0}/children", late.pid());
    let children = fs::read_to_string(children).unwrap();
    host.as_user("alice")
        .run("kill", &["-CONT", children.trim()])
        .ok();
    assert_eq!(late.wait(), done("", ""));

    assert_eq!(bob(&host, &CREATE_Y).status, Some(6));
    // Once, between its two runs.
    let released = host.run("ds01-events", &["--type=gpu.release", "--format=simple"]);
    assert_eq!(released.ok().lines().count(), 1);
}
