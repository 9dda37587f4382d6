//! Copies of files that stand still. Meanwhile the engine tells nobody of the container: one
//! that stops during the copy stands in its list as stopped, and cannot be inspected.

use std::{
    io::{Read, Write},
    os::{fd::AsFd, unix::net::UnixStream},
    thread,
    time::{Duration, Instant},
};

use ds01_testkit::TestHost;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::done;
use crate::support::{
    duties::pass,
    expect::{engine_name, failed, inspect, uuid},
};

/// What the engine may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

pub(super) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        thread::yield_now();
    }
}

/// What an engine or the gateway gives, of which the beginning alone is read.
pub(super) fn stalled(mut copy: UnixStream, path: &str) -> UnixStream {
    let head = format!("GET {path} HTTP/1.1\r\nHost: d\r\n\r\n");
    copy.write_all(head.as_bytes()).unwrap();
    copy.read_exact(&mut [0; 4096]).unwrap();
    copy
}

/// A copy of a file of alice's, by an admin: the engine has the container as long as it takes.
fn copied(host: &TestHost, name: &str) -> UnixStream {
    let engine = UnixStream::connect(host.engine().socket()).unwrap();
    stalled(
        engine,
        &format!("/containers/{}/archive?path=/big", engine_name(name)),
    )
}

/// A container of alice's with a file that fits into no buffer on the way.
pub(super) fn with_file(host: &TestHost, name: &str, more: &[&str]) {
    let run = ["run", "-d", "--name", name];
    let make = "head -c 64000000 /dev/zero >/big; sleep 1000";
    let image = ["ds01-base", "sh", "-c", make];
    done(host, "alice", &[&run, more, &image].concat());
    let size = ["exec", name, "wc", "-c", "/big"];
    until("the file", || done(host, "alice", &size) == "64000000 /big");
}

#[test]
fn a_copy_that_stands_still_keeps_its_containers_facts_from_nobody_else() {
    let host = TestHost::behind_gateway(2);
    with_file(&host, "x", &["--gpus", "1"]);
    with_file(&host, "y", &[]);
    let pid = inspect(&host, &engine_name("x"), "{{.State.Pid}}");
    // The one that comes next has the container before its end is noted, or right after.
    let copies = [copied(&host, "x"), copied(&host, "y")];
    host.as_user("root").run("kill", &["-9", &pid]).ok();
    let [of_x, of_y] = copies;
    let state = || {
        let filter = format!("name={}", engine_name("x"));
        let list = ["ps", "-a", "--filter", &filter, "--format", "{{.Status}}"];
        host.docker(&list).ok()
    };
    drop(of_x);
    until("its end", || state().contains("Exited"));
    let again = copied(&host, "x");

    let create = |user: &str| {
        let args = ["first", "ds01-base", "--no-wait"];
        host.as_user(user).run("container-create", &args)
    };
    assert_eq!(create("bob").ok(), "first with GPU 1\n");
    let none = "container-create: no GPU free: 1 asked for, 0 of 2 free\n\
                hint: see who holds what with gpu-status\n";
    assert_eq!(create("carol"), failed(6, none));
    for duty in ["ds01-holds", "ds01-idle", "ds01-runtime"] {
        pass(&host, duty, &[]).ok();
    }
    let entry = || {
        let ledger = host.ledger().read();
        let mut all = ledger["allocations"].as_array().unwrap().iter();
        all.find(|entry| entry["container"] == *engine_name("x"))
            .unwrap()
            .clone()
    };
    assert_eq!(entry()["devices"][0]["uuid"], uuid(0));
    // Whoever reads keeps it for no longer than others keep what has stopped.
    let stopped = entry()["holding"].clone();
    assert!(stopped["stopped"]["since"].is_u64(), "{stopped}");

    drop((again, of_y));

    // Who does not go on is cut off after a minute.
    let mut export = stalled(host.connect("alice"), "/containers/y/export");
    let mut cut_off = [PollFd::new(export.as_fd(), PollFlags::empty())];
    let limit = PollTimeout::try_from(2 * LIMIT).unwrap();
    assert_eq!(poll(&mut cut_off, limit).unwrap(), 1);
    let mut rest = Vec::new();
    export.read_to_end(&mut rest).unwrap();
    assert!(rest.len() < 32_000_000, "{}", rest.len());
}
