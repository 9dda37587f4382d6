use std::time::Duration;

use super::*;
use crate::share::Share;

mod messages;
mod originals;
mod properties;

const GIB: u64 = 1 << 30;

fn source(path: &str, text: &str) -> Source {
    Source {
        path: path.into(),
        text: text.into(),
    }
}

fn files(limits: &str) -> PolicyFiles {
    PolicyFiles {
        limits: source("limits.yaml", limits),
        overrides: None,
        exemptions: None,
        members: Vec::new(),
    }
}

fn policy(limits: &str) -> Policy {
    Policy::parse(&files(limits)).unwrap().0
}

/// The message for a file that must not load.
fn refusal(limits: &str) -> String {
    Policy::parse(&files(limits)).unwrap_err().to_string()
}

fn warnings(files: &PolicyFiles) -> Vec<String> {
    Policy::parse(files)
        .unwrap()
        .1
        .iter()
        .map(Warning::to_string)
        .collect()
}

fn gpus(number: f64) -> Option<Share> {
    Some(Share::from_gpus(number).unwrap())
}

fn hours(hours: f64) -> Option<Duration> {
    Some(Duration::from_secs_f64(hours * 3600.0))
}

const SITE: &str = "\
defaults:
  max_gpu_equivalents: 1
  memory: 16g
  aggregate: {cpu_quota: '100%', tasks_max: 10}
  policies: {cpu_idle_threshold: 7}
policies: {gpu_idle_threshold: 9, cpu_idle_threshold: 8}
default_group: student
groups:
  student:
    max_gpu_equivalents: 2
    memory: null
    aggregate: {cpu_quota: '200%', memory_max: 20g, gpu_limit: 8}
    policies: {idle_detection_window: 4}
  faculty:
    max_cpus: 64
    members: [prof, h_lee, both]
  second:
    members: [both]
user_overrides:
  prof: {max_cpus: 1.5, max_runtime_h: null}
  alice: {aggregate: {memory_max: 30g}, policies: {gpu_idle_threshold: 1}}
";

#[test]
fn the_more_particular_wins_key_by_key() {
    let policy = policy(SITE);
    let student = policy.limits_for("nobody");
    assert_eq!(
        (student.group.as_str(), student.overridden),
        ("student", false)
    );
    assert_eq!(student.quota, gpus(2.0));
    let memory = (student.memory_bytes, student.memory_swap_bytes);
    assert_eq!(memory, (Some(20 * GIB), Some(20 * GIB)), "of all together");
    assert_eq!(student.nano_cpus, Some(2_000_000_000), "of all together");

    let alice = policy.limits_for("alice");
    let of = |limits: &Limits| limits.aggregate.clone().unwrap();
    assert_eq!((alice.group.as_str(), alice.overridden), ("student", true));
    assert_eq!(of(&alice).memory_max_bytes, Some(30 * GIB), "override");
    assert_eq!(of(&alice).cpu_quota_percent, Some(200), "group");
    assert_eq!(of(&alice).tasks_max, Some(10), "defaults");
    assert_eq!(alice.lifecycle.gpu_idle_percent, 1.0, "override");
    assert_eq!(alice.lifecycle.idle_checks, 4, "group");
    assert_eq!(alice.lifecycle.cpu_idle_percent, 7.0, "defaults");
    assert_eq!(student.lifecycle.gpu_idle_percent, 9.0, "policies for all");
    assert_eq!(
        student.lifecycle.stop_grace,
        Duration::from_secs(60),
        "as shipped"
    );

    let prof = policy.limits_for("prof");
    assert_eq!((prof.group.as_str(), prof.overridden), ("faculty", true));
    assert_eq!(
        (prof.nano_cpus, prof.max_runtime),
        (Some(1_000_000_000), None)
    );
    assert_eq!(prof.memory_bytes, Some(16 * GIB));
}

#[test]
fn the_first_group_that_has_the_login_or_its_form_is_the_users() {
    let policy = policy(SITE);
    for (login, group) in [
        ("prof", "faculty"),
        ("prof@uni.example", "faculty"),
        ("h.lee@uni.example", "faculty"),
        ("both", "faculty"),
        ("Prof", "student"),
        ("", "student"),
        ("@", "student"),
    ] {
        assert_eq!(policy.limits_for(login).group, group, "{login}");
    }
    assert!(policy.limits_for("prof@uni.example").overridden);
}

#[test]
fn nothing_is_unlimited_because_it_is_absent() {
    let limits = policy("defaults: {}").limits_for("alice");
    assert_eq!(limits, Limits::shipped().settle(true).in_group("student"));
    assert_eq!(limits.quota, Some(Share::WHOLE));
    assert_eq!(limits.memory_swap_bytes, Some(32 * GIB));
    assert_eq!(
        (limits.devices_per_container, limits.containers),
        (Some(1), Some(3))
    );
    assert_eq!(
        (limits.pids, limits.max_tasks, limits.priority),
        (Some(4096), Some(32768), 10)
    );
    assert_eq!(
        (limits.max_runtime, limits.idle_timeout),
        (hours(24.0), hours(0.5))
    );
    assert_eq!(limits.gpu_hold_after_stop, hours(0.25));
    assert_eq!(limits.container_hold_after_stop, hours(0.5));
}

impl Limits {
    fn in_group(mut self, group: &str) -> Self {
        self.group = group.into();
        self
    }
}

#[test]
fn null_unlimited_and_zero_are_three_things() {
    let of = |value: &str| policy(&format!("defaults: {value}")).limits_for("alice");
    assert_eq!(of("{max_gpu_equivalents: null}").quota, None);
    assert_eq!(of("{max_gpu_equivalents: unlimited}").quota, None);
    assert_eq!(of("{max_gpu_equivalents: 0}").quota, Some(Share::NONE));
    assert_eq!(
        of("{gpu_hold_after_stop_h: null}").gpu_hold_after_stop,
        None
    );
    assert_eq!(
        of("{gpu_hold_after_stop_h: 0}").gpu_hold_after_stop,
        Some(Duration::ZERO)
    );
    assert_eq!(
        of("{container_hold_after_stop_h: 0}").container_hold_after_stop,
        Some(Duration::ZERO)
    );
    assert_eq!(of("{idle_timeout_h: ~}").idle_timeout, None);
    assert_eq!(
        of("{memory: null, memory_swap: 8g}").memory_swap_bytes,
        None
    );
    assert_eq!(
        of("{memory: 64g}").memory_swap_bytes,
        Some(64 * GIB),
        "no less than the memory"
    );
    assert_eq!(
        of("{memory: 8g}").memory_swap_bytes,
        Some(8 * GIB),
        "and no more unasked"
    );
    assert_eq!(
        of("{memory: 8g, memory_swap: 12g}").memory_swap_bytes,
        Some(12 * GIB)
    );
}

#[test]
fn the_quota_is_the_lesser_of_both() {
    for (own, total, quota) in [
        ("4", "2.0", gpus(2.0)),
        ("2", "4", gpus(2.0)),
        ("null", "0.43", Share::of_mig(3, 7)),
        ("0.29", "unlimited", Share::of_mig(2, 7)),
        ("null", "null", None),
    ] {
        let text =
            format!("defaults: {{max_gpu_equivalents: {own}, aggregate: {{gpu_limit: {total}}}}}");
        assert_eq!(
            policy(&text).limits_for("alice").quota,
            quota,
            "{own} {total}"
        );
    }
}

#[test]
fn an_aggregate_that_is_switched_off_still_counts_for_the_quota() {
    let text = "enforcement: {aggregate_limits: false}\ndefaults: {aggregate: {gpu_limit: 0.5}}";
    let limits = policy(text).limits_for("alice");
    assert_eq!((limits.aggregate, limits.quota), (None, gpus(0.5)));
}

#[test]
fn older_spellings_are_read_and_may_not_contradict() {
    for key in [
        "max_gpu_equivalents",
        "max_gpu_slots",
        "max_gpus_per_user",
        "max_mig_instances",
    ] {
        let text = format!(
            "groups: {{student: {{{key}: 3}}}}\nuser_overrides: {{alice: {{max_mig_instances: 5}}}}"
        );
        assert_eq!(policy(&text).limits_for("bob").quota, gpus(3.0), "{key}");
        assert_eq!(policy(&text).limits_for("alice").quota, gpus(5.0), "{key}");
    }
    for key in [
        "max_gpu_slots_per_container",
        "max_gpus_per_container",
        "max_mig_per_container",
    ] {
        let limits = policy(&format!("defaults: {{{key}: 7}}")).limits_for("alice");
        assert_eq!(limits.devices_per_container, Some(7), "{key}");
    }
    assert_eq!(
        policy("defaults: {max_gpu_slots: 2, max_gpu_equivalents: 2.0}")
            .limits_for("a")
            .quota,
        gpus(2.0)
    );
    assert_eq!(
        refusal("defaults:\n  max_gpu_slots: 2\n  max_gpu_equivalents: 3\n"),
        "limits.yaml:3: defaults.max_gpu_equivalents: is 3, but its other name max_gpu_slots is 2"
    );
}

#[test]
fn the_file_of_overrides_wins_over_the_inline_ones_key_by_key() {
    let mut files = files("user_overrides: {alice: {max_cpus: 1, priority: 20}}");
    files.overrides = Some(source(
        "overrides.yaml",
        "# approved\nalice:\n  max_cpus: 2\n",
    ));
    let (policy, warnings) = Policy::parse(&files).unwrap();
    let alice = policy.limits_for("alice");
    assert_eq!((alice.nano_cpus, alice.priority), (Some(2_000_000_000), 20));
    assert_eq!(warnings, []);
    files.overrides = Some(source("overrides.yaml", "# nobody yet\n"));
    assert!(Policy::parse(&files).is_ok());
}

#[test]
fn lists_of_members_may_have_comments_and_come_from_windows() {
    let mut files = files("groups: {student: {}, faculty: {members: [dean]}}");
    files.members = vec![
        (
            "faculty".into(),
            source(
                "f.members",
                "\u{feff}prof # since 2020\r\n# staff\r\n\r\n  h.lee  \r\nbad line\r\n",
            ),
        ),
        ("typo".into(), source("typo.members", "eve\n")),
    ];
    let policy = Policy::parse(&files).unwrap().0;
    for (login, group) in [
        ("dean", "faculty"),
        ("prof", "faculty"),
        ("h.lee", "faculty"),
        ("bad", "student"),
        ("eve", "student"),
    ] {
        assert_eq!(policy.limits_for(login).group, group, "{login}");
    }
    assert_eq!(
        warnings(&files),
        [
            "f.members:5: has no effect: one login a line",
            "typo.members: has no effect: the limits have no such group"
        ]
    );
}

#[test]
fn only_access_control_makes_admins() {
    let policy = policy(
        "groups: {student: {}, admin: {members: [mallory]}}\n\
         bare_metal_access: {admin_group: docker}\n\
         access_control: {admin_users: [boss], admin_group: ds01-admin}",
    );
    let groups = |names: &[&str]| {
        names
            .iter()
            .map(|name| name.to_string())
            .collect::<Vec<_>>()
    };
    assert!(policy.is_admin("boss", &[]));
    assert!(policy.is_admin("alice", &groups(&["users", "ds01-admin"])));
    for login in ["mallory", "boss@evil.example", "Boss", "root", ""] {
        assert!(
            !policy.is_admin(login, &groups(&["admin", "docker", "boss"])),
            "{login}"
        );
    }
    let nobody = self::policy("access_control: {admin_users: null, admin_group: null}");
    assert!(!nobody.is_admin("boss", &groups(&["", "null"])));
}

#[test]
fn types_of_containers_and_exemptions_are_read() {
    let mut files =
        files("container_types: {devcontainer: {idle_timeout_h: null, sigterm_grace_s: 5}, x: {}}");
    files.exemptions = Some(source(
        "exemptions.yaml",
        "exemptions:\n- username: alice\n  exempt_from: [idle_timeout_h]\n  expires_on: 2026-12-31\n  reason: thesis\n\
         - {username: bob, exempt_from: [max_runtime_h, idle_timeout_h], expires_on: null}\n",
    ));
    let (policy, _) = Policy::parse(&files).unwrap();
    let types = policy.container_types();
    assert_eq!(types.devcontainer.idle_timeout, None);
    assert_eq!(types.devcontainer.max_runtime, hours(168.0));
    assert_eq!(types.devcontainer.stop_grace, Duration::from_secs(5));
    assert_eq!(types.unknown.idle_timeout, hours(0.25));
    let end = Timestamp::parse("2027-01-01T00:00:00Z").unwrap();
    let last = end - Duration::from_secs(1);
    let reason = |login: &str, rule, now| {
        let exemption = policy.exemption(login, rule, now);
        exemption.map(|exemption| exemption.reason.as_deref())
    };
    let thesis = Some(Some("thesis"));
    assert_eq!(reason("alice", Rule::Idle, last), thesis);
    assert_eq!(reason("alice@uni.example", Rule::Idle, last), thesis);
    assert_eq!(reason("alice", Rule::Idle, end), None, "it has ended");
    assert_eq!(reason("alice", Rule::Longest, last), None);
    for rule in [Rule::Idle, Rule::Longest] {
        assert_eq!(reason("bob", rule, end), Some(None));
        assert_eq!(reason("carol", rule, last), None);
    }
    files.exemptions = Some(source(
        "e.yaml",
        "exemptions:\n- username: a\n  expires_on: soon\n",
    ));
    assert_eq!(
        Policy::parse(&files).unwrap_err().to_string(),
        "e.yaml:3: exemptions.0.expires_on: must be a date like 2026-12-31, or a time like \
         2026-12-31T18:00:00+01:00, not \"soon\""
    );
    files.exemptions = Some(source(
        "e.yaml",
        "exemptions:\n- username: a\n  exempt_from: [everything]\n",
    ));
    assert_eq!(
        Policy::parse(&files).unwrap_err().to_string(),
        "e.yaml:3: exemptions.0.exempt_from: must have idle_timeout_h or max_runtime_h, not \"everything\""
    );
}

#[test]
fn the_half_life_of_recent_use_is_the_hosts() {
    let of = |text: &str| policy(text).recent_use_half_life();
    assert_eq!(of("defaults: {}"), crate::recent::HALF_LIFE);
    let week = of("waiting_line: {recent_use_half_life_h: 168}");
    assert_eq!(Some(week), hours(168.0));
}

#[test]
fn anchors_and_merges_are_followed() {
    let policy = policy(
        "groups:\n  a: &a {max_cpus: 2, priority: 3}\n  student:\n    <<: *a\n    priority: 4\n",
    );
    let limits = policy.limits_for("alice");
    assert_eq!(
        (limits.nano_cpus, limits.priority),
        (Some(2_000_000_000), 4)
    );
}
