//! Whom it stops, and how.

use std::fs;

use ds01_testkit::TestHost;
use serde_json::Value;

use super::{IDLE, host};
use crate::support::{
    duties::{events, hours, pass, policy, until},
    expect::{done, engine_name, inside, inspect, running, state, uuid},
};

/// The event of the stop of a container, by the engine's name.
#[track_caller]
fn stop_of(host: &TestHost, container: &str) -> Value {
    let mut all = events(host, "maintenance.idle_kill");
    all.retain(|event| event["details"]["container"] == container);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

fn is_stop(line: &str) -> bool {
    line.contains("thesis of alice stopped")
}

#[test]
fn before_the_stop_the_owners_hook_is_run_inside_as_its_user() {
    let host = host(1, 2.0);
    running(&host, "thesis");
    let hook = "mkdir .ds01-hooks && cat >.ds01-hooks/pre-stop <<'end' && chmod +x .ds01-hooks/pre-stop\n\
                #!/bin/sh\n\
                echo \"$(id -u) $DS01_GRACE_SECONDS $DS01_REASON\" >/workspace/saved\n\
                exit 3\n\
                end\n";
    inside(&host, "thesis", hook);
    until(&host, IDLE, is_stop);
    let saved = fs::read_to_string(host.home("alice").join("workspace/thesis/saved")).unwrap();
    assert!(saved.starts_with("20001 60 idle for "), "{saved}");
    let event = stop_of(&host, &engine_name("thesis"));
    assert_eq!(event["details"]["pre_stop"], "status 3");
}

#[test]
fn a_hook_that_never_ends_or_cannot_be_run_does_not_keep_a_container() {
    let host = host(2, 2.0);
    running(&host, "thesis");
    let hook = "mkdir .ds01-hooks\nprintf '#!/bin/sh\\nwhile :; do echo y; sleep 0.01; done\\n' \
                >.ds01-hooks/pre-stop\nchmod +x .ds01-hooks/pre-stop\n";
    inside(&host, "thesis", hook);
    let other = || host.as_user("bob");
    other()
        .run("container-create", &["other", "ds01-base"])
        .ok();
    other().run("container-start", &["other"]).ok();
    let script =
        "mkdir -p workspace/other/.ds01-hooks; echo x >workspace/other/.ds01-hooks/pre-stop";
    other().run("sh", &["-c", script]).ok();
    until(&host, IDLE, is_stop);
    let late = stop_of(&host, &engine_name("thesis"));
    assert_eq!(late["details"]["pre_stop"], "did not end in time");
    // Not executable.
    let none = stop_of(&host, "other._.20002");
    assert_eq!(none["details"]["pre_stop"], Value::Null);
}

#[test]
fn processes_have_the_grace_of_their_kind_to_end() {
    let host = TestHost::with_gpus(2);
    let rules = format!("{{idle_timeout_h: {}, sigterm_grace_s: 1}}", hours(2.0));
    policy(
        &host,
        "",
        &format!("container_types:\n  unknown: {rules}\n"),
    );
    // One saves its work when it is told to end, one does not listen.
    let polite = "trap 'echo saved; exit' TERM; while :; do sleep 0.05; done";
    let deaf = "trap '' TERM; while :; do sleep 0.05; done";
    for (gpu, name, script) in [(0, "polite", polite), (1, "deaf", deaf)] {
        let device = format!("device={}", uuid(gpu));
        let run = ["run", "-d", "--name", name, "--gpus", &device];
        let command = ["ds01-base", "bash", "-c", script];
        host.docker(&[&run[..], &command].concat()).ok();
    }
    let up = |name: &str| inspect(&host, name, "{{.State.Running}}") == "true";
    while up("polite") || up("deaf") {
        pass(&host, IDLE, &[]).ok();
    }
    assert_eq!(host.docker(&["logs", "polite"]), done("saved\n", ""));
    assert_eq!(inspect(&host, "deaf", "{{.State.ExitCode}}"), "137");
    for name in ["polite", "deaf"] {
        assert_eq!(stop_of(&host, name)["details"]["grace_s"], "1");
    }
}

/// Runs a container past DS01, as root can.
fn past_ds01(host: &TestHost, name: &str, args: &[&str]) {
    let run = ["run", "-d", "--name", name];
    host.docker(&[&run[..], args, &["ds01-base", "sleep", "1000"]].concat())
        .ok();
}

#[test]
fn containers_that_ds01_did_not_make_are_held_to_the_rules_of_their_kind() {
    let host = TestHost::with_gpus(5);
    let kind =
        |name: &str, seconds: f64| format!("  {name}: {{idle_timeout_h: {}}}\n", hours(seconds));
    let types = [
        kind("compose", 2.0),
        kind("devcontainer", 2.0),
        kind("unknown", 3600.0),
    ];
    policy(&host, "", &format!("container_types:\n{}", types.concat()));
    let gpu = |index: u32| format!("device={}", uuid(index));
    let compose = "com.docker.compose.project=x";
    let editor = "devcontainer.local_folder=/home/alice/x";
    past_ds01(&host, "composed", &["--gpus", &gpu(0), "-l", compose]);
    past_ds01(&host, "edited", &["--gpus", &gpu(1), "-l", editor]);
    past_ds01(&host, "odd", &["--gpus", &gpu(2)]);
    // What it says of itself does not count.
    let forged = [
        "-l",
        "ds01.container_type=api",
        "-l",
        "ds01.managed=true",
        "-l",
        compose,
    ];
    past_ds01(
        &host,
        "forged._.20001",
        &[&["--gpus", &gpu(3)], &forged[..]].concat(),
    );
    // Root's own, such as what watches all GPUs.
    past_ds01(
        &host,
        "watcher",
        &["--gpus", "all", "-l", "ds01.monitoring=true", "-l", compose],
    );
    past_ds01(&host, "quiet", &["-l", compose]);
    let up = |name: &str| inspect(&host, name, "{{.State.Running}}") == "true";
    while ["composed", "edited", "forged._.20001"].into_iter().any(up) {
        let outcome = pass(&host, IDLE, &[]);
        assert_eq!(outcome.status, Some(0), "{outcome:?}");
    }
    assert!(["odd", "watcher", "quiet"].into_iter().all(up));
    for (name, kind, gpus) in [
        ("composed", "compose", "0"),
        ("edited", "devcontainer", "1"),
        ("forged._.20001", "compose", "3"),
    ] {
        let event = stop_of(&host, name);
        let details = &event["details"];
        assert_eq!(details["kind"], kind);
        assert_eq!(details["gpus"], gpus);
        assert_eq!(details["limit_s"], "2");
    }
}

#[test]
fn what_others_do_on_all_gpus_does_not_keep_one_that_only_has_them() {
    let host = TestHost::with_gpus(2);
    let types = format!(
        "container_types:\n  unknown: {{idle_timeout_h: {}}}\n",
        hours(2.0)
    );
    policy(&host, "", &types);
    running(&host, "thesis");
    past_ds01(&host, "hoarder", &["--gpus", "all"]);
    let pid = inspect(&host, &engine_name("thesis"), "{{.State.Pid}}");
    host.gpus().edit(|sim| {
        sim["gpus"][0]["utilization"]["gpu_percent"] = 99.into();
        let process = serde_json::json!({"pid": pid.parse::<u32>().unwrap(), "memory_bytes": 1});
        sim["gpus"][0]["processes"] = serde_json::json!([process]);
    });
    until(&host, IDLE, |line| {
        line.starts_with("hoarder of unknown stopped")
    });
    assert_eq!(state(&host, "thesis"), "running");
}

#[test]
fn two_passes_at_once_do_no_harm() {
    let host = host(1, 2.0);
    running(&host, "thesis");
    let config = format!("--config={}/etc/ds01.toml", host.root().display());
    let mut said = Vec::new();
    while state(&host, "thesis") == "running" {
        let spawn = || host.as_user("root").spawn(IDLE, &[&config]);
        let both = [spawn(), spawn(), spawn()].map(|one| one.wait());
        for one in both {
            let busy =
                "ds01-idle: warning: another pass is at work, and nothing was done by this one\n";
            assert_eq!(one.status, Some(0), "{one:?}");
            assert!(["", busy].contains(&&*one.stderr), "{one:?}");
            said.extend(one.stdout.lines().map(str::to_owned));
        }
    }
    assert_eq!(
        said.iter().filter(|line| is_stop(line)).count(),
        1,
        "{said:?}"
    );
    stop_of(&host, &engine_name("thesis"));
    assert_eq!(pass(&host, IDLE, &[]), done("", ""));
}

/// Whether a process that the test started has not ended yet.
fn is_alive(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/stat"));
    status.is_ok_and(|status| !status.contains(") Z "))
}

#[test]
fn a_stop_that_takes_its_grace_keeps_no_other_pass_from_its_work() {
    let host = TestHost::with_gpus(2);
    let rules = format!("{{idle_timeout_h: {}, sigterm_grace_s: 300}}", hours(2.0));
    let idle = format!("  idle_timeout_h: {}\n", hours(2.0));
    let types = format!("container_types:\n  unknown: {rules}\n");
    policy(&host, &idle, &types);
    running(&host, "thesis");
    host.gpus()
        .edit(|sim| sim["gpus"][0]["utilization"]["gpu_percent"] = 99.into());
    let deaf = "trap 'echo told' TERM; while :; do sleep 0.05; done";
    let run = ["run", "-d", "--name", "deaf", "--gpus"];
    let device = format!("device={}", uuid(1));
    let command = [&*device, "ds01-base", "bash", "-c", deaf];
    host.docker(&[&run[..], &command].concat()).ok();
    let is_told = || host.docker(&["logs", "deaf"]).ok().contains("told");
    let config = format!("--config={}/etc/ds01.toml", host.root().display());
    let stopping = loop {
        let one = host.as_user("root").spawn(IDLE, &[&config]);
        while is_alive(one.pid()) && !is_told() {}
        if is_told() {
            break one;
        }
        one.wait().ok();
    };
    // The others have all they would have without it, and that container no second stop.
    host.gpus()
        .edit(|sim| sim["gpus"][0]["utilization"]["gpu_percent"] = 0.into());
    let lines = until(&host, IDLE, is_stop);
    let told = |line: &&String| !line.starts_with("thesis of alice");
    assert_eq!(lines.iter().filter(told).count(), 0, "{lines:?}");
    assert!(is_alive(stopping.pid()), "it was in its stop all the time");
    assert_eq!(events(&host, "maintenance.idle_kill").len(), 1);
    host.docker(&["kill", "deaf"]).ok();
    let said = stopping.wait().ok();
    assert!(said.starts_with("deaf of unknown stopped: "), "{said}");
    stop_of(&host, "deaf");
    let warnings = events(&host, "maintenance.idle_warning");
    let of_deaf = warnings
        .iter()
        .filter(|event| event["details"]["container"] == "deaf");
    assert_eq!(of_deaf.count(), 2);
    assert_eq!(pass(&host, IDLE, &[]), done("", ""));
}

#[test]
fn the_kind_of_a_container_is_what_its_record_says() {
    let host = TestHost::with_gpus(2);
    let types = format!(
        "container_types:\n  compose: {{idle_timeout_h: {}}}\n",
        hours(2.0)
    );
    policy(&host, "", &types);
    running(&host, "thesis");
    let file = format!("container-metadata/{}.json", engine_name("thesis"));
    let file = host.state_dir().join(file);
    let mut record: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert_eq!(record["kind"], "ds01");
    // As its label does, which nobody can change once it is made.
    assert_eq!(pass(&host, IDLE, &[]), done("", ""));
    record["kind"] = "compose".into();
    fs::write(&file, record.to_string()).unwrap();
    until(&host, IDLE, is_stop);
    let event = stop_of(&host, &engine_name("thesis"));
    assert_eq!(event["details"]["kind"], "compose");
}
