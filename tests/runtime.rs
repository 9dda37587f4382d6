//! `ds01-runtime`.

use std::fs;

use ds01_testkit::TestHost;

use crate::support::{
    duties::{events, hours, pass, policy, told, until},
    expect::{done, engine_name, failed, inspect, running, state},
    kill_points::{Fault, chosen, fails_at, points},
};

mod takeover;

const RUNTIME: &str = "ds01-runtime";

/// A host on which a container may run for so many seconds.
fn host(gpus: usize, seconds: f64) -> TestHost {
    let host = TestHost::with_gpus(gpus);
    let longest = format!("  max_runtime_h: {}\n", hours(seconds));
    policy(&host, &longest, "");
    host
}

fn is_stop(line: &str) -> bool {
    line.contains("thesis of alice stopped")
}

#[test]
fn a_container_that_has_run_long_is_warned_twice_then_stopped_though_it_is_in_use() {
    let host = host(1, 20.0);
    host.gpus()
        .edit(|sim| sim["gpus"][0]["utilization"]["gpu_percent"] = 99.into());
    running(&host, "thesis");
    let lines = until(&host, RUNTIME, is_stop);
    let expected = [
        "thesis of alice warned: up for TIME limit TIME",
        "thesis of alice warned: up for TIME limit TIME",
        "thesis of alice stopped: up for TIME limit TIME",
    ];
    assert_eq!(lines, expected);
    assert_eq!(state(&host, "thesis"), "exited");
    let thesis = |kind: &str| (format!("maintenance.runtime_{kind}"), engine_name("thesis"));
    let kinds = ["warning", "warning", "kill"].map(thesis);
    assert_eq!(told(&host, "maintenance."), kinds);
    for (event, least) in events(&host, "maintenance.").iter().zip([15, 18, 20]) {
        let details = &event["details"];
        let elapsed: u64 = details["elapsed_s"].as_str().unwrap().parse().unwrap();
        assert!(elapsed >= least, "{event}");
        assert_eq!(details["limit_s"], "20");
        assert_eq!(details["gpus"], "0");
    }
    // A start begins a new run.
    host.run("container-start", &["thesis"]).ok();
    assert_eq!(pass(&host, RUNTIME, &[]), done("", ""));
}

#[test]
fn without_the_driver_it_works_and_without_a_gpu_nothing_is_stopped() {
    let host = host(1, 2.0);
    let quiet = ["quiet", "ds01-base", "--cpu-only"];
    host.run("container-create", &quiet).ok();
    host.run("container-start", &["quiet"]).ok();
    running(&host, "thesis");
    host.gpus().remove_driver();
    until(&host, RUNTIME, is_stop);
    assert_eq!(state(&host, "quiet"), "running");
    assert_eq!(pass(&host, RUNTIME, &[]), done("", ""));
}

#[test]
fn who_is_exempt_is_told_once_and_not_stopped() {
    let host = host(2, 2.0);
    running(&host, "thesis");
    let bob = || host.as_user("bob");
    bob().run("container-create", &["other", "ds01-base"]).ok();
    bob().run("container-start", &["other"]).ok();
    let text = "exemptions:\n- {username: alice, exempt_from: [max_runtime_h]}\n";
    fs::write(host.root().join("etc/lifecycle-exemptions.yaml"), text).unwrap();
    let mut lines = until(&host, RUNTIME, |line| line.contains("other of bob stopped"));
    lines.extend(pass(&host, RUNTIME, &[]).ok().lines().map(str::to_owned));
    lines.retain(|line| line.contains("alice"));
    let told_once =
        ["thesis of alice left alone: up for TIME limit TIME exempt: no reason is given"];
    assert_eq!(lines, told_once);
    assert_eq!(state(&host, "thesis"), "running");
}

#[test]
fn a_run_can_be_extended_as_far_as_the_policy_says() {
    let host = host(1, 10.0);
    running(&host, "thesis");
    let extend = |args: &[&str]| host.run("container-extend", args);
    let refused = "container-extend: your group's policy does not let you extend a run\n\
                   hint: ask an admin: policies.max_extension_h in resource-limits.yaml\n";
    assert_eq!(extend(&["thesis", "1h"]), failed(5, refused));
    let limits = host.limits_text();
    let allowed = limits.replace("{grace_period_m", "{max_extension_h: 24, grace_period_m");
    host.limits_yaml(&allowed);
    until(&host, RUNTIME, |line| line.contains("warned"));
    let extended = extend(&["thesis", "12h"]).ok();
    let ending = ", extended by 12h of 1d\n";
    assert!(
        extended.starts_with("thesis may run until 2") && extended.ends_with(ending),
        "{extended}"
    );
    let longer = "save your work, or let it run longer: container-extend thesis 12h";
    let notices =
        fs::read_to_string(host.home("alice").join("workspace/thesis/.ds01-alerts")).unwrap();
    assert!(notices.contains(longer), "{notices}");
    let too_long = "container-extend: a run can be extended by 1day in all, and by 12h still: 13h asked for\n\
                    hint: ask for less: 12h\n";
    assert_eq!(extend(&["thesis", "13h"]), failed(5, too_long));
    assert!(
        extend(&["thesis", "12h"])
            .ok()
            .ends_with(", extended by 1d of 1d\n")
    );
    let limit = host.run("check-limits", &["--format=simple"]).ok();
    assert!(limit.contains("\nExtension of a run\t-\t1d\n"), "{limit}");
    // Longer than the limit was.
    let started = inspect(&host, &engine_name("thesis"), "{{.State.StartedAt}}");
    let old = format!("[ $(($(date +%s) - $(date -d {started} +%s))) -ge 12 ]");
    while host.run("sh", &["-c", &old]).status != Some(0) {
        assert_eq!(pass(&host, RUNTIME, &[]), done("", ""));
    }
    assert_eq!(told(&host, "container.extend").len(), 2);
    // The next run has none of it.
    host.run("container-stop", &["thesis", "-t", "0"]).ok();
    host.run("container-start", &["thesis"]).ok();
    until(&host, RUNTIME, is_stop);
    let stopped = "container-extend: container thesis is stopped: a start begins a new run\n\
                   hint: start it with container-start thesis\n";
    assert_eq!(extend(&["thesis", "1h"]), failed(4, stopped));
}

#[test]
fn what_cannot_be_extended_is_told() {
    let host = host(1, 10.0);
    let limits = host.limits_text();
    host.limits_yaml(&limits.replace("{grace_period_m", "{max_extension_h: null, grace_period_m"));
    running(&host, "thesis");
    host.run("container-create", &["quiet", "ds01-base", "--cpu-only"])
        .ok();
    host.run("container-start", &["quiet"]).ok();
    let extend = |args: &[&str]| host.run("container-extend", args);
    for (args, status, why) in [
        (
            &["quiet", "1h"][..],
            4,
            "container quiet has no GPU: it runs until you stop it\n\
             hint: stop it with container-stop quiet\n",
        ),
        (
            &["none", "1h"],
            3,
            "you have no container none\nhint: see what you have with container-list --all\n",
        ),
        (
            &["thesis", "0s"],
            2,
            "an extension of nothing is none\nhint: say by how much: container-extend thesis 12h\n",
        ),
        (
            &["thesis", "12"],
            2,
            "invalid value '12' for <duration>: expected a length of time such as 30m, 12h or 2d\n\
             hint: see container-extend --help\n",
        ),
        (
            &["thesis", "1d", "6h"],
            2,
            "unexpected argument \"6h\"\n\
             hint: a length of time of several words needs quotes: '1d 6h'\n",
        ),
        (
            &["thesis"],
            2,
            "missing argument <duration>\n\
             hint: without a terminal it must be given: see container-extend --help\n",
        ),
    ] {
        assert_eq!(
            extend(args),
            failed(status, &format!("container-extend: {why}"))
        );
    }
    let others = host
        .as_user("bob")
        .run("container-extend", &["thesis", "1h"]);
    assert_eq!(others.status, Some(3), "{others:?}");
    // Without a limit on either.
    let extended = extend(&["thesis", "1d 6h"]).ok();
    assert!(extended.ends_with(", extended by 1d 6h\n"), "{extended}");
    host.limits_yaml(&limits.replace("  max_runtime_h: ", "  max_runtime_h: null #"));
    let for_ever = "container-extend: container thesis has no longest run: it runs until you stop it\n\
                    hint: stop it with container-stop thesis\n";
    assert_eq!(extend(&["thesis", "1h"]), failed(4, for_ever));
}

#[test]
fn on_a_terminal_one_is_asked_which_and_by_how_much() {
    let host = host(1, 10.0);
    let limits = host.limits_text();
    host.limits_yaml(&limits.replace("{grace_period_m", "{max_extension_h: 24, grace_period_m"));
    running(&host, "thesis");
    let mut asked = host.as_user("alice").pty("container-extend", &[]);
    asked.expect("Extend the run of which container?");
    asked.expect("thesis");
    asked.send("\r");
    asked.expect("By how much? [12h]: ");
    asked.send("long\r");
    asked.expect("expected a length of time such as 30m, 12h or 2d");
    asked.expect("By how much? [12h]: ");
    asked.send("2h\r");
    asked.expect(", extended by 2h of 1d\r\n");
    assert_eq!(asked.wait(), Some(0));
}

#[test]
fn it_is_for_root() {
    let host = host(1, 1.0);
    let refused = "ds01-runtime: only root may run this\n\
                   hint: as root: sudo ds01-runtime --dry-run shows what it would do\n";
    assert_eq!(host.run(RUNTIME, &[]), failed(7, refused));
}

#[test]
fn a_pass_that_is_killed_anywhere_is_taken_up_by_the_next() {
    let host = host(2, 1.0);
    running(&host, "thesis");
    let free = ["free", "ds01-base", "--cpu-only"];
    host.run("container-create", &free).ok();
    host.run("container-start", &["free"]).ok();
    let config = format!("--config={}/etc/ds01.toml", host.root().display());
    let command = [RUNTIME, &*config];
    let kills = || events(&host, "maintenance.runtime_kill").len();
    // The points of a pass that stops.
    let all = loop {
        let before = kills();
        let all = points(&host, "root", Fault::Killed, &command);
        if kills() > before {
            break all;
        }
    };
    // Each: between the stop and the line about it there is one.
    let chosen = chosen(all, 1);
    let mut killed = 0;
    for (number, point) in chosen.iter().enumerate() {
        host.run("container-start", &["thesis"]).ok();
        let mut dead = false;
        while state(&host, "thesis") == "running" {
            match dead {
                false => dead = fails_at(&host, "root", point, &command),
                true => assert_eq!(pass(&host, RUNTIME, &[]).status, Some(0)),
            }
        }
        // What the dead one did not log, the next one does.
        assert_eq!(pass(&host, RUNTIME, &[]), done("", ""));
        killed += usize::from(dead);
        assert!(kills() >= number + 2, "{point:?}");
        let mut warned = false;
        for event in events(&host, "") {
            let about = &event["details"]["container"];
            match event["event_type"].as_str().unwrap() {
                "container.start" if *about == *engine_name("thesis") => warned = false,
                "maintenance.runtime_warning" => warned |= event["details"]["percent"] == "90",
                "maintenance.runtime_kill" => assert!(warned, "{point:?}: unwarned: {event}"),
                _ => {}
            }
        }
    }
    eprintln!("killed at {killed} of {}", chosen.len());
    assert!(
        killed * 10 >= chosen.len() * 8,
        "{killed} of {}",
        chosen.len()
    );
    assert_eq!(state(&host, "free"), "running");
}
