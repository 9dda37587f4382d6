//! `container-owner-tracker`. The containers are made past DS01, by root on the engine's own socket.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use ds01_testkit::{Outcome, Running, Signal, TestHost};
use serde_json::{Value, json};

use crate::support::{
    duties::{events, pass},
    expect::{done, engine_name, failed, inspect, running, uuid},
    kill_points::{Fault, chosen, fails_at, points},
};

mod gpus;

const TRACKER: &str = "container-owner-tracker";
const FOUND: &str = "detection.container_discovered";

/// What the tracker may take to come to something, on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// Starts a container past DS01.
#[track_caller]
fn past_ds01(host: &TestHost, name: &str, args: &[&str]) {
    let run = ["run", "-d", "--name", name];
    let sleep = ["ds01-busybox", "sleep", "1000"];
    host.docker(&[&run[..], args, &sleep].concat()).ok();
}

/// Makes a folder in a user's home.
fn folder(host: &TestHost, user: &str, name: &str) {
    host.as_user(user).run("mkdir", &["-p", name]).ok();
}

fn once(host: &TestHost) -> Outcome {
    pass(host, TRACKER, &["--once"])
}

/// Starts the tracker as a service does.
fn daemon(host: &TestHost) -> Running {
    let config = format!("--config={}/etc/ds01.toml", host.root().display());
    host.as_user("root").spawn(TRACKER, &[&config])
}

/// Waits until something is so.
#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        thread::yield_now();
    }
}

/// Whose each container is by these events: name, user and way.
fn found(host: &TestHost) -> Vec<[String; 3]> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_string();
    let all = events(host, FOUND);
    let mut all: Vec<_> = all
        .iter()
        .map(|event| {
            let details = &event["details"];
            [&details["container"], &event["user"], &details["owner_by"]].map(text)
        })
        .collect();
    all.sort();
    all
}

/// What the tracker knows.
fn known(host: &TestHost) -> Value {
    let file = host.state_dir().join("container-owners.json");
    fs::read(file).map_or(Value::Null, |text| serde_json::from_slice(&text).unwrap())
}

/// The names of the containers that it knows.
fn known_names(host: &TestHost) -> Vec<String> {
    let known = known(host);
    let containers = known["containers"].as_object().into_iter().flatten();
    let mut names: Vec<_> = containers
        .map(|(_, one)| one["name"].as_str().unwrap().to_string())
        .collect();
    names.sort();
    names
}

#[test]
fn there_are_six_ways_to_an_owner_and_what_anybody_can_write_counts_last() {
    let host = TestHost::with_gpus(1);
    folder(&host, "alice", "work");
    folder(&host, "alice", "app");
    folder(&host, "bob", "code");
    host.as_user("root")
        .run("mkdir", &["-p", "/home/alice/roots"])
        .ok();
    let bob = ["-l", "ds01.user=bob"];
    let of = |name: &str, args: &[&str]| past_ds01(&host, name, args);
    of(
        "mounted._.20002",
        &[&["-v", "/home/alice/work:/w"], &bob[..]].concat(),
    );
    of(
        "edited",
        &["-l", "devcontainer.local_folder=/home/bob/code"],
    );
    let compose = "com.docker.compose.project.working_dir=/home/alice/app";
    of("composed", &["-l", compose]);
    of("labelled", &bob);
    of("aimes", &["-l", "aime.mlc.USER=alice"]);
    of("named._.20003", &[]);
    // In her home, but not hers: that says nothing.
    let roots = ["-v", "/home/alice/roots:/r", "-l", "ds01.user=bob"];
    of("roots", &roots);
    let elsewhere = "devcontainer.local_folder=/home/alice/../bob/code";
    of("odd", &["-l", elsewhere, "-l", "ds01.user=nobody-here"]);
    running(&host, "thesis");
    let lines = [
        "roots of bob by its label",
        "named._.20003 of carol by its name",
        "aimes of alice by its aime_label",
        "labelled of bob by its label",
        "composed of alice by its compose",
        "edited of bob by its devcontainer",
        "mounted._.20002 of alice by its mount",
    ];
    let lines = lines
        .iter()
        .map(|line| format!("{line} was made past DS01\n"));
    let said = lines.collect::<String>();
    let would = pass(&host, TRACKER, &["--dry-run"]);
    assert_eq!(would, done(&said, ""));
    assert_eq!((known(&host), found(&host).len()), (Value::Null, 0));
    assert_eq!(once(&host), done(&said, ""));
    let expected = [
        ["aimes", "alice", "aime_label"],
        ["composed", "alice", "compose"],
        ["edited", "bob", "devcontainer"],
        ["labelled", "bob", "label"],
        ["mounted._.20002", "alice", "mount"],
        ["named._.20003", "carol", "name"],
        ["roots", "bob", "label"],
    ];
    assert_eq!(found(&host), expected);
    // That of nobody is on record all the same; ours is not.
    let names = known_names(&host);
    assert_eq!(names.len(), 8, "{names:?}");
    assert!(names.contains(&"odd".to_string()) && !names.contains(&engine_name("thesis")));
    assert_eq!(once(&host), done("", ""), "once");
    assert_eq!(found(&host), expected);
    // One's own events are shown to whom they are of.
    let own = ["--type=detection", "--format=simple"];
    let alices = host.run("ds01-events", &own).ok();
    assert_eq!(alices.lines().count(), 3, "{alices}");
}

#[test]
fn what_the_engine_tells_is_seen_at_once_whatever_ends_the_engine_or_the_tracker() {
    let host = TestHost::with_gpus(1);
    folder(&host, "alice", "work");
    let mine = ["-v", "/home/alice/work:/w"];
    let names = || {
        found(&host)
            .into_iter()
            .map(|[name, ..]| name)
            .collect::<Vec<_>>()
    };
    let tracker = daemon(&host);
    past_ds01(&host, "first", &mine);
    until("the first is found", || names() == ["first"]);
    host.docker(&["rename", "first", "renamed"]).ok();
    until("its name is followed", || known_names(&host) == ["renamed"]);
    host.engine().restart();
    past_ds01(&host, "second", &mine);
    until("it listens again", || names() == ["first", "second"]);
    host.docker(&["rm", "-f", "renamed"]).ok();
    until("what is gone is forgotten", || {
        known_names(&host) == ["second"]
    });
    // Killed at once, with all that there was of it.
    host.engine().kill();
    host.engine().start();
    past_ds01(&host, "third", &mine);
    until("and again", || names() == ["first", "second", "third"]);
    tracker.signal(Signal::SIGKILL);
    let said = tracker.wait();
    let lines: Vec<_> = said.stdout.lines().collect();
    let expected = ["first", "second", "third"]
        .map(|name| format!("{name} of alice by its mount was made past DS01"));
    // It may have been killed before it said the last.
    assert!(lines.len() >= 2, "{lines:?}");
    assert_eq!(lines, expected[..lines.len()]);
    // Told once for each time that it was away, not at each try.
    let told = said.stderr.matches("hint: ").count();
    let back = said.stderr.matches("can be reached again\n").count();
    assert!((1..=4).contains(&told) && back >= 1, "{said:?}");
    past_ds01(&host, "fourth", &mine);
    let tracker = daemon(&host);
    until("what happened without it is made good", || {
        names().len() == 4
    });
    past_ds01(&host, "fifth", &mine);
    until("and it goes on", || names().len() == 5);
    assert_eq!(names(), ["fifth", "first", "fourth", "second", "third"]);
    tracker.signal(Signal::SIGTERM);
    assert_eq!(tracker.wait().status, None);
}

#[test]
fn a_pass_that_is_killed_anywhere_tells_of_everything_once() {
    let host = TestHost::with_gpus(1);
    folder(&host, "alice", "work");
    let mine = ["-v", "/home/alice/work:/w"];
    let config = format!("--config={}/etc/ds01.toml", host.root().display());
    let command = [TRACKER, "--once", &config];
    // The first pass makes files that the others find.
    past_ds01(&host, "zeroth", &mine);
    once(&host).ok();
    past_ds01(&host, "first", &mine);
    let all = points(&host, "root", Fault::Killed, &command);
    let chosen = chosen(all, 2);
    let mut killed = 0;
    for (number, point) in chosen.iter().enumerate() {
        let name = format!("next{number}");
        past_ds01(&host, &name, &mine);
        killed += usize::from(fails_at(&host, "root", point, &command));
        assert_eq!(once(&host).status, Some(0));
        let told = found(&host);
        let told = told.iter().filter(|[container, ..]| *container == name);
        assert_eq!(told.count(), 1, "{point:?}");
        host.docker(&["rm", "-f", &name]).ok();
    }
    eprintln!("killed at {killed} of {}", chosen.len());
    assert!(
        killed * 10 >= chosen.len() * 8,
        "{killed} of {}",
        chosen.len()
    );
}

#[test]
fn several_at_once_tell_of_everything_once() {
    let host = TestHost::with_gpus(1);
    folder(&host, "alice", "work");
    let config = format!("--config={}/etc/ds01.toml", host.root().display());
    let daemon = daemon(&host);
    for number in 0..3 {
        let name = format!("next{number}");
        past_ds01(&host, &name, &["-v", "/home/alice/work:/w"]);
        let spawn = || host.as_user("root").spawn(TRACKER, &["--once", &config]);
        let both = [spawn(), spawn()].map(|one| one.wait().status);
        assert_eq!(both, [Some(0); 2]);
        assert_eq!(found(&host).len(), number + 1);
    }
    daemon.signal(Signal::SIGTERM);
    daemon.wait();
}

#[test]
fn an_event_makes_no_process_and_nothing_is_run_in_containers() {
    let host = TestHost::with_gpus(1);
    folder(&host, "alice", "work");
    let config = format!("--config={}/etc/ds01.toml", host.root().display());
    let trace = host.root().join("trace.txt");
    let args = [
        "-f",
        "-o",
        &*trace.to_string_lossy(),
        "-e",
        "trace=clone,clone3,fork,vfork,execve",
        "-e",
        "signal=none",
        TRACKER,
        &config,
    ];
    let begun = Instant::now();
    let tracker = host.as_user("root").spawn("strace", &args);
    let known_are = |count: usize| until("it is known", || known_names(&host).len() == count);
    past_ds01(&host, "first", &["-v", "/home/alice/work:/w"]);
    known_are(1);
    for number in 2..8 {
        past_ds01(
            &host,
            &format!("next{number}"),
            &["-v", "/home/alice/work:/w"],
        );
        known_are(number);
    }
    // The one who looks whose they are, and one each minute who asks the driver.
    let minutes = 1 + begun.elapsed().as_secs() / 60;
    let text = fs::read_to_string(&trace).unwrap();
    let made = text
        .lines()
        .filter(|line| line.contains("clone") || line.contains("fork("));
    let made: Vec<_> = made.filter(|line| !line.contains("resumed")).collect();
    assert!(
        (1..=1 + minutes).contains(&(made.len() as u64)),
        "{made:#?}"
    );
    assert_eq!(text.matches("execve(").count(), 1, "its own: {text}");
    let filters = [
        "events",
        "--since=10m",
        "--until=0s",
        "--filter=event=exec_create",
    ];
    assert_eq!(host.docker(&filters), done("", ""));
    // strace goes on until what it traces has ended, whose number is first in what it writes.
    let pid = text.split_whitespace().next().unwrap();
    host.as_user("root").run("kill", &[pid]).ok();
    tracker.wait();
}

#[test]
fn what_it_knows_can_be_lost_damaged_or_forged() {
    let host = TestHost::with_gpus(1);
    folder(&host, "alice", "work");
    past_ds01(&host, "stray", &["-v", "/home/alice/work:/w"]);
    let file = host.state_dir().join("container-owners.json");
    let line = "stray of alice by its mount was made past DS01\n";
    assert_eq!(once(&host), done(line, ""));
    let text = fs::read(&file).unwrap();
    for damage in [&b""[..], b"[]", &text[..text.len() - 1]] {
        fs::write(&file, damage).unwrap();
        assert_eq!(once(&host), done(line, ""), "all is found anew");
        assert_eq!(once(&host), done("", ""));
    }
    // Of somebody else's file nothing counts.
    fs::remove_file(&file).unwrap();
    fs::write(&file, &text).unwrap();
    std::os::unix::fs::chown(&file, Some(20002), None).unwrap();
    assert_eq!(once(&host), done(line, ""));
}

#[test]
fn it_is_for_root() {
    let host = TestHost::with_gpus(1);
    let refused = "container-owner-tracker: only root may run this\n\
                   hint: as root: sudo container-owner-tracker --dry-run shows what it would do\n";
    for args in [&[][..], &["--once"], &["--dry-run"]] {
        assert_eq!(host.run(TRACKER, args), failed(7, refused));
    }
}
