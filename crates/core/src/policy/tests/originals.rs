//! The files that sites have today.

use std::path::Path;

use super::*;
use crate::limits::Aggregate;

/// A file of the original system, where the checkout has them beside it.
fn original(name: &str) -> Option<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/original")
        .join(name);
    #[expect(clippy::disallowed_methods, reason = "a test reads its fixture")]
    let text = std::fs::read_to_string(&path).ok();
    if text.is_none() {
        #[expect(clippy::print_stderr, reason = "a check left out must be seen")]
        {
            eprintln!("left out: no {name}");
        }
    }
    text
}

#[test]
fn the_originals_limits_load_unchanged() {
    let Some(text) = original("resource-limits.yaml") else {
        return;
    };
    let mut files = files(&text);
    for (group, login) in [
        ("researcher", "phd\n"),
        ("faculty", "prof\n"),
        ("admin", "boss\n"),
    ] {
        files.members.push((group.into(), source("members", login)));
    }
    let (policy, _) = Policy::parse(&files).unwrap();
    assert_eq!(
        warnings(&files),
        [
            "limits.yaml:79: enforcement.cgroup_driver: has no effect",
            "limits.yaml:230: policies.gpu_hold_after_manual_stop_m: has no effect",
            "limits.yaml:280: monitoring: has no effect",
            "limits.yaml:297: bare_metal_access: has no effect",
            "limits.yaml:311: access_control.wrapper: has no effect",
        ]
    );
    let m = Duration::from_secs(60);
    let aggregate = |cpu, max, high, tasks, gpu| {
        Some(Aggregate {
            cpu_quota_percent: Some(cpu),
            memory_max_bytes: Some(max * GIB),
            memory_high_bytes: Some(high * GIB),
            tasks_max: Some(tasks),
            gpu_limit: gpus(gpu),
        })
    };
    let student = Limits {
        group: "student".into(),
        quota: gpus(2.0),
        devices_per_container: Some(2),
        aggregate: aggregate(9600, 96, 86, 12288, 2.0),
        ..Limits::shipped().settle(true)
    };
    assert_eq!(policy.limits_for("someone"), student);

    let mut researcher = Limits {
        group: "researcher".into(),
        quota: gpus(4.0),
        devices_per_container: Some(3),
        containers: Some(5),
        nano_cpus: Some(48_000_000_000),
        memory_bytes: Some(64 * GIB),
        memory_swap_bytes: Some(64 * GIB),
        shm_bytes: Some(32 * GIB),
        max_runtime: hours(48.0),
        idle_timeout: hours(1.0),
        max_tasks: Some(65536),
        aggregate: aggregate(24000, 320, 288, 327_680, 4.0),
        ..student.clone()
    };
    researcher.lifecycle.cpu_idle_percent = 3.0;
    researcher.lifecycle.idle_checks = 4;
    assert_eq!(policy.limits_for("phd"), researcher);

    let faculty = Limits {
        group: "faculty".into(),
        devices_per_container: Some(4),
        nano_cpus: Some(64_000_000_000),
        memory_bytes: Some(128 * GIB),
        memory_swap_bytes: Some(128 * GIB),
        shm_bytes: Some(64 * GIB),
        max_runtime: hours(72.0),
        idle_timeout: hours(2.0),
        aggregate: aggregate(32000, 640, 576, 327_680, 4.0),
        ..researcher
    };
    assert_eq!(policy.limits_for("prof@uni.example"), faculty);

    let admin = Limits {
        group: "admin".into(),
        quota: None,
        devices_per_container: None,
        containers: Some(10),
        max_runtime: hours(24.0),
        idle_timeout: hours(1.0),
        gpu_hold_after_stop: hours(1.0),
        max_tasks: None,
        aggregate: None,
        lifecycle: student.lifecycle,
        ..faculty
    };
    assert_eq!(policy.limits_for("boss"), admin);
    assert!(!policy.is_admin("boss", &["admin".into()]));
    assert!(policy.is_admin("datasciencelab", &[]) && policy.is_admin("x", &["ds01-admin".into()]));
    assert_eq!(admin.lifecycle.created_timeout, Some(30 * m));
    let types = policy.container_types();
    assert_eq!(
        (types.devcontainer.idle_timeout, types.compose.idle_timeout),
        (None, hours(0.5))
    );
}

#[test]
fn the_originals_test_file_loads_unchanged() {
    let Some(text) = original("resource-limits-test.yaml") else {
        return;
    };
    assert_eq!(warnings(&files(&text)), Vec::<String>::new());
    let policy = policy(&text);
    let s = |seconds| Some(Duration::from_secs(seconds));
    let students = Limits {
        group: "students".into(),
        quota: gpus(1.0),
        containers: Some(2),
        nano_cpus: Some(8_000_000_000),
        idle_timeout: s(36),
        max_runtime: s(72),
        gpu_hold_after_stop: s(36),
        container_hold_after_stop: s(36),
        ..Limits::shipped().settle(true)
    };
    assert_eq!(policy.limits_for("testuser"), students);
    let special = Limits {
        overridden: true,
        quota: gpus(4.0),
        priority: 90,
        max_runtime: s(180),
        ..students.clone()
    };
    assert_eq!(policy.limits_for("special_user"), special);
    let researchers = Limits {
        group: "researchers".into(),
        quota: gpus(2.0),
        nano_cpus: Some(16_000_000_000),
        memory_bytes: Some(64 * GIB),
        memory_swap_bytes: Some(64 * GIB),
        shm_bytes: Some(32 * GIB),
        priority: 50,
        ..students
    };
    assert_eq!(policy.limits_for("researcher1"), researchers);
    let admin = policy.limits_for("admin1");
    assert_eq!(
        (admin.group.as_str(), admin.quota, admin.priority),
        ("admins", None, 100)
    );
}

/// Every key of a file that the parser finds, with the line where it says that the key stands.
fn check_lines(text: &str, keys: &mut Vec<String>, node: &yaml::Node) {
    let yaml::Node::Map(map) = node else { return };
    for (key, node) in map {
        keys.push(key.clone());
        let path: Vec<&str> = keys.iter().map(String::as_str).collect();
        let found = lines::of(text, &path);
        assert_eq!(found.len(), 1, "{path:?}");
        let line = text.lines().nth(found[0] - 1).unwrap();
        assert!(
            line.trim_start().starts_with(&format!("{key}:")),
            "{path:?} at {line}"
        );
        check_lines(text, keys, node);
        keys.pop();
    }
}

#[test]
fn every_key_of_the_originals_files_is_found_on_its_line() {
    for name in ["resource-limits.yaml", "resource-limits-test.yaml"] {
        let Some(text) = original(name) else { return };
        let map = yaml::Node::parse(&source(name, &text)).unwrap().unwrap();
        check_lines(&text, &mut Vec::new(), &yaml::Node::Map(map));
    }
}

#[test]
fn the_example_of_the_manual_page_is_read_without_a_warning() {
    let page = include_str!("../../../../../man/resource-limits.yaml.5");
    let example = page.split(".EX\n").nth(1).unwrap();
    let example = example.split(".EE").next().unwrap().replace("\\-", "-");
    assert_eq!(warnings(&files(&example)), [] as [&str; 0]);
    let alice = policy(&example).limits_for("alice");
    assert_eq!(
        (alice.group.as_str(), alice.quota),
        ("researcher", gpus(4.0))
    );
}
