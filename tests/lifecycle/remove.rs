//! `container-remove`.

use std::fs;

use ds01_testkit::TestHost;

use crate::support::expect::{
    created, done, engine_name, failed, inside, outcome, running, state, with_limit,
};

const REMOVE: &str = "container-remove";

/// The names of all containers on the engine.
fn containers(host: &TestHost) -> String {
    host.docker(&["ps", "-a", "--format", "{{.Names}}"]).ok()
}

#[test]
fn a_running_container_is_refused_unless_it_is_to_be_stopped() {
    let host = TestHost::new();
    running(&host, "thesis");
    let refused = "container-remove: container thesis is running\n\
                   hint: stop it first, or use container-remove thesis --stop\n";
    for args in [
        &["thesis"][..],
        &["thesis", "--force"],
        &["thesis", "--dry-run"],
    ] {
        assert_eq!(host.run(REMOVE, args), failed(4, refused));
    }
    assert_eq!(state(&host, "thesis"), "running");
    let would = host.run(REMOVE, &["thesis", "--stop", "--dry-run"]);
    assert_eq!(would, done("thesis would be removed\n", ""));
    assert_eq!(state(&host, "thesis"), "running");
    let removed = host.run(REMOVE, &["thesis", "--stop"]);
    assert_eq!(removed, done("", "thesis removed, GPU 0 is free\n"));
    assert_eq!(containers(&host), "");
}

#[test]
fn of_two_devices_it_says_that_both_are_free() {
    let host = TestHost::with_gpus(2);
    with_limit(&host, "max_gpu_equivalents", "2");
    with_limit(&host, "max_gpu_slots_per_container", "2");
    host.run("container-create", &["thesis", "ds01-base", "--gpu=2"])
        .ok();
    let removed = host.run(REMOVE, &["thesis"]);
    assert_eq!(removed, done("", "thesis removed, GPU 0 1 are free\n"));
}

#[test]
fn the_workspace_stays_and_the_record_goes() {
    let host = TestHost::new();
    running(&host, "thesis");
    inside(&host, "thesis", "echo kept >/workspace/results\n");
    let record = host
        .state_dir()
        .join("container-metadata/thesis._.20001.json");
    assert!(record.exists());
    host.run(REMOVE, &["thesis", "--stop"]).ok();
    assert!(!record.exists());
    let results = host.home("alice").join("workspace/thesis/results");
    assert_eq!(fs::read_to_string(results).unwrap(), "kept\n");
    created(&host, "thesis");
}

#[test]
fn of_several_those_that_can_go_go() {
    let host = TestHost::new();
    created(&host, "a");
    for name in ["b", "c"] {
        host.run("container-create", &[name, "ds01-base", "--cpu-only"])
            .ok();
    }
    host.run("container-start", &["b"]).ok();
    let removed = host.run(REMOVE, &["a", "missing", "b", "c"]);
    let expected = "a removed, GPU 0 is free\n\
                    container-remove: you have no container missing\n\
                    hint: see what you have with container-list --all\n\
                    container-remove: container b is running\n\
                    hint: stop it first, or use container-remove b --stop\n\
                    c removed\n";
    assert_eq!(removed, outcome(3, "", expected));
    assert_eq!(containers(&host), "b._.20001\n");
}

#[test]
fn all_leaves_running_ones_unless_they_are_to_be_stopped() {
    let host = TestHost::new();
    created(&host, "a");
    host.run("container-create", &["b", "ds01-base", "--cpu-only"])
        .ok();
    host.run("container-start", &["b"]).ok();
    let refused = "container-remove: this needs a confirmation, and there is no terminal to ask on\n\
                   hint: --force answers yes\n";
    assert_eq!(host.run(REMOVE, &["--all"]), failed(2, refused));
    let both = "container-remove: a name and --all exclude each other\n\
                hint: see container-remove --help\n";
    assert_eq!(
        host.run(REMOVE, &["b", "--all", "--force"]),
        failed(2, both)
    );
    assert_eq!(
        host.run(REMOVE, &["--all", "--dry-run"]),
        done("a would be removed\n", "")
    );
    let mut asked = host.as_user("alice").pty(REMOVE, &["--all", "--stop"]);
    asked.expect("Remove a, b? The workspace stays. [y/N] ");
    asked.send("n\r");
    asked.expect("container-remove: nothing was removed\r\n");
    assert_eq!(asked.wait(), Some(1));
    let removed = host.run(REMOVE, &["--all", "--force"]);
    assert_eq!(removed, done("", "a removed, GPU 0 is free\n"));
    assert_eq!(containers(&host), "b._.20001\n");
    assert_eq!(
        host.run(REMOVE, &["--all", "--stop", "--force"]),
        done("", "b removed\n")
    );
    assert_eq!(containers(&host), "");
}

#[test]
fn what_has_gone_behind_our_back_is_accounted_for() {
    let host = TestHost::new();
    running(&host, "thesis");
    host.docker(&["rm", "-f", &engine_name("thesis")]).ok();
    for command in ["container-start", "container-attach", "container-pause"] {
        let none = format!(
            "{command}: you have no container thesis\n\
             hint: see what you have with container-list --all\n"
        );
        assert_eq!(host.run(command, &["thesis"]), failed(3, &none));
    }
    let removed = host.run(REMOVE, &["thesis"]);
    assert_eq!(removed, done("", "thesis removed, GPU 0 is free\n"));

    running(&host, "thesis");
    host.docker(&["rm", "-f", &engine_name("thesis")]).ok();
    let bob = host
        .as_user("bob")
        .run("container-create", &["first", "ds01-base"]);
    assert_eq!(bob, done("first with GPU 0\n", ""));
    assert_eq!(host.run(REMOVE, &["thesis"]).status, Some(3));
}

#[test]
fn images_go_once_nothing_uses_them() {
    let host = TestHost::new();
    let images = || {
        let names = host.docker(&["images", "--format", "{{.Repository}}"]).ok();
        let mut own: Vec<_> = names
            .lines()
            .filter_map(|name| name.strip_prefix("ds01-20001/"))
            .collect();
        own.sort_unstable();
        own.join(" ")
    };
    crate::support::expect::image(&host, "ds01-20001/thesis", "ds01-base", &[], &["LABEL a=b"]);
    for name in ["thesis", "other"] {
        let args = [name, "--project=thesis", "--cpu-only"];
        host.run("container-create", &args).ok();
    }
    assert_eq!(images(), "of.container of.container thesis with.account");
    let stays = "container-remove: warning: the image ds01-20001/thesis:latest stays: a container \
                 uses it\nother removed\n";
    assert_eq!(host.run(REMOVE, &["other", "--images"]), done("", stays));
    assert_eq!(images(), "of.container thesis with.account");
    let gone = "thesis removed\nimage ds01-20001/thesis:latest removed\n";
    assert_eq!(host.run(REMOVE, &["thesis", "--images"]), done("", gone));
    assert_eq!(images(), "");

    host.run("container-create", &["thesis", "ds01-base", "--cpu-only"])
        .ok();
    let only = done("", "thesis removed\n");
    assert_eq!(host.run(REMOVE, &["thesis", "--images"]), only);
    assert!(
        host.docker(&["images"]).ok().contains("ds01-base "),
        "it is not the user's"
    );
}
