//! `container-start` whose device may be another's by now, and one that takes longer than its intent
//! lasts.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use ds01_testkit::{Outcome, Running, TestHost};
use serde_json::json;

use super::START;
use crate::support::expect::{
    done, engine_name, failed, inspect, running, state, uuid, with_limit,
};

const LOST: &str = "container-start: the start took too long: GPU 0 of thesis was given up \
                    meanwhile\n\
                    hint: see what is free with gpu-status, and try again: container-start thesis\n";

const TRACE: &str = "strace.txt";

/// Alice's container, which has stopped and given its device back.
fn host() -> TestHost {
    let host = TestHost::with_direct_access(1);
    with_limit(&host, "gpu_hold_after_stop_h", "0");
    running(&host, "thesis");
    host.run("container-stop", &["thesis"]).ok();
    host
}

#[test]
fn a_workspace_that_is_gone_is_told() {
    let host = TestHost::new();
    running(&host, "thesis");
    host.run("container-stop", &["thesis", "-t", "0"]).ok();
    let alice = host.as_user("alice");
    alice.run("rm", &["-r", "workspace/thesis"]).ok();
    let said = host.run(START, &["thesis"]);
    assert_eq!(said.status, Some(4), "{said:?}");
    let gone = "container-start: a folder of thesis is gone: /home/alice/workspace/thesis";
    assert!(said.stderr.starts_with(gone), "{said:?}");
    let hint = "\nhint: make it anew: container-remove thesis";
    assert!(said.stderr.contains(hint), "{said:?}");
}

#[test]
fn a_device_that_is_used_outside_containers_is_not_given_again() {
    let host = host();
    let outside = host.as_user("carol").spawn("sleep", &["1000"]);
    host.gpus().used_by(0, &[outside.pid()]);
    let used = "container-start: GPU 0 of thesis is in use outside containers\n\
                hint: make it anew: container-remove thesis && container-create thesis --gpu=1 \
                --image=ds01-base\n";
    assert_eq!(host.run(START, &["thesis"]), failed(6, used));
    assert_eq!(state(&host, "thesis"), "exited");
    // Who does not know does not give.
    let fails = json!({ "function": "nvmlDeviceGetCount_v2", "result": "UNKNOWN" });
    host.gpus().edit(|sim| sim["failures"] = json!([fails]));
    assert_eq!(host.run(START, &["thesis"]).status, Some(8));
    host.gpus().edit(|sim| sim["failures"] = json!([]));
    host.gpus().used_by(0, &[]);
    assert_eq!(host.run(START, &["thesis"]), done("", ""));
}

#[test]
fn a_container_that_ended_by_itself_does_not_share_its_device_with_a_newcomer() {
    let host = TestHost::with_gpus(1);
    with_limit(&host, "gpu_hold_after_stop_h", "0");
    running(&host, "thesis");
    // Past DS01: the ledger knows neither that the one has stopped nor that the other is there.
    host.docker(&["kill", &engine_name("thesis")]).ok();
    let device = format!("device={}", uuid(0));
    host.docker(&["create", "--name=past", "--gpus", &device, "ds01-base"])
        .ok();
    let gone = "container-start: GPU 0 of thesis went to another container after the hold had ended\n\
                hint: make it anew: container-remove thesis && container-create thesis --gpu=1 \
                --image=ds01-base\n";
    assert_eq!(host.run(START, &["thesis"]), failed(6, gone));
    host.docker(&["rm", "past"]).ok();
    assert_eq!(host.run(START, &["thesis"]), done("", ""));
}

/// Starts it under strace, which notes in `to` the calls that `filter` names.
fn traced(host: &TestHost, to: &str, filter: &[&str]) -> Running {
    let options = ["-o", to].into_iter().chain(filter.iter().copied());
    let args: Vec<_> = options.chain([START, "thesis"]).collect();
    host.as_user("alice").spawn("strace", &args)
}

fn noted(host: &TestHost, to: &str) -> String {
    fs::read_to_string(host.home("alice").join(to)).unwrap_or_default()
}

/// A start that has stopped, as by Ctrl-Z, at the last of its calls that `filter` names. By a
/// start before, whose trace is counted.
fn stopped_at_the_last(host: &TestHost, call: &str, filter: &[&str]) -> (Running, String) {
    assert_eq!(traced(host, TRACE, filter).wait(), done("", ""));
    let last = noted(host, TRACE).matches(&format!("{call}(")).count();
    assert_ne!(last, 0, "{}", noted(host, TRACE));
    host.run("container-stop", &["thesis"]).ok();
    stopped_at(host, TRACE, (call, last), filter)
}

/// A start that has stopped at such a call of its.
fn stopped_at(
    host: &TestHost,
    to: &str,
    (call, last): (&str, usize),
    filter: &[&str],
) -> (Running, String) {
    let inject = format!("inject={call}:signal=SIGSTOP:when={last}");
    let start = traced(host, to, &[filter, &["-e", &inject]].concat());
    let deadline = Instant::now() + Duration::from_secs(60);
    while !noted(host, to).contains("--- stopped by SIGSTOP ---") {
        assert!(Instant::now() < deadline, "{}", noted(host, to));
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

/// Where the record of its container is.
fn record(host: &TestHost) -> String {
    let record = host.state_dir().join("container-metadata");
    let record = record.join(format!("{}.json", engine_name("thesis")));
    record.to_string_lossy().into_owned()
}

#[test]
fn one_whose_container_was_removed_meanwhile_says_so() {
    let host = host();
    let filter = ["-e", "trace=openat", "-P", &record(&host)];
    let stopped = stopped_at_the_last(&host, "openat", &filter);
    host.run("container-remove", &["thesis"]).ok();
    let gone = "container-start: container thesis was removed meanwhile\n\
                hint: see what you have with container-list --all\n";
    assert_eq!(goes_on(&host, stopped), failed(4, gone));
}

#[test]
fn one_that_its_owner_stopped_meanwhile_did_start() {
    let host = host();
    let lock = host.state_dir().join("ledger.json.lock");
    let filter = ["-e", "trace=openat", "-P", &lock.to_string_lossy()];
    let stopped = stopped_at_the_last(&host, "openat", &filter);
    assert_eq!(state(&host, "thesis"), "running");
    host.run("container-stop", &["thesis"]).ok();
    assert_eq!(goes_on(&host, stopped), done("", ""));
    assert_eq!(state(&host, "thesis"), "exited");
}

#[test]
fn of_two_that_both_fail_the_first_gives_back_what_it_took() {
    let host = host();
    let filter = ["-e", "trace=openat", "-P", &record(&host)];
    let first = stopped_at_the_last(&host, "openat", &filter);
    let last = noted(&host, TRACE).matches("openat(").count();
    let second = stopped_at(&host, "second.txt", ("openat", last), &filter);
    host.gpus()
        .edit(|sim| sim["gpus"][0]["uuid"] = "GPU-00000000-0000-4000-8000-00000000000f".into());
    for start in [first, second] {
        let failed = goes_on(&host, start);
        assert_eq!(failed.status, Some(6), "{failed:?}");
    }
    let holding = host.ledger().read()["allocations"][0]["holding"].clone();
    assert_eq!(holding, "released");
}

#[test]
fn one_that_was_kept_waiting_until_its_device_was_given_up_does_not_begin() {
    let host = host();
    let filter = ["-e", "trace=openat", "-P", &record(&host)];
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
