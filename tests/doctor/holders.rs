//! The ledger and the records against the engine.

use std::fs;

use ds01_testkit::TestHost;

use super::{assert_told, told, tree};
use crate::support::expect::{created, engine_name, running};

#[test]
fn containers_that_hold_gpus_past_us_are_named_with_what_to_type() {
    let host = TestHost::with_gpus(2);
    running(&host, "thesis");
    let sleep = ["ds01-busybox", "sleep", "1000"];
    let run = |name, gpus| {
        host.docker(&[&["run", "-d", "--name", name, "--gpus", gpus][..], &sleep].concat())
    };
    run("stray", "device=1").ok();
    let docker = "docker -H unix://ROOT/engine/docker.sock";
    let unless = |command: &str| format!("unless it is to have them: {docker} {command}");
    let rm = unless("rm -f stray");
    let what = "stray (running) holds GPU 1, and DS01 did not make it";
    assert_told(&host, "holders", &[["wrong", what, &rm]]);

    host.docker(&["kill", "stray"]).ok();
    let rm = unless("rm stray");
    let what = "stray (stopped) holds GPU 1, and DS01 did not make it";
    assert_told(&host, "holders", &[["wrong", what, &rm]]);
    // The command that it names is the remedy.
    let socket = host.engine().socket().to_string_lossy().into_owned();
    let typed = format!("docker -H unix://{socket} rm stray");
    host.as_user("root").run("sh", &["-c", &typed]).ok();
    let sound = [["ok", "every device has one holder at most, of DS01", "-"]];
    assert_told(&host, "holders", &sound);

    run("greedy", "all").ok();
    let rm = unless("rm -f greedy");
    let what = "greedy (running) holds GPU 0 1, and DS01 did not make it";
    let both = format!("GPU 0 is held by {} and greedy", engine_name("thesis"));
    let stop = format!("{docker} stop the one that is not to have it");
    assert_told(
        &host,
        "holders",
        &[["wrong", what, &rm], ["wrong", &both, &stop]],
    );
}

#[test]
fn a_damaged_ledger_is_told_with_or_without_an_engine() {
    let host = TestHost::new();
    created(&host, "thesis");
    let whole = host.ledger().bytes();
    host.ledger().set(&whole[..whole.len() / 2]);
    let before = tree(&host.state_dir());
    for engine_runs in [true, false] {
        if !engine_runs {
            host.engine().kill();
        }
        let findings = told(&host, "ledger");
        let [verdict, what, _] = &findings[0];
        assert_eq!((&**verdict, findings.len()), ("wrong", 1));
        assert!(
            what.starts_with("it cannot be trusted: it is not whole: "),
            "{what}"
        );
    }
    assert_eq!(tree(&host.state_dir()), before, "nothing is rebuilt");
}

#[test]
fn the_ledger_and_the_records_are_compared_with_the_engine() {
    let host = TestHost::with_gpus(2);
    created(&host, "gone");
    let bob = host.as_user("bob");
    bob.run("container-create", &["kept", "ds01-base", "--gpu=1"])
        .ok();
    let record = |name: &str| {
        host.state_dir()
            .join("container-metadata")
            .join(format!("{name}.json"))
    };
    host.docker(&["rm", &engine_name("gone")]).ok();
    let fix = "none needed: the next container-create notes it";
    let gone = [
        "warning",
        "gone._.20001 with GPU 0 is in the ledger, and not in the engine",
        fix,
    ];
    assert_told(&host, "ledger", &[gone, ["ok", "it is whole", "-"]]);

    // Its entry lost as well, the record is left.
    host.ledger()
        .edit(|ledger| drop(ledger["allocations"].as_array_mut().unwrap().remove(0)));
    fs::remove_file(record("kept._.20002")).unwrap();
    fs::write(record("odd._.20003"), "no JSON").unwrap();
    let path = "ROOT/state/container-metadata/";
    let odd = format!("{path}odd._.20003.json is no record");
    let odd_fix = format!(
        "once there is no such container in docker -H unix://ROOT/engine/docker.sock ps -a: rm {path}odd._.20003.json"
    );
    let gone = format!("{path}gone._.20001.json is the record of a container that is gone");
    let gone_fix = format!("rm {path}gone._.20001.json");
    let kept = "kept._.20002 is labelled as DS01's, and has no record";
    let kept_fix = "if nobody needs it: docker -H unix://ROOT/engine/docker.sock rm kept._.20002";
    let expected = [
        ["wrong", &*odd, &*odd_fix],
        ["warning", &gone, &gone_fix],
        ["warning", kept, kept_fix],
    ];
    assert_told(&host, "records", &expected);

    // The entry lost too, it holds its GPU for nobody that could be proved, though the ledger
    // says that it was looked at.
    host.ledger().edit(|ledger| {
        let entry = &mut ledger["allocations"].as_array_mut().unwrap().remove(0);
        ledger["recent"]
            .as_array_mut()
            .unwrap()
            .push(entry["id"].take());
    });
    let what =
        "kept._.20002 (created) holds GPU 1, labelled as DS01's without a record of whose it is";
    let rm = "ds01-adopt --dry-run; or docker -H unix://ROOT/engine/docker.sock rm kept._.20002";
    assert_told(&host, "holders", &[["wrong", what, rm]]);
}
