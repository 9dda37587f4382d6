//! What containers of one user share, where one has folders of the host and another is root.

use std::thread;

use ds01_testkit::TestHost;

use super::{call, docker, done, refused, sleeper};
use crate::support::expect::with_limit;

const FOLDER: [&str; 2] = ["-v", "/home/alice/data:/data"];

#[test]
fn root_in_one_and_folders_in_another_do_not_meet() {
    let host = TestHost::behind_gateway(1);
    with_limit(&host, "max_containers_per_user", "null");
    let root = sleeper(&host, "alice", "root", &["-v", "vol:/vol"]);
    let owner = sleeper(
        &host,
        "alice",
        "owner",
        &[
            "--ipc",
            "shareable",
            "-v",
            "other:/other",
            FOLDER[0],
            FOLDER[1],
        ],
    );
    let mixed = |id: &str| {
        format!(
            "not allowed: folders of the host, and a share in {}, which may run as root; leave out the folders of \
            the host, or make the other container with one too",
            &id[..12]
        )
    };
    // Root first: nobody with folders comes near.
    for share in [
        &["-v", "vol:/vol"][..],
        &["--mount", "type=volume,source=vol,target=/x"],
        &["--volumes-from", "root"],
        &["--volumes-from", "root:ro"],
        &["--volumes-from", &root[..12]],
        &["--pid", "container:root"],
        &["--ipc", "container:root"],
        &["--network", "container:root"],
    ] {
        let create = [&["create"], &FOLDER[..], share, &["ds01-base"]].concat();
        assert_eq!(refused(&host, "alice", &create), mixed(&root), "{share:?}");
        // Alone it may.
        let create = [&["create", "-u", "0"], share, &["ds01-base"]].concat();
        let made = done(&host, "alice", &create);
        done(&host, "alice", &["rm", made.lines().last().unwrap()]);
    }
    // Also while it is stopped, and through a third.
    done(&host, "alice", &["stop", "-t", "0", "root"]);
    let create = [
        &["create"],
        &FOLDER[..],
        &["-v", "vol:/vol"],
        &["ds01-base"],
    ]
    .concat();
    assert_eq!(refused(&host, "alice", &create), mixed(&root));
    let third = sleeper(&host, "alice", "third", &["--volumes-from", "root"]);
    let create = [
        &["create"],
        &FOLDER[..],
        &["--volumes-from", "third", "ds01-base"],
    ]
    .concat();
    assert_eq!(refused(&host, "alice", &create), mixed(&third));
    // Folders first: whoever shares is the owner.
    for share in [
        &["-v", "other:/other"][..],
        &["--volumes-from", "owner"],
        &["--pid", "container:owner"],
        &["--ipc", "container:owner"],
        &["--network", "container:owner"],
    ] {
        let run = [
            &["run", "--rm", "-u", "0"],
            share,
            &["ds01-base", "id", "-u"],
        ]
        .concat();
        assert_eq!(done(&host, "alice", &run), "20001", "{share:?}");
    }
    // And stays so: it is not root by exec either.
    sleeper(&host, "alice", "sharer", &["--pid", "container:owner"]);
    assert!(
        refused(&host, "alice", &["exec", "-u", "0", "sharer", "id"])
            .starts_with("not allowed: User=0")
    );
    // A share between both kinds at once is none.
    let both = [
        "create",
        "--volumes-from",
        "root",
        "--pid",
        "container:owner",
        "ds01-base",
    ];
    assert_eq!(refused(&host, "alice", &both), mixed(&root));
    // One that DS01 does not know could be either.
    let unknown = host
        .docker(&["create", "-v", "vol._.20001:/v", "ds01-base"])
        .ok();
    let said = refused(&host, "alice", &["create", "-v", "vol:/vol", "ds01-base"]);
    let text = format!(
        "the volume vol is used by a container that DS01 does not know: {}; tell an admin: ds01-doctor",
        &unknown[..12]
    );
    assert_eq!(said, text);
    assert_eq!(owner.len(), 64);
}

#[test]
fn two_creates_at_once_do_not_slip_past_each_other() {
    let host = TestHost::behind_gateway(1);
    with_limit(&host, "max_containers_per_user", "null");
    done(&host, "alice", &["volume", "create", "warm"]);
    for round in 0..8 {
        let volume = format!("vol{round}:/vol");
        let plain =
            format!(r#"{{"Image":"ds01-base","User":"0","HostConfig":{{"Binds":["{volume}"]}}}}"#);
        let folder = format!(
            r#"{{"Image":"ds01-base","HostConfig":{{"Binds":["{volume}","/home/alice/data:/data"]}}}}"#
        );
        let made: Vec<_> = thread::scope(|scope| {
            let bodies = [&plain, &folder, &plain, &folder];
            let all = bodies
                .map(|body| scope.spawn(|| call(&host, "alice", "POST /containers/create", body)));
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let ids = made.iter().filter(|reply| reply.status == 201);
        let ids: Vec<_> = ids
            .map(|reply| reply.body.split('"').nth(3).unwrap())
            .collect();
        assert!(!ids.is_empty(), "{made:?}");
        let users = ids.iter().map(|id| {
            host.docker(&["inspect", "-f", "{{.Config.User}}", id])
                .ok()
                .trim()
                .to_string()
        });
        let mut users: Vec<_> = users.collect();
        users.sort();
        users.dedup();
        assert_eq!(users.len(), 1, "root and owner share {volume}: {made:?}");
        let remove = [&["rm", "-f"], &ids[..]].concat();
        docker(&host, "alice", &remove).ok();
    }
}
