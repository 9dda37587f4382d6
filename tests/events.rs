//! `ds01-events`. That it loses nothing while the log is turned is tested in rotation.rs.

use std::{
    fs,
    time::{SystemTime, UNIX_EPOCH},
};

use ds01_core::{event::Event, time::Timestamp};
use ds01_host::events::EventLog;
use ds01_testkit::{Outcome, Signal, TestHost};
use serde_json::Value;

use crate::support::expect::{created, done, failed, outcome};

const EVENTS: &str = "ds01-events";

/// A host whose log has nothing but these lines.
fn with_log(lines: &[String]) -> TestHost {
    let host = TestHost::new();
    fs::write(host.root().join("log/events.jsonl"), lines.concat()).unwrap();
    host
}

/// Things that happened to alice, bob and nobody, a minute after each other.
fn story() -> Vec<String> {
    let at = |minute: u64, kind: &str| Event::new(Timestamp(60 * minute), kind);
    [
        at(0, "system.startup"),
        at(1, "container.create")
            .of("alice")
            .with("container", "thesis._.20001")
            .with("image", "ds01-base"),
        at(2, "gpu.allocate")
            .of("bob")
            .with("container", "other._.20002")
            .with("gpus", "0 1"),
        at(3, "maintenance.idle_kill")
            .of("alice")
            .with("container", "thesis._.20001")
            .with("reason", "idle for 30m\x1b[2J"),
    ]
    .map(|event| event.line())
    .to_vec()
}

fn root(host: &TestHost, args: &[&str]) -> Outcome {
    host.as_user("root").run(EVENTS, args)
}

const STARTUP: &str = "1970-01-01T00:00:00Z\tsystem.startup\t-\t-\t\n";
const CREATE: &str = "1970-01-01T00:01:00Z\tcontainer.create\talice\tthesis\timage=ds01-base\n";
const ALLOCATE: &str = "1970-01-01T00:02:00Z\tgpu.allocate\tbob\tother\tgpus=\"0 1\"\n";
const KILL: &str = "1970-01-01T00:03:00Z\tmaintenance.idle_kill\talice\tthesis\t\
                    reason=\"idle for 30m\\u{1b}[2J\"\n";

#[test]
fn everybody_is_shown_their_own_and_admins_all() {
    let host = with_log(&story());
    let simple = ["--format=simple"];
    let all = [STARTUP, CREATE, ALLOCATE, KILL].concat();
    assert_eq!(root(&host, &simple), done(&all, ""));
    let own = [CREATE, KILL].concat();
    assert_eq!(host.run(EVENTS, &simple), done(&own, ""));
    assert_eq!(
        host.run(EVENTS, &["--user=alice", "--format=simple"]),
        done(&own, "")
    );
    let carol = host.as_user("carol").run(EVENTS, &["--format=json"]);
    assert_eq!(carol, done("[]\n", ""));
    let refused = "ds01-events: only admins see the events of other users\n\
                   hint: see your own without --user\n";
    assert_eq!(host.run(EVENTS, &["--user=bob"]), failed(7, refused));
    let table = host.run(EVENTS, &[]).ok();
    let heading = "TIME                  TYPE                   USER   CONTAINER  DETAILS\n";
    assert!(table.starts_with(heading), "{table}");
    // One of the admins of the policy.
    let limits = host.limits_text();
    host.limits_yaml(&format!(
        "access_control: {{admin_users: [alice]}}\n{limits}"
    ));
    assert_eq!(host.run(EVENTS, &simple), done(&all, ""));
}

#[test]
fn what_an_admin_does_to_somebodys_container_is_shown_and_told_to_them() {
    let host = TestHost::with_gpus(2);
    let limits = host.limits_text();
    host.limits_yaml(&format!(
        "access_control: {{admin_users: [carol]}}\n{limits}"
    ));
    let bob = || host.as_user("bob");
    let carol = || host.as_user("carol");
    for (name, args) in [("b1", &[][..]), ("b2", &["--cpu-only"])] {
        let args = [&[name, "ds01-base"], args].concat();
        bob().run("container-create", &args).ok();
        bob().run("container-start", &[name]).ok();
    }
    carol()
        .run("container-stop", &["b1._.20002", "-t", "0"])
        .ok();
    let stop = ["b2._.20002", "--stop", "--force"];
    carol().run("container-remove", &stop).ok();
    let shown = |user: &str, args: &[&str]| {
        let args = [&["--format=simple", "--type=container"], args].concat();
        let shown = host.as_user(user).run(EVENTS, &args).ok();
        let cells = shown.lines().map(|row| {
            let cells: Vec<_> = row.split('\t').collect();
            cells[1..4].join(" ")
        });
        cells.collect::<Vec<_>>()
    };
    let own = |name| ["create", "start"].map(|what| format!("container.{what} bob {name}"));
    let stopped = "container.stop carol b1".to_string();
    assert_eq!(
        shown("bob", &["--container=b1"]),
        [&own("b1")[..], &[stopped]].concat()
    );
    assert_eq!(
        shown("bob", &["--container=b2"]).last().unwrap(),
        "container.remove carol b2"
    );
    assert_eq!(shown("alice", &[]), [] as [&str; 0]);
    let told = bob().run("ds01-notices", &[]).ok();
    let told: Vec<_> = told
        .lines()
        .map(|line| line.split_once(" ago: ").unwrap().1)
        .collect();
    let expected = [
        "container b1 with GPU 0 was stopped by carol; its GPU is kept for 15m: container-start b1; \
         it is removed in 30m: the workspace stays",
        "container b2 was removed by carol; the workspace stays",
    ];
    assert_eq!(told, expected);
    // Who did it themselves knows.
    bob().run("container-remove", &["b1"]).ok();
    carol().run("ds01-notices", &[]).ok();
    assert_eq!(bob().run("ds01-notices", &[]), done("", "nothing new\n"));
    // Whoever is not DS01 names containers as they like.
    let at = |kind: &str| {
        let event = Event::new(Timestamp(0), kind).of("carol");
        event.with("container", "x._.20002").line()
    };
    let planted = at("detection.unmanaged_container");
    fs::write(host.root().join("log/events.jsonl"), planted).unwrap();
    assert_eq!(bob().run(EVENTS, &["--format=json"]), done("[]\n", ""));
}

#[test]
fn filters_leave_what_all_of_them_mean() {
    let host = with_log(&story());
    let shown = |args: &[&str]| root(&host, &[&["--format=simple"], args].concat());
    for (args, expected) in [
        (&["--type=gpu.*"][..], vec![ALLOCATE]),
        (&["--type=gpu", "--type=*.create"], vec![CREATE, ALLOCATE]),
        (&["--user=alice"], vec![CREATE, KILL]),
        (&["--container=thesis", "--type=container"], vec![CREATE]),
        (&["--container", "other._.20002"], vec![ALLOCATE]),
        (&["--since=1970-01-01T00:02:00Z"], vec![ALLOCATE, KILL]),
        (&["--until", "1970-01-01T00:01:00Z"], vec![STARTUP, CREATE]),
        (&["--since=1h"], vec![]),
        (&["--until=1h", "-n", "2"], vec![ALLOCATE, KILL]),
        (&["--lines=1", "--user=bob"], vec![ALLOCATE]),
        (&["-n0"], vec![]),
    ] {
        assert_eq!(shown(args), done(&expected.concat(), ""), "{args:?}");
    }
    for (args, why) in [
        (
            &["--since=yesterday"][..],
            "invalid value 'yesterday' for --since: expected how long ago, such as 30m or 2d, or a \
             time in UTC, such as '2026-11-05 10:30'",
        ),
        (
            &["--type=gpu/x"],
            "invalid value 'gpu/x' for --type: expected a type such as gpu.allocate, gpu.* or gpu",
        ),
    ] {
        let said = format!("{EVENTS}: {why}\nTry '{EVENTS} --help' for more information.\n");
        assert_eq!(shown(args), failed(2, &said));
    }
    let both =
        "ds01-events: --follow and --until exclude each other\nhint: leave one of them out\n";
    assert_eq!(shown(&["-f", "--until=1h"]), failed(2, both));
}

#[test]
fn on_a_terminal_nothing_of_what_happened_is_cut() {
    let mut lines = story();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = Timestamp(now.as_secs());
    lines.push(Event::new(now, "gpu.allocate").of("alice").line());
    let host = with_log(&lines);
    let shown = |columns: &str, args: &[&str]| {
        let args = [&[columns, EVENTS], args].concat();
        let (status, output) = host.as_user("alice").pty("env", &args).rest();
        assert_eq!(status, Some(0));
        // Its heading is bold.
        let output = output.replace("\x1b[1m", "").replace("\x1b[0m", "");
        output.replace('\r', "")
    };
    let this_year = now.to_string()[5..19].replace('T', " ");
    let head = "1970-01-01T00:03:00Z  maintenance.idle_kill  alice  thesis";
    let wide = format!(
        "TIME                  TYPE                   USER   CONTAINER  DETAILS\n\
         1970-01-01T00:01:00Z  container.create       alice  thesis     image=ds01-base\n\
         {head}\n  reason=\"idle for 30m\\u{{1b}}[2J\"\n\
         {this_year}        gpu.allocate           alice  -\n"
    );
    assert_eq!(shown("COLUMNS=80", &[]), wide);
    let narrow = shown("COLUMNS=24", &["--type=maintenance"]);
    let below = format!("{head}\n  reason=\"idle for\n  30m\\u{{1b}}[2J\"\n");
    assert!(narrow.ends_with(&below), "{narrow}");
    let mut follow = host
        .as_user("alice")
        .pty("env", &["COLUMNS=80", EVENTS, "-f", "-n2"]);
    follow.expect("  reason=\"idle for 30m\\u{1b}[2J\"\r\n");
    follow.expect(&this_year);
    follow.signal(Signal::SIGINT);
    follow.wait();
}

#[test]
fn json_is_a_list_of_the_log_as_it_is() {
    let host = with_log(&story());
    let json: Value = serde_json::from_str(&root(&host, &["--format=json"]).ok()).unwrap();
    let log: Vec<Value> = story()
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(json, Value::from(log));
}

#[test]
fn lines_that_are_torn_or_foreign_are_skipped_and_told_of_once() {
    let [first, second, ..] = &story()[..] else {
        panic!("it has them");
    };
    let odd = [
        "hello\n".to_string(),
        first.clone(),
        "{\"timestamp\":\"19".to_string(),
        second.clone(),
        "\u{9b}\0\n{\"event\":\n\n".into(),
    ];
    let host = with_log(&odd);
    let warning =
        "ds01-events: warning: the log has lines that are torn or no events; they are skipped\n";
    let expected = outcome(0, &[STARTUP, CREATE].concat(), warning);
    assert_eq!(root(&host, &["--format=simple"]), expected);
}

#[test]
fn a_log_that_is_not_there_is_empty_and_one_that_cannot_be_read_an_error() {
    let host = with_log(&[]);
    let file = host.root().join("log/events.jsonl");
    fs::remove_file(&file).unwrap();
    assert_eq!(root(&host, &["--format=json"]), done("[]\n", ""));
    fs::remove_dir_all(host.root().join("log")).unwrap();
    assert_eq!(root(&host, &["--format=simple"]), done("", ""));
    fs::write(host.root().join("log"), "").unwrap();
    let message = format!(
        "ds01-events: cannot read {}: Not a directory\nhint: tell an admin\n",
        file.display()
    );
    assert_eq!(root(&host, &[]), failed(8, &message));
}

#[test]
fn what_happens_is_followed_until_nobody_wants_to_know() {
    let host = TestHost::with_gpus(1);
    created(&host, "before");
    let mut follow = host
        .as_user("alice")
        .env("NO_COLOR", "1")
        .pty(EVENTS, &["--follow", "--type=container"]);
    follow.expect("container.create");
    follow.expect("before");
    let args = ["theirs", "ds01-base", "--cpu-only"];
    host.as_user("bob").run("container-create", &args).ok();
    host.run("container-create", &["after\x2d", "ds01-base"]);
    host.run("container-create", &["after", "ds01-base", "--cpu-only"])
        .ok();
    follow.expect("after");
    assert!(!follow.output().contains("theirs"), "{}", follow.output());
    follow.send("\x03");
    follow.wait();
    // A pipe that nobody reads any more ends it too.
    let piped = "ds01-events -f -n 1 --format=json | head -n 1";
    let line = host.run("bash", &["-c", piped]).ok();
    let event: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(event["details"]["container"], "after._.20001");
    let ended = host.as_user("alice").spawn(EVENTS, &["-f"]);
    ended.signal(Signal::SIGTERM);
    assert_eq!(ended.wait().status, None);
}

#[test]
fn text_of_the_log_never_drives_the_terminal() {
    let odd = Event::new(Timestamp(0), "a.\x1b[31mb")
        .of("\u{9b}2J")
        .with("x\n", "\x07\u{202e}");
    let host = with_log(&[odd.line()]);
    let raw = |c: char| c == '\x1b' || c == '\x07' || c == '\u{9b}' || c == '\u{202e}';
    for args in [
        &["--format=table"][..],
        &["--format=json"],
        &["--format=simple"],
    ] {
        let shown = root(&host, args).ok();
        assert!(!shown.contains(raw), "{args:?}: {shown:?}");
    }
    for format in ["table", "json", "simple"] {
        let script = format!("ds01-events -f --format={format} | head -n 1");
        let shown = host.as_user("root").run("bash", &["-c", &script]).ok();
        assert!(!shown.contains(raw), "{format}: {shown:?}");
    }
}

#[test]
fn a_long_log_is_read_to_its_end() {
    let host = with_log(&[]);
    let log = EventLog::new(&host.root().join("log"));
    for number in 0..2500 {
        let event = Event::new(Timestamp(0), "test.line").of("alice");
        log.append(&event.with("number", number)).unwrap();
    }
    let shown = host.run(EVENTS, &["--format=json"]).ok();
    let json: Vec<Value> = serde_json::from_str(&shown).unwrap();
    let numbers: Vec<_> = json
        .iter()
        .map(|event| &event["details"]["number"])
        .collect();
    let expected: Vec<Value> = (0..2500).map(|number| number.to_string().into()).collect();
    assert_eq!(numbers, expected.iter().collect::<Vec<_>>());
    let last = host.run(EVENTS, &["-n", "1", "--format=simple"]).ok();
    assert!(last.ends_with("\tnumber=2499\n"), "{last}");
}
