//! `ds01-adopt`.

use ds01_testkit::{Outcome, TestHost};

use crate::support::{
    duties::{events, pass},
    expect::{ALICE, done},
};

const ADOPT: &str = "ds01-adopt";

/// Starts a container as the original system does, past DS01; its engine's name.
fn original(host: &TestHost, name: &str, args: &[&str]) -> String {
    let name = format!("{name}._.{ALICE}");
    let labels = ["--label", "ds01.managed=true", "--label", "ds01.user=alice"];
    let begin = ["run", "-d", "--net=none", "--name", &*name];
    let end = ["ds01-base", "sleep", "1000"];
    host.docker(&[&begin, &labels[..], args, &end].concat())
        .ok();
    name
}

fn rows(outcome: &Outcome) -> Vec<&str> {
    outcome.stdout.lines().collect()
}

/// What alice has, and who holds which GPU.
fn seen(host: &TestHost) -> (String, String) {
    let list = host
        .run("container-list", &["--all", "--format=simple"])
        .ok();
    let names = list.lines().map(|line| line.split('\t').next().unwrap());
    let status = host.run("gpu-status", &["--format=simple"]).ok();
    let holders = status
        .lines()
        .map(|line| line.split('\t').next_back().unwrap());
    (
        names.collect::<Vec<_>>().join(" "),
        holders.collect::<Vec<_>>().join(", "),
    )
}

#[test]
fn what_the_original_made_becomes_its_owners_without_a_stop_and_back() {
    let host = TestHost::with_gpus(2);
    let uuids = host.gpus().uuids();
    let thesis = original(
        &host,
        "thesis",
        &["--gpus", &format!("device={}", uuids[0])],
    );
    let plain = original(&host, "plain", &[]);
    let started = || {
        let format = "{{.State.StartedAt}} {{.State.Running}}";
        host.docker(&["inspect", "--format", format, &thesis]).ok()
    };
    let before = started();
    let as_root = |args: &[&str]| pass(&host, ADOPT, &[&["--format=simple"], args].concat());

    let expected = |result: &str| {
        [
            format!("{plain}\talice\tds01\trunning\t-\t{result}"),
            format!("{thesis}\talice\tds01\trunning\t0\t{result}"),
        ]
    };
    let dry = as_root(&["--dry-run"]);
    assert_eq!(rows(&dry), expected("would be adopted"));
    let json = pass(&host, ADOPT, &["--dry-run", "--format=json"]).ok();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let thesis_as_json = serde_json::json!({
        "name": thesis, "origin": "original", "login": "alice", "state": "running", "slots": "0", "unfit": null,
        "idle_limit_s": 900, "run_limit_s": 86400
    });
    assert_eq!(json[1], thesis_as_json);
    assert_eq!(seen(&host).0, "", "nothing was done");

    assert_eq!(rows(&as_root(&[])), expected("adopted"));
    assert_eq!(seen(&host), ("plain thesis".into(), "thesis, -".into()));
    assert_eq!(as_root(&[]), done("", ""), "once");
    let second = host.run("container-create", &["second", "ds01-base"]);
    assert_eq!(second.status, Some(5), "it counts against her quota");
    host.as_user("alice")
        .stdin("true\n")
        .run("container-attach", &["thesis"])
        .ok();
    assert_eq!(started(), before);

    let none = as_root(&["--undo", "nope"]);
    let said = "ds01-adopt: there is no container nope to give back\n\
                hint: see which there are with ds01-adopt --undo --dry-run\n";
    assert_eq!((none.status, &*none.stderr), (Some(3), said));
    // As container-list has it.
    assert_eq!(
        rows(&as_root(&["--undo", "thesis"])),
        [format!("{thesis}\talice\tds01\trunning\t0\tgiven back")]
    );
    assert_eq!(seen(&host).0, "plain");
    host.run("container-create", &["second", "ds01-base"]).ok();
    let (_, holders) = seen(&host);
    let (first, second) = holders.split_once(", ").unwrap();
    assert!(
        second.starts_with("second"),
        "its GPU is not free: {holders}"
    );
    assert_ne!(first, "-");
    assert_eq!(started(), before);
    let names = |event| -> Vec<_> {
        let events = events(&host, event).into_iter();
        events
            .map(|event| event["details"]["container"].clone())
            .collect()
    };
    assert_eq!(names("container.adopt"), [&*plain, &*thesis]);
    assert_eq!(names("container.disown"), [&*thesis]);
}

#[test]
fn what_cannot_be_sure_is_left_alone_with_the_reason() {
    let host = TestHost::with_gpus(3);
    let number = original(&host, "number", &["--gpus", "device=0"]);
    let other = original(&host, "other", &["--label", "aime.mlc.USER=bob"]);
    let folders = original(&host, "folders", &["-v", "/home/alice:/home"]);
    let foreign = [
        "run",
        "-d",
        "--net=none",
        "--name",
        "foreign._.20001",
        "ds01-base",
        "sleep",
        "100",
    ];
    host.docker(&foreign).ok();
    let left = pass(&host, ADOPT, &["--format=simple"]);
    assert_eq!(left.status, Some(1));
    let why = "left alone: it has GPU 0 by its number, which can be another one's after a reboot";
    let beyond = "left alone: it has folders of the host and runs as somebody else than its owner \
                  (--as-is adopts it all the same: its owner can use that)";
    let label = "left alone: its label aime.mlc.USER says bob, and its name says alice";
    assert_eq!(
        rows(&left),
        [
            format!("{folders}\t-\tds01\trunning\t-\t{beyond}"),
            format!("{other}\t-\tds01\trunning\t-\t{label}"),
            format!("{number}\t-\tds01\trunning\t0\t{why}"),
        ]
    );
    assert_eq!(seen(&host).0, "");
    // What was left alone keeps its GPU from everybody, as before.
    let created = host.run("container-create", &["mine", "ds01-base"]);
    assert_eq!(created, done("mine with GPU 1\n", ""));

    let none = pass(&host, ADOPT, &["nothing._.1"]);
    assert_eq!(none.status, Some(3));
    let user = host.run(ADOPT, &[]);
    assert_eq!(user.status, Some(7), "{user:?}");
}

#[test]
fn a_container_of_mlc_is_its_owners_in_every_command() {
    let host = TestHost::with_gpus(1);
    let name = format!("bert._.{ALICE}");
    let uuid = format!("device={}", host.gpus().uuids()[0]);
    let labels = [
        "aime.mlc=alice",
        "aime.mlc.NAME=bert",
        "aime.mlc.USER=alice",
        "aime.mlc.FRAMEWORK=Pytorch-2.5.1",
    ];
    let labels = labels.iter().flat_map(|label| ["--label", label]);
    let begin = [
        "run",
        "-d",
        "--init",
        "--net=none",
        "--name",
        &name,
        "--gpus",
        &uuid,
    ];
    let args = begin
        .into_iter()
        .chain(labels)
        .chain(["ds01-base", "sleep", "1000"]);
    host.docker(&args.collect::<Vec<_>>()).ok();
    pass(&host, ADOPT, &[&name]).ok();
    let mlc = host.run("mlc-list", &[]).ok();
    assert!(
        mlc.contains("[bert]") && mlc.contains("Pytorch-2.5.1"),
        "{mlc}"
    );
    let stats = host.run("container-stats", &["--format=simple"]).ok();
    assert!(stats.starts_with("bert\t"), "{stats}");
    host.run("container-stop", &["bert"]).ok();
    host.run("container-start", &["bert"]).ok();
    host.run("container-remove", &["bert", "--stop", "--force"])
        .ok();
    assert_eq!(seen(&host), (String::new(), "-".into()));
}
