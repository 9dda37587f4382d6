//! `check-limits`, and the policy files of the original system.

use std::{fs, os::unix::fs::symlink, path::Path};

use ds01_testkit::{GROUP, TestHost};
use serde_json::Value;

use crate::support::expect::{created, done, failed, with_limit};

const CHECK: &str = "check-limits";

#[test]
fn limits_are_shown_against_what_is_used_and_kept_at_home() {
    let host = TestHost::with_topology("a100-mig");
    created(&host, "thesis");
    host.run("container-create", &["editing", "ds01-base", "--cpu-only"])
        .ok();
    let table = "LIMIT                        USED  MAX\n\
                 Group                        -     student\n\
                 GPUs                         0.14  1\n\
                 GPUs per container           -     1\n\
                 Whole GPUs                   -     allowed\n\
                 Max Containers               2     3\n\
                 CPUs per container           -     1\n\
                 Memory per container         -     256MB\n\
                 Shared memory per container  -     64MB\n\
                 Processes per container      -     256\n\
                 Idle timeout                 -     30m\n\
                 Longest run                  -     1d\n\
                 Extension of a run           -     none\n\
                 GPU hold after stop          -     15m\n\
                 Container kept after stop    -     30m\n";
    assert_eq!(host.run(CHECK, &[]), done(table, ""));
    let kept = "Group: student\nGPUs: 1 (0.14 in use)\nGPUs per container: 1\nWhole GPUs: allowed\n\
                Max Containers: 3 (2 in use)\nCPUs per container: 1\nMemory per container: 256MB\n\
                Shared memory per container: 64MB\nProcesses per container: 256\n\
                Idle timeout: 30m\nLongest run: 1d\nExtension of a run: none\n\
                GPU hold after stop: 15m\n\
                Container kept after stop: 30m\n";
    let file = host.home("alice").join(".ds01-limits");
    assert_eq!(fs::read_to_string(&file).unwrap(), kept);

    with_limit(&host, "max_gpu_equivalents", "null");
    with_limit(&host, "allow_full_gpu", "false");
    with_limit(&host, "max_cpus", "0.5");
    let simple = host.run(CHECK, &["--format=simple"]).ok();
    for line in [
        "GPUs\t0.14\tunlimited",
        "Whole GPUs\t-\tMIG devices only",
        "CPUs per container\t-\t0.5",
    ] {
        assert!(
            simple.lines().any(|shown| shown == line),
            "{line}: {simple}"
        );
    }
    let json: Value = serde_json::from_str(&host.run(CHECK, &["--format=json"]).ok()).unwrap();
    assert_eq!(json["login"], "alice");
    assert_eq!(json["held"], 4);
    assert_eq!(json["slots"], serde_json::json!(["1:3"]));
    assert_eq!(json["containers"], 2);
    assert_eq!(json["limits"]["quota"], Value::Null);
    assert_eq!(json["limits"]["idle_timeout_s"], 1800);
}

#[test]
fn an_admin_sees_the_limits_of_anybody() {
    let host = TestHost::new();
    let limits = host.limits_text();
    host.limits_yaml(&format!(
        "access_control: {{admin_users: [carol]}}\n{limits}\nuser_overrides: {{bob: {{max_containers_per_user: 2}}}}\n"
    ));
    let carol = |args: &[&str]| host.as_user("carol").run(CHECK, args);
    host.as_user("bob")
        .run("container-create", &["his", "ds01-base"])
        .ok();
    let shown = carol(&["bob", "--format=simple"]).ok();
    assert!(shown.contains("\nMax Containers\t1\t2\n"), "{shown}");
    let json: Value = serde_json::from_str(&carol(&["bob", "--format=json"]).ok()).unwrap();
    assert_eq!(
        (&json["login"], &json["slots"][0]),
        (&"bob".into(), &"0".into())
    );
    for user in ["bob", "carol"] {
        assert!(!host.home(user).join(".ds01-limits").exists(), "{user}");
    }
    let none = "check-limits: this host has no user \"nobody-here\"\n";
    assert_eq!(carol(&["nobody-here"]), failed(2, none));
    let refused = "check-limits: only admins see the limits of other users\n\
                   hint: see your own with check-limits\n";
    for whose in ["bob", "nobody-here"] {
        assert_eq!(host.run(CHECK, &[whose]), failed(7, refused));
    }
    let own = host.run(CHECK, &["alice", "--format=simple"]).ok();
    assert_eq!(own, host.run(CHECK, &["--format=simple"]).ok());
}

#[test]
fn a_link_planted_in_place_of_the_file_is_replaced_and_not_followed() {
    let host = TestHost::new();
    let precious = host.home("alice").join("precious");
    fs::write(&precious, "precious").unwrap();
    let file = host.home("alice").join(".ds01-limits");
    symlink(&precious, &file).unwrap();
    host.run(CHECK, &[]).ok();
    assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
    assert!(fs::symlink_metadata(&file).unwrap().is_file());
}

#[test]
fn a_home_that_cannot_be_written_is_told_beside_the_limits() {
    let host = TestHost::new();
    host.as_user("root")
        .run("chmod", &["500", "/home/alice"])
        .ok();
    let shown = host.run(CHECK, &["--format=simple"]);
    let warning =
        "check-limits: warning: /home/alice/.ds01-limits was not written: Permission denied\n";
    assert_eq!((shown.status, shown.stderr.as_str()), (Some(0), warning));
    assert!(
        shown.stdout.starts_with("Group\t-\tstudent\n"),
        "{}",
        shown.stdout
    );
}

#[test]
fn more_particular_files_win_key_by_key() {
    let host = TestHost::new();
    let limits = host.limits_text();
    host.limits_yaml(&limits.replace(
        "student: {}",
        "student: {}\n  phd:\n    max_gpu_equivalents: 3",
    ));
    let etc = host.root().join("etc");
    fs::write(etc.join("groups/phd.members"), "# one a line\nalice\nbob\n").unwrap();
    fs::write(etc.join("user-overrides.yaml"), "bob:\n  memory: 1g\n").unwrap();
    let shown = |user: &str| {
        let simple = host.as_user(user).run(CHECK, &["--format=simple"]).ok();
        let lines: Vec<_> = simple.lines().map(str::to_owned).collect();
        [0, 1, 6].map(|at| lines[at].rsplit('\t').next().unwrap().to_owned())
    };
    assert_eq!(shown("alice"), ["phd", "3", "256MB"]);
    assert_eq!(shown("bob"), ["phd", "3", "1GB"]);
    assert_eq!(shown("carol"), ["student", "1", "256MB"]);
}

#[test]
fn what_the_files_say_in_vain_is_told_to_those_who_can_mend_them() {
    let host = TestHost::new();
    let limits = host.limits_text();
    let lines = limits.lines().count();
    host.limits_yaml(&format!(
        "{limits}unknown_key: 1\naccess_control:\n  admin_users: [bob]\n"
    ));
    let file = host.root().join("etc/resource-limits.yaml");
    assert_eq!(host.run(CHECK, &[]).stderr, "");
    let warned = host.as_user("bob").run(CHECK, &[]).stderr;
    let expected = format!(
        "check-limits: warning: {}:{}: unknown_key: ",
        file.display(),
        lines + 1
    );
    assert!(warned.starts_with(&expected), "{warned}");
}

#[test]
fn files_that_are_wrong_show_no_limits() {
    let host = TestHost::with_direct_access(1);
    with_limit(&host, "memory", "plenty");
    let shown = host.run(CHECK, &[]);
    assert_eq!((shown.status, shown.stdout.as_str()), (Some(2), ""));
    let file = host.root().join("etc/ds01.toml");
    host.config(&format!("{}\n[engin]\n", host.config_text()));
    let lines = host.config_text().lines().count();
    let expected = format!(
        "check-limits: {}: line {lines}: unknown field `engin`",
        file.display()
    );
    let shown = host.run(CHECK, &[]);
    assert_eq!(shown.status, Some(2));
    assert!(shown.stderr.starts_with(&expected), "{}", shown.stderr);
    fs::remove_file(&file).unwrap();
    let missing = format!(
        "check-limits: cannot read {}: No such file or directory\n\
         hint: ask an admin to mend it\n",
        file.display()
    );
    assert_eq!(host.run(CHECK, &[]), failed(8, &missing));
}

/// A user who could point a command at files of their own would choose their own limits.
#[test]
fn a_users_own_configuration_does_not_lead_to_the_shared_state() {
    let host = TestHost::new();
    let own = "/home/alice/own.toml";
    let copy = "sed \"s|^config = .*|config = '/home/alice'|\" \"$DS01_CONFIG\" >own.toml";
    host.run("sh", &["-c", copy]).ok();
    let refused = format!(
        "check-limits: {own} belongs to uid 20001, but its state directory {} is shared with \
         others\nhint: unset DS01_CONFIG, or ask an admin to make root own that file\n",
        host.state_dir().display()
    );
    let forged = host.as_user("alice").env("DS01_CONFIG", own);
    assert_eq!(forged.run(CHECK, &[]), failed(7, &refused));
    let forged = host
        .as_user("alice")
        .env("USER", "root")
        .env("LOGNAME", "root")
        .env("SUDO_USER", GROUP);
    assert!(forged.run(CHECK, &[]).ok().contains("student"));
}

/// The original system's own file, unchanged, where a checkout has it.
#[test]
fn the_originals_limits_serve_unchanged() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = root.join("../shared/original/resource-limits.yaml");
    let Ok(text) = fs::read_to_string(&file) else {
        eprintln!("skipped: {} is not there", file.display());
        return;
    };
    let host = TestHost::with_gpus(3);
    host.limits_yaml(&text);
    let limits = host.run(CHECK, &["--format=simple"]).ok();
    assert!(
        limits.starts_with("Group\t-\tstudent\nGPUs\t0\t2\nGPUs per container\t-\t2\n"),
        "{limits}"
    );
    host.run("container-create", &["thesis", "ds01-base", "--gpu=2"])
        .ok();
    let quota = "container-create: GPU quota reached: 2 of 2 in use, 1 more asked for\n\
                 hint: free a GPU with container-retire\n";
    assert_eq!(
        host.run("container-create", &["more", "ds01-base"]),
        failed(5, quota)
    );
}
