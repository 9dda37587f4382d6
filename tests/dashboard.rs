//! `dashboard`.

use std::{fs, thread};

use ds01_testkit::TestHost;
use serde_json::{Value, json};

use crate::support::{
    expect::{created, engine_name, failed, inspect, running, uuid, with_limit},
    view::{ENTER, LEAVE, shown},
};

const DASHBOARD: &str = "dashboard";

const WATCH: [&str; 5] = [DASHBOARD, "gpu", "--watch", "-i", "0.2"];

/// Alice's thesis runs on GPU 0, bob's `secret-work` has stopped and keeps GPU 1.
fn populated() -> TestHost {
    let host = TestHost::with_gpus(3);
    running(&host, "thesis");
    let bob = |command: &str, args: &[&str]| host.as_user("bob").run(command, args).ok();
    bob("container-create", &["secret-work", "ds01-busybox"]);
    bob("container-start", &["secret-work"]);
    bob("container-stop", &["secret-work"]);
    host.gpus().edit(|sim| {
        sim["gpus"][0]["utilization"]["gpu_percent"] = 85.into();
        sim["gpus"][0]["memory"]["used_bytes"] = (8_u64 << 30).into();
    });
    host
}

/// The lines of one part, without its word.
fn part(host: &TestHost, user: &str, word: &str) -> String {
    let simple = host
        .as_user(user)
        .run(DASHBOARD, &[word, "--format=simple"])
        .ok();
    let mut shown = String::new();
    for line in simple.lines() {
        let (of, rest) = line.split_once('\t').unwrap();
        if of == word {
            shown.push_str(&format!("{rest}\n"));
        }
    }
    shown
}

/// What is not as it should be; the machine that this runs on may be full.
fn alerts(host: &TestHost, user: &str) -> Vec<String> {
    let simple = host
        .as_user(user)
        .run(DASHBOARD, &["users", "--format=simple"])
        .ok();
    let alerts = simple
        .lines()
        .filter_map(|line| line.strip_prefix("alert\t"));
    let alerts =
        alerts.filter(|alert| !alert.starts_with("system\t") && !alert.starts_with("engine\t"));
    alerts.map(str::to_owned).collect()
}

#[test]
fn everybody_sees_the_devices_and_their_holders() {
    let host = populated();
    let model = "NVIDIA H100 80GB HBM3";
    let expected = format!(
        "0\talice\tthesis\t8GB/80GB\t85%\t1\t{model}\n\
         1\tbob\tsecret-work (stopped)\t0B/80GB\t0%\t1\t{model}\n\
         2\tfree\t-\t0B/80GB\t0%\t1\t{model}\n"
    );
    for user in ["alice", "bob", "carol"] {
        assert_eq!(part(&host, user, "gpu"), expected);
    }
    let of = |user: &str| {
        let lines = part(&host, user, "allocations");
        let rows = lines.lines().map(|line| {
            let until = line.rsplit('\t').next().unwrap();
            let known = if until == "-" { "-" } else { "TIME" };
            line.strip_suffix(until).unwrap().to_string() + known
        });
        rows.collect::<Vec<_>>()
    };
    let thesis = "0\talice\tthesis\tlive\t-";
    assert_eq!(of("alice"), [thesis, "1\tbob\tsecret-work\tstopped\t-"]);
    assert_eq!(of("bob"), [thesis, "1\tbob\tsecret-work\tstopped\tTIME"]);
}

#[test]
fn of_others_only_the_sum_is_seen() {
    let host = populated();
    host.as_user("carol")
        .run(
            "container-create",
            &["hidden", "ds01-busybox", "--cpu-only"],
        )
        .ok();
    let mine = part(&host, "alice", "containers");
    let cells: Vec<_> = mine.trim_end().split('\t').collect();
    assert_eq!(cells[..2], ["thesis", "running"], "{mine}");
    assert!(
        cells[2].ends_with('%') && cells[3].ends_with("/256MB"),
        "{mine}"
    );
    assert_eq!(cells[5..8], ["8GB/80GB", "85%", "1"]);
    assert_eq!(cells[9..], ["0", "ds01-base"]);
    let stopped = "secret-work\tstopped\t-\t-\t-\t-\t-\t-\t-\t1\tds01-busybox\n";
    assert_eq!(part(&host, "bob", "containers"), stopped);
    let users = "alice\t1/1\t1/3\tstudent\n(others)\t1\t2\t-\n";
    assert_eq!(part(&host, "alice", "users"), users);
    let everything = host.run(DASHBOARD, &["--format=json"]).ok();
    for secret in ["hidden", "carol", "ds01-busybox", "20002", "20003"] {
        // What gpu-status shows: whose the device is, and the container's name.
        let shown = everything.replace("secret-work._.20002", "");
        assert!(!shown.contains(secret), "{secret} in {everything}");
    }

    host.limits_yaml(&format!(
        "{}access_control:\n  admin_users: [alice]\n",
        host.limits_text()
    ));
    let users = "alice\t1/1\t1/3\tstudent\nbob\t1/1\t1/3\tstudent\ncarol\t0/1\t1/3\tstudent\n";
    assert_eq!(part(&host, "alice", "users"), users);
    let all = part(&host, "alice", "containers");
    let names: Vec<Vec<&str>> = all
        .lines()
        .map(|l| l.split('\t').take(3).collect())
        .collect();
    let expected = [
        ["carol", "hidden", "created"],
        ["bob", "secret-work", "stopped"],
        ["alice", "thesis", "running"],
    ];
    assert_eq!(names, expected);
}

#[test]
fn json_is_the_documented_shape() {
    let host = populated();
    let of = |args: &[&str]| -> Value {
        let json = host
            .run(DASHBOARD, &[args, &["--format=json"]].concat())
            .ok();
        serde_json::from_str(&json).unwrap()
    };
    let whole = of(&[]);
    let keys = |value: &Value| {
        value
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    let always = ["admin", "alerts", "host", "time"];
    let parts = [
        "allocations",
        "containers",
        "gpu",
        "reserved",
        "system",
        "users",
    ];
    let mut all = [&always[..], &parts[..]].concat();
    all.sort_unstable();
    assert_eq!(keys(&whole), all);
    for word in parts {
        let mut expected = [&always[..], &[word]].concat();
        expected.sort_unstable();
        assert_eq!(keys(&of(&[word])), expected);
    }
    let container = &whole["containers"][0];
    assert_eq!(container["usage"]["name"], "thesis");
    let expected = json!([{
        "name": "thesis",
        "user": "alice",
        "id": inspect(&host, &engine_name("thesis"), "{{.Id}}"),
        "state": "running",
        "image": "ds01-base",
        "slots": ["0"],
        "usage": container["usage"],
    }]);
    assert_eq!(whole["containers"], expected);
    let stats = host.run("container-stats", &["--format=json"]).ok();
    let stats: Value = serde_json::from_str(&stats).unwrap();
    assert_eq!(keys(&container["usage"]), keys(&stats[0]));
    assert!(container["usage"]["cpu_percent"].is_f64());
    let users = json!([
        { "login": "alice", "group": "student", "held": 28, "quota": 28, "containers": 1,
          "containers_limit": 3 },
        { "login": null, "group": null, "held": 28, "quota": null, "containers": 1,
          "containers_limit": null },
    ]);
    assert_eq!(whole["users"], users);
    let gpus = host.run("gpu-status", &["--format=json"]).ok();
    let gpus: Value = serde_json::from_str(&gpus).unwrap();
    assert_eq!(whole["gpu"]["devices"], gpus["devices"]);
    assert_eq!(whole["gpu"]["driver"], gpus["driver"]);
    let system = &whole["system"];
    assert_eq!(keys(system), ["cpus", "disk", "load", "memory"]);
    let cpus = host.run("nproc", &["--all"]).ok();
    assert_eq!(system["cpus"].to_string(), cpus.trim());
    for filled in ["memory", "disk"] {
        let number = |key: &str| system[filled][key].as_u64().unwrap();
        assert!(
            number("used_bytes") <= number("bytes") && number("bytes") > 0,
            "{system}"
        );
    }
    let thesis = json!({ "slot": "0", "user": "alice", "owner_by": null,
        "container": "thesis._.20001", "state": "live", "until": null });
    assert_eq!(whole["allocations"][0], thesis);
    let wrong = "dashboard: invalid argument 'cpu': expected gpu, containers, users, system, \
                 allocations or reserved\nTry 'dashboard --help' for more information.\n";
    assert_eq!(host.run(DASHBOARD, &["cpu"]), failed(2, wrong));
}

#[test]
fn what_is_wrong_is_told_first() {
    let host = populated();
    assert_eq!(alerts(&host, "alice"), [] as [&str; 0]);
    // It goes on holding, with a limit that was lowered.
    with_limit(&host, "max_gpu_equivalents", "0.5");
    host.gpus().edit(|sim| {
        sim["gpus"][2]["processes"] = json!([{ "pid": 4242, "memory_bytes": 1 }]);
    });
    let above = "limits\talice is above the limit of GPUs: 1 of 0.50";
    let outside = "gpu\tGPU 2 is in use outside containers: nobody is given it";
    assert_eq!(alerts(&host, "alice"), [outside, above]);
    assert_eq!(
        alerts(&host, "carol"),
        [outside],
        "another's limits are not theirs"
    );
    let stray = "run -d --name stray --gpus device=0 ds01-busybox sleep 1000";
    let args: Vec<_> = stray.split(' ').collect();
    host.docker(&args).ok();
    host.gpus().edit(|sim| sim["gpus"][2]["lost"] = true.into());
    let told = [
        "gpu\tGPU 2: device fell off the bus or has otherwise become inacessible",
        "gpu\tGPU 0 is held by 2 containers",
        "gpu\tGPU 0 is held by a container that DS01 did not make: stray of nobody known",
        above,
    ];
    assert_eq!(alerts(&host, "alice"), told);
    host.gpus()
        .edit(|sim| sim["gpus"][0]["uuid"] = uuid(7).into());
    let stranded = "gpu\tthesis holds a GPU that does not exist any more";
    assert!(alerts(&host, "alice").contains(&stranded.to_string()));
    assert!(!alerts(&host, "carol").contains(&stranded.to_string()));
    host.gpus().remove_driver();
    let silent = "gpu\tno NVIDIA driver answers: NVIDIA driver is not loaded";
    assert_eq!(alerts(&host, "carol"), [silent]);
    host.ledger().set(b"{}");
    let damaged = alerts(&host, "carol");
    assert!(
        damaged[0].starts_with("ledger\tit cannot be trusted: "),
        "{damaged:?}"
    );
}

#[test]
fn what_containers_use_is_sampled_for_their_part_alone() {
    let host = populated();
    // Two samples are half a second apart.
    let waits = |word: &str| {
        let trace = ["--trace=nanosleep,clock_nanosleep", DASHBOARD, word];
        let traced = host.run("strace", &trace);
        assert_eq!(traced.status, Some(0), "{traced:?}");
        traced.stderr.contains("tv_nsec=500000000")
    };
    for word in ["gpu", "users", "system", "allocations", "reserved"] {
        assert!(!waits(word), "{word}");
    }
    assert!(waits("containers"));
}

#[test]
fn the_whole_screen_has_a_heading_for_each_part() {
    let host = populated();
    let screen = host.run(DASHBOARD, &[]).ok();
    let titles: Vec<_> = screen
        .lines()
        .filter(|line| !line.starts_with(' ') && !line.is_empty())
        .map(|line| line.split(' ').next().unwrap())
        .filter(|title| *title != "Alerts")
        .collect();
    assert_eq!(titles, ["System", "Your", "GPUs", "Users"]);
    let nobody = host.as_user("carol").run(DASHBOARD, &["containers"]).ok();
    assert!(nobody.ends_with("Your containers\n  none\n"), "{nobody}");
    let none = TestHost::with_topology("none");
    let gpus = none.run(DASHBOARD, &["gpu"]).ok();
    assert!(gpus.ends_with("GPUs\n  this host has none\n"), "{gpus}");
}

#[test]
fn on_a_narrow_plain_terminal_it_can_be_read() {
    let host = populated();
    for plain in ["NO_COLOR=1", "TERM=dumb"] {
        let args = [plain, "COLUMNS=40", DASHBOARD];
        let mut pty = host.as_user("alice").pty("env", &args);
        pty.expect("Your containers\r\n  NAME    STATUS   CPU%");
        pty.expect("GPUs\r\n  GPU  USER   CONTAINER         MEMORY\r\n");
        pty.expect("  0    alice  thesis            8GB/80GB\r\n");
        pty.expect("  1    bob    secret-work (st…  0B/80GB\r\n");
        assert_eq!(pty.wait(), Some(0));
        let output = pty.output();
        assert!(!output.contains('\x1b'), "{output:?}");
        let widest = output.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(40), "{output}");
    }
    let mut pty = host.as_user("alice").pty(DASHBOARD, &["users"]);
    pty.expect("\x1b[1mUsers\x1b[0m\r\n");
    assert_eq!(pty.wait(), Some(0));
}

#[test]
fn watched_it_fits_the_terminal_and_gives_it_back() {
    let host = populated();
    for (keys, status) in [("q", 0), ("\x03", 130)] {
        let (mut pty, before) = shown(&host, &WATCH);
        pty.expect(ENTER);
        pty.expect("\x1b[H");
        pty.expect("8GB/80GB  85%");
        pty.expect("\x1b[J");
        pty.resize(3, 80);
        pty.expect(" more lines\x1b[K\x1b[J");
        pty.resize(24, 30);
        pty.expect("USER   CONTAINER\x1b[K");
        pty.resize(24, 80);
        created_by_carol(&host);
        pty.expect("carol");
        pty.send(keys);
        assert_eq!(pty.wait(), Some(status));
        pty.expect(LEAVE);
        assert_eq!(pty.modes(), before);
        assert!(pty.output().ends_with(LEAVE));
        host.as_user("carol")
            .run("container-remove", &["late"])
            .ok();
    }
}

fn created_by_carol(host: &TestHost) {
    host.as_user("carol")
        .run("container-create", &["late", "ds01-base"])
        .ok();
}

#[test]
fn stopped_and_continued_it_takes_the_terminal_again() {
    let host = TestHost::new();
    created(&host, "thesis");
    let (mut pty, before) = shown(&host, &WATCH);
    pty.expect(ENTER);
    pty.expect("thesis");
    pty.send("\x1a");
    pty.expect(LEAVE);
    // It gives the terminal back first: what continues it sooner is lost, and no shell does.
    while !is_stopped(pty.pid()) {
        thread::yield_now();
    }
    pty.signal(ds01_testkit::Signal::SIGCONT);
    pty.expect(ENTER);
    pty.expect("thesis");
    pty.send("q");
    assert_eq!(pty.wait(), Some(0));
    assert_eq!(pty.modes(), before);
}

/// Whether the process waits to be continued.
fn is_stopped(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(") ").unwrap().1.starts_with('T')
}

#[test]
fn watched_elsewhere_the_screens_follow_each_other() {
    let host = populated();
    let piped = "set -o pipefail; dashboard gpu --watch -i 0.1 --format=simple | grep -m 4 ^gpu";
    let lines = host.run("bash", &["-c", piped]).ok();
    let slots: Vec<_> = lines.lines().map(|line| &line[..5]).collect();
    assert_eq!(slots, ["gpu\t0", "gpu\t1", "gpu\t2", "gpu\t0"]);
    assert!(!lines.contains('\x1b'), "{lines:?}");
}

#[test]
fn without_an_engine_there_is_none() {
    let host = TestHost::with_direct_access(1);
    host.engine().kill();
    let absent = format!(
        "dashboard: no Docker Engine answers at {}\n\
         hint: ask an admin to start it: systemctl start docker\n",
        host.engine().socket().display()
    );
    assert_eq!(host.run(DASHBOARD, &[]), failed(8, &absent));
}
