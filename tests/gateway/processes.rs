//! The gateway's own processes: what they may, and what becomes of the others when one ends.

use std::{
    fs,
    io::{Read, Write},
    thread,
    time::{Duration, Instant},
};

use ds01_testkit::TestHost;

use serde_json::json;

use super::{as_root, call, docker, done, refused, reply, reply_within, sleeper};
use crate::support::expect::{inspect, with_config};

/// Waits for what comes in its own time.
#[track_caller]
pub(super) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// The processes that parse, in the order of their first connections.
fn parsers(host: &TestHost) -> Vec<u32> {
    children(host, "parser-of-gateway")
}

/// The gateway's processes of this kind, oldest first.
pub(super) fn children(host: &TestHost, kind: &str) -> Vec<u32> {
    let keeper = host.gateway_pid();
    let children = fs::read_to_string(format!("/proc/{keeper}/task/{keeper}/children")).unwrap();
    let is_one = |pid: &u32| {
        fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.contains(kind))
    };
    let pids = children.split_whitespace().map(|pid| pid.parse().unwrap());
    pids.filter(is_one).collect()
}

#[test]
fn what_parses_has_no_rights_and_no_files() {
    let host = TestHost::behind_gateway(1);
    done(&host, "alice", &["ps"]);
    let parser = parsers(&host)[0];
    let status = fs::read_to_string(format!("/proc/{parser}/status")).unwrap();
    for line in [
        "Uid:\t65534\t65534\t65534\t65534",
        "Gid:\t65534\t65534\t65534\t65534",
        "Groups:\t",
        "CapInh:\t0000000000000000",
        "CapPrm:\t0000000000000000",
        "CapEff:\t0000000000000000",
        "NoNewPrivs:\t1",
    ] {
        assert!(
            status
                .lines()
                .any(|found| found.trim_end() == line.trim_end()),
            "{line}"
        );
    }
    let root = fs::read_link(format!("/proc/{parser}/root")).unwrap();
    assert_eq!(root, host.root().join("run/empty"));
    assert_eq!(fs::read_dir(&root).unwrap().count(), 0);
    for descriptor in fs::read_dir(format!("/proc/{parser}/fd")).unwrap() {
        let descriptor = descriptor.unwrap();
        let number: u32 = descriptor.file_name().to_str().unwrap().parse().unwrap();
        let is = fs::read_link(descriptor.path()).unwrap();
        let is = is.to_str().unwrap();
        let log = host.root().join("gateway.log");
        let known = match number {
            1 => is == "/dev/null",
            2 => is == log.to_str().unwrap(),
            _ => is.starts_with("socket:") || is.starts_with("anon_inode:"),
        };
        assert!(known, "{number} is {is}");
    }
    let limits = fs::read_to_string(format!("/proc/{parser}/limits")).unwrap();
    let most = |name: &str| {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        line[name.len()..].split_whitespace().next()
    };
    // What it keeps of a build's folder, in a file that it is handed.
    let folder = (8_u64 << 30).to_string();
    assert_eq!(most("Max file size"), Some(&*folder), "{limits}");
    assert_eq!(most("Max core file size"), Some("0"), "{limits}");
    // It ends with the keeper, whatever it does just then.
    let hung = format!("kill -STOP {parser}; kill -KILL {}", host.gateway_pid());
    as_root(&host, &hung).ok();
    host.kill_gateway();
    let gone = || {
        let status = fs::read_to_string(format!("/proc/{parser}/status"));
        status.map_or(true, |status| status.contains("State:\tZ"))
    };
    until("the parser outlives the keeper", gone);
}

#[test]
fn a_parser_that_ends_takes_only_its_own_users_connections() {
    let host = TestHost::behind_gateway(1);
    let stream = |user: &str| {
        let mut client = host.connect(user);
        client
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        client
            .write_all(b"GET /events HTTP/1.1\r\nHost: d\r\n\r\n")
            .unwrap();
        let mut first = [0; 15];
        client.read_exact(&mut first).unwrap();
        assert_eq!(&first, b"HTTP/1.1 200 OK");
        client
    };
    let before = parsers(&host);
    let mut alice = stream("alice");
    let mut of_alice = parsers(&host);
    of_alice.retain(|pid| !before.contains(pid));
    let mut bob = stream("bob");
    assert_eq!(
        (of_alice.len(), parsers(&host).len()),
        (1, before.len() + 2)
    );
    as_root(&host, &format!("kill -KILL {}", of_alice[0])).ok();
    let mut rest = Vec::new();
    // Cut in the middle of an answer, it is no whole one.
    let _ = alice.read_to_end(&mut rest);
    assert!(!String::from_utf8_lossy(&rest).ends_with("0\r\n\r\n"));
    // Both go on: bob with the same stream, alice with a new parser.
    sleeper(&host, "bob", "theirs", &[]);
    let mut more = vec![0; 4096];
    let mut seen = String::new();
    until("bob sees no event", || {
        let count = bob.read(&mut more).unwrap();
        seen += &String::from_utf8_lossy(&more[..count]);
        seen.contains("\"status\":\"start\"")
    });
    assert_eq!(done(&host, "alice", &["ps", "-q"]), "");
    assert_eq!(parsers(&host).len(), before.len() + 2);
}

#[test]
fn a_gateway_that_is_killed_harms_no_container_and_comes_back() {
    let host = TestHost::behind_gateway(1);
    with_config(&host, "[gateway]\nwait_s = 0\n");
    sleeper(
        &host,
        "alice",
        "mine",
        &["--gpus", "1", "-v", "/home/alice/data:/data"],
    );
    let started = inspect(
        &host,
        "mine._.20001",
        "{{.State.StartedAt}} {{.State.Status}}",
    );
    assert!(started.ends_with("running"));
    host.kill_gateway();
    let down = docker(&host, "alice", &["ps"]);
    assert_eq!(down.status, Some(1));
    assert!(
        down.stderr.contains("Cannot connect to the Docker daemon"),
        "{down:?}"
    );
    host.start_gateway();
    let now = inspect(
        &host,
        "mine._.20001",
        "{{.State.StartedAt}} {{.State.Status}}",
    );
    assert_eq!(now, started);
    // It is still hers, with its device and its folder.
    fs::write(host.home("alice").join("data/file"), "hers").unwrap();
    assert_eq!(
        done(&host, "alice", &["exec", "mine", "cat", "/data/file"]),
        "hers"
    );
    let full = docker(&host, "bob", &["create", "--gpus", "1", "ds01-base"]);
    assert!(
        full.stderr
            .contains("no GPU free: 1 asked for, 0 of 1 free"),
        "{full:?}"
    );
    assert_eq!(done(&host, "bob", &["ps", "-aq"]), "");
}

#[test]
fn clients_that_are_gone_are_not_counted_and_slow_ones_hold_up_nobody() {
    let host = TestHost::behind_gateway(1);
    sleeper(&host, "alice", "mine", &[]);
    let descriptors = || {
        let all = format!("/proc/{}/fd", host.gateway_pid());
        fs::read_dir(all).unwrap().count()
    };
    let before = descriptors();
    // Logs, waits, events and attachments of which nothing comes, left by their clients.
    let attach = "POST /containers/mine/attach?stream=1&stdout=1 HTTP/1.1\r\nHost: d\r\n\
                  Upgrade: tcp\r\nConnection: Upgrade\r\n\r\n";
    let asks = [
        "GET /containers/mine/logs?follow=1&stdout=1 HTTP/1.1\r\nHost: d\r\n\r\n",
        "POST /containers/mine/wait HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n",
        "GET /events HTTP/1.1\r\nHost: d\r\n\r\n",
        attach,
    ];
    let mut left = Vec::new();
    for ask in asks {
        for _ in 0..10 {
            let mut client = host.connect("alice");
            client.write_all(ask.as_bytes()).unwrap();
            left.push(client);
        }
    }
    until("they are not under way", || descriptors() >= before + 40);
    drop(left);
    until("clients that are gone are still counted", || {
        descriptors() <= before
    });

    // Clients that say nothing, or half of something, up to what one user may have.
    let mut slow = Vec::new();
    for number in 0..512 {
        let mut client = host.connect("alice");
        let half: &[u8] = match number % 3 {
            0 => b"",
            1 => b"GET /containers/js",
            _ => b"POST /containers/create HTTP/1.1\r\nContent-Length: 1000\r\n\r\n{",
        };
        client.write_all(half).unwrap();
        slow.push(client);
    }
    let mut busy = call(&host, "alice", "GET /containers/json", "");
    until("they are not taken", || {
        busy = call(&host, "alice", "GET /containers/json", "");
        busy.status == 429
    });
    let many = "{\"message\":\"too many connections to DS01's gateway open\"}\n";
    assert_eq!((busy.status, busy.body.as_str()), (429, many));
    let begun = Instant::now();
    assert_eq!(call(&host, "bob", "GET /containers/json", "").body, "[]\n");
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
    // More users than a process has descriptors by default.
    for user in ["carol", "dave", "erin"] {
        for _ in 0..512 {
            slow.push(host.connect(user));
        }
    }
    assert_eq!(call(&host, "bob", "GET /containers/json", "").body, "[]\n");
    drop(slow);
    until("alice is not let in again", || {
        call(&host, "alice", "GET /_ping", "").body == "OK"
    });
    // Clients that die at once.
    let die = "for n in $(seq 40); do timeout -s KILL 0.00$((n % 9 + 1)) \
               curl -s --unix-socket $SOCKET http://d/containers/json; done; true";
    as_root(&host, die);
    assert_eq!(call(&host, "alice", "GET /_ping", "").body, "OK");
}

#[test]
fn top_shows_the_containers_own_processes() {
    let host = TestHost::behind_gateway(1);
    sleeper(&host, "alice", "mine", &[]);
    let top = |args: &[&str]| done(&host, "alice", &[&["top", "mine"], args].concat());
    for args in [&[][..], &["-ef"], &["aux"], &["-eo", "pid,user,args"]] {
        let shown = top(args);
        assert_eq!(shown.lines().count(), 2, "{shown}");
        assert!(shown.contains("sleep 1000"));
    }
    for args in [
        &["-eouid=PID,args"][..],
        &["-eo", "lstart,uid,pid"],
        &["-o", "ppid=PID"],
        &["--pid", "1"],
        &["e", "-olstart"],
        &["h", "e", "k", "-pid", "-p", "1,2"],
        &["h"],
    ] {
        let said = refused(&host, "alice", &[&["top", "mine"], args].concat());
        let text = format!(
            "wrong value: ps_args={} (here: nothing, aux, -ef, or -eo and columns of which pid is the \
            first, as in -eo pid,user,args); correct ps_args and try again",
            args.join(" ")
        );
        assert_eq!(said, text);
    }
}

#[test]
fn a_user_has_eight_operations_under_way_and_keeps_nobody_else_waiting() {
    let host = TestHost::behind_gateway(1);
    host.gpus().edit(|sim| {
        sim["failures"] = json!([{ "function": "nvmlDeviceGetName", "result": "hang" }]);
    });
    let head = "HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nConnection: close\r\n";
    let ask = format!("POST /ds01/v1/overview {head}Content-Length: 2\r\n\r\n{{}}");
    let mut clients: Vec<_> = (0..30)
        .map(|_| {
            let mut client = host.connect("alice");
            client.write_all(ask.as_bytes()).unwrap();
            client
        })
        .collect();
    let under_way = || children(&host, "operation-of-gateway").len();
    until("eight are not under way", || under_way() >= 8);
    // Who leaves makes no room for a process more than there may be.
    drop(clients.drain(..15));
    let list = r#"{"stopped":true,"all_users":false}"#;
    let watched = Instant::now();
    let mut most = 0;
    while watched.elapsed() < Duration::from_secs(1) {
        most = most.max(under_way());
    }
    assert_eq!(most, 8);
    let theirs = call(&host, "bob", "POST /ds01/v1/list", list);
    assert_eq!(
        (theirs.status, &*theirs.body),
        (200, "{\"notices\":[],\"value\":[]}\n")
    );
    host.gpus().edit(|sim| sim["failures"] = json!([]));
    for client in clients {
        let answer = reply(client);
        assert_eq!(answer.status, 200, "{answer:?}");
        most = most.max(under_way());
    }
    assert_eq!(most, 8);
    until("some are left", || under_way() == 0);
}

#[test]
fn a_name_service_that_hangs_keeps_nobody_waiting_for_ever() {
    let host = TestHost::behind_gateway(1);
    sleeper(&host, "alice", "mine", &[]);
    let body = r#"{"Image":"ds01-base","Cmd":["true"]}"#;
    let asks = [
        ("alice", "POST /containers/create", body),
        ("alice", "POST /images/ds01-base/tag?repo=ds01-bob/app", ""),
        ("bob", "GET /containers/json", ""),
    ];
    // Who they are, the test reads in the file as well.
    let mut clients = asks.map(|(user, ..)| host.connect(user));
    let swap = "cp /etc/passwd /etc/passwd.kept && mkfifo /etc/fifo && mv /etc/fifo /etc/passwd";
    as_root(&host, swap).ok();
    for ((_, line, body), client) in asks.iter().zip(&mut clients) {
        let length = body.len();
        let head = "HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nConnection: close";
        let ask = format!("{line} {head}\r\nContent-Length: {length}\r\n\r\n{body}");
        client.write_all(ask.as_bytes()).unwrap();
    }
    let [create, tag, list] = clients.map(|client| reply_within(Duration::from_secs(60), client));
    assert_eq!((list.status, list.body.as_str()), (200, "[]\n"));
    let told = "the name service or a file system did not answer within 15 s; try again; if that is \
                no better, tell an admin: id <login> on the host shows it";
    for hung in [create, tag] {
        assert_eq!((hung.status, &*hung.message()), (503, told));
    }
    fs::rename(
        host.root().join("etc/passwd.kept"),
        host.root().join("etc/passwd"),
    )
    .unwrap();
    assert_eq!(
        call(&host, "alice", "POST /containers/create", body).status,
        201
    );
}

#[test]
fn all_that_wait_for_a_parser_that_dies_have_one_in_its_place() {
    let host = TestHost::behind_gateway(1);
    call(&host, "alice", "GET /_ping", "");
    let [stuck] = parsers(&host)[..] else {
        panic!("alice has not one parser");
    };
    as_root(&host, &format!("kill -STOP {stuck}"));
    // More than fit on their way to it.
    let clients: Vec<_> = (0..400).map(|_| host.connect("alice")).collect();
    assert_eq!(call(&host, "bob", "GET /_ping", "").body, "OK");
    as_root(&host, &format!("kill -KILL {stuck}"));
    until("alice is not served again", || {
        call(&host, "alice", "GET /_ping", "").body == "OK"
    });
    let there = parsers(&host).len();
    assert!(there <= 3, "{there} parsers for two users");
    drop(clients);
}
