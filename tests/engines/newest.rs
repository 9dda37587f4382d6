//! Release 29 refuses API versions below 1.44. These are its answers, replayed: it was not run.

use super::*;
use crate::support::expect::{done, failed};

/// As it describes itself, on a host with systemd and cgroup v2.
fn info() -> Value {
    json!({
        "ID": "5eed0000-0000-4000-8000-000000000000",
        "Containers": 1,
        "Driver": "overlayfs",
        "DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]],
        "CgroupDriver": "systemd",
        "CgroupVersion": "2",
        "CDISpecDirs": ["/etc/cdi", "/var/run/cdi"],
        "DiscoveredDevices": [],
        "FirewallBackend": {"Driver": "iptables"},
        "DefaultRuntime": "runc",
        "Runtimes": {"runc": {"path": "runc"}},
        "OSType": "linux",
        "Architecture": "x86_64",
        "NCPU": 64,
        "ServerVersion": "29.0.0",
    })
}

/// The engine, which takes no old version.
fn newest(host: &TestHost) -> ScriptedEngine {
    let engine = scripted(host);
    engine.on("GET", "/info", [answer(200, &info())]);
    let old = "client version 1.43 is too old. Minimum supported API version is 1.44, please \
               upgrade your client to a newer version";
    for method in ["GET", "POST", "DELETE", "HEAD"] {
        for version in (40..44)
            .map(|minor| format!("/v1.{minor}/*"))
            .chain(["/version".into()])
        {
            engine.on(method, &version, [Answer::error(400, old)]);
        }
    }
    engine
}

/// Method and path of what was asked so far, without queries.
fn asked(engine: &ScriptedEngine) -> Vec<String> {
    let requests = engine.requests();
    let path = |path: &str| path.split('?').next().unwrap_or_default().replace(ID, "ID");
    requests
        .iter()
        .map(|request| format!("{} {}", request.method, path(&request.path)))
        .collect()
}

#[test]
fn the_main_job_needs_no_version_of_the_api() {
    let host = TestHost::with_gpus(1);
    let engine = newest(&host);
    let made = host.run("container-create", &["thesis", "pytorch:2.8"]);
    assert_eq!(made, done("thesis with GPU 0\n", ""));

    show(&engine, "created", "Created");
    engine.on(
        "POST",
        &format!("/containers/{ID}/start"),
        [Answer::new(204, "")],
    );
    assert_eq!(host.run("container-start", &["thesis"]), done("", ""));

    show(&engine, "running", "Up 2 hours");
    let rows = "NAME    STATUS   IMAGE        GPU  UPTIME\n\
                thesis  running  pytorch:2.8  0    2h\n";
    assert_eq!(host.run("container-list", &[]), done(rows, ""));

    engine.on(
        "POST",
        &format!("/containers/{ID}/exec"),
        [answer(201, &json!({"Id": "e1"}))],
    );
    engine.on(
        "POST",
        "/exec/e1/start",
        [Answer::raw(
            b"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\n\
          Connection: Upgrade\r\nUpgrade: tcp\r\nApi-Version: 1.52\r\n\r\n\
          \x01\0\0\0\0\0\0\x04out\n\x02\0\0\0\0\0\0\x04err\n"
                .as_slice(),
        )],
    );
    let ended = json!({"ID": "e1", "Running": false, "ExitCode": 3, "Pid": 0});
    engine.on("GET", "/exec/e1/json", [answer(200, &ended)]);
    let shell = host
        .as_user("alice")
        .stdin("exit 3\n")
        .run("container-attach", &["thesis"]);
    let expected = crate::support::expect::outcome(3, "out\n", "err\n");
    assert_eq!(shell, expected);

    engine.on(
        "GET",
        &format!("/containers/{ID}/top"),
        [answer(
            200,
            &json!({"Titles": ["PID"], "Processes": [["1"]]}),
        )],
    );
    engine.on(
        "POST",
        &format!("/containers/{ID}/stop"),
        [Answer::new(204, "")],
    );
    let held = "thesis keeps GPU 0 for 15m\n";
    assert_eq!(host.run("container-stop", &["thesis"]), done("", held));

    show(&engine, "exited", "Exited (143) 2 seconds ago");
    engine.on(
        "DELETE",
        &format!("/containers/{ID}"),
        [Answer::new(204, "")],
    );
    assert_eq!(
        host.run("container-remove", &["thesis"]),
        done("", "thesis removed, GPU 0 is free\n")
    );

    let all = asked(&engine);
    let versioned: Vec<_> = all.iter().filter(|path| path.contains("/v")).collect();
    assert_eq!(versioned, [""; 0]);
    for path in [
        "POST /containers/create",
        "POST /containers/ID/start",
        "POST /exec/e1/start",
        "POST /containers/ID/stop",
        "DELETE /containers/ID",
    ] {
        assert_eq!(
            all.iter().filter(|asked| *asked == path).count(),
            1,
            "{path} in {all:#?}"
        );
    }
}

#[test]
fn where_its_cgroups_are_systemds_a_container_is_in_its_owners_slice() {
    let parents = [
        ("systemd", json!("ds01-student-alice.slice")),
        ("cgroupfs", json!(null)),
    ];
    for (driver, parent) in parents {
        let host = TestHost::with_gpus(1);
        let engine = newest(&host);
        let mut info = info();
        info["CgroupDriver"] = driver.into();
        engine.on("GET", "/info", [answer(200, &info)]);
        host.run("container-create", &["thesis", "pytorch:2.8"])
            .ok();
        assert_eq!(limits_asked(&engine)["CgroupParent"], parent, "{driver}");
    }
}

/// What is left out the engine takes for twice the memory.
#[test]
fn no_limit_on_swap_is_told_to_the_engine() {
    let host = TestHost::with_gpus(1);
    let engine = newest(&host);
    host.limits_yaml(
        &host
            .limits_text()
            .replace("memory_swap: 256m", "memory_swap: null"),
    );
    host.run("container-create", &["thesis", "pytorch:2.8"])
        .ok();
    let asked = limits_asked(&engine);
    assert_eq!(asked["Memory"], 256 << 20);
    assert_eq!(asked["MemorySwap"], -1);
}

/// The `HostConfig` of the container that the engine was asked for.
fn limits_asked(engine: &ScriptedEngine) -> Value {
    let requests = engine.requests();
    let mut creates = requests
        .iter()
        .filter(|r| r.path.contains("/containers/create"));
    creates.next().unwrap().json()["HostConfig"].clone()
}

/// API 1.53 has a word for it; one that nobody knows here leaves nothing to be given.
#[test]
fn a_container_that_is_being_stopped_still_runs_and_keeps_its_device() {
    let host = TestHost::with_gpus(1);
    let engine = newest(&host);
    host.run("container-create", &["thesis", "pytorch:2.8"])
        .ok();
    let bob = || {
        host.as_user("bob")
            .run("container-create", &["his", "pytorch:2.8", "--no-wait"])
    };
    show(&engine, "stopping", "Up 2 hours");
    let rows = "NAME    STATUS   IMAGE        GPU  UPTIME\n\
                thesis  running  pytorch:2.8  0    2h\n";
    assert_eq!(host.run("container-list", &[]), done(rows, ""));
    let busy = "container-create: no GPU free: 1 asked for, 0 of 1 free\n\
                hint: see who holds what with gpu-status\n";
    assert_eq!(bob(), failed(6, busy));

    show(&engine, "levitating", "Up 2 hours");
    let unread = bob();
    let start =
        "container-create: the Docker Engine did not list containers: unknown variant `levitating`";
    assert!(
        unread.status == Some(8) && unread.stderr.starts_with(start),
        "{unread:?}"
    );
}
