//! `container-cleanup`.

use std::fs;

use ds01_testkit::{Outcome, TestHost};

use crate::support::{
    duties::{config, pass},
    expect::{
        created, done, engine_name, failed, inside, inspect, outcome, running, state, with_limit,
    },
};

mod told;

const CLEANUP: &str = "container-cleanup";

const NOTHING: &str = "you have no container to clean up\n";

/// The names of all containers on the engine, sorted.
fn containers(host: &TestHost) -> Vec<String> {
    let names = host.docker(&["ps", "-a", "--format", "{{.Names}}"]).ok();
    let mut names: Vec<_> = names.lines().map(str::to_owned).collect();
    names.sort();
    names
}

fn without_gpu(host: &TestHost, user: &str, name: &str) {
    let args = [name, "ds01-busybox", "--cpu-only"];
    host.as_user(user).run("container-create", &args).ok();
}

fn stopped(host: &TestHost, user: &str, name: &str) {
    without_gpu(host, user, name);
    host.as_user(user).run("container-start", &[name]).ok();
    host.as_user(user).run("container-stop", &[name]).ok();
}

/// Alice has a container of each kind, and bob one that stopped.
fn populated() -> TestHost {
    let host = TestHost::with_gpus(2);
    running(&host, "thesis");
    // 3 MB that its image has not.
    let script = "head -c 3145728 /dev/zero >/tmp/big\necho kept >/workspace/results\n";
    inside(&host, "thesis", script);
    host.run("container-stop", &["thesis"]).ok();
    without_gpu(&host, "alice", "never");
    without_gpu(&host, "alice", "up");
    host.run("container-start", &["up"]).ok();
    stopped(&host, "bob", "other");
    host
}

/// A table with the times in it replaced, which are in seconds or minutes.
fn timeless(outcome: Outcome) -> Outcome {
    let line = |line: &str| {
        let words = line
            .split("  ")
            .map(str::trim)
            .filter(|word| !word.is_empty());
        let words = words.map(|word| match word {
            word if word.ends_with("s ago") => "AGO",
            // What is left of a quarter of an hour.
            word if word.starts_with("14m") || word == "15m" => "HOLD",
            word => word,
        });
        words.collect::<Vec<_>>().join("|") + "\n"
    };
    let stdout = outcome.stdout.lines().map(line).collect();
    Outcome { stdout, ..outcome }
}

#[test]
fn what_does_not_run_is_shown_with_its_size_and_what_it_holds() {
    let host = populated();
    let show = |args: &[&str]| timeless(host.run(CLEANUP, &[args, &["--dry-run"]].concat()));
    let heading = "NAME|STATUS|SINCE|SIZE|GPU|HELD\n";
    let thesis = "thesis|stopped|AGO|3MB|0|HOLD\n";
    let never = "never|never started|AGO|0B|-|-\n";
    assert_eq!(show(&[]), done(&[heading, thesis].concat(), ""));
    assert_eq!(
        show(&["--all"]),
        done(&[heading, never, thesis].concat(), "")
    );
    assert_eq!(
        show(&["-a", "--older-than=0s"]),
        done(&[heading, never, thesis].concat(), "")
    );
    assert_eq!(show(&["-a", "--older-than=1h"]), done("", NOTHING));
    let carol = host.as_user("carol").run(CLEANUP, &["--all", "--dry-run"]);
    assert_eq!(carol, done("", NOTHING));
    let wrong = "container-cleanup: invalid value '2' for --older-than: expected a length of time \
                 such as 30m, 12h or 2d\nTry 'container-cleanup --help' for more information.\n";
    assert_eq!(host.run(CLEANUP, &["--older-than=2"]), failed(2, wrong));
    assert_eq!(show(&["--force"]), show(&[]));
    assert_eq!(containers(&host).len(), 4, "nothing was removed");
}

#[test]
fn off_a_terminal_it_needs_to_be_forced() {
    let host = populated();
    let refused = "container-cleanup: this needs a confirmation, and there is no terminal to ask on\n\
                   hint: --force answers yes\n";
    assert_eq!(host.run(CLEANUP, &[]), failed(2, refused));
    let removed = host.run(CLEANUP, &["--force"]);
    assert_eq!(
        removed,
        done("", "thesis removed, 3MB freed, GPU 0 is free\n")
    );
    assert_eq!(
        containers(&host),
        ["never._.20001", "other._.20002", "up._.20001"]
    );
    let never = NOTHING.replace('\n', "; 1 was never started: --all\n");
    assert_eq!(host.run(CLEANUP, &["--force"]), done("", &never));
    let results = host.home("alice").join("workspace/thesis/results");
    assert_eq!(fs::read_to_string(results).unwrap(), "kept\n");
    let removed = host.run(CLEANUP, &["--force", "--all"]);
    assert_eq!(removed, done("", "never removed, 0B freed\n"));
    assert_eq!(host.run(CLEANUP, &["--force", "--all"]), done("", NOTHING));
    assert_eq!(containers(&host), ["other._.20002", "up._.20001"]);
    created(&host, "thesis");
}

#[test]
fn on_a_terminal_one_question_is_for_all() {
    let host = populated();
    let cleanup = |args: &[&str]| host.as_user("alice").pty(CLEANUP, args);
    let before = containers(&host);
    for (keys, status) in [("n\r", 1), ("\r", 1), ("\x04", 1), ("\x03", 130)] {
        let mut asked = cleanup(&["--all"]);
        asked.expect("thesis  ");
        asked.expect("Remove these 2? The workspaces stay. [y/N] ");
        asked.send(keys);
        assert_eq!(asked.wait(), Some(status));
        assert_eq!(containers(&host), before);
    }
    let mut asked = cleanup(&[]);
    asked.expect("Remove it? The workspace stays. [y/N] ");
    asked.send("n\r");
    asked.expect("container-cleanup: nothing was removed\r\n");
    let mut asked = cleanup(&["--all"]);
    asked.expect("[y/N] ");
    asked.send("y\r");
    asked.expect("never removed, 0B freed\r\nthesis removed, 3MB freed, GPU 0 is free\r\n");
    assert_eq!(asked.wait(), Some(0));
    assert_eq!(containers(&host), ["other._.20002", "up._.20001"]);
    let mut unasked = cleanup(&[]);
    unasked.expect("you have no container to clean up\r\n");
    assert_eq!(unasked.wait(), Some(0));
    assert!(!unasked.output().contains("[y/N]"));
}

#[test]
fn what_is_used_while_the_question_waits_stays() {
    let host = TestHost::with_gpus(1);
    for name in ["anew", "again", "up"] {
        stopped(&host, "alice", name);
    }
    let mut asked = host.as_user("alice").pty(CLEANUP, &[]);
    asked.expect("[y/N] ");
    host.run("container-start", &["up"]).ok();
    host.run("container-remove", &["anew"]).ok();
    stopped(&host, "alice", "anew");
    host.run("container-start", &["again"]).ok();
    host.run("container-stop", &["again"]).ok();
    asked.send("y\r");
    for name in ["again", "anew"] {
        asked.expect(&format!(
            "container-cleanup: container {name} was used meanwhile, and stays\r\n\
             hint: look again with container-cleanup, or container-remove {name}\r\n"
        ));
    }
    asked.expect("container-cleanup: container up ");
    assert_eq!(asked.wait(), Some(4));
    assert_eq!(state(&host, "up"), "running");
    assert_eq!(containers(&host).len(), 3);
}

/// With policies under which everything is overdue at once.
fn impatient(host: &TestHost) {
    let limits = host.limits_text().replace(
        "  gpu_hold_after_stop_h: 0.25\n",
        "  gpu_hold_after_stop_h: 0.25\n  container_hold_after_stop_h: 0\n  \
         policies: { created_container_timeout_m: 0 }\n",
    );
    host.limits_yaml(&limits);
}

fn sweep(host: &TestHost, args: &[&str]) -> Outcome {
    pass(host, CLEANUP, &[&["--system"], args].concat())
}

/// Whose folders the gateway has mounted for the engine; `None` where the engine mounts them itself.
fn mounted(host: &TestHost) -> Option<Vec<String>> {
    let places = fs::read_dir(host.root().join("run/mounts")).ok()?;
    let records = fs::read_dir(host.state_dir().join("container-metadata")).unwrap();
    let records = records.map(|record| fs::read_to_string(record.unwrap().path()).unwrap());
    let records: Vec<_> = records.collect();
    let whose = |place: String| {
        let has = |record: &&String| record.contains(&*place);
        let record = records.iter().find(has);
        let record = record.map(|text| serde_json::from_str::<serde_json::Value>(text).unwrap());
        record.map_or(place, |record| {
            record["container"].as_str().unwrap().to_owned()
        })
    };
    let places = places.map(|place| place.unwrap().file_name().into_string().unwrap());
    let mut mounted: Vec<_> = places.map(whose).collect();
    mounted.sort();
    Some(mounted)
}

/// Removals in the log: the container and why.
fn removals(host: &TestHost) -> Vec<(String, String)> {
    let log = fs::read_to_string(host.root().join("log/events.jsonl")).unwrap();
    let events = log.lines().map(|line| serde_json::from_str(line).unwrap());
    let events: Vec<serde_json::Value> = events.collect();
    let mut removals: Vec<_> = events
        .iter()
        .filter(|event| event["event_type"] == "container.remove")
        .map(|event| {
            assert_eq!(event["source"], CLEANUP);
            let detail = |key: &str| event["details"][key].as_str().unwrap_or("").to_string();
            (detail("container"), detail("reason"))
        })
        .collect();
    removals.sort();
    removals
}

/// Its lines, with the seconds that something has stopped for replaced.
fn gone(outcome: Outcome) -> Outcome {
    let line = |line: &str| {
        let words = line.split(' ').map(|word| match word.strip_suffix("s,") {
            Some(number) if number.parse::<u32>().is_ok() => "TIME,",
            _ => word,
        });
        words.collect::<Vec<_>>().join(" ") + "\n"
    };
    let mut lines: Vec<_> = outcome.stdout.lines().map(line).collect();
    lines.sort();
    Outcome {
        stdout: lines.concat(),
        ..outcome
    }
}

#[test]
fn the_sweep_goes_by_the_policy() {
    let host = populated();
    assert_eq!(sweep(&host, &[]), done("", ""), "nothing is old enough");
    impatient(&host);
    // Nobody's, whatever its name and labels say.
    let socket = format!("unix://{}", host.engine().socket().display());
    let forged = [
        "-H",
        &socket,
        "create",
        "--name",
        "forged._.20001",
        "-l",
        "ds01.managed=true",
        "-l",
        "ds01.uid=20001",
        "ds01-busybox",
        "true",
    ];
    host.as_user("root").run("docker", &forged).ok();
    let before = containers(&host);
    let would = "never of alice would be removed: never started in TIME, kept for 0s\n\
                 other of bob would be removed: stopped for TIME, kept for 0s\n";
    assert_eq!(gone(sweep(&host, &["--dry-run"])), done(would, ""));
    assert_eq!((containers(&host), removals(&host)), (before, vec![]));
    let removed = would.replace("would be removed", "removed");
    assert_eq!(gone(sweep(&host, &[])), done(&removed, ""));
    // The devices of this one are promised to it still.
    let left = ["forged._.20001", "thesis._.20001", "up._.20001"];
    assert_eq!(containers(&host), left);
    let logged = removals(&host);
    let names: Vec<_> = logged.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["never._.20001", "other._.20002"]);
    assert!(
        logged[0].1.starts_with("never started in ") && logged[1].1.starts_with("stopped for ")
    );
    assert_eq!(sweep(&host, &[]), done("", ""));
    assert!(host.home("bob").join("workspace/other").exists());
    if let Some(mounted) = mounted(&host) {
        assert_eq!(mounted, left[1..], "nothing stays mounted for what is gone");
    }

    with_limit(&host, "gpu_hold_after_stop_h", "0");
    stopped(&host, "bob", "other");
    let gone_now = gone(sweep(&host, &[]));
    let other = "other of bob removed: stopped for TIME, kept for 0s\n";
    assert_eq!(
        gone_now,
        done(other, ""),
        "the hold of thesis is that of its stop"
    );
    // A user without a login has no policy.
    let passwd = host.root().join("etc/passwd");
    stopped(&host, "bob", "other");
    let users = fs::read_to_string(&passwd).unwrap();
    let others: String = users
        .lines()
        .filter(|l| !l.starts_with("bob:"))
        .map(|l| format!("{l}\n"))
        .collect();
    fs::write(&passwd, others).unwrap();
    let stays =
        "container-cleanup: warning: other._.20002 stays: uid 20002 has no login on this host\n";
    assert_eq!(sweep(&host, &[]), done("", stays));
}

#[test]
fn no_limit_keeps_everything() {
    let host = populated();
    impatient(&host);
    let limits = host.limits_text();
    let limits = limits.replace("after_stop_h: 0\n", "after_stop_h: null\n");
    host.limits_yaml(&limits.replace("timeout_m: 0", "timeout_m: null"));
    assert_eq!(sweep(&host, &[]), done("", ""));
    assert_eq!(containers(&host).len(), 4);
}

#[test]
fn two_sweeps_at_once_do_no_harm_and_log_each_removal_once() {
    let host = TestHost::with_gpus(1);
    for name in ["a", "b", "c"] {
        without_gpu(&host, "alice", name);
        without_gpu(&host, "bob", name);
    }
    impatient(&host);
    let args = ["--system", &config(&host)];
    let sweeps: Vec<_> = (0..3)
        .map(|_| host.as_user("root").spawn(CLEANUP, &args))
        .collect();
    let all: Vec<_> = sweeps.into_iter().map(|sweep| sweep.wait()).collect();
    for one in &all {
        assert_eq!((one.status, one.stderr.as_str()), (Some(0), ""), "{one:?}");
    }
    let lines: usize = all.iter().map(|one| one.stdout.lines().count()).sum();
    assert_eq!((lines, removals(&host).len()), (6, 6), "{all:?}");
    assert_eq!(containers(&host), [] as [&str; 0]);
}

#[test]
fn one_that_cannot_be_removed_does_not_keep_the_others() {
    let host = TestHost::with_gpus(1);
    for name in ["first", "stuck", "third"] {
        stopped(&host, "alice", name);
    }
    impatient(&host);
    // One of its files cannot be deleted, by root either.
    let id = inspect(&host, &engine_name("stuck"), "{{.Id}}");
    let root = host.root().display();
    let file = format!("{root}/engine/data/containers/{id}/hostname");
    host.as_user("root").run("chattr", &["+i", &file]).ok();
    let swept = sweep(&host, &[]);
    host.as_user("root").run("chattr", &["-i", &file]).ok();
    assert_eq!(swept.status, Some(1), "{swept:?}");
    assert_eq!(swept.stdout.lines().count(), 2, "{swept:?}");
    let why = "container-cleanup: stuck._.20001: ";
    assert!(swept.stderr.starts_with(why), "{swept:?}");
    assert_eq!(containers(&host), ["stuck._.20001"]);
}

#[test]
fn the_sweep_is_roots() {
    let host = populated();
    impatient(&host);
    let refused = "container-cleanup: --system is for root\n\
                   hint: clean up your own with container-cleanup\n";
    for user in ["alice", "bob"] {
        let swept = host.as_user(user).run(CLEANUP, &["--system"]);
        assert_eq!(swept, failed(7, refused));
    }
    let both = "container-cleanup: --system goes by the policy: --all and --older-than are for your \
                own\nhint: see container-cleanup --help\n";
    assert_eq!(sweep(&host, &["--all"]), failed(2, both));
    let own = "container-cleanup: --config is for --system\nhint: see container-cleanup --help\n";
    assert_eq!(pass(&host, CLEANUP, &[]), failed(2, own));
    let ledger = host.ledger().bytes();
    host.ledger().set(b"{}");
    let damaged = sweep(&host, &[]);
    let why = "container-cleanup: nothing is removed: the ledger cannot be trusted: ";
    assert_eq!(damaged.status, Some(8), "{damaged:?}");
    assert!(damaged.stderr.starts_with(why), "{damaged:?}");
    host.ledger().set(&ledger);
    assert_eq!(containers(&host).len(), 4);
    host.engine().kill();
    let absent = format!(
        "container-cleanup: no Docker Engine answers at {}\n\
         hint: start it: systemctl start docker\n",
        host.engine().socket().display()
    );
    assert_eq!(sweep(&host, &[]), outcome(8, "", &absent));
}
