//! What goes wrong in the middle of a pass: nothing is stopped that should not be.

use std::{fs, os::unix::fs::MetadataExt, time::Duration};

use ds01_testkit::{Signal, TestHost};
use serde_json::Value;

use super::{IDLE, host};
use crate::support::{
    duties::{events, pass, until},
    expect::{done, engine_name, inspect, running, state},
    kill_points::{Fault, chosen, fails_at, points},
};

fn busy(host: &TestHost, gpu: usize, percent: u32) {
    host.gpus()
        .edit(|sim| sim["gpus"][gpu]["utilization"]["gpu_percent"] = percent.into());
}

/// Bob's container, on the second GPU, is in use all the time.
fn with_busy(seconds: f64) -> TestHost {
    let host = host(2, seconds);
    running(&host, "thesis");
    let bob = || host.as_user("bob");
    bob().run("container-create", &["busy", "ds01-base"]).ok();
    bob().run("container-start", &["busy"]).ok();
    busy(&host, 1, 90);
    host
}

fn is_stop(line: &str) -> bool {
    line.starts_with("thesis of alice stopped")
}

#[test]
fn who_is_used_again_before_the_stop_is_spared() {
    let host = with_busy(2.0);
    let watch = host.state_dir().join("lifecycle.json");
    let number = || fs::metadata(&watch).map(|file| file.ino()).ok();
    let config = format!("--config={}/etc/ds01.toml", host.root().display());
    // It has decided and noted what it is about to do, and then it is slow.
    let slow = "inject=rename:delay_exit=3000000:when=1";
    let args = [
        "-o",
        "/dev/null",
        "-e",
        "trace=rename",
        "-e",
        slow,
        IDLE,
        &config,
    ];
    loop {
        let before = number();
        let running = host.as_user("root").spawn("strace", &args);
        while number() == before {
            std::thread::yield_now();
        }
        let stops = fs::read_to_string(&watch)
            .unwrap()
            .contains("\"stop\":true");
        if stops {
            busy(&host, 0, 90);
        }
        let ended = running.wait();
        if stops {
            assert_eq!(ended, done("", ""));
            break;
        }
    }
    assert_eq!(state(&host, "thesis"), "running");
    assert_eq!(pass(&host, IDLE, &[]), done("", ""));
    busy(&host, 0, 0);
    let lines = until(&host, IDLE, is_stop);
    assert!(
        lines.iter().any(|line| line.contains("warned")),
        "warned anew: {lines:?}"
    );
}

#[test]
fn another_run_is_not_the_one_that_is_to_be_stopped() {
    let host = with_busy(2.0);
    let watch = host.state_dir().join("lifecycle.json");
    let number = || fs::metadata(&watch).map(|file| file.ino()).ok();
    let config = format!("--config={}/etc/ds01.toml", host.root().display());
    let slow = "inject=rename:delay_exit=5000000:when=1";
    let args = [
        "-o",
        "/dev/null",
        "-e",
        "trace=rename",
        "-e",
        slow,
        IDLE,
        &config,
    ];
    let started = || inspect(&host, &engine_name("thesis"), "{{.State.StartedAt}}");
    loop {
        let before = number();
        let pass = host.as_user("root").spawn("strace", &args);
        while number() == before {
            std::thread::yield_now();
        }
        let stops = fs::read_to_string(&watch)
            .unwrap()
            .contains("\"stop\":true");
        let first = started();
        if stops {
            host.docker(&["restart", "-t", "0", &engine_name("thesis")])
                .ok();
        }
        assert_eq!(pass.wait().status, Some(0));
        if stops {
            assert_ne!(started(), first);
            break;
        }
    }
    assert_eq!(state(&host, "thesis"), "running");
    assert_eq!(events(&host, "maintenance.idle_kill"), [] as [Value; 0]);
}

/// Every stop of alice's container came after a final warning in the same run, and is in the log.
fn judge(host: &TestHost, stops: usize) {
    let mut warned = false;
    let mut kills = 0;
    for event in events(host, "") {
        let about = &event["details"]["container"];
        assert!(
            *about != "busy._.20002"
                || event["event_type"] == "container.start"
                || event["event_type"] == "container.create"
                || event["event_type"] == "gpu.allocate",
            "{event}"
        );
        match event["event_type"].as_str().unwrap() {
            "container.start" if *about == *engine_name("thesis") => warned = false,
            "maintenance.idle_warning" => warned |= event["details"]["percent"] == "90",
            "maintenance.idle_kill" => {
                assert!(warned, "stopped unwarned: {event}");
                kills += 1;
            }
            _ => {}
        }
    }
    assert!(kills >= stops, "{kills} of {stops} stops are in the log");
    assert_eq!(inspect(host, "busy._.20002", "{{.State.Running}}"), "true");
}

#[test]
fn a_pass_that_is_killed_anywhere_is_taken_up_by_the_next() {
    let host = with_busy(1.0);
    let config = format!("--config={}/etc/ds01.toml", host.root().display());
    let command = [IDLE, &*config];
    // The points of a pass that stops.
    let all = loop {
        let before = events(&host, "maintenance.idle_kill").len();
        let all = points(&host, "root", Fault::Killed, &command);
        if events(&host, "maintenance.idle_kill").len() > before {
            break all;
        }
    };
    let chosen = chosen(all, 4);
    let mut killed = 0;
    for (number, point) in chosen.iter().enumerate() {
        host.run("container-start", &["thesis"]).ok();
        let mut dead = false;
        while state(&host, "thesis") == "running" {
            match dead {
                false => dead = fails_at(&host, "root", point, &command),
                true => assert_eq!(pass(&host, IDLE, &[]).status, Some(0)),
            }
        }
        // What the dead one did not log, the next one does.
        assert_eq!(pass(&host, IDLE, &[]), done("", ""));
        killed += usize::from(dead);
        judge(&host, number + 2);
    }
    eprintln!("killed at {killed} of {}", chosen.len());
    assert!(
        killed * 10 >= chosen.len() * 8,
        "{killed} of {}",
        chosen.len()
    );
}

#[test]
fn an_engine_that_is_started_again_hangs_or_is_gone_stops_nobody() {
    let host = with_busy(2.0);
    let config = host
        .config_text()
        .replace("[engine]\n", "[engine]\ntimeout_s = 1\n");
    host.config(&config);
    until(&host, IDLE, |line| line.contains("warned"));
    host.engine().signal(Signal::SIGSTOP);
    let hung = pass(&host, IDLE, &[]);
    host.engine().signal(Signal::SIGCONT);
    assert_eq!(
        (hung.status, hung.stdout.as_str()),
        (Some(8), ""),
        "{hung:?}"
    );
    assert_eq!(state(&host, "thesis"), "running");
    host.engine().kill();
    let gone = pass(&host, IDLE, &[]);
    assert_eq!(
        (gone.status, gone.stdout.as_str()),
        (Some(8), ""),
        "{gone:?}"
    );
    // All containers have ended with it, and nobody stopped them.
    host.engine().start();
    assert_eq!(pass(&host, IDLE, &[]), done("", ""));
    assert_eq!(events(&host, "maintenance.idle_kill"), [] as [Value; 0]);
    host.run("container-start", &["thesis"]).ok();
    let lines = until(&host, IDLE, is_stop);
    assert!(
        lines.iter().any(|line| line.contains("warned")),
        "a new run: {lines:?}"
    );
}

#[test]
fn what_is_remembered_can_be_lost_or_damaged_and_then_all_begins_anew() {
    let host = with_busy(3.0);
    let watch = host.state_dir().join("lifecycle.json");
    for damage in ["", "{\"version\":1,\"boot\":", "[]"] {
        until(&host, IDLE, |line| line.contains("warned"));
        fs::write(&watch, damage).unwrap();
        assert_eq!(pass(&host, IDLE, &[]), done("", ""), "{damage:?}");
        assert_eq!(state(&host, "thesis"), "running");
    }
    until(&host, IDLE, |line| line.contains("warned"));
    fs::remove_file(&watch).unwrap();
    assert_eq!(pass(&host, IDLE, &[]), done("", ""));
    // A ledger that cannot be trusted does not tell who has which device.
    let ledger = host.ledger().bytes();
    host.ledger().set(b"{}");
    let damaged = pass(&host, IDLE, &[]);
    assert_eq!(damaged.status, Some(8), "{damaged:?}");
    let why = "ds01-idle: nothing is stopped: the ledger cannot be trusted: ";
    assert!(damaged.stderr.starts_with(why), "{damaged:?}");
    host.ledger().set(&ledger);
    until(&host, IDLE, is_stop);
}

#[test]
fn where_nothing_can_be_remembered_nothing_is_done() {
    let host = with_busy(1.0);
    until(&host, IDLE, |line| line.contains("warned"));
    let state_dir = host.state_dir();
    let full = format!(
        "mount -t tmpfs -o size=4k none {0} && cp -a {0}.copy/. {0} 2>/dev/null; \
         rm -f {0}/lifecycle.json; head -c 100000 /dev/zero >{0}/fill; exec ds01-idle --config={1}/etc/ds01.toml",
        state_dir.display(),
        host.root().display()
    );
    let copy = format!("cp -a {0} {0}.copy", state_dir.display());
    host.as_user("root").run("sh", &["-c", &copy]).ok();
    let failed = host
        .as_user("root")
        .within(Duration::from_secs(60))
        .run("unshare", &["-m", "sh", "-c", &full]);
    assert_eq!(failed.status, Some(8), "{failed:?}");
    assert_eq!(state(&host, "thesis"), "running");
}
