//! Limits that change while containers exist.

use std::fs;

use ds01_testkit::TestHost;

use crate::support::{
    duties::{pass, policy},
    expect::{engine_name, failed, running, state, with_limit},
};

#[test]
fn a_hold_is_that_of_today_however_the_container_stops() {
    let host = TestHost::with_gpus(2);
    with_limit(&host, "gpu_hold_after_stop_h", "null");
    with_limit(&host, "max_gpu_equivalents", "2");
    let stop = |name: &str| {
        host.docker(&["stop", "-t", "0", &engine_name(name)]).ok();
    };
    running(&host, "thesis");
    running(&host, "other");
    // This one's stop is noted while it would keep its GPU for ever.
    stop("other");
    assert_eq!(pass(&host, "ds01-holds", &[]).ok(), "");
    with_limit(&host, "gpu_hold_after_stop_h", "0");
    stop("thesis");
    let would = pass(&host, "ds01-holds", &["--dry-run"]).ok();
    let released = pass(&host, "ds01-holds", &[]).ok();
    for (name, gpu) in [("thesis", 0), ("other", 1)] {
        let is_meant = |line: &&str| line.contains(name) && line.contains(&format!("GPU {gpu}"));
        assert_eq!(released.lines().filter(is_meant).count(), 1, "{released}");
        assert_eq!(would.lines().filter(is_meant).count(), 1, "{would}");
    }
    assert_eq!(pass(&host, "ds01-holds", &[]).ok(), "");
    for name in ["one", "two"] {
        let args = [name, "ds01-base", "--no-wait"];
        host.as_user("bob").run("container-create", &args).ok();
    }
}

#[test]
fn a_stop_that_was_not_noted_is_noted_with_the_hold_of_today() {
    let host = TestHost::with_gpus(1);
    with_limit(&host, "gpu_hold_after_stop_h", "null");
    running(&host, "thesis");
    host.docker(&["stop", "-t", "0", &engine_name("thesis")])
        .ok();
    pass(&host, "ds01-holds", &[]).ok();
    with_limit(&host, "gpu_hold_after_stop_h", "0");
    host.run("container-stop", &["thesis"]).ok();
    let other = ["other", "ds01-base", "--no-wait"];
    host.as_user("bob").run("container-create", &other).ok();
}

/// When the run of a container of alice's is over, by the ledger.
fn ends(host: &TestHost) -> Option<u64> {
    let ledger = fs::read_to_string(host.state_dir().join("ledger.json")).unwrap();
    let line = ledger
        .lines()
        .find(|line| line.contains(&engine_name("thesis")));
    let ends = line.unwrap().split("\"ends\":").nth(1).unwrap();
    ends.split([',', '}']).next().unwrap().parse().ok()
}

#[test]
fn a_run_of_who_is_exempt_has_no_end_and_what_changes_is_noted() {
    let host = TestHost::with_gpus(1);
    policy(&host, "", "");
    let limits = host.limits_text();
    host.limits_yaml(&limits.replace("{grace", "{max_extension_h: 24, grace"));
    let file = host.root().join("etc/lifecycle-exemptions.yaml");
    let text = "exemptions:\n- {username: alice, exempt_from: [max_runtime_h]}\n";
    fs::write(&file, text).unwrap();
    running(&host, "thesis");
    assert_eq!(ends(&host), None);
    pass(&host, "ds01-runtime", &[]).ok();
    assert_eq!(ends(&host), None);
    fs::remove_file(&file).unwrap();
    pass(&host, "ds01-runtime", &[]).ok();
    let end = ends(&host).unwrap();
    host.run("container-extend", &["thesis", "1h"]).ok();
    let later = ends(&host).unwrap();
    assert!(later.abs_diff(end + 3600) <= 2, "{end} {later}");
    pass(&host, "ds01-runtime", &[]).ok();
    assert_eq!(ends(&host), Some(later));
    fs::write(&file, text).unwrap();
    pass(&host, "ds01-runtime", &[]).ok();
    assert_eq!(ends(&host), None);
    let refused = host.run("container-extend", &["thesis", "1h"]);
    assert!(refused.stderr.contains("has no longest run"), "{refused:?}");
}

#[test]
fn what_one_may_not_have_any_more_is_not_given_again_after_the_hold() {
    let host = TestHost::with_gpus(2);
    for (key, value) in [
        ("gpu_hold_after_stop_h", "1"),
        ("max_gpu_slots_per_container", "2"),
        ("max_gpu_equivalents", "2"),
    ] {
        with_limit(&host, key, value);
    }
    host.run("container-create", &["thesis", "ds01-base", "--gpu=2"])
        .ok();
    let start = || host.run("container-start", &["thesis"]);
    let stop = || host.run("container-stop", &["thesis", "-t", "0"]).ok();
    start().ok();
    stop();
    with_limit(&host, "max_gpu_slots_per_container", "1");
    // It was granted, and is kept.
    start().ok();
    with_limit(&host, "gpu_hold_after_stop_h", "0");
    stop();
    let hint = "hint: make it anew within your limits: container-retire thesis, then \
                container-create thesis\n";
    let more = "container-start: container thesis has 2 devices, and one may have 1 by now\n";
    assert_eq!(start(), failed(5, &format!("{more}{hint}")));
    with_limit(&host, "max_gpu_slots_per_container", "2");
    with_limit(&host, "allow_full_gpu", "false");
    let whole = "container-start: container thesis has GPU 0 1 whole, and you may have MIG \
                 devices only by now\n";
    assert_eq!(start(), failed(5, &format!("{whole}{hint}")));
    assert_eq!(state(&host, "thesis"), "exited");
    with_limit(&host, "allow_full_gpu", "true");
    start().ok();
}
