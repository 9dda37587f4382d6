//! Configuration, policy and the state directory.

use std::{fs, os::unix::fs::symlink};

use ds01_testkit::{GROUP, TestHost};

use super::{assert_told, chmod, doctor, told};
use crate::support::expect::created;

#[test]
fn a_state_directory_that_others_can_enter_is_told() {
    let host = TestHost::new();
    chmod(&host.state_dir(), 0o777);
    let mode = ["wrong", "ROOT/state has mode 777", "chmod 2770 ROOT/state"];
    assert_told(&host, "state", &[mode]);
    let writable = [
        "wrong",
        "ROOT/state has mode 777: everybody can write it",
        "chmod o-w ROOT/state",
    ];
    assert_told(&host, "paths", &[writable]);
    chmod(&host.state_dir(), 0o2770);

    // Nor may others replace what is above it, or what it is configured by.
    chmod(host.root(), 0o777);
    chmod(&host.root().join("etc/ds01.toml"), 0o666);
    let above = [
        "wrong",
        "ROOT has mode 777: everybody can write it",
        "chmod o-w ROOT",
    ];
    let file = [
        "wrong",
        "ROOT/etc/ds01.toml has mode 666: everybody can write it",
        "chmod o-w ROOT/etc/ds01.toml",
    ];
    assert_told(&host, "paths", &[above, file]);
}

#[test]
fn what_does_not_belong_in_the_state_directory_is_told() {
    let host = TestHost::new();
    created(&host, "thesis");
    let state = host.state_dir();
    let records = state.join("container-metadata");
    symlink("/etc/shadow", state.join("ledger.json.damaged-x; reboot")).unwrap();
    fs::hard_link(host.ledger().path(), state.join("other")).unwrap();
    fs::write(records.join(".thesis._.20001.4194305"), "{").unwrap();
    // Whoever reads it without care waits for ever.
    let pipe = records.join("pipe.json").to_string_lossy().into_owned();
    host.as_user("root").run("mkfifo", &[&pipe]).ok();
    fs::remove_file(state.join("ledger.json.lock")).unwrap();
    let ls = |path: &str| format!("look at it with ls -l {path}, then rm {path}");
    let find = |path: &str| {
        format!("find / -xdev -samefile {path} shows them: rm those that are not DS01's")
    };
    let (odd, fifo) = (
        ls("'ROOT/state/ledger.json.damaged-x; reboot'"),
        ls("ROOT/state/container-metadata/pipe.json"),
    );
    let (other, ledger) = (find("ROOT/state/other"), find("ROOT/state/ledger.json"));
    let left = "ROOT/state/container-metadata/.thesis._.20001.4194305";
    let (unfinished, rm) = (format!("{left} was never finished"), format!("rm {left}"));
    let aside = "find out what damaged it, then rm 'ROOT/state/ledger.json.damaged-x; reboot'";
    let expected = [
        ["wrong", "ROOT/state/ledger.json has 2 names", &ledger],
        [
            "wrong",
            "ROOT/state/ledger.json.damaged-x; reboot is a symbolic link",
            &odd,
        ],
        ["wrong", "ROOT/state/other has 2 names", &other],
        [
            "wrong",
            "ROOT/state/container-metadata/pipe.json is no plain file",
            &fifo,
        ],
        [
            "warning",
            "ROOT/state/ledger.json.damaged-x; reboot was set aside",
            aside,
        ],
        ["warning", &unfinished, &rm],
        [
            "warning",
            "there is no ROOT/state/ledger.json.lock",
            "the next command makes it anew; find out who did it",
        ],
    ];
    assert_told(&host, "state", &expected);
}

#[test]
fn a_disk_that_is_full_is_told() {
    let host = TestHost::new();
    let typed = format!(
        "mount -t tmpfs -o size=64k,mode=700 none {0} && cp -a {0}.copy/. {0}; \
         cat /dev/zero >{0}/fill 2>/dev/null || true",
        host.state_dir().display()
    );
    let copy = format!("cp -a {0} {0}.copy && {typed}", host.state_dir().display());
    host.as_user("root").run("sh", &["-c", &copy]).ok();
    let full = [
        "wrong",
        "the disk of ROOT/state has 0 KiB left",
        "make room: df -h ROOT/state shows the disk",
    ];
    assert_told(&host, "room", &[full]);
}

#[test]
fn a_log_that_has_gone_is_told_by_the_doctor_and_by_who_would_write_to_it() {
    let host = TestHost::new();
    let log = host.root().join("log");
    fs::rename(&log, host.root().join("log.old")).unwrap();
    let made = host.run("container-create", &["thesis", "ds01-base"]);
    let path = log.join("events.jsonl");
    let lost = format!(
        "the event gpu.allocate was not logged to {}: No such file or directory",
        path.display()
    );
    assert!(made.stderr.contains(&lost), "{made:?}");
    let config = host.config_text();
    let fix = match config.split_once("docker_group = \"") {
        Some((_, rest)) => {
            let group = rest.split('"').next().unwrap();
            format!("install -d -m 2770 -g {group} ROOT/log")
        }
        None => "mkdir -m 750 ROOT/log".into(),
    };
    let gone = ["wrong", "there is no ROOT/log", &fix];
    assert_told(&host, "room", &[gone]);
}

#[test]
fn a_state_directory_that_does_not_exist_is_not_made() {
    let host = TestHost::new();
    fs::remove_dir_all(host.state_dir()).unwrap();
    let fix = "run gpu-status once as root, which makes it";
    assert_told(
        &host,
        "state",
        &[["warning", "there is no ROOT/state", fix]],
    );
    assert!(!host.state_dir().exists());
}

#[test]
fn odd_and_wrong_policies_are_told() {
    let host = TestHost::new();
    let sound = host.limits_text();
    host.limits_yaml(&format!(
        "{sound}colour: red\ncontainer_types:\n  devcontainer: {{idle_timeout_h: null}}\n"
    ));
    let findings = told(&host, "policy");
    let whats: Vec<_> = findings
        .iter()
        .map(|[verdict, what, _]| format!("{verdict} {what}"))
        .collect();
    let expected = [
        "warning ROOT/etc/resource-limits.yaml:15: colour: unknown key",
        "warning container_types.devcontainer.idle_timeout_h is null",
    ];
    assert_eq!(whats, expected);
    host.limits_yaml(&format!(
        "{sound}  first: {{members: [alice, h_lee, nosuch]}}\n  second: {{members: [alice]}}\n  \
         third: {{max_gpu_equivalents: 0.3}}\n  fourth: {{allow_full_gpu: false}}\n  \
         none: {{max_gpu_equivalents: 0}}\nuser_overrides:\n  bob: {{max_gpu_equivalents: 0.5}}\n"
    ));
    host.add_user("h.lee", 20100, false);
    let cut = "or cut a GPU with nvidia-smi mig -cgi";
    let twice = "ROOT/etc/resource-limits.yaml: groups.second.members: alice has no effect: first has \
                 them too, and comes first";
    let expected = [
        ["warning", twice, "correct or remove that line"],
        [
            "warning",
            "the limits name who has no login here: nosuch",
            "correct the names, as getent passwd has them, or leave those who are to come",
        ],
        [
            "warning",
            "group third has a quota of 0.29, and the smallest GPU for it is 1",
            &format!("max_gpu_equivalents: 1, {cut}"),
        ],
        [
            "warning",
            "group fourth may have no whole GPU, and there is no MIG device",
            &format!("allow_full_gpu: true, {cut}"),
        ],
        [
            "warning",
            "user bob has a quota of 0.50, and the smallest GPU for it is 1",
            &format!("max_gpu_equivalents: 1, {cut}"),
        ],
    ];
    assert_told(&host, "policy", &expected);
    host.limits_yaml(&sound);
    let exemptions = host.root().join("etc/lifecycle-exemptions.yaml");
    let text = "exemptions:\n- {username: alcie, exempt_from: [idle_timeout_h], expires_on: null}\n\
                - {username: bob, exempt_from: [max_runtime_h], expires_on: '2026-01-01T00:00:00Z'}\n\
                - {username: h_lee, exempt_from: [max_runtime_h], expires_on: null}\n";
    fs::write(&exemptions, text).unwrap();
    let expected = [
        [
            "warning",
            "the exemptions name who has no login here: alcie",
            "correct the names, as getent passwd has them, or leave those who are to come",
        ],
        [
            "warning",
            "the exemption of bob ended at 2026-01-01T00:00:00Z",
            "set expires_on anew in lifecycle-exemptions.yaml, or remove it",
        ],
    ];
    assert_told(&host, "policy", &expected);
    fs::remove_file(exemptions).unwrap();
    host.limits_yaml("defaults: {max_gpu_equivalents: lots}\n");
    let findings = told(&host, "policy");
    assert_eq!(
        (findings.len(), &*findings[0][0]),
        (1, "wrong"),
        "{findings:?}"
    );
    fs::remove_file(host.root().join("etc/resource-limits.yaml")).unwrap();
    assert_eq!(told(&host, "policy")[0][0], "wrong");
}

#[test]
fn a_configuration_is_checked_before_it_is_installed() {
    let host = TestHost::new();
    let candidate = host.home("alice").join("ds01.toml");
    let check = |text: &str| {
        fs::write(&candidate, text).unwrap();
        doctor(
            &host,
            &["--format=simple", "--config=/home/alice/ds01.toml"],
        )
    };
    let wrong = check("[engine]\nsockt = \"/x\"\n");
    let lines: Vec<_> = wrong.stdout.lines().collect();
    assert_eq!((wrong.status, lines.len()), (Some(1), 2), "{wrong:?}");
    assert!(
        lines[0].starts_with("wrong\tconfig\t/home/alice/ds01.toml: line 2: "),
        "{}",
        lines[0]
    );
    assert!(
        lines[1].starts_with("unknown\thost\tnothing else was looked at"),
        "{}",
        lines[1]
    );
    let wrong = check(&host.config_text().replace(GROUP, "nobodys"));
    let unknown = "wrong\tstate\tthis host has no group \"nobodys\"";
    assert!(wrong.stdout.contains(unknown), "{}", wrong.stdout);
    let sound = check(&host.config_text());
    assert_eq!(sound.status, Some(0), "{}", sound.stdout);
    assert!(
        sound
            .stdout
            .contains("ok\tconfig\t/home/alice/ds01.toml can be read")
    );
    // The one that is installed is told of by every run.
    host.config("nonsense");
    assert_eq!(told(&host, "config")[0][0], "wrong");
    let none = doctor(&host, &["--config=/nonexistent"]);
    assert_eq!(none.status, Some(1));
    assert!(
        none.stdout
            .starts_with("wrong    config: cannot read /nonexistent: "),
        "{}",
        none.stdout
    );
}
