//! The waiting line, as tests see it.

use std::time::{Duration, Instant, SystemTime};

use ds01_testkit::{Running, TestHost};
use serde_json::json;

/// What may pass until somebody is in the line, on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);

/// Who waits, in the order in which they came: uid and container.
#[track_caller]
pub(crate) fn waiters(host: &TestHost) -> Vec<(u64, String)> {
    let ledger = host.ledger().read();
    let waiters = ledger["line"]["waiters"].as_array().unwrap().iter();
    let waiter = |w: &serde_json::Value| {
        let container = w["container"].as_str().unwrap_or("-").to_string();
        (w["uid"].as_u64().unwrap(), container)
    };
    waiters.map(waiter).collect()
}

/// Waits until so many are in the line.
#[track_caller]
pub(crate) fn in_line(host: &TestHost, count: usize) {
    let deadline = Instant::now() + LIMIT;
    while waiters(host).len() != count {
        assert!(Instant::now() < deadline, "{:?}", waiters(host));
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A user's `container-create` that waits, as number `count` of the line.
#[track_caller]
pub(crate) fn waits(host: &TestHost, user: &str, args: &[&str], count: usize) -> Running {
    let args = [args, &["--image=ds01-base"]].concat();
    let running = host.as_user(user).spawn("container-create", &args);
    in_line(host, count);
    running
}

/// As if this user had used so many GPU hours lately.
#[track_caller]
pub(crate) fn has_used(host: &TestHost, uid: u32, hours: u64) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    host.ledger().edit(|ledger| {
        let recent = &mut ledger["line"]["recent"];
        recent["at"] = now.unwrap().as_secs().into();
        recent["uses"][uid.to_string()] = json!(hours * 28 * 3600);
    });
}
