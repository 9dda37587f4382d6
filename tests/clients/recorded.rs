//! Clients that are newer than Debian's, by their calls. These are of the real ones, recorded between
//! them and the gateway: docker compose 2.40.3, and docker 28.5.2 with buildx 0.29.1. Hashes are
//! zeros here, and a port of the host is the engine's choice.
//!
//! A line is a call: method, path, the status that it was answered with, and a body. `<1>` is what
//! the first answer with an `Id` gave, `<1:12>` its beginning, `<volume>` the one without a name.

use std::{
    io::{Read, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    thread,
    time::Duration,
};

use ds01_testkit::TestHost;
use serde_json::Value;

use super::docker;

const COMPOSE: &str = include_str!("recorded/compose.txt");
const BUILD: &str = include_str!("recorded/build.txt");

/// The folder that compose built from, as it sent it: packed with gzip.
const FOLDER: &[u8] = include_bytes!("recorded/context.tar.gz");

/// Calls whose answer goes on while others are made.
const LASTING: [&str; 2] = ["/attach?", "/wait?"];

/// What was answered to a line.
struct Answered {
    call: String,
    body: String,
}

/// Makes the calls as alice; each is answered as it was then.
fn replayed(host: &TestHost, text: &str) -> Vec<Answered> {
    let (mut ids, mut all, mut open) = (Vec::<String>::new(), Vec::new(), Vec::new());
    let mut volume = String::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let mut line = line.replace("<volume>", &volume);
        for (number, id) in (1..).zip(&ids) {
            line = line.replace(&format!("<{number}>"), id);
            line = line.replace(&format!("<{number}:12>"), &id[..12]);
        }
        let mut words = line.splitn(4, ' ');
        let call = format!("{} {}", words.next().unwrap(), words.next().unwrap());
        let (expected, body) = (words.next().unwrap(), words.next().unwrap_or_default());
        let (status, body) = loop {
            let (status, mut answer) = called(host, &call, expected, body);
            if LASTING.iter().any(|path| call.contains(path)) {
                open.push((call.clone(), answer));
                break (status, String::new());
            }
            let mut bytes = Vec::new();
            answer.read_to_end(&mut bytes).unwrap();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let seen: Value = serde_json::from_str(&text).unwrap_or_default();
            // Compose looks until it is.
            if seen["State"]["Health"]["Status"] == "starting" {
                thread::sleep(Duration::from_millis(50));
                continue;
            }
            let made = seen["Id"].as_str().filter(|_| status == "201");
            ids.extend(made.map(String::from));
            let mounts = seen["Mounts"].as_array().into_iter().flatten();
            let mut names = mounts.filter_map(|mount| mount["Name"].as_str());
            volume = names
                .find(|name| name.len() == 64)
                .map_or(volume, Into::into);
            break (status, text);
        };
        assert_eq!(status, expected, "{line}: {body}");
        // One that ends by itself had ended when it was looked at.
        if call.ends_with("/start") && text.contains("/stop 304") {
            let id = call.rsplit('/').nth(1).unwrap();
            docker(host, &["wait", id]).ok();
        }
        all.push(Answered { call, body });
    }
    for (call, mut answer) in open {
        let mut bytes = Vec::new();
        answer.read_to_end(&mut bytes).unwrap();
        let body = String::from_utf8_lossy(&bytes).into_owned();
        all.push(Answered { call, body });
    }
    all
}

/// Makes one call; its status, and the connection after the head.
fn called(host: &TestHost, call: &str, expected: &str, body: &str) -> (String, UnixStream) {
    let mut client = host.connect("alice");
    let limit = Some(Duration::from_secs(30));
    client.set_read_timeout(limit).unwrap();
    let mut head = format!("{call} HTTP/1.1\r\nHost: api.moby.localhost\r\n");
    match (expected, call.ends_with("/grpc")) {
        (_, true) => head += "Connection: Upgrade\r\nUpgrade: h2c\r\n",
        ("101", _) => head += "Connection: Upgrade\r\nUpgrade: tcp\r\n",
        _ => {}
    }
    let bytes = match body {
        "@context.tar.gz" => {
            head += "Content-Type: application/x-tar\r\nTransfer-Encoding: chunked\r\n\
                     X-Registry-Config: e30=\r\n\r\n";
            let length = format!("{:x}\r\n", FOLDER.len());
            [length.as_bytes(), FOLDER, b"\r\n0\r\n\r\n"].concat()
        }
        body => {
            let length = body.len();
            head += &format!("Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n");
            body.as_bytes().into()
        }
    };
    // A refusal may come before all is sent.
    let _ = client.write_all(&[head.as_bytes(), &bytes].concat());
    let _ = client.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split(' ').nth(1).unwrap().into();
    (status, client)
}

/// What was answered to the calls that end so, one after the other.
fn told(all: &[Answered], end: &str) -> String {
    let fitting = all.iter().filter(|answered| answered.call.ends_with(end));
    fitting.map(|answered| answered.body.as_str()).collect()
}

/// What alice has: containers, volumes, networks.
fn left(host: &TestHost) -> String {
    let lists = [
        &["ps", "-aq"][..],
        &["volume", "ls", "-q"],
        &["network", "ls", "-q", "-f", "name=_"],
    ];
    lists.map(|args| docker(host, args).ok()).concat()
}

#[test]
fn compose_2_makes_recreates_and_removes_a_project() {
    let host = TestHost::behind_gateway(1);
    host.limits_yaml(&host.limits_text().replace("per_user: 3", "per_user: 9"));
    let folder = host.as_user("alice");
    folder.run("mkdir", &["-p", "proj/src"]).ok();
    let all = replayed(&host, COMPOSE);
    let streams = told(&all, "/start");
    for said in ["kept\nkept\n", "whole\n"] {
        assert!(streams.contains(said), "{streams:?}");
    }
    assert!(told(&all, "/json").contains("\"ExitCode\":5"));
    assert!(told(&all, "/logs?stderr=1&stdout=1&tail=all").contains("up\n"));
    assert!(told(&all, "&stream=1").contains("once\n"));
    assert!(told(&all, "?condition=removed").contains("\"StatusCode\":0"));
    let lists: Vec<_> = all
        .iter()
        .filter(|answered| answered.call.contains("/containers/json?"))
        .collect();
    let shown = |name: &str| lists.iter().any(|list| list.body.contains(name));
    assert!(shown("[\"/proj-db-1\"]") && shown("[\"/proj-web-1\"]"));
    assert_eq!(left(&host), "");
}

#[test]
fn compose_2_builds_and_buildkit_is_refused_in_one_line() {
    let host = TestHost::behind_gateway(1);
    let all = replayed(&host, BUILD);
    let refused = told(&all, "/buildx_buildkit_default/json");
    assert!(refused.contains("root on the host; build with DOCKER_BUILDKIT=0"));
    assert!(told(&all, "/grpc").contains("build with DOCKER_BUILDKIT=0"));
    let logs = told(&all, "/logs?stderr=1&stdout=1&tail=all");
    assert!(logs.contains("hi\n") && logs.contains("x\n"), "{logs:?}");
    assert_eq!(left(&host), "");
}
