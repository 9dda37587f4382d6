//! What becomes of containers whose owner the name service does not know, for a while or for good.

use std::{
    fs,
    time::{Duration, Instant},
};

use ds01_testkit::TestHost;

use crate::support::{
    duties::{hours, pass, policy},
    expect::{engine_name, running, state, with_limit},
};

/// More than a container may run and idle in these tests, its warnings included.
const LONG: Duration = Duration::from_secs(7);

/// Takes a user out of the users of the host.
fn forget(host: &TestHost, login: &str) {
    let passwd = host.root().join("etc/passwd");
    let users = fs::read_to_string(&passwd).unwrap();
    let is_other = |line: &&str| !line.starts_with(&format!("{login}:"));
    let others: Vec<_> = users.lines().filter(is_other).collect();
    fs::write(&passwd, others.join("\n") + "\n").unwrap();
}

/// Makes the name service fail, as one that does not answer.
fn break_service(host: &TestHost) {
    let etc = host.root().join("etc");
    fs::write(etc.join("nsswitch.conf"), "passwd: files\ngroup: files\n").unwrap();
    fs::remove_file(etc.join("passwd")).unwrap();
    std::os::unix::fs::symlink("passwd", etc.join("passwd")).unwrap();
}

/// Passes of the duties until a container would have been stopped: what they said.
fn watched(host: &TestHost) -> String {
    let begun = Instant::now();
    let mut said = String::new();
    while begun.elapsed() < LONG {
        for duty in ["ds01-runtime", "ds01-idle"] {
            let outcome = pass(host, duty, &[]);
            assert_eq!(outcome.status, Some(0), "{outcome:?}");
            said += &format!("{}{}", outcome.stdout, outcome.stderr);
        }
    }
    assert_eq!(state(host, "thesis"), "running", "{said}");
    said
}

/// Everybody but alice's group is stopped after 2 s.
fn lab(more: &str) -> TestHost {
    let host = TestHost::with_gpus(1);
    let limit = hours(2.0);
    let limits = format!("  max_runtime_h: {limit}\n  idle_timeout_h: {limit}\n");
    policy(&host, &limits, more);
    host
}

fn outlives_an_outage(host: &TestHost) {
    running(host, "thesis");
    forget(host, "alice");
    let said = watched(host);
    assert!(!said.contains("stopped"), "{said}");
    break_service(host);
    let said = watched(host);
    let left = format!(
        "{} is left alone: the name service does not answer",
        engine_name("thesis")
    );
    assert!(said.contains(&left), "{said}");
}

#[test]
fn who_has_no_limits_has_none_while_the_name_service_is_down() {
    let group = "  lab: {members: [alice], max_runtime_h: null, idle_timeout_h: null}\n";
    outlives_an_outage(&lab(group));
}

#[test]
fn who_is_exempt_is_so_while_the_name_service_is_down() {
    let host = lab("");
    let text = "exemptions:\n- {username: alice, exempt_from: [max_runtime_h, idle_timeout_h]}\n";
    fs::write(host.root().join("etc/lifecycle-exemptions.yaml"), text).unwrap();
    outlives_an_outage(&host);
}

#[test]
fn who_can_be_warned_by_nobody_is_not_stopped() {
    let host = lab("");
    running(&host, "thesis");
    let record = format!("container-metadata/{}.json", engine_name("thesis"));
    fs::remove_file(host.state_dir().join(record)).unwrap();
    forget(&host, "alice");
    let said = watched(&host);
    assert!(said.contains("nobody can be warned"), "{said}");
    assert!(!said.contains("alice"), "{said}");
}

#[test]
fn who_has_left_is_warned_in_the_workspace_then_stopped() {
    let host = lab("");
    running(&host, "thesis");
    forget(&host, "alice");
    let begun = Instant::now();
    while state(&host, "thesis") == "running" && begun.elapsed() < Duration::from_secs(60) {
        pass(&host, "ds01-runtime", &[]).ok();
    }
    assert_eq!(state(&host, "thesis"), "exited");
    let alerts = fs::read_to_string(host.home("alice").join("workspace/thesis/.ds01-alerts"));
    assert!(alerts.unwrap().contains("will be stopped"));
}

fn doctor(host: &TestHost) -> Vec<String> {
    let told = host.as_user("root").run("ds01-doctor", &[]).stdout;
    let is_meant = |line: &&str| line.contains("secret");
    told.lines().filter(is_meant).map(str::to_string).collect()
}

#[test]
fn what_who_has_left_never_started_goes_and_what_is_left_is_told() {
    let host = TestHost::with_gpus(1);
    policy(&host, "", "");
    let limits = host.limits_text();
    let soon = limits.replace(
        "{grace_period_m: 0",
        "{created_container_timeout_m: 0, grace_period_m: 0",
    );
    host.add_user("leaver", 30000, true);
    let leaver = || host.as_user("leaver");
    leaver()
        .run("container-create", &["secret", "ds01-base"])
        .ok();
    let passwd = fs::read_to_string(host.root().join("etc/passwd")).unwrap();
    // The uid goes to the next.
    let next = passwd.replace("leaver:x:30000", "novice:x:30000");
    fs::write(host.root().join("etc/passwd"), &next).unwrap();
    let told = doctor(&host).join("\n");
    let what = "secret._.30000 was made by leaver, and its uid 30000 is novice's by now";
    assert!(told.contains(what), "{told}");
    forget(&host, "novice");
    let told = doctor(&host).join("\n");
    assert!(
        told.contains("secret._.30000 is of uid 30000, which has no login"),
        "{told}"
    );
    let sweep = || pass(&host, "container-cleanup", &["--system"]);
    assert_eq!(sweep().stdout, "");
    host.limits_yaml(&soon);
    let gone = sweep();
    assert!(
        gone.stdout
            .contains("secret of leaver removed: never started"),
        "{gone:?}"
    );
    host.run("container-create", &["thesis", "ds01-base", "--no-wait"])
        .ok();
}

#[test]
fn a_turn_is_told_when_the_name_service_answers_again() {
    let host = TestHost::with_gpus(1);
    running(&host, "thesis");
    host.as_user("bob").run("gpu-queue", &["join"]).ok();
    let passwd = host.root().join("etc/passwd");
    let users = fs::read_to_string(&passwd).unwrap();
    with_limit(&host, "gpu_hold_after_stop_h", "0");
    host.run("container-retire", &["thesis"]).ok();
    break_service(&host);
    let served = pass(&host, "ds01-queue", &[]);
    assert!(
        served
            .stderr
            .contains("waits to be told: the name service does not answer"),
        "{served:?}"
    );
    fs::remove_file(&passwd).unwrap();
    fs::write(&passwd, users).unwrap();
    let served = pass(&host, "ds01-queue", &[]);
    assert!(served.stdout.contains("bob"), "{served:?}");
}
