//! What the sweep tells those whose containers it has removed.

use std::fs;

use ds01_testkit::TestHost;

use super::{impatient, stopped, sweep, without_gpu};

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
