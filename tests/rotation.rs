//! The log of events while the real logrotate turns it, as the package has it set up.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use ds01_core::{event::Event, time::Timestamp};
use ds01_host::events::EventLog;
use ds01_testkit::{Signal, TestHost};

use crate::support::expect::{created, done};

/// What a follower may take, on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);

/// Turns the log once. Of more than thirty turns the first would be gone.
#[track_caller]
fn turn(host: &TestHost) {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shipped = fs::read_to_string(repository.join("scripts/package/logrotate")).unwrap();
    let log = host.root().join("log");
    let here = shipped.replace("/var/log/ds01", &log.to_string_lossy());
    assert_ne!(here, shipped);
    let file = host.root().join("logrotate.conf");
    fs::write(&file, here).unwrap();
    let state = host.root().join("logrotate.state");
    let args = [
        "-f",
        "-s",
        &*state.to_string_lossy(),
        &file.to_string_lossy(),
    ];
    let turned = host.as_user("root").run("logrotate", &args);
    assert_eq!(turned, done("", ""));
}

/// All lines of the log, those that were turned away too.
fn lines(host: &TestHost) -> Vec<String> {
    let files = fs::read_dir(host.root().join("log")).unwrap();
    let texts = files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
    texts
        .flat_map(|text| {
            assert!(text.is_empty() || text.ends_with('\n'));
            text.lines().map(str::to_owned).collect::<Vec<_>>()
        })
        .collect()
}

/// What the writers of the test write.
const LINES: usize = 400;
const WRITERS: usize = 4;

fn numbers(writer: usize) -> impl Iterator<Item = String> {
    (0..LINES).map(move |number| format!("{writer}-{number}"))
}

/// Writes events of alice's from several threads, while the log is turned.
fn write_and_turn(host: &TestHost) {
    let log = EventLog::new(&host.root().join("log"));
    let write = |writer: usize| {
        for number in numbers(writer) {
            let event = Event::new(Timestamp(0), "test.line").of("alice");
            log.append(&event.with("number", number)).unwrap();
        }
    };
    thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| scope.spawn(move || write(writer)))
            .collect();
        for _ in 0..25 {
            turn(host);
        }
        let ended = writers.into_iter().map(|writer| writer.join());
        ended.for_each(|ended| ended.unwrap());
    });
}

/// The numbers that these lines have.
fn told(lines: &[String]) -> BTreeSet<String> {
    let events = lines
        .iter()
        .map(|line| serde_json::from_str::<Event>(line).unwrap());
    events
        .filter_map(|event| event.details.get("number").cloned())
        .collect()
}

#[test]
fn no_line_is_lost_or_torn_whoever_writes_while_it_is_turned() {
    let host = TestHost::new();
    let before = lines(&host).len();
    write_and_turn(&host);
    let all = lines(&host);
    assert_eq!(all.len(), before + WRITERS * LINES);
    assert_eq!(told(&all), (0..WRITERS).flat_map(numbers).collect());
}

#[test]
fn who_follows_it_sees_each_line_once_while_it_is_turned() {
    let host = TestHost::new();
    let file = host.home("alice").join("seen");
    let script = "exec ds01-events --follow -n 0 --type=test.line --format=json >seen";
    let follower = host.as_user("alice").spawn("sh", &["-c", script]);
    let seen = || {
        let text = fs::read_to_string(&file).unwrap_or_default();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let log = EventLog::new(&host.root().join("log"));
    let deadline = Instant::now() + LIMIT;
    // Nobody knows when it has begun but by what it shows.
    while seen().is_empty() {
        assert!(Instant::now() < deadline);
        log.append(&Event::new(Timestamp(0), "test.line").of("alice"))
            .unwrap();
        // Written without a pause, there is always more than a follower has read.
        thread::sleep(Duration::from_millis(20));
    }
    write_and_turn(&host);
    let has_number = |line: &&String| line.contains("\"number\"");
    let numbered = || {
        seen()
            .iter()
            .filter(has_number)
            .cloned()
            .collect::<Vec<_>>()
    };
    while numbered().len() < WRITERS * LINES {
        assert!(Instant::now() < deadline, "{} lines", numbered().len());
        thread::yield_now();
    }
    // What came after them all has been seen: nothing is seen again.
    log.append(
        &Event::new(Timestamp(0), "test.line")
            .of("alice")
            .with("last", 1),
    )
    .unwrap();
    while !seen().iter().any(|line| line.contains("\"last\"")) {
        assert!(Instant::now() < deadline);
        thread::yield_now();
    }
    follower.signal(Signal::SIGTERM);
    let ended = follower.wait();
    assert_eq!((ended.status, ended.stderr.as_str()), (None, ""));
    assert_eq!(numbered().len(), WRITERS * LINES);
    assert_eq!(told(&numbered()), (0..WRITERS).flat_map(numbers).collect());
}

#[test]
fn after_a_turn_all_of_a_trusted_group_can_write_whatever_the_first_ones_umask() {
    let host = TestHost::with_direct_access(2);
    created(&host, "thesis");
    turn(&host);
    let script = "umask 077; exec container-create second ds01-base --cpu-only";
    let first = host.run("sh", &["-c", script]);
    assert_eq!(first, done("second without GPU\n", ""));
    let bob = host
        .as_user("bob")
        .run("container-create", &["other", "ds01-base"]);
    assert_eq!(bob, done("other with GPU 1\n", ""));
    let log = fs::read_to_string(host.root().join("log/events.jsonl")).unwrap();
    assert!(
        log.contains("second._.20001") && log.contains("other._.20002"),
        "{log}"
    );
}
