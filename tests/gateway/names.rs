//! Names are one's own: they never clash with another's, nor tell of one.

use std::{
    fs::{self, File},
    io::Write,
    thread,
    time::{Duration, Instant},
};

use ds01_testkit::{Signal, TestHost};
use serde_json::{Value, json};

use super::{
    client, done,
    processes::{children, until},
    refused, reply, sleeper,
};
use crate::support::{
    awaited::is_awaited,
    expect::{failed, inspect},
};

#[test]
fn two_users_may_use_one_name_and_a_conflict_is_with_oneself() {
    let host = TestHost::behind_gateway(1);
    sleeper(&host, "bob", "same", &["-v", "same:/x"]);
    sleeper(&host, "alice", "same", &["-v", "same:/x"]);
    for (user, uid) in [("alice", 20001), ("bob", 20002)] {
        assert_eq!(done(&host, user, &["ps", "--format", "{{.Names}}"]), "same");
        assert_eq!(done(&host, user, &["volume", "ls", "-q"]), "same");
        let owner = inspect(
            &host,
            &format!("same._.{uid}"),
            "{{index .Config.Labels \"ds01.user\"}}",
        );
        assert_eq!(owner, user);
    }
    let again = "container same exists already; use it with container-run same, or \
                 remove it with container-retire same";
    assert_eq!(
        refused(&host, "alice", &["create", "--name", "same", "ds01-base"]),
        again
    );
    // Another's is no reason, under any name: it only cannot be spelled.
    done(&host, "bob", &["rename", "same", "taken"]);
    done(&host, "alice", &["create", "--name", "taken", "ds01-base"]);
    let exists = "container taken exists already; choose another name\n\
                  Error: failed to rename container named same";
    assert_eq!(
        refused(&host, "alice", &["rename", "same", "taken"]),
        exists
    );
    for spelled in [
        "other._.20002",
        "other._.20001",
        "../other",
        "a b",
        "a/b",
        "-a",
        "",
    ] {
        let create = ["create", "--name", spelled, "ds01-base"];
        if !spelled.is_empty() {
            refused(&host, "alice", &create);
        }
        refused(&host, "alice", &["rename", "same", spelled]);
    }
    done(&host, "alice", &["rename", "same", "moved"]);
    let names = done(&host, "alice", &["ps", "-a", "--format", "{{.Names}}"]);
    assert_eq!(names, "taken\nmoved");
    assert_eq!(
        done(&host, "bob", &["ps", "-a", "--format", "{{.Names}}"]),
        "taken"
    );
    // It is as much her own as before.
    assert_eq!(
        done(&host, "alice", &["exec", "moved", "echo", "here"]),
        "here"
    );
    done(&host, "alice", &["rm", "-f", "moved"]);
    assert_eq!(
        done(&host, "alice", &["ps", "-a", "--format", "{{.Names}}"]),
        "taken"
    );
}

#[test]
fn a_name_that_equals_an_id_of_anothers_is_ones_own() {
    let host = TestHost::behind_gateway(1);
    let theirs = sleeper(&host, "bob", "theirs", &[]);
    let short = &theirs[..12];
    let mine = sleeper(&host, "alice", short, &[]);
    let of = |user: &str, name: &str| done(&host, user, &["inspect", "-f", "{{.Id}}", name]);
    assert_eq!(of("alice", short), mine);
    assert_eq!(of("bob", short), theirs);
    done(&host, "alice", &["rm", "-f", short]);
    assert_eq!(of("bob", short), theirs);
    refused(&host, "alice", &["rm", short]);
    assert_eq!(
        done(&host, "bob", &["exec", "theirs", "echo", "here"]),
        "here"
    );
}

#[test]
fn an_extension_that_is_granted_while_a_container_is_renamed_goes_with_it() {
    let host = TestHost::behind_gateway(1);
    let allowed = "  policies: {max_extension_h: 24}\ndefault_group";
    host.limits_yaml(&host.limits_text().replace("default_group", allowed));
    sleeper(&host, "alice", "same", &["--gpus", "1"]);
    // Both have looked, and wait for their turn with the ledger.
    let ledger = File::open(host.state_dir().join("ledger.json.lock")).unwrap();
    ledger.lock().unwrap();
    let extend = host
        .as_user("alice")
        .spawn("container-extend", &["same", "2h"]);
    while !is_awaited(&host, "ledger.json.lock") {}
    let rename = client(&host, "alice").spawn("docker", &["rename", "same", "moved"]);
    while !is_awaited(&host, "ledger.json.turn") {}
    drop(ledger);
    extend.wait().ok();
    rename.wait().ok();
    let records = host.state_dir().join("container-metadata");
    let record = fs::read(records.join("moved._.20001.json")).unwrap();
    let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
    assert_eq!(record["extension"]["by"]["secs"], 7200, "{record}");
    assert!(!records.join("same._.20001.json").exists());
    let more = host.run("container-extend", &["moved", "1h"]).ok();
    assert!(more.ends_with(", extended by 3h of 1d\n"), "{more}");
}

#[test]
fn a_rename_without_an_answer_that_comes_all_the_same_is_its_owners() {
    let host = TestHost::behind_gateway(1);
    let impatient = "[engine]\ntimeout_s = 2\n";
    host.config(&host.config_text().replace("[engine]\n", impatient));
    sleeper(&host, "alice", "same", &["--gpus", "1"]);
    let ledger = File::open(host.state_dir().join("ledger.json.lock")).unwrap();
    ledger.lock().unwrap();
    let rename = client(&host, "alice").spawn("docker", &["rename", "same", "moved"]);
    let until = Instant::now() + Duration::from_secs(60);
    while !is_awaited(&host, "ledger.json.lock") {
        assert!(Instant::now() < until, "it does not come to the ledger");
    }
    host.engine().signal(Signal::SIGSTOP);
    drop(ledger);
    let renamed = rename.wait();
    host.engine().signal(Signal::SIGCONT);
    assert!(renamed.stderr.contains("did not rename it"), "{renamed:?}");
    let names = || host.docker(&["ps", "--format", "{{.Names}}"]).ok();
    let until = Instant::now() + Duration::from_secs(60);
    while names() != "moved._.20001\n" {
        assert!(Instant::now() < until, "{}", names());
        thread::yield_now();
    }
    assert_eq!(
        done(&host, "alice", &["exec", "moved", "echo", "here"]),
        "here"
    );
    let entry = &host.ledger().read()["allocations"][0];
    assert_eq!(entry["container"], "moved._.20001", "{entry}");
    // Its old name is none, and its old record no proof.
    let remove = ["same", "--stop", "--force"];
    let none = "container-remove: you have no container same\n\
                hint: see what you have with container-list --all\n";
    assert_eq!(host.run("container-remove", &remove), failed(3, none));
    let records = host.state_dir().join("container-metadata");
    assert!(!records.join("same._.20001.json").exists());
    assert_eq!(names(), "moved._.20001\n");
    host.run("container-stop", &["moved", "--timeout=0"]).ok();
    let none = refused(&host, "bob", &["start", "moved"]);
    assert!(none.contains("No such container"), "{none}");
    host.run("container-remove", &["moved"]).ok();
}

/// An operation waits for its turn with the container that was named, not with its name.
#[test]
fn what_is_named_by_its_id_is_no_other_that_got_its_name() {
    let host = TestHost::behind_gateway(1);
    let [named, other] = ["same", "other"].map(|name| sleeper(&host, "alice", name, &[]));
    sleeper(&host, "alice", "busy", &[]);
    // All the turns that she has are taken.
    host.engine().signal(Signal::SIGSTOP);
    let ask = |line: &str| {
        let mut client = host.connect("alice");
        let text = format!("{line} HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n");
        client.write_all(text.as_bytes()).unwrap();
        client
    };
    let starts = [0; 8].map(|_| ask("POST /containers/busy/start"));
    until("they have no turn", || {
        children(&host, "operation-of-gateway").len() == starts.len()
    });
    let remove = ask(&format!("DELETE /containers/{named}?force=1"));
    // What is asked after it and needs no turn is answered after it was taken.
    let after = reply(ask("DELETE /containers/unheard-of?force=1"));
    assert_eq!(after.status, 404, "{after:?}");
    host.ledger().edit(|ledger| {
        for entry in ledger["allocations"].as_array_mut().unwrap() {
            if entry["container"] == "same._.20001" {
                entry["id"] = json!(other);
            } else if entry["container"] == "other._.20001" {
                entry["id"] = json!(named);
            }
        }
    });
    host.engine().signal(Signal::SIGCONT);
    let said = reply(remove);
    assert_eq!(said.status, 404, "{said:?}");
    drop(starts);
    let left = host.docker(&["ps", "-q", "--no-trunc"]).ok();
    assert!(left.contains(&named) && left.contains(&other), "{left}");
}

#[test]
fn whose_images_volumes_and_networks_there_are_stands_in_a_file() {
    let host = TestHost::behind_gateway(1);
    let is = |images: Value, volumes: Value, networks: Value| {
        let expected = json!({
            "version": 1, "images": images, "volumes": volumes, "networks": networks,
        });
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let text = fs::read(host.root().join("state/owners.json")).unwrap_or_default();
            let read: Value = serde_json::from_slice(&text).unwrap_or_default();
            if read == expected {
                return;
            }
            assert!(Instant::now() < until, "{read}");
            thread::sleep(Duration::from_millis(20));
        }
    };
    done(&host, "alice", &["volume", "create", "data"]);
    done(&host, "bob", &["network", "create", "net"]);
    done(&host, "bob", &["tag", "ds01-base", "mine:2"]);
    host.docker(&["volume", "create", "roots"]).ok();
    is(
        json!({ "ds01-20002/mine:2": 20002 }),
        json!({ "data._.20001": 20001 }),
        json!({ "net._.20002": 20002 }),
    );
    done(&host, "alice", &["volume", "rm", "data"]);
    done(&host, "bob", &["network", "rm", "net"]);
    done(&host, "bob", &["rmi", "mine:2"]);
    is(json!({}), json!({}), json!({}));
}
