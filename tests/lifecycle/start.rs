//! `container-start` that takes longer than its intent lasts.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use ds01_testkit::{Outcome, Running, TestHost};

use super::START;
use crate::support::expect::{done, engine_name, failed, inspect, running, state, with_limit};

const LOST: &str = "container-start: the start took too long: GPU 0 of thesis was given up \
                    meanwhile\n\
                    hint: see what is free with gpu-status, and try again: container-start thesis\n";

/// Alice's container, which has stopped and given its device back.
fn host() -> TestHost {
    let host = TestHost::with_direct_access(1);
    with_limit(&host, "gpu_hold_after_stop_h", "0");
    running(&host, "thesis");
    host.run("container-stop", &["thesis"]).ok();
    host
}

/// Starts it under strace, which notes the calls that `filter` names.
fn traced(host: &TestHost, filter: &[&str]) -> Running {
    let options = ["-o", "strace.txt"].iter().chain(filter);
    let args: Vec<_> = options.chain(&[START, "thesis"]).copied().collect();
    host.as_user("alice").spawn("strace", &args)
}

fn noted(host: &TestHost) -> String {
    fs::read_to_string(host.home("alice").join("strace.txt")).unwrap()
}

/// A start that has stopped, as by Ctrl-Z, at the last of its calls that `filter` names. By a
/// start before, whose trace is counted.
fn stopped_at_the_last(host: &TestHost, call: &str, filter: &[&str]) -> (Running, String) {
    assert_eq!(traced(host, filter).wait(), done("", ""));
    let last = noted(host).matches(&format!("{call}(")).count();
    assert_ne!(last, 0, "{}", noted(host));
    host.run("container-stop", &["thesis"]).ok();
    let inject = format!("inject={call}:signal=SIGSTOP:when={last}");
    let start = traced(host, &[filter, &["-e", &inject]].concat());
    let deadline = Instant::now() + Duration::from_secs(60);
    while !noted(host).contains("--- stopped by SIGSTOP ---") {
        assert!(Instant::now() < deadline, "{}", noted(host));
        thread::yield_now();
    }
    let children = format!("/proc/{0}/task/{0}/children", start.pid());
    (start, fs::read_to_string(children).unwrap())
}

/// Its time is over, and bob gets the device.
fn given_to_bob(host: &TestHost) {
    host.ledger().edit(|ledger| {
        ledger["allocations"][0]["holding"]["pending"]["lapses"] = 1.into();
    });
    let args = ["first", "ds01-base", "--no-wait"];
    let bob = host.as_user("bob").run("container-create", &args);
    assert_eq!(bob, done("first with GPU 0\n", ""));
}

fn goes_on(host: &TestHost, (start, pid): (Running, String)) -> Outcome {
    let cont = format!("kill -CONT {pid}");
    host.as_user("root").run("sh", &["-c", &cont]).ok();
    start.wait()
}

#[test]
fn one_that_was_kept_waiting_until_its_device_was_given_up_does_not_begin() {
    let host = host();
    let record = host.state_dir().join("container-metadata");
    let record = record.join(format!("{}.json", engine_name("thesis")));
    let filter = ["-e", "trace=openat", "-P", &record.to_string_lossy()];
    let stopped = stopped_at_the_last(&host, "openat", &filter);
    let ended = inspect(&host, &engine_name("thesis"), "{{.State.FinishedAt}}");
    given_to_bob(&host);
    assert_eq!(goes_on(&host, stopped), failed(6, LOST));
    let now = inspect(&host, &engine_name("thesis"), "{{.State.FinishedAt}}");
    assert_eq!((state(&host, "thesis"), now), ("exited".into(), ended));
}

#[test]
fn one_that_began_after_its_device_was_given_up_is_ended() {
    let host = host();
    let stopped = stopped_at_the_last(&host, "connect", &["-e", "trace=connect"]);
    let before = host.gpus().given().len();
    given_to_bob(&host);
    assert_eq!(goes_on(&host, stopped), failed(6, LOST));
    assert_eq!(host.gpus().given().len(), before + 1, "it had begun");
    assert_eq!(state(&host, "thesis"), "exited");
    let gone = host.run(START, &["thesis"]);
    assert_eq!(gone.status, Some(6), "it is bob's: {gone:?}");
    let bob = host.as_user("bob").run("container-start", &["first"]);
    assert_eq!(bob, done("", ""));
}
