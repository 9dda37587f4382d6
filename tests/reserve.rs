//! `gpu-reserve`.

use ds01_testkit::{Outcome, TestHost};
use serde_json::json;

use crate::support::{
    duties::told,
    expect::{created, done, failed, running, state, with_limit},
};

const RESERVE: &str = "gpu-reserve";

/// A host on which dave is an admin, and carol of the group that something is reserved for.
fn host(gpus: usize) -> TestHost {
    let host = TestHost::with_gpus(gpus);
    let limits = host.limits_text();
    host.limits_yaml(&format!(
        "{limits}  lab: {{members: [carol]}}\naccess_control:\n  admin_users: [dave]\n"
    ));
    host
}

fn dave(host: &TestHost, args: &[&str]) -> Outcome {
    host.as_user("dave").run(RESERVE, args)
}

/// Takes back what is reserved, which is one reservation.
fn cancel(host: &TestHost) -> Outcome {
    let list = dave(host, &["list", "--format=simple"]).ok();
    let (id, _) = list.split_once('\t').unwrap();
    dave(host, &["cancel", id])
}

/// Whether this user gets a GPU now; they give it back.
fn gets_one(host: &TestHost, user: &str) -> bool {
    let args = ["x", "ds01-base", "--no-wait"];
    let said = host.as_user(user).run("container-create", &args);
    assert!(matches!(said.status, Some(0 | 6)), "{said:?}");
    if said.status == Some(0) {
        host.as_user(user).run("container-remove", &["x"]).ok();
    }
    said.status == Some(0)
}

/// A line without its times.
fn timeless(line: &str) -> &str {
    line.split_once(" from ").map_or(line, |(before, _)| before)
}

#[test]
fn a_device_that_is_reserved_is_given_to_nobody_else_while_that_lasts() {
    let host = host(1);
    assert!(gets_one(&host, "bob"));
    let made = dave(&host, &["add", "--for=alice", "--gpu=0", "--until=2h"]);
    let made = made.ok();
    let number = made.strip_prefix("reservation ").unwrap();
    let (number, what) = number.split_once(": ").unwrap();
    assert_eq!(timeless(what), "GPU 0 for alice");
    assert!(!gets_one(&host, "bob"));
    let why = host
        .as_user("bob")
        .run("container-create", &["x", "ds01-base", "--no-wait"]);
    assert!(
        why.stderr.contains("but reserved for alice until "),
        "{why:?}"
    );
    assert!(gets_one(&host, "alice"));
    let list = host
        .as_user("bob")
        .run(RESERVE, &["list", "--format=simple"])
        .ok();
    let begins = format!("{number}\tGPU 0\talice\t");
    assert!(list.starts_with(&begins), "{list}");
    assert!(list.ends_with("\tdave\n"), "{list}");
    let gone = done("no longer reserved for alice: GPU 0\n", "");
    assert_eq!(dave(&host, &["cancel", number]), gone);
    assert!(gets_one(&host, "bob"));
    // Its number is no other's, whoever cancels it once more.
    dave(&host, &["add", "--for=alice", "--gpu=0", "--until=2h"]).ok();
    assert_eq!(dave(&host, &["cancel", number]).status, Some(3));
}

#[test]
fn an_amount_is_left_for_a_group_on_whichever_devices() {
    let host = host(2);
    dave(&host, &["add", "--group=lab", "--amount=1", "--until=2h"]).ok();
    created(&host, "thesis");
    assert!(!gets_one(&host, "bob"), "the last is for the group");
    assert!(gets_one(&host, "carol"));
    assert_eq!(host.run("container-remove", &["thesis"]).status, Some(0));
    assert!(gets_one(&host, "bob"));
}

#[test]
fn who_could_hold_it_still_as_it_begins_is_not_given_it_before() {
    let host = host(1);
    let soon = ["add", "--for=alice", "--gpu=0", "--from=10h", "--until=2h"];
    dave(&host, &soon).ok();
    assert!(!gets_one(&host, "bob"), "his run may last longer");
    cancel(&host).ok();
    dave(&host, &[&soon[..], &["--lead=1h"]].concat()).ok();
    assert!(gets_one(&host, "bob"), "nobody minds it yet");
}

#[test]
fn nothing_is_promised_to_two_or_by_anybody() {
    let host = host(1);
    let alice = host.run(RESERVE, &["add", "--for=alice", "--gpu=0", "--until=2h"]);
    let refused = "gpu-reserve: only admins reserve GPUs\n\
                   hint: wait in line with gpu-queue join, or ask an admin\n";
    assert_eq!(alice, failed(7, refused));
    assert_eq!(host.run(RESERVE, &["cancel", "1"]), failed(7, refused));
    dave(&host, &["add", "--for=alice", "--gpu=0", "--until=2h"]).ok();
    let twice = dave(
        &host,
        &["add", "--for=bob", "--gpu=0", "--from=1h", "--until=2h"],
    );
    assert_eq!(twice.status, Some(4), "{twice:?}");
    let more = dave(&host, &["add", "--for=bob", "--amount=1", "--until=1h"]);
    let message = "gpu-reserve: more would be reserved at a time (2) than this host has (1)\n\
                   hint: see what is with gpu-reserve list\n";
    assert_eq!(more, failed(4, message));
    dave(
        &host,
        &["add", "--for=bob", "--amount=1", "--from=2h", "--until=1h"],
    )
    .ok();
    let last = [
        "add",
        "--for=carol",
        "--amount=1",
        "--from=1h",
        "--until=90m",
    ];
    assert_eq!(dave(&host, &last), failed(4, message));
    for (args, status) in [
        (
            &["add", "--for=nobody-here", "--gpu=0", "--until=1h"][..],
            2,
        ),
        (&["add", "--group=none", "--gpu=0", "--until=1h"], 3),
        (&["add", "--for=bob", "--gpu=7", "--until=1h"], 3),
        (&["add", "--for=bob", "--gpu=x", "--until=1h"], 2),
        (&["add", "--for=bob", "--until=1h"], 2),
        (&["add", "--gpu=0", "--until=1h"], 2),
        (&["add", "--for=bob", "--gpu=0"], 2),
        (&["add", "--for=bob", "--gpu=0", "--until=2001-01-01"], 2),
        (&["cancel", "9"], 3),
        (&["cancel"], 2),
        (&["frob"], 2),
    ] {
        let said = dave(&host, args);
        assert_eq!(
            (said.status, &*said.stdout),
            (Some(status), ""),
            "{args:?} {said:?}"
        );
    }
}

#[test]
fn a_gpu_that_is_split_is_reserved_by_its_parts() {
    let host = TestHost::with_topology("a100-mig");
    let add = |gpu: &str| {
        let args = ["add", "--for=alice", gpu, "--until=1h"];
        host.as_user("root").run(RESERVE, &args)
    };
    let split = "gpu-reserve: this host has no GPU 1\n\
                 hint: it is split: --gpu=1:0,1:1,1:2,1:3\n";
    assert_eq!(add("--gpu=1"), failed(3, split));
    add("--gpu=1:0,1:1,1:2,1:3").ok();
}

#[test]
fn what_follows_one_upon_the_other_is_not_more_than_there_is() {
    let host = host(2);
    for (whom, from) in [("--for=alice", "--from=1h"), ("--for=bob", "--from=2h")] {
        dave(&host, &["add", whom, "--amount=1", from, "--until=1h"]).ok();
    }
    let both = |amount| ["add", "--for=carol", amount, "--from=90m", "--until=1h"];
    dave(&host, &both("--amount=1")).ok();
    let message = "gpu-reserve: more would be reserved at a time (3) than this host has (2)\n\
                   hint: see what is with gpu-reserve list\n";
    assert_eq!(dave(&host, &both("--amount=1")), failed(4, message));
}

#[test]
fn another_run_does_not_last_into_what_is_reserved_for_others() {
    let host = host(2);
    with_limit(&host, "max_gpu_equivalents", "2");
    running(&host, "thesis");
    host.run("container-stop", &["thesis", "-t", "0"]).ok();
    let add = |what: &str, whom: &str| {
        let args = ["add", what, whom, "--from=1h", "--until=1h"];
        dave(&host, &args).ok();
    };
    let start = || host.run("container-start", &["thesis"]);
    add("--gpu=0", "--for=carol");
    let refused = start();
    assert_eq!(refused.status, Some(6), "{refused:?}");
    let why = "container-start: GPU 0 is promised to carol from 2";
    assert!(refused.stderr.starts_with(why), "{refused:?}");
    let hint = "\nhint: make it anew: container-remove thesis && container-create thesis --gpu=1 \
                --image=ds01-base\n";
    assert!(refused.stderr.ends_with(hint), "{refused:?}");
    assert_eq!(state(&host, "thesis"), "exited");
    cancel(&host).ok();
    // Of an amount what is left is enough, or not.
    add("--amount=2", "--for=carol");
    assert_eq!(start().status, Some(6));
    cancel(&host).ok();
    add("--amount=1", "--for=carol");
    start().ok();
    host.run("container-stop", &["thesis", "-t", "0"]).ok();
    cancel(&host).ok();
    add("--gpu=0", "--for=alice");
    start().ok();
    // A run that ends in time, with its hold.
    host.run("container-stop", &["thesis", "-t", "0"]).ok();
    cancel(&host).ok();
    add("--gpu=0", "--for=carol");
    let limits = host.limits_text();
    let short = "defaults:\n  max_runtime_h: 0.1\n";
    host.limits_yaml(&limits.replacen("defaults:\n", short, 1));
    start().ok();
}

#[test]
fn a_longer_run_does_not_last_into_what_is_reserved_for_others() {
    let host = host(2);
    let limits = host.limits_text();
    let longer = "defaults:\n  max_runtime_h: 1\n  policies: {max_extension_h: null}\n";
    host.limits_yaml(&limits.replacen("defaults:\n", longer, 1));
    running(&host, "thesis");
    let extend = |by: &str| host.run("container-extend", &["thesis", by]);
    let reserve = |what: &str, whom: &str| {
        let args = ["add", what, whom, "--from=4h", "--until=1d"];
        dave(&host, &args).ok();
    };
    reserve("--gpu=0", "--for=carol");
    let refused = extend("12h");
    assert_eq!(refused.status, Some(6), "{refused:?}");
    let why = "container-extend: GPU 0 is promised to carol from 2";
    assert!(refused.stderr.starts_with(why), "{refused:?}");
    let (_, less) = refused.stderr.split_once("\nhint: ask for less: ").unwrap();
    assert!(extend(less.trim_end()).ok().contains(", extended by 2h 4"));
    let refused = extend("1m");
    let hint = "\nhint: see for whom GPUs are kept with gpu-queue list\n";
    assert!(refused.stderr.ends_with(hint), "{refused:?}");
    assert_eq!(told(&host, "container.extend").len(), 1);
    cancel(&host).ok();
    reserve("--gpu=0", "--for=alice");
    extend("1h").ok();
    cancel(&host).ok();
    // Of an amount what is left is enough, or not.
    reserve("--amount=2", "--for=carol");
    assert_eq!(extend("1h").status, Some(6));
    cancel(&host).ok();
    reserve("--amount=1", "--for=carol");
    extend("1h").ok();
}

#[test]
fn another_run_asks_the_driver_only_where_an_amount_of_others_depends_on_it() {
    let host = host(2);
    running(&host, "thesis");
    let driver = |fails: bool| {
        let failure = json!({ "function": "nvmlDeviceGetCount_v2", "result": "UNKNOWN" });
        let failures = [failure].into_iter().filter(|_| fails).collect();
        host.gpus().edit(|sim| sim["failures"] = failures);
    };
    let reserve = |what: &str| {
        host.run("container-stop", &["thesis", "-t", "0"]).ok();
        driver(false);
        let args = ["add", "--group=lab", what, "--from=1h", "--until=1h"];
        dave(&host, &args).ok();
        driver(true);
    };
    let start = || host.run("container-start", &["thesis"]);
    reserve("--amount=1");
    let failing = "container-start: the NVIDIA driver failed: an internal driver error occurred\n\
                   hint: tell an admin; nvidia-smi on the host shows more\n";
    assert_eq!(start(), failed(8, failing), "one is left, or not");
    assert_eq!(state(&host, "thesis"), "exited");
    let limits = host.limits_text();
    let short = "defaults:\n  max_runtime_h: 0.1\n";
    host.limits_yaml(&limits.replacen("defaults:\n", short, 1));
    start().ok();
    host.limits_yaml(&limits);
    cancel(&host).ok();
    reserve("--gpu=1");
    start().ok();
    // Where nothing is reserved, no limit is needed either.
    cancel(&host).ok();
    host.run("container-stop", &["thesis", "-t", "0"]).ok();
    host.limits_yaml("no limits");
    start().ok();
}

#[test]
fn a_turn_is_over_when_a_reservation_of_others_begins() {
    let host = host(1);
    let args = [
        "add",
        "--gpu=0",
        "--for=carol",
        "--from=5m",
        "--until=1h",
        "--lead=1s",
    ];
    dave(&host, &args).ok();
    let kept = host.as_user("bob").run("gpu-queue", &["join"]).ok();
    let list = dave(&host, &["list", "--format=simple"]).ok();
    let from = list.split('\t').nth(3).unwrap();
    let expected = format!("GPU 0 is kept for you until {from}, with ticket ");
    assert!(kept.starts_with(&expected), "{kept} {list}");
}

#[test]
fn what_is_reserved_is_shown_with_the_devices() {
    let host = host(1);
    let nothing = host.run("gpu-status", &[]).ok();
    assert_eq!(nothing.lines().count(), 2, "{nothing}");
    let whole = host.run("dashboard", &[]).ok();
    assert!(!whole.contains("Reservations"), "{whole}");
    dave(&host, &["add", "--for=alice", "--gpu=0", "--until=2h"]).ok();
    let list = dave(&host, &["list", "--format=simple"]).ok();
    let cells: Vec<_> = list.split('\t').collect();
    let (from, until) = (cells[3], cells[4]);
    let status = host.as_user("bob").run("gpu-status", &[]).ok();
    let line = format!("reserved for alice from {from} until {until}: GPU 0");
    assert_eq!(status.lines().last(), Some(&*line));
    let free = |command: &str| {
        let rows = host.run(command, &["--format=simple"]).ok();
        rows.contains("\tfree\t")
    };
    for command in ["gpu-status", "dashboard"] {
        assert!(!free(command), "{command}: nobody else gets it");
    }
    let part = ["reserved", "--format=simple"];
    let part = host.as_user("bob").run("dashboard", &part).ok();
    let row = format!("reserved\tGPU 0\talice\t{from}\t{until}");
    assert!(part.lines().any(|line| line == row), "{part}");
    let whole = host.run("dashboard", &[]).ok();
    assert!(whole.contains("Reservations"), "{whole}");
    let json = |command: &str| -> serde_json::Value {
        let said = host.run(command, &["--format=json"]).ok();
        serde_json::from_str(&said).unwrap()
    };
    let listed: serde_json::Value =
        serde_json::from_str(&dave(&host, &["list", "--format=json"]).ok()).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(json("gpu-status")["reserved"], listed);
    assert_eq!(json("dashboard")["reserved"], listed);
}

#[test]
fn a_time_in_the_past_is_said_and_reserves_nothing() {
    let host = host(1);
    for (args, what) in [
        (
            ["--from=2001-01-01", "--until=2d"],
            "it would begin in the past: 2001-01-01T00:00:00Z",
        ),
        (
            ["--from=now", "--until=2001-01-01"],
            "it would end in the past: 2001-01-01T00:00:00Z",
        ),
    ] {
        let said = dave(
            &host,
            &[&["add", "--for=bob", "--gpu=0"], &args[..]].concat(),
        );
        assert_eq!(said.status, Some(2), "{said:?}");
        let lines: Vec<_> = said.stderr.lines().collect();
        assert_eq!(lines[0], format!("gpu-reserve: {what}"));
        assert!(
            lines[1].starts_with("hint: times are UTC: it is 2"),
            "{said:?}"
        );
        assert_eq!(lines.len(), 2);
    }
    assert_eq!(dave(&host, &["list", "--format=simple"]), done("", ""));
}
