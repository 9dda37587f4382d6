//! `ds01-idle`.

use ds01_testkit::TestHost;

use crate::support::{
    duties::{events, hours, pass, policy, timeless, told, until},
    expect::{done, failed, running, state},
};

mod faults;
mod signals;
mod stops;

const IDLE: &str = "ds01-idle";

/// A host on which a container may idle for so many seconds.
fn host(gpus: usize, seconds: f64) -> TestHost {
    let host = TestHost::with_gpus(gpus);
    let idle = format!("  idle_timeout_h: {}\n", hours(seconds));
    policy(&host, &idle, "");
    host
}

/// Starts a container of bob's with a GPU, which nobody uses: once it is stopped, so would be
/// another that idles.
fn control(host: &TestHost) {
    let bob = || host.as_user("bob");
    bob()
        .run("container-create", &["control", "--image=ds01-base"])
        .ok();
    bob().run("container-start", &["control"]).ok();
}

/// Passes until bob's idle container is stopped, and once more.
fn passes(host: &TestHost) -> Vec<String> {
    let mut lines = until(host, IDLE, |line| {
        line.starts_with("control of bob stopped")
    });
    lines.extend(pass(host, IDLE, &[]).ok().lines().map(str::to_owned));
    lines.retain(|line| !line.starts_with("control of bob"));
    lines
}

#[test]
fn an_idle_container_is_warned_twice_then_stopped_and_each_step_is_an_event() {
    let host = host(1, 20.0);
    running(&host, "thesis");
    let lines = until(&host, IDLE, |line| line.contains("stopped"));
    let expected = [
        "thesis of alice warned: idle for TIME limit TIME",
        "thesis of alice warned: idle for TIME limit TIME",
        "thesis of alice stopped: idle for TIME limit TIME",
    ];
    assert_eq!(lines, expected);
    assert_eq!(state(&host, "thesis"), "exited");
    assert_eq!(pass(&host, IDLE, &[]), done("", ""));

    let all = events(&host, "maintenance.");
    let of = |event: &serde_json::Value, key: &str| {
        event["details"][key].as_str().unwrap_or("-").to_string()
    };
    let figures: Vec<_> = all
        .iter()
        .map(|event| {
            assert_eq!(
                (&event["user"], &event["source"]),
                (&"alice".into(), &IDLE.into())
            );
            let keys = [
                "container",
                "kind",
                "gpus",
                "gpu_percent",
                "limit_s",
                "percent",
            ];
            let kind = event["event_type"].as_str().unwrap();
            format!("{kind} {}", keys.map(|key| of(event, key)).join(" "))
        })
        .collect();
    let thesis = "thesis._.20001 ds01 0 0=0% 20";
    let expected = [
        format!("maintenance.idle_warning {thesis} 75"),
        format!("maintenance.idle_warning {thesis} 90"),
        format!("maintenance.idle_kill {thesis} -"),
    ];
    assert_eq!(figures, expected);
    let elapsed = |at: usize| of(&all[at], "elapsed_s").parse::<u64>().unwrap();
    assert!(
        elapsed(0) >= 15 && elapsed(1) >= 18 && elapsed(2) >= 20,
        "{all:?}"
    );
    assert_eq!(of(&all[2], "grace_s"), "60");
    // Told in the workspace, as on terminals, at the next login and by the admin's command.
    let alerts = host.home("alice").join("workspace/thesis/.ds01-alerts");
    let alerts = std::fs::read_to_string(alerts).unwrap();
    let told: Vec<_> = alerts
        .lines()
        .skip(1)
        .map(|line| timeless(line.split_once(' ').unwrap().1))
        .collect();
    let warned = "container thesis with GPU 0 has been idle for TIME and will be stopped in TIME use \
                  it, or keep it with touch /workspace/.keep-alive";
    let stopped = "container thesis with GPU 0 has been idle for TIME and was stopped, as its limit \
                   is TIME its GPU is kept for TIME container-start thesis; it is removed in \
                   TIME the workspace stays";
    assert_eq!(told, [warned, warned, stopped]);
    // As after container-stop: the devices are kept for a while, and a start has them again.
    let status = host.run("gpu-status", &["--format=simple"]).ok();
    assert!(status.contains("thesis (stopped)"), "{status}");
    host.run("container-start", &["thesis"]).ok();
    assert_eq!(state(&host, "thesis"), "running");
}

#[test]
fn a_dry_run_says_what_would_be_done_and_does_nothing() {
    let host = host(1, 2.0);
    running(&host, "thesis");
    let watch = host.state_dir().join("lifecycle.json");
    assert_eq!(pass(&host, IDLE, &["--dry-run"]), done("", ""));
    assert!(!watch.exists(), "nothing is remembered");
    let is_final = |event: &serde_json::Value| event["details"]["percent"] == "90";
    until(&host, IDLE, |_| {
        events(&host, "maintenance.").iter().any(is_final)
    });
    let remembered = std::fs::read(&watch).unwrap();
    let would = loop {
        let said = pass(&host, IDLE, &["--dry-run"]).ok();
        if said.contains("stopped") {
            break said;
        }
    };
    assert!(
        would.starts_with("thesis of alice would be stopped: idle for "),
        "{would}"
    );
    assert_eq!(std::fs::read(&watch).unwrap(), remembered);
    assert_eq!(state(&host, "thesis"), "running");
    let kinds = told(&host, "maintenance.");
    assert!(
        kinds
            .iter()
            .all(|(kind, _)| kind == "maintenance.idle_warning"),
        "{kinds:?}"
    );
}

#[test]
fn without_a_gpu_nothing_is_stopped() {
    let host = host(1, 1.0);
    let args = ["quiet", "ds01-base", "--cpu-only"];
    host.run("container-create", &args).ok();
    host.run("container-start", &["quiet"]).ok();
    control(&host);
    assert_eq!(passes(&host), [] as [&str; 0]);
    assert_eq!(state(&host, "quiet"), "running");
}

#[test]
fn it_is_for_root() {
    let host = host(1, 1.0);
    let refused = "ds01-idle: only root may run this\n\
                   hint: as root: sudo ds01-idle --dry-run shows what it would do\n";
    assert_eq!(host.run(IDLE, &[]), failed(7, refused));
    assert_eq!(host.run(IDLE, &["--dry-run"]), failed(7, refused));
}

#[test]
fn a_start_begins_a_new_run() {
    let host = host(2, 6.0);
    running(&host, "thesis");
    control(&host);
    until(&host, IDLE, |line| {
        line.starts_with("thesis of alice warned")
    });
    host.run("container-stop", &["thesis", "-t", "0"]).ok();
    host.run("container-start", &["thesis"]).ok();
    let lines = passes(&host);
    assert!(
        lines.iter().all(|line| !line.contains("stopped")),
        "{lines:?}"
    );
    assert_eq!(state(&host, "thesis"), "running");
    let lines = until(&host, IDLE, |line| line.contains("thesis of alice stopped"));
    assert!(
        lines.iter().any(|line| line.contains("warned")),
        "warned anew: {lines:?}"
    );
}

#[test]
fn a_look_at_all_containers_makes_no_process_and_runs_nothing_in_them() {
    let host = host(2, 3600.0);
    running(&host, "thesis");
    control(&host);
    pass(&host, IDLE, &[]).ok();
    let trace = host.root().join("trace.txt");
    let config = format!("--config={}/etc/ds01.toml", host.root().display());
    let args = [
        "-f",
        "-o",
        &*trace.to_string_lossy(),
        "-e",
        "trace=process",
        "-e",
        "signal=none",
        IDLE,
        &config,
    ];
    assert_eq!(host.as_user("root").run("strace", &args), done("", ""));
    let text = std::fs::read_to_string(&trace).unwrap();
    let calls = text.lines().filter(|line| !line.contains("+++ exited"));
    let names = calls.filter_map(|line| line.split_whitespace().nth(1)?.split_once('('));
    let names: Vec<_> = names.map(|(name, _)| name).collect();
    assert_eq!(names, ["execve", "exit_group"], "its own alone: {text}");
    let execs = [
        "events",
        "--since=10m",
        "--until=0s",
        "--filter=event=exec_create",
    ];
    assert_eq!(host.docker(&execs), done("", ""));
}
