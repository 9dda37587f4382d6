//! What is on the host when DS01 comes, and what a pass leaves that dies.

use std::fs;

use ds01_testkit::{Signal, TestHost};

use super::{RUNTIME, host, is_stop};
use crate::support::{
    duties::{events, hours, pass, policy, until},
    expect::{done, engine_name, inspect, running, state, uuid},
};

/// Waits until a container has run for so many seconds.
fn grown(host: &TestHost, name: &str, seconds: u32) {
    let started = inspect(host, name, "{{.State.StartedAt}}");
    let old = format!("[ $(($(date +%s) - $(date -d {started} +%s))) -gt {seconds} ]");
    while host.run("sh", &["-c", &old]).status != Some(0) {}
}

/// What alice has not read yet.
fn notices(host: &TestHost) -> String {
    host.run("ds01-notices", &[]).ok()
}

#[test]
fn what_ran_before_ds01_came_counts_from_then_on_adopted_or_not() {
    let host = TestHost::with_gpus(2);
    let rules = format!("{{max_runtime_h: {}, sigterm_grace_s: 1}}", hours(8.0));
    policy(
        &host,
        "",
        &format!("container_types:\n  unknown: {rules}\n"),
    );
    let thesis = engine_name("thesis");
    for (name, device) in [(&*thesis, &*uuid(0)), ("bare", "1")] {
        let device = format!("device={device}");
        let labels = ["--label", "ds01.managed=true", "--label", "ds01.user=alice"];
        let run = ["run", "-d", "--net=none", "--name", name, "--gpus", &device];
        host.docker(&[&run[..], &labels, &["ds01-base", "sleep", "1000"]].concat())
            .ok();
    }
    let adopted = pass(&host, "ds01-adopt", &[]);
    assert_eq!(
        adopted.status,
        Some(1),
        "the other one has it by its number"
    );
    for name in [&*thesis, "bare"] {
        let when = format!(
            "{name} is stopped when it has idled for 15m, or it has run for 8s since ds01-runtime \
             first saw it\n"
        );
        assert!(adopted.stderr.contains(&when), "{adopted:?}");
        grown(&host, name, 8);
    }
    assert_eq!(pass(&host, RUNTIME, &["--dry-run"]), done("", ""));
    assert_eq!(pass(&host, RUNTIME, &[]), done("", ""));
    let warned = until(&host, RUNTIME, |line| {
        line.contains("thesis of alice warned")
    });
    assert!(
        warned.iter().all(|line| line.contains("warned")),
        "{warned:?}"
    );
    // When it was seen first is not forgotten with the rest: it has run for as long as before.
    fs::remove_file(host.state_dir().join("lifecycle.json")).unwrap();
    let again = pass(&host, RUNTIME, &[]).ok();
    assert!(again.contains("thesis of alice warned: up for "), "{again}");
    let mut up = vec!["thesis of alice stopped", "bare of "];
    while !up.is_empty() {
        let lines = pass(&host, RUNTIME, &[]).ok();
        let stopped = |name: &&str| {
            let mut lines = lines.lines().filter(|line| line.contains("stopped"));
            lines.any(|line| line.starts_with(name))
        };
        up.retain(|name| !stopped(name));
    }
    let told = notices(&host);
    assert!(
        told.contains(" since DS01 first saw it and was stopped"),
        "{told}"
    );
    // A start is seen, and counts by itself.
    host.run("container-start", &["thesis"]).ok();
    until(&host, RUNTIME, is_stop);
}

#[test]
fn of_a_stop_that_a_dead_pass_made_the_owner_is_told_as_of_any() {
    let host = host(1, 4.0);
    running(&host, "thesis");
    let hooks = host.home("alice").join("workspace/thesis/.ds01-hooks");
    let begun = host.home("alice").join("workspace/thesis/begun");
    let script = "mkdir workspace/thesis/.ds01-hooks && cd workspace/thesis/.ds01-hooks && \
                  printf '#!/bin/sh\\ntouch /workspace/begun\\nsleep 1000\\n' >pre-stop && \
                  chmod +x pre-stop";
    host.run("sh", &["-c", script]).ok();
    assert!(hooks.join("pre-stop").exists());
    let config = format!("--config={}/etc/ds01.toml", host.root().display());
    while !begun.exists() {
        let one = host.as_user("root").spawn(RUNTIME, &[&config]);
        let is_over = || {
            let stat = fs::read_to_string(format!("/proc/{}/stat", one.pid()));
            stat.map_or(true, |stat| stat.contains(") Z "))
        };
        while !is_over() && !begun.exists() {}
        if begun.exists() {
            one.signal(Signal::SIGKILL);
        }
        let _ = one.wait();
    }
    let before = notices(&host);
    assert!(before.contains("save your work"), "{before}");
    // That it ends is all the next one sees.
    host.docker(&["kill", &engine_name("thesis")]).ok();
    let kills = || events(&host, "maintenance.runtime_kill").len();
    assert_eq!(kills(), 0);
    assert_eq!(pass(&host, RUNTIME, &[]), done("", ""));
    assert_eq!((kills(), &*state(&host, "thesis")), (1, "exited"));
    let told = notices(&host);
    let stopped = "container thesis with GPU 0 was stopped: up for ";
    let kept = "; its GPU is kept for 15m: container-start thesis; it is removed in ";
    assert!(told.contains(stopped) && told.contains(kept), "{told}");
    let alerts = host.home("alice").join("workspace/thesis/.ds01-alerts");
    assert!(fs::read_to_string(alerts).unwrap().contains(stopped));
    assert_eq!(pass(&host, RUNTIME, &[]), done("", ""));
    assert_eq!((kills(), &*notices(&host)), (1, ""), "once");
}

#[test]
fn who_was_told_by_a_pass_that_dies_is_not_told_again() {
    let host = host(2, 20.0);
    running(&host, "thesis");
    let bob = || host.as_user("bob");
    bob().run("container-create", &["other", "ds01-base"]).ok();
    bob().run("container-start", &["other"]).ok();
    let plain = host.config_text();
    let script = "case $DS01_USER in bob) sleep 1000;; esac";
    host.config(&format!(
        "{plain}\n[tell]\ncommand = [\"/bin/sh\", \"-c\", \"{script}\"]\ntimeout_s = 60\n"
    ));
    grown(&host, "other._.20002", 18);
    let warned = |name: &str| {
        let warnings = events(&host, "maintenance.runtime_warning").into_iter();
        warnings
            .filter(|event| event["details"]["container"] == name)
            .count()
    };
    let config = format!("--config={}/etc/ds01.toml", host.root().display());
    let one = host.as_user("root").spawn(RUNTIME, &[&config]);
    while warned(&engine_name("thesis")) == 0 {}
    let noted = host.state_dir().join("lifecycle.json");
    let doing = || {
        let watch: serde_json::Value = serde_json::from_slice(&fs::read(&noted).unwrap()).unwrap();
        let all = watch["containers"].as_object().unwrap().values();
        all.filter(|one| !one["doing"].is_null()).count()
    };
    while doing() > 1 {}
    assert_eq!((doing(), warned("other._.20002")), (1, 0), "bob's hangs");
    one.signal(Signal::SIGKILL);
    let _ = one.wait();
    host.config(&plain);
    until(&host, RUNTIME, |line| line.contains("other of bob warned"));
    assert_eq!(warned(&engine_name("thesis")), 1);
}
