//! Who calls is what the kernel says, and nothing else.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use ds01_testkit::TestHost;

use super::{as_root, call, client, docker, done, refused, sleeper};
use crate::support::expect::{image, inspect};

#[test]
fn what_a_caller_says_of_itself_counts_for_nothing() {
    let host = TestHost::behind_gateway(1);
    let theirs = sleeper(&host, "bob", "theirs", &[]);
    let bob = ["USER", "LOGNAME", "SUDO_USER", "USERNAME"].map(|name| (name, "bob"));
    let more = [
        ("SUDO_UID", "20002"),
        ("UID", "20002"),
        ("HOME", "/home/bob"),
    ];
    let forged = || {
        let all = bob.iter().chain(&more);
        all.fold(client(&host, "alice"), |alice, (name, value)| {
            alice.env(name, value)
        })
    };
    assert_eq!(forged().run("docker", &["ps", "-aq"]).ok(), "");
    assert_eq!(done(&host, "bob", &["ps", "-aq", "--no-trunc"]), theirs);
    let none = forged().run("docker", &["rm", "theirs._.20002"]);
    assert_eq!(none.status, Some(1), "{none:?}");

    // Headers, too: none is read for it.
    let headers = "GET /containers/json HTTP/1.1\r\nHost: d\r\nX-Forwarded-User: bob\r\n\
                   Authorization: Basic Ym9iOmJvYg==\r\nX-Remote-User: bob\r\n\r\n";
    let listed = super::send(&host, "alice", headers);
    assert_eq!((listed.status, listed.body.as_str()), (200, "[]\n"));

    // Root has the engine's own socket; on this one it is nobody special.
    assert_eq!(done(&host, "root", &["ps", "-aq"]), "");
    assert_eq!(
        refused(&host, "root", &["container", "inspect", "theirs._.20002"]),
        "No such container: theirs._.20002"
    );
    let folder = ["create", "-v", "/root/x:/x", "ds01-base"];
    assert_eq!(
        refused(&host, "root", &folder),
        "not allowed: User=0 (folders of the host are not for root); use the engine's own socket, \
         or an ordinary account"
    );
}

#[test]
fn it_is_not_taken_for_the_engine() {
    let host = TestHost::behind_gateway(1);
    sleeper(&host, "bob", "theirs", &["--gpus=1"]);
    let before = host.ledger_text();
    // As if it stood where the engine's socket was, which whoever asks has read before.
    let engine = host.engine().socket().display().to_string();
    let gateway = host.gateway_socket().display().to_string();
    let config = host.root().join("etc/moved.toml");
    fs::write(&config, host.config_text().replace(&engine, &gateway)).unwrap();
    let config = format!("--config={}", config.display());
    for duty in ["ds01-holds", "ds01-idle"] {
        let pass = host.as_user("root").run(duty, &[&config]);
        assert_eq!(pass.status, Some(1), "{pass:?}");
        let said = "DS01's gateway was asked in place of the engine";
        assert!(pass.stderr.contains(said), "{pass:?}");
    }
    assert_eq!(host.ledger_text(), before);
    let list = host.as_user("bob").run("container-list", &[]).ok();
    assert!(list.contains("theirs"), "{list}");
}

#[test]
fn labels_of_ours_are_set_by_nobody_else() {
    let host = TestHost::behind_gateway(1);
    for label in [
        "ds01.uid=20002",
        "DS01.Uid=20002",
        "ds01.managed=false",
        "ds01.anything=1",
        "aime.mlc=bob",
        "aime.mlc.USER=bob",
    ] {
        let key = label.split_once('=').unwrap().0;
        let why = format!(
            "not allowed: Labels={key} (only DS01 sets labels that begin with ds01. or aime.mlc); \
             choose another name for the label"
        );
        let create = ["create", "--label", label, "ds01-base"];
        assert_eq!(refused(&host, "alice", &create), why);
        let volume = ["volume", "create", "--label", label, "data"];
        assert_eq!(refused(&host, "alice", &volume), why);
        let network = ["network", "create", "--label", label, "net"];
        assert_eq!(refused(&host, "alice", &network), why);
    }
    // An image's own do not stand in for them, be it an admin's or a user's.
    let forged = [
        "LABEL ds01.uid=20002",
        "LABEL ds01.user=bob",
        "LABEL ds01.kind=x",
        "LABEL aime.mlc=bob",
        "LABEL mine=1",
    ];
    image(&host, "forged", "ds01-base", &[], &forged);
    sleeper(&host, "alice", "draft", &[]);
    let changes = forged.iter().flat_map(|change| ["--change", change]);
    let commit: Vec<_> = ["commit"].into_iter().chain(changes).collect();
    done(&host, "alice", &[&commit[..], &["draft", "own"]].concat());
    for (name, from) in [("a", "forged"), ("b", "own")] {
        done(&host, "alice", &["create", "--name", name, from]);
        let keys = ["ds01.uid", "ds01.user", "ds01.kind", "aime.mlc", "mine"];
        let keys = keys.map(|key| format!("{{{{index .Config.Labels \"{key}\"}}}}"));
        let found = inspect(&host, &format!("{name}._.20001"), &keys.join(" "));
        assert_eq!(found, "20001 alice  alice 1", "{from}");
    }
    assert_eq!(done(&host, "bob", &["ps", "-aq"]), "");
}

#[test]
fn a_caller_in_a_container_is_its_owner_whatever_its_uid_and_only_there() {
    let host = TestHost::behind_gateway(1);
    let mine = sleeper(&host, "alice", "mine", &[]);
    let theirs = sleeper(&host, "bob", "theirs", &[]);
    let pid = inspect(&host, "mine._.20001", "{{.State.Pid}}");
    let list = "curl -s --max-time 9 --unix-socket $SOCKET 'http://d/containers/json'";
    // As a process of the container with the socket mounted is: its cgroup, its processes.
    let inside = |cgroup: &str, namespace: &str, uid: u32| {
        let caller = format!("setpriv --reuid {uid} --regid {uid} --clear-groups {list}");
        let cgroup = format!("/sys/fs/cgroup/pids/{cgroup}");
        let script = format!(
            "mkdir -p {cgroup}; echo $$ > {cgroup}/cgroup.procs; {namespace} {caller} || true"
        );
        as_root(&host, &script).ok()
    };
    let own = format!("docker/{mine}");
    let enter = format!("nsenter --pid --target {pid}");
    for uid in [0, 20001, 20002, 65534] {
        let seen = inside(&own, &enter, uid);
        assert!(
            seen.contains(&mine) && !seen.contains(&theirs),
            "{uid}: {seen}"
        );
    }
    // A cgroup of the name of bob's container, as users of systemd can make below their own, and a
    // namespace that is not that container's.
    let forged = format!("ds01-test-{}/{theirs}", std::process::id());
    let nobody = "this container is not one of DS01's: nobody knows whose it is";
    for namespace in ["unshare --pid --fork", &enter] {
        let seen = inside(&forged, namespace, 20001);
        assert!(seen.contains(nobody), "{namespace}: {seen}");
    }
    // Without a namespace of its own it is what it is.
    let seen = inside(&forged, "", 20001);
    assert!(seen.contains(&mine) && !seen.contains(&theirs), "{seen}");
    // In a namespace of no container it is nobody.
    assert_eq!(inside("", "unshare --pid --fork", 20001), "");
    as_root(
        &host,
        &format!("rmdir -p /sys/fs/cgroup/pids/{forged} || true"),
    );
}

/// Alice is an admin from now on.
fn admin(host: &TestHost) {
    let limits = host.limits_text();
    host.limits_yaml(&format!(
        "{limits}access_control:\n  admin_users: [alice]\n"
    ));
    host.stop_gateway();
    host.start_gateway();
}

#[test]
fn what_an_admin_runs_in_anothers_container_has_its_owners_rights() {
    let host = TestHost::behind_gateway(1);
    let folder = ["-v", "/home/bob/data:/data"];
    sleeper(&host, "bob", "theirs", &folder);
    admin(&host);
    let theirs = "theirs._.20002";
    let ids = ["exec", theirs, "sh", "-c", "id -u; id -g; touch /data/made"];
    assert_eq!(done(&host, "alice", &ids), "20002\n20002");
    let made = as_root(&host, "stat -c %u:%g /home/bob/data/made").ok();
    assert_eq!(made, "20002:20002\n");
    let attach = host.as_user("alice").stdin("id -u");
    assert_eq!(attach.run("container-attach", &[theirs]).ok(), "20002\n");
    let named = ["exec", "-u", "20002", theirs, "id", "-u"];
    assert_eq!(done(&host, "alice", &named), "20002");
    for user in ["20001", "0"] {
        let said = refused(&host, "alice", &["exec", "-u", user, theirs, "id"]);
        assert!(said.starts_with("not allowed: User="), "{said}");
    }
    assert_eq!(done(&host, "bob", &["exec", "theirs", "id", "-u"]), "20002");
    // Nor do the admin's own containers meet it.
    for share in [
        &["--pid", "container:theirs._.20002"][..],
        &["--volumes-from", theirs],
    ] {
        let create = [&["create"], share, &["ds01-base"]].concat();
        let said =
            format!("{theirs} is another user's: nothing is shared with it; name one of your own");
        assert_eq!(refused(&host, "alice", &create), said, "{share:?}");
    }
    let create = ["create", "--pid", "container:theirs", "ds01-base"];
    done(&host, "bob", &create);
}

#[test]
fn an_admin_may_run_something_where_the_owner_has_left() {
    let host = TestHost::behind_gateway(1);
    let folder = ["-v", "/home/bob/data:/data"];
    sleeper(&host, "bob", "bound", &folder);
    sleeper(&host, "bob", "free", &[]);
    admin(&host);
    as_root(&host, "sed -i /^bob:/d /etc/passwd").ok();
    let ids = |name| done(&host, "alice", &["exec", name, "sh", "-c", "id -u; id -g"]);
    assert_eq!(ids("bound._.20002"), "20002\n20002");
    assert_eq!(ids("free._.20002"), "0\n0");
}

#[test]
fn an_admin_may_and_it_is_recorded() {
    let host = TestHost::behind_gateway(1);
    sleeper(&host, "bob", "theirs", &[]);
    admin(&host);
    assert_eq!(
        refused(&host, "alice", &["container", "inspect", "theirs"]),
        "No such container: theirs"
    );
    let state = [
        "inspect",
        "-f",
        "{{.Name}} {{.State.Status}}",
        "theirs._.20002",
    ];
    assert_eq!(done(&host, "alice", &state), "/theirs._.20002 running");
    assert_eq!(
        refused(&host, "carol", &state),
        "No such object: theirs._.20002"
    );
    let events = host.root().join("log/events.jsonl");
    let recorded = || std::fs::read_to_string(&events).unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
    while !recorded().contains("auth.admin") && std::time::Instant::now() < deadline {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let line = recorded();
    let line = line.lines().find(|line| line.contains("auth.admin"));
    assert!(line.unwrap().contains("theirs._.20002"), "{line:?}");
    // In one's own container the admin is no admin.
    assert_eq!(
        docker(&host, "alice", &["ps", "-q"]).ok().lines().count(),
        1
    );
    assert_eq!(
        call(&host, "carol", "GET /containers/json", "").body,
        "[]\n"
    );
}

#[test]
fn a_uid_without_a_login_is_nobody() {
    let host = TestHost::behind_gateway(1);
    // As one of /etc/subuid, which newuidmap gives to whoever it is listed for.
    let caller = "setpriv --reuid 300000 --regid 300000 --clear-groups \
                  curl -s --max-time 9 --unix-socket $SOCKET http://d/_ping";
    let nobody = "{\"message\":\"your uid has no login on this host: ask an admin\"}\n";
    assert_eq!(as_root(&host, caller).ok(), nobody);
    host.add_user("late", 300_000, false);
    let deadline = Instant::now() + Duration::from_secs(60);
    while as_root(&host, caller).ok() != "OK" {
        assert!(Instant::now() < deadline, "a login that is new counts");
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn many_uids_of_one_user_are_one_while_nobody_can_tell() {
    let host = TestHost::behind_gateway(1);
    done(&host, "alice", &["ps", "-aq"]);
    // A name service that hangs: who opens this waits for somebody to write.
    let script = "HERE=$(mktemp -d); chmod 777 $HERE
        call='>'$HERE'/ready.$$; until [ -p /etc/passwd ]; do :; done
            exec curl -q -s --max-time 60 --unix-socket '$SOCKET' http://d/_ping'
        for uid in 300001 300002 300003 300004 300005 300006; do
            setpriv --reuid $uid --regid $uid --clear-groups sh -c \"$call\" &
        done
        until [ $(ls $HERE/ready.* 2>/dev/null | wc -l) = 6 ]; do :; done
        cp /etc/passwd /etc/away; mkfifo /etc/fifo; mv /etc/fifo /etc/passwd
        wait; mv /etc/passwd /etc/fifo; mv /etc/away /etc/passwd; : >/etc/fifo";
    assert_eq!(as_root(&host, script).ok(), "OK".repeat(6));
    let count = format!("cat /proc/{}/task/*/children | wc -w", host.gateway_pid());
    // Alice's parser, and one for all of them.
    assert_eq!(as_root(&host, &count).ok().trim(), "2");
    done(&host, "alice", &["ps", "-aq"]);
}

#[test]
fn nothing_is_kept_of_a_parser_that_has_ended() {
    let host = TestHost::behind_gateway(1);
    let gateway = host.gateway_pid();
    let descriptors = || fs::read_dir(format!("/proc/{gateway}/fd")).unwrap().count();
    let ends = |user: &str| {
        assert_eq!(done(&host, user, &["ps", "-aq"]), "");
        let kill = format!("kill -KILL $(cat /proc/{gateway}/task/*/children)");
        as_root(&host, &kill).ok();
    };
    ends("alice");
    let before = descriptors();
    for user in ["bob", "carol", "dave", "erin"] {
        ends(user);
    }
    let deadline = Instant::now() + Duration::from_secs(60);
    while descriptors() > before {
        assert!(Instant::now() < deadline, "{} of {before}", descriptors());
        thread::yield_now();
    }
    assert_eq!(done(&host, "alice", &["ps", "-aq"]), "");
}
