//! `gpu-status`.

use ds01_testkit::TestHost;
use serde_json::{Value, json};

use crate::support::expect::{done, failed, running, with_limit};

const STATUS: &str = "gpu-status";

#[test]
fn every_device_has_a_line_with_its_holder() {
    let host = TestHost::with_gpus(4);
    running(&host, "thesis");
    let bob = |command: &str, args: &[&str]| host.as_user("bob").run(command, args).ok();
    bob("container-create", &["other", "ds01-base"]);
    bob("container-start", &["other"]);
    bob("container-stop", &["other"]);
    // Made by root behind our back.
    let args = [
        "run",
        "-d",
        "--name",
        "stray",
        "--gpus",
        "device=2",
        "ds01-busybox",
        "sleep",
        "1000",
    ];
    host.gpus().edit(|sim| {
        sim["gpus"][0]["utilization"]["gpu_percent"] = 85.into();
        sim["gpus"][0]["memory"]["used_bytes"] = (8_u64 << 30).into();
        sim["gpus"][0]["processes"] = json!([{ "pid": 4242, "memory_bytes": 1 }]);
        sim["gpus"][3]["processes"] = json!([{ "pid": 4243, "memory_bytes": 1 }]);
    });
    host.docker(&args).ok();
    let table = "GPU  TYPE                   SHARE  MEMORY    UTIL  USER                       CONTAINER\n\
                 0    NVIDIA H100 80GB HBM3  1      8GB/80GB  85%   alice                      thesis\n\
                 1    NVIDIA H100 80GB HBM3  1      0B/80GB   0%    bob                        other (stopped)\n\
                 2    NVIDIA H100 80GB HBM3  1      0B/80GB   0%    unmanaged                  stray\n\
                 3    NVIDIA H100 80GB HBM3  1      0B/80GB   0%    in use outside containers  -\n";
    assert_eq!(host.run(STATUS, &[]), done(table, ""));
    let busy = "container-create: no GPU free: 1 asked for, 0 of 4 free\n\
                hint: see who holds what with gpu-status\n";
    let carol = host
        .as_user("carol")
        .run("container-create", &["third", "ds01-base", "--no-wait"]);
    assert_eq!(carol, failed(6, busy));
    host.docker(&["rm", "-f", "stray"]).ok();
    let carol = host
        .as_user("carol")
        .run("container-create", &["third", "ds01-base"]);
    assert_eq!(carol, done("third with GPU 2\n", ""));
}

#[test]
fn a_container_that_asks_for_all_holds_all() {
    let host = TestHost::with_gpus(2);
    let args = [
        "create",
        "--name",
        "greedy",
        "--gpus",
        "all",
        "ds01-busybox",
    ];
    host.docker(&args).ok();
    let simple = host.run(STATUS, &["--format=simple"]).ok();
    let holders: Vec<_> = simple
        .lines()
        .map(|line| line.split('\t').skip(5).collect())
        .collect();
    let holders: Vec<Vec<&str>> = holders;
    assert_eq!(holders, vec![vec!["unmanaged", "greedy"]; 2]);
}

#[test]
fn what_root_says_only_watches_gpus_keeps_none_from_anybody() {
    let host = TestHost::with_gpus(1);
    let run = "run -d --name exporter --gpus all -l ds01.monitoring=true ds01-busybox sleep 1000";
    let args: Vec<_> = run.split(' ').collect();
    host.docker(&args).ok();
    let simple = host.run(STATUS, &["--format=simple"]).ok();
    assert!(simple.ends_with("\tfree\t-\n"), "{simple}");
    let made = host.run("container-create", &["mine", "ds01-base"]);
    assert_eq!(made, done("mine with GPU 0\n", ""));
}

#[test]
fn mig_devices_have_lines_shares_and_no_utilisation() {
    let host = TestHost::with_topology("a100-mig");
    with_limit(&host, "max_gpu_slots_per_container", "2");
    host.run("container-create", &["thesis", "ds01-base", "--gpu=2"])
        .ok();
    let mig = |slot: &str, profile: &str, share: &str, memory: &str, holder: &str| {
        format!("{slot}\t{profile}\t{share}\t0B/{memory}\t-\t{holder}\n")
    };
    let of = |slot: &str, slices: u32, holder: &str| match slices {
        1 => mig(slot, "1g.5gb", "0.14", "4.8GB", holder),
        _ => mig(slot, "2g.10gb", "0.29", "9.6GB", holder),
    };
    let free = "free\t-";
    let expected = [
        "0\tNVIDIA A100-SXM4-40GB\t1\t0B/40GB\t0%\tfree\t-\n".to_string(),
        of("1:0", 2, free),
        of("1:1", 2, free),
        of("1:2", 2, free),
        of("1:3", 1, "alice\tthesis"),
        of("2:0", 2, free),
        of("2:1", 2, free),
        of("2:2", 1, "alice\tthesis"),
        of("2:3", 1, free),
        of("3:0", 2, free),
        of("3:1", 1, free),
        of("3:2", 1, free),
        of("3:3", 1, free),
    ];
    assert_eq!(
        host.run(STATUS, &["--format=simple"]),
        done(&expected.concat(), "")
    );
}

#[test]
fn json_is_the_documented_shape() {
    let host = TestHost::new();
    running(&host, "thesis");
    let json = host.run(STATUS, &["--format=json"]).ok();
    let json: Value = serde_json::from_str(&json).unwrap();
    let uuid = &host.gpus().uuids()[0];
    let expected = json!({
        "driver": json["driver"],
        "devices": [{
            "device": {
                "uuid": uuid,
                "gpu": uuid,
                "slot": "0",
                "share": 28,
                "model": "NVIDIA H100 80GB HBM3",
                "profile": null,
                "memory_bytes": json["devices"][0]["device"]["memory_bytes"],
                "activity": { "memory_used_bytes": 0, "utilisation": 0, "processes": [] },
            },
            "holders": [{
                "user": "alice",
                "owner_by": null,
                "container": "thesis._.20001",
                "state": "live",
            }],
            "in_use_outside": false,
            "outsiders": [], "reserved_for": null,
        }],
        "reserved": [],
        "problems": [],
    });
    assert_eq!(json, expected);
    assert!(json["driver"].is_string() && json["devices"][0]["device"]["memory_bytes"].is_u64());
}

#[test]
fn what_is_wrong_with_a_gpu_is_told_and_the_others_are_shown() {
    let host = TestHost::with_gpus(2);
    host.gpus().edit(|sim| sim["gpus"][0]["lost"] = true.into());
    let status = host.run(STATUS, &["--format=simple"]);
    let lost = "gpu-status: warning: GPU 0: device fell off the bus or has otherwise become \
                inacessible\n";
    assert_eq!(
        status,
        done("1\tNVIDIA H100 80GB HBM3\t1\t0B/80GB\t0%\tfree\t-\n", lost)
    );
}

#[test]
fn a_host_without_gpus_has_none_and_one_without_a_driver_says_so() {
    let host = TestHost::with_topology("none");
    let heading = "GPU  TYPE  SHARE  MEMORY  UTIL  USER  CONTAINER\n";
    assert_eq!(host.run(STATUS, &[]), done(heading, ""));
    host.gpus().remove_driver();
    let absent = "gpu-status: no NVIDIA driver answers: NVIDIA driver is not loaded\n\
                  hint: a container without GPU can be made: container-create <name> --cpu-only\n";
    assert_eq!(host.run(STATUS, &[]), failed(8, absent));
}
