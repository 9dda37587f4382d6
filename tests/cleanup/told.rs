//! What the sweep tells those whose containers it has removed.

use std::{
    fs,
    time::{Duration, Instant},
};

use ds01_testkit::TestHost;
use serde_json::Value;

use super::{done, impatient, stopped, sweep, without_gpu};

#[test]
fn whose_container_is_removed_is_told_and_so_is_nobody_else() {
    let host = TestHost::with_gpus(1);
    without_gpu(&host, "alice", "never");
    stopped(&host, "bob", "other");
    impatient(&host);
    let told = |user: &str| host.as_user(user).run("ds01-notices", &[]).ok();
    sweep(&host, &["--dry-run"]).ok();
    assert_eq!(told("bob"), "");
    sweep(&host, &[]).ok();
    for (user, text) in [
        ("alice", "container never was removed: never started in "),
        ("bob", "container other was removed: stopped for "),
    ] {
        let told = told(user);
        assert_eq!(told.lines().count(), 1, "{told}");
        assert!(told.contains(text), "{told}");
        assert!(
            told.ends_with("kept for 0s; the workspace stays\n"),
            "{told}"
        );
    }
    assert_eq!(told("carol"), "");
    let alerts = host.home("bob").join("workspace/other/.ds01-alerts");
    let alerts = fs::read_to_string(alerts).unwrap();
    assert!(alerts.contains("container other was removed: "), "{alerts}");
    sweep(&host, &[]).ok();
    assert_eq!(told("bob"), "", "once");
}

#[test]
fn whatever_the_clock_says_one_goes_after_it_was_seen_to_rest_for_as_long_over_all_boots() {
    let host = TestHost::with_gpus(1);
    stopped(&host, "bob", "other");
    impatient(&host);
    // One second and a bit.
    let limits = host.limits_text();
    host.limits_yaml(&limits.replace("after_stop_h: 0\n", "after_stop_h: 0.0003\n"));
    let is_old = || {
        let args = [
            "inspect",
            "--format",
            "{{.State.FinishedAt}}",
            "other._.20002",
        ];
        let finished = host.docker(&args).ok();
        let now = host
            .as_user("root")
            .run("date", &["+%s", "-d5 seconds ago"])
            .ok();
        let args = ["+%s", "-d", finished.trim()];
        host.as_user("root").run("date", &args).ok() < now
    };
    let deadline = Instant::now() + Duration::from_secs(120);
    while !is_old() {
        assert!(Instant::now() < deadline);
    }
    assert_eq!(sweep(&host, &[]), done("", ""), "nobody knew of it");
    let path = host.state_dir().join("at-rest.json");
    let seen: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let all = seen["containers"].as_object().unwrap();
    assert_eq!(all.len(), 1, "{seen}");
    // As if that had been in a boot before, and this one had begun right now.
    let mut before = seen.clone();
    before["boot"] = "another".into();
    before["last"] = (seen["last"].as_u64().unwrap() + 3_600_000).into();
    fs::write(&path, before.to_string()).unwrap();
    let gone = sweep(&host, &[]).ok();
    assert!(
        gone.starts_with("other of bob removed: stopped for "),
        "{gone}"
    );
    sweep(&host, &[]).ok();
    let seen: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(seen["containers"], serde_json::json!({}));
}
