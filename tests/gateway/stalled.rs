//! Copies of files that stand still. Meanwhile the engine tells nobody of the container: one
//! that stops during the copy stands in its list as stopped, and cannot be inspected.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    thread,
    time::{Duration, Instant},
};

use ds01_testkit::TestHost;

use super::done;
use crate::support::{
    duties::pass,
    expect::{engine_name, failed, inspect, uuid},
};

/// What the engine may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        thread::yield_now();
    }
}

/// A copy of alice's of which she reads the beginning alone.
fn stalled(host: &TestHost, name: &str) -> UnixStream {
    let mut copy = host.connect("alice");
    let head = format!("GET /containers/{name}/archive?path=/big HTTP/1.1\r\nHost: d\r\n\r\n");
    copy.write_all(head.as_bytes()).unwrap();
    copy.read_exact(&mut [0; 4096]).unwrap();
    copy
}

/// A container of alice's with a file that fits into no buffer on the way.
fn with_file(host: &TestHost, name: &str, more: &[&str]) {
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
    let copies = [stalled(&host, "x"), stalled(&host, "y")];
    host.as_user("root").run("kill", &["-9", &pid]).ok();
    let [of_x, of_y] = copies;
    let state = || {
        let filter = format!("name={}", engine_name("x"));
        let list = ["ps", "-a", "--filter", &filter, "--format", "{{.Status}}"];
        host.docker(&list).ok()
    };
    drop(of_x);
    until("its end", || state().contains("Exited"));
    let again = stalled(&host, "x");

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

    // Who does not go on is cut off after a minute.
    let mut rest = Vec::new();
    for (mut copy, name) in [(again, "x"), (of_y, "y")] {
        let inspected = ["inspect", "--format", "{{.Id}}", &engine_name(name)];
        host.docker(&inspected).ok();
        copy.set_read_timeout(Some(2 * LIMIT)).unwrap();
        copy.read_to_end(&mut rest).unwrap();
        assert!(rest.len() < 32_000_000, "{}", rest.len());
    }
}
