//! `ds01-doctor`: here the host itself, its engine and its GPUs.

mod duties;
mod files;
mod holders;
mod settings;
mod userns;

use std::{
    fs::{self, Permissions},
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        net::UnixListener,
    },
    path::Path,
};

use ds01_testkit::{Answer, GROUP, Outcome, ScriptedEngine, TestHost};
use serde_json::{Value, json};

use crate::support::expect::{outcome, running};

const DOCTOR: &str = "ds01-doctor";

/// Runs it as root; the host's own directory is `ROOT` in what it printed.
fn doctor(host: &TestHost, args: &[&str]) -> Outcome {
    let root = host.root().to_string_lossy().into_owned();
    let run = host.as_user("root").run(DOCTOR, args);
    Outcome {
        stdout: run.stdout.replace(&root, "ROOT"),
        ..run
    }
}

/// What root is told of one thing: verdict, what and fix of each finding.
fn told(host: &TestHost, check: &str) -> Vec<[String; 3]> {
    let run = doctor(host, &["--format=simple"]);
    assert_eq!(run.stderr, "");
    let wrong = run.stdout.lines().any(|line| line.starts_with("wrong\t"));
    assert_eq!(run.status, Some(i32::from(wrong)), "{}", run.stdout);
    let lines = run
        .stdout
        .lines()
        .map(|line| line.split('\t').collect::<Vec<_>>());
    let of_check = lines.filter(|cells| cells[1] == check);
    of_check
        .map(|cells| [cells[0], cells[2], cells[4]].map(str::to_string))
        .collect()
}

#[track_caller]
fn assert_told(host: &TestHost, check: &str, expected: &[[&str; 3]]) {
    assert_eq!(told(host, check), expected);
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// What is under a directory, to see that nothing changes: names, inodes, times.
fn tree(dir: &Path) -> Vec<String> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let known = fs::symlink_metadata(&path).unwrap();
        all.push(format!(
            "{path:?} {} {} {}",
            known.ino(),
            known.mtime_nsec(),
            known.ctime_nsec()
        ));
        if known.is_dir() {
            all.extend(tree(&path));
        }
    }
    all.sort();
    all
}

#[test]
fn a_sound_host_has_the_warnings_that_it_must_have_and_is_left_as_it_was() {
    let host = TestHost::new();
    running(&host, "thesis");
    let before = [tree(&host.state_dir()), tree(&host.root().join("etc"))];
    let all = doctor(&host, &[]);
    assert_eq!(
        [tree(&host.state_dir()), tree(&host.root().join("etc"))],
        before
    );
    // The versions of this machine's engine are what they are, and so is what its kernel is set to.
    let own = [" escapes: ", " watches: ", "tracker", "ctk", "sysctl"];
    let is_own = |line: &&str| own.iter().any(|one| line.contains(one));
    let stable: String = all
        .stdout
        .lines()
        .filter(|l| !is_own(l))
        .map(|l| format!("{l}\n"))
        .collect();
    let engine = host
        .docker(&["version", "--format", "{{.Server.Version}}"])
        .ok();
    let engine = engine.trim();
    let expected = format!("\
warning  socket: alice, bob, carol, dave, erin, frank, grace, heidi are in the group {GROUP}, which can write ROOT/engine/docker.sock; each of them can become root and edit the ledger: limits are advice among them
         fix: let them in by the gateway, and take access.docker_group out of ds01.toml
warning  gateway: there is none at ROOT/run/docker.sock; only root, and members of access.docker_group, can use DS01
         fix: systemctl --no-reload enable --now ds01-gateway
warning  slices: the engine's cgroup driver is cgroupfs; limits on all containers of a user together are not enforced, and the steps of a docker build have no limit of processes
         fix: {{\"exec-opts\": [\"native.cgroupdriver=systemd\"]}} in /etc/docker/daemon.json, then systemctl restart docker when nobody trains: it ends all running containers
unknown  duties: whether they run: none was due for long enough
         fix: run ds01-doctor again in some minutes
ok       config: ROOT/etc/ds01.toml can be read
ok       driver: NVIDIA's driver 550.54.15 shows 1 device
ok       policy: the limits in ROOT/etc can be read
ok       paths: nobody but root can replace the configuration, the state or a socket
ok       state: ROOT/state is as it was made
ok       room: there is room for the state and the log
ok       engine: Docker Engine {engine} answers at ROOT/engine/docker.sock
ok       runtime: the engine gives GPUs with ROOT/engine/hook/nvidia-container-runtime-hook
ok       default-runtime: containers that name no runtime are ds01-runc's
ok       userns: a container that is made gets a user namespace of its own (ds01-runc)
ok       ledger: it is whole
ok       records: every container of DS01 has its record
ok       owners: every container of DS01 is of who made it
ok       holders: every device has one holder at most, of DS01
");
    let stable = Outcome {
        stdout: stable,
        ..all
    };
    assert_eq!(stable, outcome(0, &expected, ""));
}

#[test]
fn each_format_has_the_same_findings_and_quiet_has_the_problems() {
    let host = TestHost::new();
    let table = doctor(&host, &[]).ok();
    let simple = doctor(&host, &["--format=simple"]).ok();
    let json: Value = serde_json::from_str(&doctor(&host, &["--format=json"]).ok()).unwrap();
    let json = json.as_array().unwrap();
    let is_finding = |line: &&str| !line.starts_with(' ');
    assert_eq!(table.lines().filter(is_finding).count(), json.len());
    assert_eq!(simple.lines().count(), json.len());
    let gateway = json
        .iter()
        .find(|finding| finding["check"] == "gateway")
        .unwrap();
    let expected = json!({
        "check": "gateway",
        "verdict": "warning",
        "what": "there is none at ROOT/run/docker.sock",
        "why": "only root, and members of access.docker_group, can use DS01",
        "fix": "systemctl --no-reload enable --now ds01-gateway",
    });
    assert_eq!(*gateway, expected);
    let whole = json
        .iter()
        .find(|finding| finding["check"] == "ledger")
        .unwrap();
    let expected = json!({
        "check": "ledger", "verdict": "ok", "what": "it is whole", "why": null, "fix": null,
    });
    assert_eq!(*whole, expected);
    let problems = simple.lines().filter(|line| !line.starts_with("ok\t"));
    let problems: String = problems.map(|line| format!("{line}\n")).collect();
    assert_eq!(doctor(&host, &["--format=simple", "-q"]).ok(), problems);
}

#[test]
fn who_is_not_root_is_told_what_could_not_be_looked_at() {
    let host = TestHost::new();
    let run = host.as_user("mallory").run(DOCTOR, &["--format=simple"]);
    let unknown = run
        .stdout
        .lines()
        .filter(|line| line.starts_with("unknown\t"));
    let checks: Vec<_> = unknown
        .map(|line| line.split('\t').nth(1).unwrap())
        .collect();
    assert_eq!(checks, ["state", "engine", "ledger", "holders"]);
    assert_eq!((run.status, run.stderr.as_str()), (Some(0), ""));
}

#[test]
fn whoever_can_write_the_engines_socket_is_told() {
    let host = TestHost::new();
    let socket = host.engine().socket();
    let without = host
        .config_text()
        .replace(&format!("docker_group = \"{GROUP}\""), "");
    host.config(&without);
    let members = "alice, bob, carol, dave, erin, frank, grace, heidi are in the group ds01-users, \
                   which can write ROOT/engine/docker.sock";
    let [verdict, what, fix] = &told(&host, "socket")[0];
    assert_eq!((&**verdict, &**what), ("wrong", members));
    assert!(
        fix.starts_with("gpasswd -d alice ds01-users; gpasswd -d bob"),
        "{fix}"
    );

    chmod(&socket, 0o666);
    let everybody = [
        "wrong",
        "ROOT/engine/docker.sock has mode 666: everybody can write it",
        "chmod 660 ROOT/engine/docker.sock",
    ];
    let findings = told(&host, "socket");
    assert!(
        findings.iter().any(|finding| *finding == everybody),
        "{findings:?}"
    );

    chmod(&socket, 0o600);
    assert_told(
        &host,
        "socket",
        &[["ok", "only root can write ROOT/engine/docker.sock", "-"]],
    );
    host.as_user("root")
        .run("chown", &["alice", &socket.to_string_lossy()])
        .ok();
    let belongs = [
        "wrong",
        "ROOT/engine/docker.sock belongs to alice",
        "chown root ROOT/engine/docker.sock",
    ];
    assert_told(&host, "socket", &[belongs]);
}

#[test]
fn a_gateway_answers_is_ill_or_does_not_run() {
    let host = TestHost::new();
    let run = host.root().join("run");
    fs::create_dir_all(&run).unwrap();
    let gateway = ScriptedEngine::start(&run.join("docker.sock"));
    gateway.on("GET", "/_ping", [Answer::new(200, "OK")]);
    assert_told(
        &host,
        "gateway",
        &[["ok", "it answers at ROOT/run/docker.sock", "-"]],
    );
    gateway.on("GET", "/_ping", [Answer::new(500, "ill")]);
    let fix = "journalctl -u ds01-gateway; then systemctl restart ds01-gateway";
    let ill = "it answers \"HTTP/1.1 500 Scripted\" at ROOT/run/docker.sock";
    assert_told(&host, "gateway", &[["wrong", ill, fix]]);
    drop(gateway);
    let [verdict, what, _] = &told(&host, "gateway")[0];
    assert_eq!(verdict, "wrong");
    assert!(
        what.starts_with("it does not answer at ROOT/run/docker.sock: "),
        "{what}"
    );
}

#[test]
fn gpus_that_cannot_be_given_are_told() {
    let host = TestHost::with_gpus(3);
    host.gpus().edit(|sim| {
        sim["gpus"][0]["lost"] = true.into();
        sim["gpus"][1]["mig_enabled"] = true.into();
        sim["gpus"][1]["mig"] = json!([]);
    });
    let findings = told(&host, "driver");
    let short: Vec<_> = findings
        .iter()
        .map(|[verdict, what, _]| format!("{verdict} {what}"))
        .collect();
    let expected = [
        "wrong GPU 0: device fell off the bus or has otherwise become inacessible",
        "warning GPU 1: in MIG mode without MIG devices",
        "ok NVIDIA's driver 550.54.15 shows 1 device",
    ];
    assert_eq!(short, expected);
    host.gpus().remove_driver();
    let [verdict, what, _] = &told(&host, "driver")[0];
    let absent = "no NVIDIA driver answers: NVIDIA driver is not loaded";
    assert_eq!((&**verdict, &**what), ("warning", absent));
    assert_eq!(
        told(&host, "runtime"),
        [[""; 3]; 0],
        "not needed without GPUs"
    );
    assert_eq!(told(&host, "holders")[0][0], "unknown");
}

#[test]
fn an_engine_that_cannot_give_gpus_is_told() {
    let host = TestHost::new();
    let hook = host.root().join("engine/hook");
    fs::rename(
        hook.join("nvidia-container-runtime-hook"),
        hook.join("away"),
    )
    .unwrap();
    // The build's own is on the PATH of a test engine too.
    let built = "/mnt/bin/nvidia-container-runtime-hook";
    let mount = host.as_user("root");
    mount.run("mount", &["--bind", "/dev/null", built]).ok();
    let what = "the engine has no nvidia-container-runtime-hook on its PATH";
    let fix = "apt-get install nvidia-container-toolkit; systemctl restart docker";
    assert_told(&host, "runtime", &[["wrong", what, fix]]);

    let toolkit = hook.join("nvidia-ctk");
    fs::write(
        &toolkit,
        "#!/bin/sh\necho NVIDIA Container Toolkit CLI version 1.16.1\n",
    )
    .unwrap();
    chmod(&toolkit, 0o755);
    let what = "nvidia-container-toolkit 1.16.1 is open to CVE-2024-0132, CVE-2025-23266";
    let fix = "upgrade nvidia-container-toolkit, and restart docker";
    assert_eq!(told(&host, "escapes")[0], ["wrong", what, fix]);
}

#[test]
fn old_engines_and_what_is_set_in_them_are_told() {
    let host = TestHost::with_topology("none");
    let engine = host.scripted_engine();
    let version = |engine: &str, runc: &str| {
        let part = |name, version| json!({"Name": name, "Version": version, "Details": {"GitCommit": "v1"}});
        let components = [part("Engine", engine), part("runc", runc)];
        Answer::new(
            200,
            json!({"Version": engine, "Components": components}).to_string(),
        )
    };
    let info = |driver: &str, plugins: &[&str], set: &[&str]| {
        let info = json!({
            "CgroupDriver": driver,
            "SecurityOptions": set,
            "Plugins": {"Authorization": plugins},
        });
        Answer::new(200, info.to_string())
    };
    engine.on("GET", "/containers/json", [Answer::new(200, "[]")]);
    engine.on("GET", "/version", [version("27.1.0", "1.1.11")]);
    engine.on("GET", "/info", [info("systemd", &[], &["name=userns"])]);
    let what = "runc 1.1.11 is open to CVE-2024-21626, CVE-2024-45310, CVE-2025-31133";
    let runc = ["wrong", what, "upgrade runc, and restart docker"];
    let sound = ["ok", "Engine 27.1.0 has no escape that is known here", "-"];
    assert_told(&host, "escapes", &[runc, sound]);
    assert_told(
        &host,
        "slices",
        &[["ok", "the engine's cgroups are systemd's", "-"]],
    );
    assert_told(
        &host,
        "userns",
        &[[
            "ok",
            "root in a container is nobody outside (userns-remap)",
            "-",
        ]],
    );
    engine.on("GET", "/version", [version("27.1.0", "1.3.3")]);
    let seccomp = ["name=seccomp,profile=default"];
    engine.on("GET", "/info", [info("systemd", &["judge"], &seccomp)]);
    let [[verdict, what, fix]] = &told(&host, "userns")[..] else {
        panic!("another number of findings");
    };
    let none = "containers have no user namespace of their own";
    assert_eq!((&**verdict, &**what), ("wrong", none));
    assert!(fix.contains(r#""default-runtime": "ds01-runc"}"#), "{fix}");
    let what = "Engine 27.1.0 is open to CVE-2024-41110, CVE-2026-34040";
    let [first, ..] = &told(&host, "escapes")[..] else {
        panic!("no finding");
    };
    assert_eq!(
        *first,
        ["wrong", what, "upgrade Engine, and restart docker"]
    );
    engine.on("GET", "/version", [Answer::error(500, "ill")]);
    let [verdict, what, _] = &told(&host, "engine")[0];
    assert_eq!(
        (&**verdict, &**what),
        ("wrong", "the Docker Engine did not describe itself: ill")
    );
}

#[test]
fn an_engine_that_does_not_run_is_told() {
    let host = TestHost::new();
    host.engine().kill();
    let what = "no Docker Engine answers at ROOT/engine/docker.sock";
    let fix = "systemctl restart docker; journalctl -u docker tells more";
    assert_told(&host, "engine", &[["wrong", what, fix]]);
    assert_told(&host, "ledger", &[["ok", "it is whole", "-"]]);
    assert_eq!(told(&host, "holders")[0][0], "unknown");
    // A gateway that is not reached either comes after it.
    fs::create_dir_all(host.root().join("run")).unwrap();
    drop(UnixListener::bind(host.root().join("run/docker.sock")).unwrap());
    let all = doctor(&host, &["--format=simple"]).stdout;
    let wrong = all.lines().filter_map(|line| line.strip_prefix("wrong\t"));
    let wrong: Vec<_> = wrong.map(|line| line.split('\t').next().unwrap()).collect();
    assert_eq!(wrong, ["engine", "gateway"], "{all}");
}
