//! Containers of which nobody knows what they may: they turned up after whoever asked for them had
//! gone, or something else made them.

use std::{
    fs,
    time::{SystemTime, UNIX_EPOCH},
};

use ds01_testkit::TestHost;
use serde_json::{Value, json};

use super::{done, refused};
use crate::support::{
    duties::pass,
    expect::{engine_name, failed, inspect, with_limit},
};

const FOLDER: [&str; 2] = ["-v", "/home/alice/data:/data"];

/// Lets a container of alice's turn up, as if its create had never been answered.
#[track_caller]
fn turned_up(host: &TestHost, name: &str) {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    host.ledger().edit(|ledger| {
        let mut all = ledger["allocations"].as_array_mut().unwrap().iter_mut();
        let entry = all.find(|entry| entry["container"] == engine_name(name));
        let entry = entry.unwrap();
        entry["id"] = Value::Null;
        let lapses = since.as_secs() + 100;
        entry["holding"] = json!({ "pending": { "creator": null, "lapses": lapses } });
    });
    let record = format!("container-metadata/{}.json", engine_name(name));
    fs::remove_file(host.state_dir().join(&record)).unwrap();
    pass(host, "ds01-holds", &[]).ok();
    let found: Value =
        serde_json::from_slice(&fs::read(host.state_dir().join(&record)).unwrap()).unwrap();
    assert_eq!(found["found"], true, "{found}");
}

/// What alice is told who would share with a container, with folders of the host and without.
#[track_caller]
fn shares(host: &TestHost, name: &str, shares: &[[&str; 2]], expected: &str) {
    for share in shares {
        for folder in [&FOLDER[..], &["-u", "0"]] {
            let create = [&["create"], folder, share, &["ds01-base"]].concat();
            let said = refused(host, "alice", &create);
            assert_eq!(said, expected, "{name} {share:?} {folder:?}");
        }
    }
}

#[test]
fn one_that_turned_up_shares_nothing_and_does_not_start() {
    let host = TestHost::behind_gateway(1);
    with_limit(&host, "max_containers_per_user", "null");
    let make = [
        "create",
        "--name",
        "late",
        "-u",
        "0",
        "-v",
        "vol:/vol",
        "--restart",
        "always",
        "ds01-base",
        "sleep",
        "1000",
    ];
    done(&host, "alice", &make);
    turned_up(&host, "late");
    let expected = "nothing can be shared with late: it turned up after whoever asked for it was \
                    gone, so nobody knows what it may; docker rm late first; its volumes stay";
    let all = [
        ["-v", "vol:/vol"],
        ["--volumes-from", "late"],
        ["--pid", "container:late"],
        ["--ipc", "container:late"],
        ["--network", "container:late"],
    ];
    shares(&host, "late", &all, expected);
    // It could have come to share what others were told that nobody had.
    let said = "container late does not start: whoever asked for it was gone before it was made, \
                so nobody knows what it shares";
    let hint = "make it anew; nothing is lost by docker rm late";
    for verb in ["start", "restart"] {
        let refused = refused(&host, "alice", &[verb, "late"]);
        assert_eq!(refused.lines().next().unwrap(), format!("{said}; {hint}"));
    }
    let start = host.run("container-start", &["late"]);
    assert_eq!(
        start,
        failed(7, &format!("container-start: {said}\nhint: {hint}\n"))
    );
    let state = "{{.State.Status}} {{.HostConfig.RestartPolicy.Name}}";
    assert_eq!(inspect(&host, &engine_name("late"), state), "created no");

    // Made anew it is as any other.
    done(&host, "alice", &["rm", "late"]);
    done(&host, "alice", &make);
    done(&host, "alice", &["start", "late"]);
    for share in all {
        let create = [&["create", "-u", "0"], &share[..], &["ds01-base"]].concat();
        done(&host, "alice", &create);
    }
}

#[test]
fn one_of_our_own_commands_starts_though_it_turned_up() {
    let host = TestHost::behind_gateway(1);
    let create = ["late", "--image=ds01-base", "--cpu-only"];
    host.run("container-create", &create).ok();
    turned_up(&host, "late");
    host.run("container-start", &["late"]).ok();
    let expected = "nothing can be shared with late: it turned up after whoever asked for it was \
                    gone, so nobody knows what it may; docker rm late first; its volumes stay";
    shares(&host, "late", &[["--pid", "container:late"]], expected);
    let user = "{{.State.Status}} {{.Config.User}}";
    assert_eq!(
        inspect(&host, &engine_name("late"), user),
        "running 20001:20001"
    );
}

#[test]
fn one_that_was_adopted_shares_nothing() {
    let host = TestHost::behind_gateway(1);
    let name = engine_name("old");
    let run = [
        "run",
        "-d",
        "--net=none",
        "--name",
        &*name,
        "-v",
        "vol._.20001:/vol",
    ];
    let labels = ["--label", "ds01.managed=true", "--label", "ds01.user=alice"];
    let sleep = ["ds01-base", "sleep", "1000"];
    host.docker(&[&run[..], &labels, &sleep].concat()).ok();
    pass(&host, "ds01-adopt", &[]).ok();
    assert_eq!(done(&host, "alice", &["exec", "old", "id", "-u"]), "20001");
    let expected = "nothing can be shared with old: it was not made by DS01, so nobody knows what \
                    it may; docker rm old first; its volumes stay";
    let all = [["-v", "vol:/vol"], ["--pid", "container:old"]];
    shares(&host, "old", &all, expected);
    done(&host, "alice", &["rm", "-f", "old"]);
    let create = [&["create"], &FOLDER[..], &["-v", "vol:/vol", "ds01-base"]].concat();
    done(&host, "alice", &create);
}

#[test]
fn one_that_is_not_recorded_yet_does_not_start() {
    let host = TestHost::behind_gateway(1);
    let make = ["create", "--name", "late", "ds01-base", "sleep", "1000"];
    done(&host, "alice", &make);
    let record = format!("container-metadata/{}.json", engine_name("late"));
    let record = host.state_dir().join(record);
    let aside = record.with_extension("aside");
    fs::rename(&record, &aside).unwrap();
    let said = refused(&host, "alice", &["start", "late"]);
    assert!(
        said.starts_with("container late is not recorded yet"),
        "{said}"
    );
    let state = inspect(&host, &engine_name("late"), "{{.State.Status}}");
    assert_eq!(state, "created");
    fs::rename(&aside, &record).unwrap();
    done(&host, "alice", &["start", "late"]);
}
