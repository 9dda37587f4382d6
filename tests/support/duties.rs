//! The duties of the lifecycle, with durations of seconds.

use std::{
    fs,
    time::{Duration, Instant},
};

use ds01_testkit::{Outcome, TestHost};
use serde_json::Value;

/// What a duty may take to come to something, on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);

/// Seconds as the hours of `resource-limits.yaml`.
pub(crate) fn hours(seconds: f64) -> f64 {
    seconds / 3600.0
}

/// The policy of the host with more in its defaults, and policies by which a container is judged
/// from its start and by each check. CPU time counts from half a CPU on: starting one takes some.
pub(crate) fn policy(host: &TestHost, defaults: &str, more: &str) {
    let limits = host.limits_text();
    let known = limits.split("default_group").next().unwrap();
    host.limits_yaml(&format!(
        "{known}  policies: {{grace_period_m: 0, idle_detection_window: 1, cpu_idle_threshold: 50, \
         high_demand_threshold: 1, high_demand_idle_reduction: 1}}\n{defaults}\
         default_group: student\ngroups:\n  student: {{}}\n{more}"
    ));
}

/// What tells a duty of the host's configuration.
pub(crate) fn config(host: &TestHost) -> String {
    format!("--config={}/etc/ds01.toml", host.root().display())
}

/// A pass of a duty of root's.
pub(crate) fn pass(host: &TestHost, duty: &str, args: &[&str]) -> Outcome {
    let config = config(host);
    let args = [&[&*config], args].concat();
    host.as_user("root").run(duty, &args)
}

/// Passes of a duty until one prints a line that `is_last`: all lines that they printed, with the
/// times in them replaced.
#[track_caller]
pub(crate) fn until(host: &TestHost, duty: &str, is_last: impl Fn(&str) -> bool) -> Vec<String> {
    let deadline = Instant::now() + LIMIT;
    let mut lines = Vec::new();
    loop {
        let new: Vec<_> = pass(host, duty, &[]).ok().lines().map(timeless).collect();
        let last = new.iter().any(|line| is_last(line));
        lines.extend(new);
        if last {
            return lines;
        }
        assert!(Instant::now() < deadline, "{duty} only said {lines:?}");
    }
}

/// A line with the lengths of time in it replaced.
pub(crate) fn timeless(line: &str) -> String {
    let is_time = |word: &str| {
        let word = word.trim_end_matches([',', ':', ';']);
        let digits = word.find(|c: char| !c.is_ascii_digit()).unwrap_or(0);
        digits > 0 && ["s", "ms", "m", "h"].contains(&&word[digits..])
    };
    let mut words: Vec<&str> = Vec::new();
    for word in line.split(' ') {
        match (
            is_time(word),
            words.last().is_some_and(|last| *last == "TIME"),
        ) {
            (true, true) => {}
            (true, false) => words.push("TIME"),
            (false, _) => words.push(word),
        }
    }
    words.join(" ")
}

/// The events of the log of these types, oldest first.
pub(crate) fn events(host: &TestHost, prefix: &str) -> Vec<Value> {
    let log = fs::read_to_string(host.root().join("log/events.jsonl")).unwrap();
    let events = log.lines().map(|line| serde_json::from_str(line).unwrap());
    let is_meant = |event: &Value| event["event_type"].as_str().unwrap().starts_with(prefix);
    events.filter(is_meant).collect()
}

/// The types of these events, each with the container that it is about.
pub(crate) fn told(host: &TestHost, prefix: &str) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_string();
    let events = events(host, prefix);
    let pair = |event: &Value| {
        (
            text(&event["event_type"]),
            text(&event["details"]["container"]),
        )
    };
    events.iter().map(pair).collect()
}
