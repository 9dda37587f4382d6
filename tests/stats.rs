//! `container-stats`.

use ds01_testkit::{Signal, TestHost};
use serde_json::{Value, json};

use crate::support::{
    expect::{created, done, engine_name, failed, inside, inspect, running, uuid},
    view::{ENTER, LEAVE, shown},
};

const STATS: &str = "container-stats";

/// Starts a container without a GPU.
fn quiet(host: &TestHost, name: &str) {
    host.run("container-create", &[name, "ds01-busybox", "--cpu-only"])
        .ok();
    host.run("container-start", &[name]).ok();
}

fn busy_gpu(host: &TestHost, index: usize, percent: u32, used_bytes: u64) {
    host.gpus().edit(|sim| {
        sim["gpus"][index]["utilization"]["gpu_percent"] = percent.into();
        sim["gpus"][index]["memory"]["used_bytes"] = used_bytes.into();
    });
}

fn json_of(host: &TestHost, args: &[&str]) -> Value {
    let json = host.run(STATS, &[args, &["--format=json"]].concat()).ok();
    serde_json::from_str(&json).unwrap()
}

#[test]
fn what_is_used_stands_beside_the_limits() {
    let host = TestHost::with_gpus(2);
    running(&host, "thesis");
    quiet(&host, "quiet");
    host.as_user("bob")
        .run("container-create", &["other", "ds01-base"])
        .ok();
    host.as_user("bob").run("container-start", &["other"]).ok();
    // A CPU for ever, and 32 MB of memory.
    let script = "head -c 33554432 /dev/zero >/dev/shm/x\nwhile :; do :; done >/dev/null 2>&1 &\n";
    inside(&host, "thesis", script);
    busy_gpu(&host, 0, 85, 8 << 30);
    let simple = host.run(STATS, &["--format=simple"]).ok();
    let rows: Vec<Vec<&str>> = simple.lines().map(|l| l.split('\t').collect()).collect();
    let names: Vec<_> = rows.iter().map(|row| row[0]).collect();
    assert_eq!(names, ["quiet", "thesis"], "those that run, of this user");
    let [quiet, thesis] = &rows[..] else { panic!() };
    let percent = |cell: &str| cell.strip_suffix('%').unwrap().parse::<f64>().unwrap();
    let busy = percent(thesis[1]);
    assert!((2.0..=130.0).contains(&busy), "of one CPU: {simple}");
    assert!(percent(quiet[1]) < busy, "{simple}");
    assert!(
        thesis[2].ends_with("MB/256MB") && quiet[2].ends_with("/256MB"),
        "{simple}"
    );
    assert!((12.5..=40.0).contains(&percent(thesis[3])), "{simple}");
    assert_eq!(thesis[4..7], ["8GB/80GB", "85%", "1"]);
    assert_eq!(quiet[4..7], ["-", "-", "1"]);
    assert!(thesis[7].ends_with("/256"), "{simple}");

    let json = json_of(&host, &["thesis"]);
    let thesis = &json[0];
    let memory = thesis["memory_bytes"].as_u64().unwrap();
    assert!((32 << 20..100 << 20).contains(&memory), "{json}");
    let expected = json!([{
        "name": "thesis",
        "uid": 20001,
        "id": inspect(&host, &engine_name("thesis"), "{{.Id}}"),
        "cpu_percent": thesis["cpu_percent"],
        "cpus": 1.0,
        "memory_bytes": memory,
        "memory_limit_bytes": 256 << 20,
        "memory_percent": thesis["memory_percent"],
        "processes": thesis["processes"],
        "processes_limit": 256,
        "devices": [{
            "slot": "0",
            "uuid": uuid(0),
            "memory_used_bytes": 8_u64 << 30,
            "memory_bytes": thesis["devices"][0]["memory_bytes"],
            "utilisation": 85,
        }],
    }]);
    assert_eq!(json, expected);
    assert!(thesis["processes"].as_u64().unwrap() >= 3, "{json}");
}

#[test]
fn docker_counts_the_same() {
    let host = TestHost::new();
    running(&host, "thesis");
    // Files that were read are kept in memory, and count for nobody.
    inside(
        &host,
        "thesis",
        "head -c 33554432 /dev/zero >/dev/shm/x\nhead -c 20000000 /dev/zero >/tmp/y\ncat /tmp/y >/dev/null\n",
    );
    let format = "{{.MemUsage}} {{.PIDs}}";
    let docker = host
        .docker(&["stats", "--no-stream", "--format", format])
        .ok();
    let (memory, pids) = docker.trim().rsplit_once(' ').unwrap();
    let memory = memory
        .split("MiB / ")
        .next()
        .unwrap()
        .parse::<f64>()
        .unwrap();
    let json = json_of(&host, &[]);
    let ours = json[0]["memory_bytes"].as_f64().unwrap() / f64::from(1 << 20);
    assert!((memory - ours).abs() < 4.0, "docker: {docker}ours: {json}");
    assert_eq!(json[0]["processes"].to_string(), pids);
}

#[test]
fn without_the_kernels_files_the_engine_is_asked() {
    let host = TestHost::new();
    running(&host, "thesis");
    quiet(&host, "quiet");
    inside(&host, "thesis", "head -c 33554432 /dev/zero >/dev/shm/x\n");
    host.limits_yaml(&format!(
        "{}access_control:\n  admin_users: [alice]\n",
        host.limits_text()
    ));
    let hidden =
        "mount -t tmpfs none /sys/fs/cgroup && exec container-stats --all-users --format=json";
    let json = host
        .as_user("root")
        .run("unshare", &["-m", "sh", "-c", hidden])
        .ok();
    let all: Value = serde_json::from_str(&json).unwrap();
    let seen = host
        .as_user("root")
        .run(STATS, &["--all-users", "--format=json"])
        .ok();
    let seen: Value = serde_json::from_str(&seen).unwrap();
    assert_eq!(all.as_array().unwrap().len(), 2);
    for (at, name) in ["quiet", "thesis"].into_iter().enumerate() {
        let (asked, read) = (&all[at], &seen[at]);
        assert_eq!(asked["name"], name);
        for same in [
            "id",
            "cpus",
            "memory_limit_bytes",
            "processes",
            "processes_limit",
            "devices",
        ] {
            assert_eq!(asked[same], read[same], "{same} of {name}");
        }
        assert!(asked["cpu_percent"].is_f64(), "{asked}");
        let memory = |json: &Value| json["memory_bytes"].as_f64().unwrap();
        assert!(
            (memory(asked) - memory(read)).abs() < f64::from(4 << 20),
            "{asked} {read}"
        );
    }
}

#[test]
fn only_running_containers_of_ones_own_have_figures() {
    let host = TestHost::with_gpus(2);
    created(&host, "thesis");
    let heading = "NAME  CPU%  MEM-USAGE  MEM%  GPU-MEM  GPU%  CPUS  PIDS\n";
    assert_eq!(host.run(STATS, &[]), done(heading, ""));
    assert_eq!(host.run(STATS, &["--format=simple"]), done("", ""));
    assert_eq!(host.run(STATS, &["--format=json"]), done("[]\n", ""));
    let refused = |state: &str| {
        let why = format!(
            "container-stats: container thesis is {state}\n\
             hint: start it with container-start thesis\n"
        );
        failed(4, &why)
    };
    assert_eq!(host.run(STATS, &["thesis"]), refused("created"));
    host.run("container-start", &["thesis"]).ok();
    let none = "container-stats: you have no container thesis\n\
                hint: see what you have with container-list --all\n";
    assert_eq!(host.as_user("bob").run(STATS, &["thesis"]), failed(3, none));
    let none = none.replace("thesis\n", "thesis._.20001\n");
    let bob = host.as_user("bob").run(STATS, &["thesis._.20001"]);
    assert_eq!(bob, failed(3, &none));
    let all = "container-stats: only admins see the containers of all users\n\
               hint: see yours with container-stats\n";
    assert_eq!(
        host.as_user("bob").run(STATS, &["--all-users"]),
        failed(7, all)
    );
    let limits = host.limits_text();
    host.limits_yaml(&format!("{limits}access_control:\n  admin_users: [bob]\n"));
    for args in [
        &["--all-users", "--format=simple"][..],
        &["thesis._.20001", "--format=simple"],
    ] {
        let shown = host.as_user("bob").run(STATS, args).ok();
        let owner = if args[0] == "--all-users" {
            "alice\tthesis\t"
        } else {
            "thesis\t"
        };
        assert!(
            shown.starts_with(owner) && shown.lines().count() == 1,
            "{shown}"
        );
    }
    host.run("container-pause", &["thesis"]).ok();
    let paused = host.run(STATS, &["--format=simple"]).ok();
    assert!(
        paused.starts_with("thesis\t0%\t"),
        "it uses memory still: {paused}"
    );
    host.run("container-unpause", &["thesis"]).ok();
    host.run("container-stop", &["thesis"]).ok();
    assert_eq!(host.run(STATS, &["thesis"]), refused("stopped"));
    assert_eq!(host.run(STATS, &[]), done(heading, ""));
}

#[test]
fn what_a_device_does_not_tell_is_a_dash() {
    let host = TestHost::with_topology("a100-mig");
    host.run("container-create", &["thesis", "ds01-base"]).ok();
    host.run("container-start", &["thesis"]).ok();
    let gpu = |host: &TestHost| {
        let simple = host.run(STATS, &["--format=simple"]);
        let cells: Vec<_> = simple.stdout.split('\t').map(str::to_owned).collect();
        (cells[4].clone(), cells[5].clone(), simple.stderr)
    };
    let told = ("0B/4.8GB".to_string(), "-".to_string(), String::new());
    assert_eq!(gpu(&host), told);
    host.gpus().remove_driver();
    let silent =
        "container-stats: warning: no NVIDIA driver answers: NVIDIA driver is not loaded\n";
    assert_eq!(gpu(&host), ("-".into(), "-".into(), silent.into()));
}

#[test]
fn watched_on_a_terminal_it_is_drawn_in_place_until_somebody_leaves() {
    let host = TestHost::new();
    running(&host, "thesis");
    let watch = [STATS, "thesis", "--watch", "--interval=0.2"];
    for (keys, status) in [("q", 0), ("\x03", 130)] {
        busy_gpu(&host, 0, 12, 1 << 30);
        let (mut pty, before) = shown(&host, &watch);
        pty.expect(ENTER);
        pty.expect("\x1b[HNAME  ");
        pty.expect("1GB/80GB  12%");
        busy_gpu(&host, 0, 99, 2 << 30);
        pty.expect("2GB/80GB  99%");
        // The last columns are left out.
        pty.resize(24, 40);
        pty.expect("MEM-USAGE    MEM%\x1b[K\r\n");
        pty.resize(1, 80);
        pty.expect("\x1b[H… 2 more lines\x1b[K\x1b[J");
        pty.resize(24, 80);
        pty.expect("PIDS\x1b[K\r\n");
        assert_ne!(pty.modes(), before, "keys come one by one");
        pty.send(keys);
        assert_eq!(pty.wait(), Some(status));
        pty.expect(LEAVE);
        assert_eq!(pty.modes(), before);
        assert!(pty.output().ends_with(LEAVE), "{}", pty.output());
    }
}

#[test]
fn a_watch_that_fails_or_is_ended_gives_the_terminal_back() {
    let host = TestHost::new();
    running(&host, "thesis");
    let watch = [STATS, "thesis", "--watch", "--interval=0.2"];
    let (mut pty, before) = shown(&host, &watch);
    pty.expect("thesis");
    host.run("container-stop", &["thesis"]).ok();
    pty.expect(LEAVE);
    pty.expect("container-stats: container thesis is stopped\r\n");
    assert_eq!(pty.wait(), Some(4));
    assert_eq!(pty.modes(), before);
    host.run("container-start", &["thesis"]).ok();
    let (mut pty, before) = shown(&host, &watch);
    pty.expect("thesis");
    pty.signal(ds01_testkit::Signal::SIGTERM);
    assert_eq!(pty.wait(), Some(143));
    pty.expect(LEAVE);
    assert_eq!(pty.modes(), before);
}

#[test]
fn a_watch_outlives_an_engine_that_is_frozen_or_gone() {
    let host = TestHost::new();
    let config = host.config_text();
    host.config(&config.replace("[engine]\n", "[engine]\ntimeout_s = 5\n"));
    running(&host, "thesis");
    let watch = [STATS, "--watch", "--interval=0.2"];
    let (mut pty, before) = shown(&host, &watch);
    pty.expect("thesis");
    host.engine().signal(Signal::SIGSTOP);
    pty.expect("\x1b[Hno answer yet; Ctrl-C leaves\x1b[K");
    pty.expect("container-stats: the Docker Engine did not ");
    pty.expect("what follows was seen before; it is asked for again and again\x1b[K\r\nNAME");
    pty.expect("thesis");
    host.engine().signal(Signal::SIGCONT);
    pty.expect("\x1b[HNAME");
    host.engine().kill();
    pty.expect("what follows was seen before");
    host.engine().start();
    pty.expect("\x1b[HNAME");
    host.engine().signal(Signal::SIGSTOP);
    pty.expect("no answer yet");
    pty.send("\x03");
    assert_eq!(pty.wait(), Some(130));
    pty.expect(LEAVE);
    assert_eq!(pty.modes(), before);
    host.engine().signal(Signal::SIGCONT);
}

#[test]
fn watched_elsewhere_the_samples_follow_each_other() {
    let host = TestHost::new();
    running(&host, "thesis");
    let piped = "set -o pipefail; container-stats --watch --interval=0.1 \"$@\" | head -n 3";
    let run = |args: &[&str]| {
        let args = [&["-c", piped, "bash"], args].concat();
        host.run("bash", &args).ok()
    };
    let simple = run(&["--format=simple"]);
    assert_eq!(simple.matches("thesis\t").count(), 3, "{simple}");
    let table = run(&[]);
    let first: Vec<_> = table
        .lines()
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    assert_eq!(first, ["NAME", "thesis", "NAME"]);
    assert!(!table.contains('\x1b'), "{table:?}");
    // Nobody reads any more: it ends, though there is nothing to write.
    host.run("container-stop", &["thesis"]).ok();
    let none = "container-stats --watch --interval=3600 --format=simple | true";
    assert_eq!(host.run("bash", &["-c", none]), done("", ""));

    host.run("container-start", &["thesis"]).ok();
    let args = ["TERM=dumb", STATS, "--watch", "--interval=0.1"];
    let mut dumb = host.as_user("alice").pty("env", &args);
    for _ in 0..2 {
        dumb.expect("NAME  ");
    }
    assert!(!dumb.output().contains('\x1b'), "{:?}", dumb.output());
    dumb.send("\x03");
    assert_eq!(dumb.wait(), None, "as any command");
}

#[test]
fn an_interval_that_is_none_is_refused() {
    let host = TestHost::new();
    for odd in ["0", "-1", "soon"] {
        let wrong = format!(
            "container-stats: invalid value '{odd}' for --interval: expected seconds, from 0.1 to \
             86400\nTry 'container-stats --help' for more information.\n"
        );
        let interval = format!("--interval={odd}");
        assert_eq!(host.run(STATS, &[&interval]), failed(2, &wrong));
    }
}
