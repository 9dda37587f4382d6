//! Containers of which nobody knows what they may: they turned up after whoever asked for them had
//! gone, or something else made them.

use std::{
    fs,
    time::{SystemTime, UNIX_EPOCH},
};

use ds01_testkit::TestHost;
use serde_json::{Value, json};

use super::{as_root, done, refused};
use crate::support::{
    duties::pass,
    expect::{engine_name, failed, inspect, uuid, with_limit},
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
fn one_of_our_own_commands_has_its_folders_again() {
    let host = TestHost::behind_gateway(1);
    let data = host.home("alice").join("data");
    as_root(&host, "install -d -o alice -g alice /home/alice/data").ok();
    fs::write(data.join("kept"), "data").unwrap();
    let create = [
        "late",
        "--image=ds01-base",
        "--cpu-only",
        "--data=/home/alice/data",
    ];
    host.run("container-create", &create).ok();
    turned_up(&host, "late");
    // After a reboot, and what nobody's record names goes after a while.
    let mounts = host.root().join("run/mounts");
    let old = format!("touch -d '1 hour ago' {}/*", mounts.display());
    as_root(&host, &old).ok();
    pass(&host, "ds01-holds", &[]).ok();
    let unmount = format!("umount -l {0}/*/*; rmdir {0}/*/*", mounts.display());
    as_root(&host, &unmount).ok();
    host.run("container-start", &["late"]).ok();
    let read = [
        "exec",
        "late",
        "sh",
        "-c",
        "cat /data/kept; echo made >/workspace/made",
    ];
    assert_eq!(done(&host, "alice", &read), "data");
    let made = host.home("alice").join("workspace/late/made");
    assert_eq!(fs::read_to_string(made).unwrap(), "made\n");
    done(&host, "alice", &["rm", "-f", "late"]);
    assert_eq!(fs::read_dir(&mounts).unwrap().count(), 0);
}

#[test]
fn what_was_left_undone_when_it_turned_up_is_done_by_the_next_pass() {
    let host = TestHost::behind_gateway(1);
    let make = [
        "create",
        "--name",
        "late",
        "--restart",
        "always",
        "ds01-base",
        "sleep",
        "1000",
    ];
    done(&host, "alice", &make);
    turned_up(&host, "late");
    let name = engine_name("late");
    let policy = || inspect(&host, &name, "{{.HostConfig.RestartPolicy.Name}}");
    // The engine did not take it away.
    host.docker(&["update", "--restart", "always", &name]).ok();
    assert_eq!(policy(), "always");
    pass(&host, "ds01-holds", &[]).ok();
    assert_eq!(policy(), "no");
    // Whoever found it was killed before there was a record.
    let record = host
        .state_dir()
        .join(format!("container-metadata/{name}.json"));
    fs::remove_file(&record).unwrap();
    host.docker(&["update", "--restart", "always", &name]).ok();
    pass(&host, "ds01-holds", &[]).ok();
    let found: Value = serde_json::from_slice(&fs::read(&record).unwrap()).unwrap();
    assert_eq!((&found["found"], policy()), (&json!(true), "no".into()));
    done(&host, "alice", &["rm", "late"]);
    assert!(!record.exists());
}

#[test]
fn one_that_turns_up_hours_later_is_its_owners_and_keeps_no_gpu() {
    let host = TestHost::behind_gateway(1);
    with_limit(&host, "max_containers_per_user", "1");
    let name = engine_name("late");
    let create = |user: &str, args: &[&str]| {
        let args = [args, &["ds01-base", "--no-wait"]].concat();
        host.as_user(user).run("container-create", &args)
    };
    create("alice", &["late"]).ok();
    let labels = inspect(&host, &name, "{{json .Config.Labels}}");
    let labels: Value = serde_json::from_str(&labels).unwrap();
    let labels = labels.as_object().unwrap().iter();
    let labels: Vec<_> = labels
        .map(|(key, value)| format!("--label={key}={}", value.as_str().unwrap()))
        .collect();
    // The engine makes it, and says nothing yet.
    host.docker(&["rm", &name]).ok();
    fs::remove_file(
        host.state_dir()
            .join(format!("container-metadata/{name}.json")),
    )
    .unwrap();
    host.ledger().edit(|ledger| {
        let entry = &mut ledger["allocations"][0];
        entry["id"] = Value::Null;
        entry["holding"] = json!({ "pending": { "creator": null, "lapses": 1 } });
    });
    pass(&host, "ds01-holds", &[]).ok();
    let holding = host.ledger().read()["allocations"][0]["holding"].clone();
    assert!(holding["orphaned"].is_object(), "{holding}");
    // It holds nothing, and counts as none.
    create("bob", &["first"]).ok();
    create("alice", &["other", "--cpu-only"]).ok();
    host.run("container-remove", &["other"]).ok();

    let gpu = format!("device={}", uuid(0));
    let make = ["create", "--name", &name, "--gpus", &gpu];
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    host.docker(&[&make[..], &labels, &["ds01-base"]].concat())
        .ok();
    pass(&host, "ds01-holds", &[]).ok();
    assert_eq!(host.ledger().read()["unmanaged"], json!([]));
    let listed = done(&host, "alice", &["ps", "-a", "--format", "{{.Names}}"]);
    assert_eq!(listed, "late");
    host.as_user("bob").run("container-start", &["first"]).ok();
    let refused = host.run("container-start", &["late"]);
    assert_eq!(refused.status, Some(6), "{refused:?}");
    host.run("container-remove", &["late"]).ok();
    create("alice", &["late", "--cpu-only"]).ok();
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

#[test]
fn the_name_of_one_that_never_came_is_free() {
    let host = TestHost::behind_gateway(1);
    for name in ["web", "api"] {
        done(&host, "alice", &["create", "--name", name, "ds01-base"]);
    }
    let name = engine_name("web");
    host.docker(&["rm", &name]).ok();
    let record = format!("container-metadata/{name}.json");
    fs::remove_file(host.state_dir().join(record)).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let lapses = now.as_secs() + 3600;
    host.ledger().edit(|ledger| {
        let mut all = ledger["allocations"].as_array_mut().unwrap().iter_mut();
        let entry = all.find(|entry| entry["container"] == *name).unwrap();
        entry["id"] = Value::Null;
        entry["holding"] = json!({ "orphaned": { "lapses": lapses } });
    });
    host.run("gpu-queue", &["join", "web"]).ok();
    // The late one has come, and nobody has looked: the engine refuses, and it stays awaited.
    host.docker(&["create", "--name", &name, "ds01-base"]).ok();
    refused(&host, "alice", &["rename", "api", "web"]);
    assert_eq!(
        host.ledger().read()["allocations"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    host.docker(&["rm", &name]).ok();
    done(&host, "alice", &["rename", "api", "web"]);
    let listed = done(&host, "alice", &["ps", "-a", "--format", "{{.Names}}"]);
    assert_eq!(listed, "web");
}
