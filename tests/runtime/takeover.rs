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
