//! Volumes outlive containers, and what was opened in them too: which kind of container has a volume is
//! settled when the first has it, and root copies and removes nothing by a path that others can lead
//! elsewhere.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use ds01_testkit::TestHost;
use serde_json::json;

use super::{as_root, call, done, processes::until, refused, unnamed::Held};
use crate::support::{
    duties::pass,
    expect::{all_containers, state, with_limit},
};

const FOLDER: [&str; 2] = ["-v", "/home/alice/data:/data"];

/// What makes a container with these options.
fn create<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["create"], more, &["ds01-base"]].concat()
}

/// What is in a volume, on the disk.
fn in_volume(host: &TestHost, name: &str) -> Vec<String> {
    let format = ["volume", "inspect", "-f", "{{.Mountpoint}}", name];
    let place = host.docker(&format).ok();
    let all = fs::read_dir(place.trim()).unwrap();
    let all = all.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut all: Vec<_> = all.collect();
    all.sort();
    all
}

fn with_files(host: &TestHost) {
    with_limit(host, "max_containers_per_user", "null");
    let script = "mkdir /v; echo 1 > /v/one; echo 2 > /v/two";
    host.docker(&["run", "--name=filled", "ds01-base", "sh", "-c", script])
        .ok();
    host.docker(&["commit", "filled", "filled"]).ok();
    host.docker(&["rm", "filled"]).ok();
}

#[test]
fn an_image_fills_a_volume_that_nobody_had_and_no_other() {
    let host = TestHost::behind_gateway(1);
    with_files(&host);
    let create = |mount: &[&str], image: &str| {
        let args = [&["create"], mount, &[image]].concat();
        let id = done(&host, "alice", &args);
        done(&host, "alice", &["rm", id.lines().last().unwrap()]);
    };
    let by_mount = |name: &str| format!("type=volume,source={name},target=/v");
    // Made by the way, or before as compose does.
    create(&["-v", "first:/v"], "filled");
    done(&host, "alice", &["volume", "create", "second"]);
    create(&["--mount", &by_mount("second")], "filled");
    for filled in ["first._.20001", "second._.20001"] {
        assert_eq!(in_volume(&host, filled), ["one", "two"]);
    }
    // One that is empty again is not filled again: its first user may still have it open.
    for (number, mount) in ["had:/v", "had:/v:ro", "had:/v:nocopy"].iter().enumerate() {
        create(&["-v", "had:/w"], "ds01-base");
        create(&["-v", mount], "filled");
        create(&["--mount", &by_mount("had")], "filled");
        assert!(in_volume(&host, "had._.20001").is_empty(), "{number}");
    }
    // Nor one of which nobody knows.
    host.docker(&["volume", "create", "made._.20001"]).ok();
    create(&[FOLDER[0], FOLDER[1], "-v", "made:/v"], "filled");
    assert!(in_volume(&host, "made._.20001").is_empty());
    // What the engine refused was no use.
    let taken = |volume: &str| {
        let body = format!(
            r#"{{"Image":"filled","HostConfig":{{"Binds":["{volume}:/v"],"NetworkMode":"container:none"}}}}"#
        );
        call(&host, "alice", "POST /containers/create", &body).status
    };
    assert_ne!(taken("again"), 201);
    create(&["-v", "again:/v"], "filled");
    assert_eq!(in_volume(&host, "again._.20001"), ["one", "two"]);
}

/// Whoever asked for it had no answer, so that the engine may still fill its volume: until it is gone.
#[test]
fn what_is_gone_fills_no_volume_any_more() {
    let host = TestHost::behind_gateway(1);
    let swept_at_once = "  container_hold_after_stop_h: 0\ndefault_group";
    host.limits_yaml(&host.limits_text().replace("default_group", swept_at_once));
    let removed_past_ds01 = || host.docker(&["rm", "late._.20001"]).ok();
    let swept = || pass(&host, "container-cleanup", &["--system"]).ok();
    for remove in [&removed_past_ds01 as &dyn Fn() -> String, &swept] {
        let late = [
            "create",
            "--name=late",
            "-v",
            "data:/v",
            "ds01-base",
            "true",
        ];
        done(&host, "alice", &late);
        done(&host, "alice", &["start", "late"]);
        until("it runs", || state(&host, "late") == "exited");
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let by = json!({ "name": "late", "uid": 20001 });
        let filling = json!({ "by": by, "since": since.as_secs() });
        let known = json!({ "data._.20001": { "used": "root", "filling": filling } });
        fs::write(host.state_dir().join("volumes.json"), known.to_string()).unwrap();
        remove();
        pass(&host, "ds01-holds", &[]).ok();
        assert_eq!(all_containers(&host), "");
        let next = done(&host, "alice", &create(&["-v", "data:/v"]));
        done(&host, "alice", &["rm", next.lines().last().unwrap()]);
    }
}

#[test]
fn a_volume_is_of_one_kind_until_it_is_removed() {
    let host = TestHost::behind_gateway(1);
    with_files(&host);
    let once = |more: &[&str]| {
        let id = done(&host, "alice", &create(more));
        done(&host, "alice", &["rm", id.lines().last().unwrap()]);
    };
    once(&[FOLDER[0], FOLDER[1], "-v", "owners:/v"]);
    once(&["-v", "roots:/v"]);
    let way_out = |name: &str| {
        format!(
            "use another volume, or remove this one with all that is in it: docker volume rm {name}"
        )
    };
    let owners = format!(
        "not allowed: a container that may run as root, and the volume owners, which one with folders \
        of the host has had; {}",
        way_out("owners")
    );
    let roots = format!(
        "not allowed: folders of the host, and the volume roots, which a container has had that may \
        have run as root; {}",
        way_out("roots")
    );
    let older = format!(
        "not allowed: a container that may run as root, and the volume older, which one with folders \
        of the host may have had: it is older than DS01's record of that; {}",
        way_out("older")
    );
    host.docker(&["volume", "create", "older._.20001"]).ok();
    for again in [false, true] {
        if again {
            assert!(host.stop_gateway());
            host.start_gateway();
        }
        for share in [
            &["-v", "owners:/v"][..],
            &[
                "-u",
                "20001",
                "--mount",
                "type=volume,source=owners,target=/v",
            ],
            &["-v", "owners._.20001:/v:ro"],
        ] {
            let said = refused(&host, "alice", &create(share));
            assert_eq!(
                said.replace("owners._.20001", "owners"),
                owners,
                "{share:?}"
            );
        }
        let folder_too = [FOLDER[0], FOLDER[1], "-v", "roots:/v"];
        assert_eq!(refused(&host, "alice", &create(&folder_too)), roots);
        assert_eq!(refused(&host, "alice", &create(&["-v", "older:/v"])), older);
        // Each goes on in its own way.
        once(&[FOLDER[0], FOLDER[1], "-v", "owners:/v"]);
        once(&["-v", "roots:/v"]);
        once(&[FOLDER[0], FOLDER[1], "-v", "new:/v"]);
        done(&host, "alice", &["volume", "rm", "new"]);
    }
    // It is not forgotten by a request to remove it, but with it.
    let both = [FOLDER[0], FOLDER[1], "-v", "owners:/v"];
    let kept = done(&host, "alice", &create(&both));
    refused(&host, "alice", &["volume", "rm", "owners"]);
    done(&host, "alice", &["rm", kept.lines().last().unwrap()]);
    assert_eq!(
        refused(&host, "alice", &create(&["-v", "owners:/v"])),
        owners
    );
    done(&host, "alice", &["volume", "rm", "owners"]);
    done(&host, "alice", &["volume", "prune", "-f"]);
    once(&["-v", "owners:/v"]);
    once(&["-v", "older:/v"]);
    once(&[FOLDER[0], FOLDER[1], "-v", "roots:/v"]);
    assert_eq!(
        refused(&host, "alice", &create(&["-v", "roots:/v"])),
        owners.replace("owners", "roots")
    );
    // What shows what nobody knew is a container that is there.
    host.docker(&["volume", "create", "shown._.20001"]).ok();
    as_root(
        &host,
        &format!("echo '{{}}' > {}/volumes.json", host.state_dir().display()),
    )
    .ok();
    let root = done(&host, "alice", &create(&["-v", "x1:/v"]));
    as_root(
        &host,
        &format!("rm {}/volumes.json", host.state_dir().display()),
    )
    .ok();
    once(&["-v", "x1:/v"]);
    done(&host, "alice", &["rm", root.lines().last().unwrap()]);
    once(&["-v", "x1:/v"]);
    // A record that cannot be read is no record that there was nothing.
    as_root(
        &host,
        &format!("echo '{{' > {}/volumes.json", host.state_dir().display()),
    )
    .ok();
    refused(&host, "alice", &create(&["-v", "x1:/v"]));
}

/// What the engine removes by path, whoever has a folder of it open leads elsewhere: so it is nowhere
/// that anybody else comes when that begins.
#[test]
fn the_files_of_a_volume_are_taken_away_before_it_is_removed() {
    let host = TestHost::behind_gateway(1);
    with_limit(&host, "max_containers_per_user", "null");
    let place = |name: &str| {
        let format = ["volume", "inspect", "-f", "{{.Mountpoint}}", name];
        PathBuf::from(host.docker(&format).ok().trim())
    };
    let kept = host.root().join("kept");
    fs::create_dir(&kept).unwrap();
    fs::write(kept.join("file"), "kept").unwrap();
    let volume = |name: &str| {
        let script = format!(
            "mkdir -p /v/sub/deep; echo x > /v/sub/file; ln -s {} /v/link",
            kept.display()
        );
        let mount = format!("{name}:/v");
        let run = [
            "run",
            "--rm",
            "-v",
            &mount,
            "ds01-base",
            "sh",
            "-c",
            &script,
        ];
        done(&host, "alice", &run);
        place(&format!("{name}._.20001"))
    };
    let data = volume("data");
    let going = data.ancestors().nth(3).unwrap().join("ds01-going");
    // As one that was handed out: it goes on being a folder wherever its name is.
    let held = Held::of(&data);
    done(&host, "alice", &["volume", "rm", "data"]);
    held.goes();
    let deleted = || fs::read_dir(&going).unwrap().next().is_none();
    assert!(kept.join("file").exists());
    let about = fs::metadata(&going).unwrap();
    assert_eq!((about.mode() & 0o7777, about.uid()), (0o700, 0));
    // While a container has it nothing is moved, and what the engine refuses goes back.
    let data = volume("data");
    let user = done(&host, "alice", &["create", "-v", "data:/v", "ds01-base"]);
    let said = refused(&host, "alice", &["volume", "rm", "data"]);
    assert_eq!(said, format!("remove data: volume is in use - [{user}]"));
    done(&host, "alice", &["rm", &user]);
    // What a gateway left that was killed goes back where its volume is, and goes where it is not.
    let lost = [("data._.20001", &data), ("lost._.20001", &kept)];
    host.stop_gateway();
    for (name, files) in lost {
        let left = going.join(format!("1-{name}"));
        fs::create_dir(&left).unwrap();
        fs::rename(files, left.join(name)).unwrap();
    }
    fs::create_dir(&data).unwrap();
    host.start_gateway();
    until("what was left is settled", deleted);
    assert!(data.join("sub/file").exists() && !kept.exists());
    done(&host, "alice", &["volume", "prune", "-f"]);
    until("its files are deleted", deleted);
    assert!(!data.exists());
}
