//! Containers after they were made: start, stop, pause, remove, and what becomes of their devices.

use ds01_testkit::TestHost;

use crate::support::duties::{events, pass};
use crate::support::expect::{
    created, done, engine_name, failed, inside, inspect, running, state, uuid, with_limit,
};

mod remove;
mod start;
mod stop;

const START: &str = "container-start";

#[test]
fn a_start_says_nothing_and_a_second_one_that_it_runs() {
    let host = TestHost::new();
    created(&host, "thesis");
    assert_eq!(host.run(START, &["thesis"]), done("", ""));
    assert_eq!(state(&host, "thesis"), "running");
    assert_eq!(
        host.run(START, &["thesis"]),
        done("", "thesis runs already\n")
    );
    assert_eq!(
        host.run(START, &["thesis._.20001"]),
        done("", "thesis runs already\n")
    );
}

#[test]
fn the_containers_of_others_are_not_there() {
    let host = TestHost::new();
    running(&host, "thesis");
    let bob = |command: &str, name: &str| host.as_user("bob").run(command, &[name]);
    for command in [
        "container-start",
        "container-run",
        "container-attach",
        "container-pause",
        "container-unpause",
        "container-stop",
        "container-remove",
    ] {
        for name in ["thesis", "thesis._.20001"] {
            let none = format!(
                "{command}: you have no container {name}\n\
                 hint: see what you have with container-list --all\n"
            );
            assert_eq!(bob(command, name), failed(3, &none));
        }
    }
    assert_eq!(state(&host, "thesis"), "running");
    with_admin(&host, "bob");
    assert_eq!(bob("container-stop", "thesis").status, Some(3));
    assert_eq!(bob("container-stop", "thesis._.20001").status, Some(0));
    assert_eq!(state(&host, "thesis"), "exited");
}

fn with_admin(host: &TestHost, login: &str) {
    let limits = host.limits_text();
    host.limits_yaml(&format!(
        "{limits}access_control:\n  admin_users: [{login}]\n"
    ));
}

#[test]
fn a_later_start_takes_the_same_devices_or_none() {
    let host = TestHost::with_gpus(2);
    with_limit(&host, "gpu_hold_after_stop_h", "0");
    running(&host, "thesis");
    let stopped = host.run("container-stop", &["thesis"]);
    assert_eq!(stopped, done("", "thesis stopped, GPU 0 is free\n"));
    host.run(START, &["thesis"]).ok();
    host.run("container-stop", &["thesis"]).ok();

    let bob = |command: &str, args: &[&str]| host.as_user("bob").run(command, args);
    bob("container-create", &["first", "ds01-base"]).ok();
    let gone = "container-start: GPU 0 of thesis went to another container after the hold had ended\n\
                hint: make it anew: container-remove thesis && container-create thesis --gpu=1 \
                --image=ds01-base\n";
    assert_eq!(host.run(START, &["thesis"]), failed(6, gone));
    assert_eq!(
        state(&host, "thesis"),
        "exited",
        "the free GPU 1 is another one"
    );
    let run = host
        .as_user("alice")
        .stdin("nvidia-smi\n")
        .run("container-run", &["thesis"]);
    assert_eq!(run, failed(6, &gone.replace("-start:", "-run:")));

    bob("container-remove", &["first"]).ok();
    assert_eq!(host.run(START, &["thesis"]), done("", ""));
    let given: Vec<_> = host
        .gpus()
        .given()
        .into_iter()
        .map(|given| given.devices)
        .collect();
    assert_eq!(given, vec![vec![uuid(0)]; 3]);
}

#[test]
fn a_later_start_does_not_pass_the_quota() {
    let host = TestHost::with_gpus(2);
    with_limit(&host, "gpu_hold_after_stop_h", "0");
    running(&host, "first");
    host.run("container-stop", &["first"]).ok();
    let bob = |command: &str, args: &[&str]| host.as_user("bob").run(command, args).ok();
    bob("container-create", &["other", "ds01-base"]);
    created(&host, "second");
    bob("container-remove", &["other"]);
    let quota = "container-start: GPU quota reached: 1 of 1 in use, 1 more asked for\n\
                 hint: free a GPU with container-retire\n";
    assert_eq!(host.run(START, &["first"]), failed(5, quota));
    host.run("container-remove", &["second"]).ok();
    assert_eq!(host.run(START, &["first"]), done("", ""));
}

#[test]
fn a_stopped_container_keeps_its_devices_as_long_as_the_policy_says() {
    let host = TestHost::new();
    running(&host, "thesis");
    let stop = |hold: &str| {
        with_limit(&host, "gpu_hold_after_stop_h", hold);
        host.run(START, &["thesis"]).ok();
        host.run("container-stop", &["thesis"])
    };
    let bob = || {
        host.as_user("bob")
            .run("container-create", &["first", "ds01-base", "--no-wait"])
    };
    assert_eq!(stop("1.5"), done("", "thesis keeps GPU 0 for 1h 30m\n"));
    assert_eq!(bob().status, Some(6));
    assert_eq!(
        stop("null"),
        done("", "thesis keeps GPU 0 until it is removed\n")
    );
    assert_eq!(bob().status, Some(6));
    assert_eq!(stop("0.0003"), done("", "thesis keeps GPU 0 for 1s\n"));
    // A second that passes on its own: asking is the only way to see that it has.
    while bob().status == Some(6) {}
    assert_eq!(bob().status, Some(4), "bob has it");
}

#[test]
fn a_container_that_ends_by_itself_is_held_from_then_on() {
    let host = TestHost::new();
    with_limit(&host, "gpu_hold_after_stop_h", "0");
    running(&host, "thesis");
    host.docker(&["kill", &engine_name("thesis")]).ok();
    let bob = host
        .as_user("bob")
        .run("container-create", &["first", "ds01-base"]);
    assert_eq!(bob, done("first with GPU 0\n", ""));
}

#[test]
fn a_start_that_fails_says_why_and_can_be_tried_again() {
    let host = TestHost::new();
    created(&host, "thesis");
    let there = host.gpus().uuids();
    host.gpus()
        .edit(|sim| sim["gpus"][0]["uuid"] = "GPU-00000000-0000-4000-8000-00000000000f".into());
    let gone = host.run(START, &["thesis"]);
    let expected = format!(
        "container-start: GPU 0 ({}) of thesis is not on this host any more: ",
        there[0]
    );
    assert_eq!((gone.status, gone.stdout.as_str()), (Some(6), ""));
    assert!(gone.stderr.starts_with(&expected), "{}", gone.stderr);
    let hint = "\nhint: make it anew: container-remove thesis && container-create thesis --gpu=1 \
                --image=ds01-base\n";
    assert!(gone.stderr.ends_with(hint), "{}", gone.stderr);
    host.gpus()
        .edit(|sim| sim["gpus"][0]["uuid"] = there[0].clone().into());
    assert_eq!(host.run(START, &["thesis"]), done("", ""));
}

#[test]
fn a_paused_container_is_frozen_and_goes_on_where_it_was() {
    let host = TestHost::new();
    created(&host, "thesis");
    let not = |command: &str, wanted: &str| {
        failed(
            4,
            &format!(
                "{command}: container thesis is created, not {wanted}\n\
                 hint: start it with container-start thesis\n"
            ),
        )
    };
    for (command, wanted) in [
        ("container-pause", "running"),
        ("container-unpause", "paused"),
    ] {
        assert_eq!(host.run(command, &["thesis"]), not(command, wanted));
    }
    host.run(START, &["thesis"]).ok();
    assert_eq!(host.run("container-unpause", &["thesis"]), done("", ""));
    for _ in 0..2 {
        assert_eq!(host.run("container-pause", &["thesis"]), done("", ""));
        assert_eq!(state(&host, "thesis"), "paused");
    }
    let paused = |command: &str, what: &str| {
        failed(
            4,
            &format!(
                "{command}: container thesis is paused{what}\n\
                 hint: let it go on with container-unpause thesis\n"
            ),
        )
    };
    assert_eq!(host.run(START, &["thesis"]), paused(START, ""));
    assert_eq!(
        host.run("container-run", &["thesis"]),
        paused("container-run", "")
    );
    let attach = host.run("container-attach", &["thesis"]);
    assert_eq!(attach, paused("container-attach", ", not running"));
    let held = host.run("gpu-status", &["--format=simple"]).ok();
    assert!(held.ends_with("\talice\tthesis\n"), "{held}");
    assert_eq!(host.run("container-unpause", &["thesis"]), done("", ""));
    assert_eq!(inside(&host, "thesis", "echo on\n"), "on\n");
}

#[test]
fn all_means_those_that_it_can_be_done_to() {
    let host = TestHost::new();
    for name in ["a", "b", "c"] {
        host.run("container-create", &[name, "ds01-base", "--cpu-only"])
            .ok();
    }
    let nothing = done("", "you have no container that is running\n");
    assert_eq!(host.run("container-pause", &["--all"]), nothing);
    for name in ["a", "b"] {
        host.run(START, &[name]).ok();
    }
    let bob = host.as_user("bob");
    bob.run("container-create", &["d", "ds01-base", "--cpu-only"])
        .ok();
    host.as_user("bob").run(START, &["d"]).ok();
    let states = || {
        let own = ["a", "b", "c"].map(|name| state(&host, name)).join(" ");
        format!("{own} {}", inspect(&host, "d._.20002", "{{.State.Status}}"))
    };
    assert_eq!(host.run("container-pause", &["-a"]), done("", ""));
    assert_eq!(states(), "paused paused created running");
    assert_eq!(host.run("container-unpause", &["--all"]), done("", ""));
    assert_eq!(states(), "running running created running");
    assert_eq!(
        host.run("container-stop", &["--all", "--force"]),
        done("", "")
    );
    assert_eq!(states(), "exited exited created running");
    assert_eq!(
        host.run("container-remove", &["--all", "--force"]),
        done("", "a removed\nb removed\nc removed\n")
    );
    assert_eq!(
        host.docker(&["ps", "-a", "--format", "{{.Names}}"]).ok(),
        "d._.20002\n"
    );
}

#[test]
fn each_run_that_takes_its_gpu_anew_is_told_as_each_that_gives_it_back() {
    let host = TestHost::new();
    running(&host, "thesis");
    let told = |kind: &str| events(&host, kind);
    let stop = || host.run("container-stop", &["thesis", "-t", "0"]).ok();
    let start = || host.run("container-start", &["thesis"]).ok();
    stop();
    start();
    let allocated = told("gpu.allocate");
    assert_eq!(allocated.len(), 1, "it was kept for it");
    with_limit(&host, "gpu_hold_after_stop_h", "0");
    for round in 1..=2 {
        stop();
        host.run("gpu-status", &[]).ok();
        pass(&host, "ds01-holds", &[]).ok();
        assert_eq!(told("gpu.release").len(), round);
        start();
        assert_eq!(told("gpu.allocate").len(), round + 1);
    }
    let mut again = told("gpu.allocate").pop().unwrap();
    assert_eq!(again["details"]["reason"], "its own before");
    again["details"]["reason"] = "the first of the smallest that were free".into();
    again["source"] = allocated[0]["source"].clone();
    again["timestamp"] = allocated[0]["timestamp"].clone();
    assert_eq!(again, allocated[0]);
}

#[test]
fn of_several_who_remove_a_container_at_once_one_is_told() {
    let host = TestHost::new();
    for round in 1..=5 {
        created(&host, "thesis");
        let remove = || host.as_user("alice").spawn("container-remove", &["thesis"]);
        let all: Vec<_> = (0..3).map(|_| remove()).collect();
        let ended: Vec<_> = all.into_iter().map(|one| one.wait().status).collect();
        assert!(ended.contains(&Some(0)), "{ended:?}");
        assert_eq!(events(&host, "container.remove").len(), round, "{ended:?}");
        assert_eq!(events(&host, "gpu.release").len(), round, "{ended:?}");
    }
}
