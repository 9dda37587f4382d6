//! What counts as use, and what nobody can read.

use std::fs;

use ds01_testkit::TestHost;
use serde_json::json;

use super::{IDLE, control, host, passes};
use crate::support::{
    duties::{hours, pass, policy, until},
    expect::{engine_name, failed, inside, inspect, running, state},
    hung::hung,
};

/// Nothing was said or done about alice's container while bob's idle one was stopped.
#[track_caller]
fn is_kept(host: &TestHost) {
    assert_eq!(passes(host), [] as [&str; 0]);
    assert_eq!(state(host, "thesis"), "running");
    anew(host);
}

/// Nobody uses it any more, and it is stopped.
#[track_caller]
fn is_stopped(host: &TestHost) {
    until(host, IDLE, |line| {
        line.starts_with("thesis of alice stopped")
    });
    assert_eq!(state(host, "thesis"), "exited");
    anew(host);
}

/// The control may be stopped as well, and is needed again.
fn anew(host: &TestHost) {
    host.as_user("bob")
        .run("container-start", &["control"])
        .ok();
}

fn utilisation(host: &TestHost, gpu: usize, percent: u32) {
    host.gpus()
        .edit(|sim| sim["gpus"][gpu]["utilization"]["gpu_percent"] = percent.into());
}

/// Two GPUs, alice's container on the first and bob's idle one on the second.
fn two() -> TestHost {
    let host = host(2, 2.0);
    running(&host, "thesis");
    control(&host);
    host
}

#[test]
fn a_gpu_in_use_keeps_and_exactly_at_its_threshold_is_in_use() {
    let host = two();
    for percent in [90, 5] {
        utilisation(&host, 0, percent);
        is_kept(&host);
    }
    utilisation(&host, 0, 4);
    is_stopped(&host);
}

#[test]
fn a_busy_cpu_keeps() {
    let host = two();
    inside(
        &host,
        "thesis",
        "while :; do :; done >/dev/null 2>&1 &\necho $! >pid\n",
    );
    is_kept(&host);
    inside(&host, "thesis", "kill \"$(cat pid)\"\n");
    is_stopped(&host);
}

#[test]
fn a_busy_network_keeps() {
    let host = two();
    // A link of its own, whose other end nobody listens at.
    let pid = inspect(&host, &engine_name("thesis"), "{{.State.Pid}}");
    let link = "nsenter -t \"$0\" -n sh -euc '
        ip link add va type veth peer name vb
        ip addr add 10.9.0.1/24 dev va
        ip link set va up
        ip link set vb up
        ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:01 dev va'";
    host.as_user("root").run("sh", &["-c", link, &pid]).ok();
    let flood = "dd=$(head -c 1400 /dev/zero | tr '\\0' x)\n\
                 (while [ -e flood ]; do for i in 1 2 3 4 5 6 7 8 9 10; do \
                 echo $dd >/dev/udp/10.9.0.2/9; done; sleep 0.1; done) >/dev/null 2>&1 &\n";
    inside(&host, "thesis", &format!("touch flood\n{flood}"));
    is_kept(&host);
    inside(&host, "thesis", "rm flood\n");
    is_stopped(&host);
}

#[test]
fn a_paused_container_is_not_in_use() {
    let host = two();
    inside(&host, "thesis", "while :; do :; done >/dev/null 2>&1 &\n");
    host.run("container-pause", &["thesis"]).ok();
    utilisation(&host, 0, 90);
    is_stopped(&host);
}

#[test]
fn of_two_devices_one_in_use_is_enough() {
    let host = host(3, 2.0);
    let limits = host.limits_text();
    let limits = limits.replace(
        "max_gpu_slots_per_container: 1",
        "max_gpu_slots_per_container: 2",
    );
    host.limits_yaml(&limits.replace("max_gpu_equivalents: 1.0", "max_gpu_equivalents: 2.0"));
    host.run("container-create", &["thesis", "ds01-base", "--gpu=2"])
        .ok();
    host.run("container-start", &["thesis"]).ok();
    control(&host);
    for gpu in [0, 1] {
        utilisation(&host, gpu, 90);
        is_kept(&host);
        utilisation(&host, gpu, 0);
    }
    is_stopped(&host);
}

/// Alice's container on a MIG device of its own, and bob's on another.
fn on_mig() -> (TestHost, impl Fn(&TestHost, &[u32], u64)) {
    let host = TestHost::with_topology("a100-mig");
    let idle = format!("  idle_timeout_h: {}\n", hours(2.0));
    policy(&host, &idle, "");
    running(&host, "thesis");
    control(&host);
    let given = inspect(
        &host,
        &engine_name("thesis"),
        "{{(index (index .HostConfig.DeviceRequests 0).DeviceIDs 0)}}",
    );
    assert!(given.starts_with("MIG-"), "{given}");
    let set = move |host: &TestHost, pids: &[u32], used: u64| {
        let processes: Vec<_> = pids
            .iter()
            .map(|pid| json!({"pid": pid, "memory_bytes": used}))
            .collect();
        host.gpus().edit(|sim| {
            let gpus = sim["gpus"].as_array_mut().unwrap().iter_mut();
            let mut mig = gpus
                .filter_map(|gpu| gpu.get_mut("mig")?.as_array_mut())
                .flatten();
            let device = mig.find(|mig| mig["uuid"] == *given).unwrap();
            device["processes"] = processes.into();
            device["memory"]["used_bytes"] = used.into();
        });
    };
    (host, set)
}

#[test]
fn a_mig_device_without_a_process_is_idle() {
    let (host, _) = on_mig();
    is_stopped(&host);
}

#[test]
fn a_mig_device_with_a_process_is_in_use_while_memory_or_cpu_or_network_are() {
    let (host, set) = on_mig();
    let pid: u32 = inspect(&host, &engine_name("thesis"), "{{.State.Pid}}")
        .parse()
        .unwrap();
    // Memory that changes from pass to pass.
    let mut used = 1 << 30;
    loop {
        used += 1 << 20;
        set(&host, &[pid], used);
        let said = pass(&host, IDLE, &[]).ok();
        assert!(!said.contains("thesis"), "{said}");
        if said.contains("control of bob stopped") {
            break;
        }
    }
    anew(&host);
    inside(
        &host,
        "thesis",
        "while :; do :; done >/dev/null 2>&1 &\necho $! >pid\n",
    );
    is_kept(&host);
    // It only sits there.
    inside(&host, "thesis", "kill \"$(cat pid)\"\n");
    is_stopped(&host);
}

#[test]
fn a_gpu_that_is_lost_is_no_reason_to_stop() {
    let host = two();
    for failure in [
        json!({"lost": true}),
        json!({"failures": [{
            "function": "nvmlDeviceGetMemoryInfo_v2", "device": crate::support::expect::uuid(0),
            "result": "UNKNOWN"
        }]}),
    ] {
        host.gpus().edit(|sim| match failure["lost"].as_bool() {
            Some(lost) => sim["gpus"][0]["lost"] = lost.into(),
            None => {
                sim["gpus"][0]["lost"] = false.into();
                sim["failures"] = failure["failures"].clone();
            }
        });
        is_kept(&host);
    }
    host.gpus().edit(|sim| sim["failures"] = json!([]));
    is_stopped(&host);
}

#[test]
fn without_an_answer_of_the_driver_nothing_is_stopped() {
    let host = two();
    until(&host, IDLE, |line| line.contains("thesis of alice warned"));
    host.gpus().edit(|sim| {
        sim["failures"] = json!([{"function": "nvmlDeviceGetCount_v2", "result": "hang"}]);
    });
    let hung = "the NVIDIA driver did not answer within 15 s; nothing was done\n";
    assert_eq!(pass(&host, IDLE, &[]), failed(8, hung));
    host.gpus().edit(|sim| {
        sim["failures"] = json!([{"function": "nvmlDeviceGetCount_v2", "result": "UNKNOWN"}]);
    });
    let broken = "ds01-idle: the NVIDIA driver failed: An unknown error has occurred\n\
                  hint: tell an admin; nvidia-smi on the host shows more\n";
    for _ in 0..3 {
        let outcome = pass(&host, IDLE, &[]);
        assert_eq!((outcome.status, outcome.stdout.as_str()), (Some(8), ""));
        assert!(
            outcome
                .stderr
                .starts_with(broken.split("An").next().unwrap()),
            "{outcome:?}"
        );
    }
    host.gpus().remove_driver();
    assert_eq!(pass(&host, IDLE, &[]).status, Some(8));
    assert_eq!(state(&host, "thesis"), "running");
}

#[test]
fn a_keep_alive_keeps_until_it_is_over() {
    let host = two();
    let workspace = host.home("alice").join("workspace/thesis");
    let limits = host.limits_text();
    let keep = |seconds: f64| {
        let key = format!("{{keepalive_max_duration_h: {}, ", hours(seconds));
        host.limits_yaml(&limits.replace("{grace_period_m", &format!("{key}grace_period_m")));
    };
    // A link of the user's tells nothing about a file of others.
    keep(3600.0);
    inside(
        &host,
        "thesis",
        "ln -s /etc/passwd /workspace/.keep-alive\n",
    );
    is_stopped(&host);
    fs::remove_file(workspace.join(".keep-alive")).unwrap();
    host.run("container-start", &["thesis"]).ok();
    inside(&host, "thesis", "touch /workspace/.keep-alive\n");
    is_kept(&host);
    // It was forgotten a day ago.
    let script = "touch -d '1 day ago' workspace/thesis/.keep-alive";
    host.run("sh", &["-c", script]).ok();
    is_stopped(&host);
    // Touched again and again, it keeps no longer than that.
    host.run("container-start", &["thesis"]).ok();
    keep(6.0);
    loop {
        host.run("touch", &["workspace/thesis/.keep-alive"]).ok();
        let said = pass(&host, IDLE, &[]).ok();
        if said.contains("thesis of alice stopped: idle for") {
            break;
        }
    }
}

/// With a `.keep-alive` that keeps for so many seconds.
fn keeps_for(host: &TestHost, seconds: f64) {
    let limits = host.limits_text();
    let (before, after) = limits.split_once("{grace_period_m").unwrap();
    let key = format!("{{keepalive_max_duration_h: {}, ", hours(seconds));
    host.limits_yaml(&format!("{before}{key}grace_period_m{after}"));
}

#[test]
fn a_folder_that_may_not_be_entered_keeps_no_longer_than_a_file_in_it_would() {
    let host = two();
    let limits = host.limits_text();
    keeps_for(&host, 3600.0);
    host.run("chmod", &["000", "workspace"]).ok();
    is_kept(&host);
    host.limits_yaml(&limits);
    keeps_for(&host, 3.0);
    is_stopped(&host);
}

#[test]
fn a_folder_that_hangs_keeps_no_longer_than_a_file_in_it_would_and_nobody_elses_container() {
    let host = two();
    let limits = host.limits_text();
    keeps_for(&host, 3600.0);
    let _serving = hung(&host, "/home/alice/workspace/thesis");
    is_kept(&host);
    host.limits_yaml(&limits);
    keeps_for(&host, 3.0);
    is_stopped(&host);
}

#[test]
fn who_is_exempt_is_told_once_and_not_stopped_until_the_exemption_ends() {
    let host = two();
    let exempt = |until: &str| {
        let text = format!(
            "exemptions:\n- username: alice\n  exempt_from: [idle_timeout_h]\n  \
             expires_on: {until}\n  reason: paper\n"
        );
        fs::write(host.root().join("etc/lifecycle-exemptions.yaml"), text).unwrap();
    };
    exempt("2999-12-31");
    let told = [
        "thesis of alice left alone: idle for TIME limit TIME exempt until \
                 3000-01-01T00:00:00Z: paper",
    ];
    assert_eq!(passes(&host), told);
    anew(&host);
    is_kept(&host);
    exempt("2001-01-01");
    is_stopped(&host);
}

#[test]
fn nothing_is_done_before_as_many_checks_as_the_owners_group_says() {
    let host = TestHost::with_gpus(2);
    policy(&host, &format!("  idle_timeout_h: {}\n", hours(0.001)), "");
    let of = |checks: u32| format!("idle_detection_window: {checks}");
    // The few packets of a start are not to count as use: that would begin the counting anew.
    let few = format!("{}, network_idle_threshold: 1g", of(3));
    let limits = host.limits_text().replace(&of(1), &few);
    let group = format!(
        "  researcher: {{members: [bob], policies: {{{}}}}}\n",
        of(6)
    );
    host.limits_yaml(&limits.replace("  student: {}\n", &format!("  student: {{}}\n{group}")));
    running(&host, "thesis");
    control(&host);
    let (mut alice, mut bob) = (0, 0);
    for number in 1.. {
        let said = pass(&host, IDLE, &[]).ok();
        if alice == 0 && said.contains("thesis of alice warned") {
            alice = number;
        }
        if said.contains("control of bob warned") {
            bob = number;
            break;
        }
    }
    assert!((3..6).contains(&alice) && bob >= 6, "{alice} {bob}");
}
