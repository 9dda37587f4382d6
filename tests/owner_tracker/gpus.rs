//! GPUs that are used past DS01: in containers of others, and outside all of them.

use super::*;
use crate::support::duties::{self, hours, policy};

/// The user and container columns of each device.
fn holders(host: &TestHost) -> Vec<String> {
    let status = host.run("gpu-status", &["--format=simple"]).ok();
    let cells = status.lines().map(|line| line.split('\t').skip(5));
    cells
        .map(|cells| cells.collect::<Vec<_>>().join(" | "))
        .collect()
}

/// What the dashboard warns of GPUs, as bob is shown it.
fn alerts(host: &TestHost) -> Vec<String> {
    let args = ["--format=json"];
    let text = host.as_user("bob").run("dashboard", &args).ok();
    let json: Value = serde_json::from_str(&text).unwrap();
    let alerts = json["alerts"].as_array().unwrap().iter();
    let of_gpus = alerts.filter(|alert| alert["about"] == "gpu");
    of_gpus
        .map(|alert| alert["message"].as_str().unwrap().to_string())
        .collect()
}

/// Which devices are said to be in use outside containers.
fn flagged(host: &TestHost) -> Vec<bool> {
    let status = host.run("gpu-status", &["--format=json"]).ok();
    let status: Value = serde_json::from_str(&status).unwrap();
    let devices = status["devices"].as_array().unwrap().iter();
    devices
        .map(|device| device["in_use_outside"].as_bool().unwrap())
        .collect()
}

#[test]
fn a_container_with_gpus_that_ds01_did_not_make_is_flagged_with_its_owner() {
    let host = TestHost::with_gpus(3);
    folder(&host, "bob", "data");
    let gpu = |index: u32| format!("device={}", uuid(index));
    let mount = ["--gpus", &*gpu(0), "-v", "/home/bob/data:/d"];
    past_ds01(&host, "mounted", &mount);
    past_ds01(
        &host,
        "claimed",
        &["--gpus", &gpu(1), "-l", "ds01.user=alice"],
    );
    past_ds01(&host, "stray", &["--gpus", &gpu(2)]);
    let unknown = ["mounted", "claimed", "stray"].map(|name| format!("unmanaged | {name}"));
    assert_eq!(holders(&host), unknown);
    let lines = "stray of nobody known was made past DS01 with GPUs\n\
                 claimed of alice by its label was made past DS01 with GPUs\n\
                 mounted of bob by its mount was made past DS01 with GPUs\n";
    assert_eq!(once(&host), done(lines, ""));
    let expected = [
        "bob (unmanaged) | mounted",
        "perhaps alice (unmanaged) | claimed",
        "unmanaged | stray",
    ];
    assert_eq!(holders(&host), expected);
    let status = host.run("gpu-status", &["--format=json"]).ok();
    let status: Value = serde_json::from_str(&status).unwrap();
    let holder = &status["devices"][0]["holders"][0];
    let whole =
        json!({ "user": "bob", "owner_by": "mount", "container": "mounted", "state": "unmanaged" });
    assert_eq!(*holder, whole);
    let held = |gpu: u32, who: &str| {
        format!("GPU {gpu} is held by a container that DS01 did not make: {who}")
    };
    let expected = [
        held(0, "mounted of bob, by its mount"),
        held(1, "claimed of alice, by its label"),
        held(2, "stray of nobody known"),
    ];
    assert_eq!(alerts(&host), expected);
    // Once each, by whoever learns of it, and by the tracker with the owner.
    for _ in 0..2 {
        assert_eq!(once(&host), done("", ""));
    }
    assert_eq!(events(&host, "detection.unmanaged_container").len(), 3);
    let [.., mounted] = &events(&host, FOUND)[..] else {
        panic!("an event for each");
    };
    assert_eq!(events(&host, FOUND).len(), 3);
    assert_eq!(mounted["details"]["gpus"], uuid(0));
    assert_eq!(mounted["user"], "bob");
    // They count for nobody: bob has his quota, and none of these devices.
    let limits = host
        .as_user("bob")
        .run("check-limits", &["--format=simple"]);
    assert!(limits.ok().contains("\t0\t1\n"), "his GPUs");
}

#[test]
fn a_process_on_the_bare_host_is_flagged_with_its_user_once() {
    let host = TestHost::with_gpus(2);
    running(&host, "thesis");
    let pid = inspect(&host, &engine_name("thesis"), "{{.State.Pid}}");
    let inside: u32 = pid.parse().unwrap();
    let sleep = |user: &str| host.as_user(user).spawn("sleep", &["1000"]);
    let (carols, bobs) = (sleep("carol"), sleep("bob"));
    host.gpus().used_by(0, &[inside]);
    assert_eq!(flagged(&host), [false, false], "its own process");
    // On a device that somebody has, and on one that is free.
    host.gpus().used_by(0, &[inside, carols.pid()]);
    host.gpus().used_by(1, &[bobs.pid(), 4_000_000]);
    let of = |user: &str, pid: u32, gpu: u32, what: &str| {
        format!("process {pid} (sleep) of {user} {what} GPU {gpu}")
    };
    let (carol, bob) = (carols.pid(), bobs.pid());
    let mut both = [(carol, "carol", 0), (bob, "bob", 1)];
    both.sort();
    let lines = both.map(|(pid, user, gpu)| of(user, pid, gpu, "uses") + " outside containers\n");
    assert_eq!(once(&host), done(&lines.concat(), ""));
    for _ in 0..2 {
        assert_eq!(once(&host), done("", ""));
    }
    let expected = [
        format!("alice,carol (unmanaged) | thesis,process {carol} sleep"),
        format!("bob (unmanaged) | process {bob} sleep"),
    ];
    assert_eq!(holders(&host), expected);
    assert_eq!(flagged(&host), [true, true]);
    let used = |gpu: u32, pid: u32, user: &str| {
        format!("GPU {gpu} is used outside containers: by process {pid} of {user}")
    };
    assert_eq!(
        alerts(&host),
        [used(0, carol, "carol"), used(1, bob, "bob")]
    );
    let begun = events(&host, "detection.host_gpu_process_discovered");
    assert_eq!(begun.len(), 2);
    let of_bob = begun.iter().find(|event| event["user"] == "bob").unwrap();
    let details = json!({ "pid": bob.to_string(), "command": "sleep", "gpus": "1" });
    assert_eq!(of_bob["details"], details);
    // Its end is known by the driver or by the process itself.
    host.gpus().used_by(0, &[inside]);
    bobs.signal(Signal::SIGKILL);
    bobs.wait();
    let ended = both.map(|(pid, user, gpu)| of(user, pid, gpu, "does not use") + " any more\n");
    assert_eq!(once(&host), done(&ended.concat(), ""));
    assert_eq!(once(&host), done("", ""));
    assert_eq!(events(&host, "detection.host_gpu_process_exited").len(), 2);
    assert_eq!(holders(&host)[0], "alice | thesis");
}

#[test]
fn a_driver_that_is_away_or_fails_ends_nothing() {
    let host = TestHost::with_gpus(2);
    let process = host.as_user("bob").spawn("sleep", &["1000"]);
    host.gpus().used_by(0, &[process.pid()]);
    let begun = once(&host).ok();
    assert!(begun.contains("(sleep) of bob uses GPU 0"), "{begun}");
    let before = known(&host);
    host.gpus().remove_driver();
    assert_eq!(once(&host), done("", ""), "a host may have none");
    assert_eq!(known(&host), before);
}

#[test]
fn whose_container_is_stopped_is_warned_though_ds01_did_not_make_it() {
    let host = TestHost::with_gpus(2);
    let types = format!(
        "container_types:\n  unknown: {{idle_timeout_h: {}}}\n",
        hours(2.0)
    );
    policy(&host, "", &types);
    // That somebody is exempt does not help who puts their name on a container.
    let exempt = "exemptions:\n- {username: bob, exempt_from: [idle_timeout_h]}\n";
    fs::write(host.root().join("etc/lifecycle-exemptions.yaml"), exempt).unwrap();
    folder(&host, "bob", "data");
    let device = format!("device={}", uuid(0));
    past_ds01(
        &host,
        "stray",
        &["--gpus", &device, "-v", "/home/bob/data:/d"],
    );
    once(&host).ok();
    let lines = duties::until(&host, "ds01-idle", |line| {
        line.starts_with("stray of bob stopped")
    });
    assert_eq!(lines.len(), 3, "{lines:?}");
    let told = host.as_user("bob").run("ds01-notices", &[]).ok();
    let warned = told
        .lines()
        .filter(|line| line.contains("container stray with GPU 0 has been idle"));
    assert_eq!(warned.count(), 3, "{told}");
    assert!(!told.contains(".keep-alive"), "which is DS01's own: {told}");
}
