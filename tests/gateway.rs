//! The gateway, tried by users who mean no good: through its real socket, on a real engine.
//!
//! Alice attacks and bob is attacked, unless a test says otherwise. Each test shows too that the
//! same call does what it should where it may.

use std::{
    io::{Read, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    time::Duration,
};

use ds01_testkit::{As, Outcome, TestHost};

mod archives;
mod bodies;
mod builds;
mod closed;
mod costly;
mod devices;
mod exports;
mod files;
mod folders;
mod gpus;
mod hanging;
mod identity;
mod images;
mod isolation;
mod labels;
mod layers;
mod line;
mod names;
mod networks;
mod newer;
mod not_root;
mod outside;
mod processes;
mod requests;
mod saves;
mod sharing;
mod stalled;
mod stdio;
mod turned_up;
mod unnamed;
mod users_files;
mod volumes;

/// A user about to run Docker's own client on the gateway.
fn client<'h>(host: &'h TestHost, user: &str) -> As<'h> {
    let socket = format!("unix://{}", host.gateway_socket().display());
    host.as_user(user).env("DOCKER_HOST", &socket)
}

/// Runs Docker's own client on the gateway.
#[track_caller]
fn docker(host: &TestHost, user: &str, args: &[&str]) -> Outcome {
    client(host, user).run("docker", args)
}

/// What it prints, without the end of the line, when it works.
#[track_caller]
fn done(host: &TestHost, user: &str, args: &[&str]) -> String {
    docker(host, user, args).ok().trim_end().into()
}

/// What it says when the gateway refuses; that it must.
#[track_caller]
fn refused(host: &TestHost, user: &str, args: &[&str]) -> String {
    let outcome = docker(host, user, args);
    assert!(
        outcome.status != Some(0),
        "this must not have worked: {args:?} {outcome:#?}"
    );
    // The client's own log is of broken pipes, now and then.
    let lines = outcome
        .stderr
        .lines()
        .filter(|line| !line.starts_with("time="));
    let said = lines.collect::<Vec<_>>().join("\n");
    // Release 20.10 of the client says the second of what it could not find.
    let said_by = ["Error response from daemon: ", "Error: "];
    let message = said_by.iter().find_map(|by| said.strip_prefix(by));
    message.unwrap_or(&said).into()
}

/// Starts a container of this user's that sleeps; its id.
#[track_caller]
fn sleeper(host: &TestHost, user: &str, name: &str, more: &[&str]) -> String {
    let run = ["run", "-d", "--name", name];
    done(
        host,
        user,
        &[&run, more, &["ds01-base", "sleep", "1000"]].concat(),
    )
}

/// An answer of the gateway: its status, and what follows the head.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Reply {
    /// 0 if there was none.
    status: u16,
    body: String,
}

impl Reply {
    /// The message of a refusal; else the body.
    fn message(&self) -> String {
        let body: Result<serde_json::Value, _> = serde_json::from_str(&self.body);
        let message = body
            .ok()
            .and_then(|body| Some(body["message"].as_str()?.into()));
        message.unwrap_or_else(|| self.body.clone())
    }
}

/// What is answered to these bytes, which are all that the client has to say.
#[track_caller]
fn send(host: &TestHost, user: &str, bytes: impl AsRef<[u8]>) -> Reply {
    let mut client = host.connect(user);
    // The gateway may have answered and closed already.
    let _ = client.write_all(bytes.as_ref());
    let _ = client.shutdown(Shutdown::Write);
    reply(client)
}

/// Calls the API as `METHOD /path`, with a body of JSON unless it is empty.
#[track_caller]
fn call(host: &TestHost, user: &str, line: &str, body: &str) -> Reply {
    let length = body.len();
    let kind = "Content-Type: application/json";
    let head = format!("{line} HTTP/1.1\r\nHost: d\r\n{kind}\r\nContent-Length: {length}\r\n\r\n");
    send(host, user, head + body)
}

#[track_caller]
fn reply(client: UnixStream) -> Reply {
    reply_within(Duration::from_secs(20), client)
}

/// An answer of which something comes within `limit`, again and again until its end.
#[track_caller]
fn reply_within(limit: Duration, mut client: UnixStream) -> Reply {
    client.set_read_timeout(Some(limit)).unwrap();
    let mut bytes = Vec::new();
    // A connection that is reset has said what it had to.
    let _ = client.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    Reply {
        status: status.unwrap_or_default(),
        body: body.into(),
    }
}

/// Runs a script as root, inside the host, with `$SOCKET` for the gateway's.
#[track_caller]
fn as_root(host: &TestHost, script: &str) -> Outcome {
    let socket = host.gateway_socket();
    let root = host
        .as_user("root")
        .env("SOCKET", &socket.to_string_lossy());
    root.run("bash", &["-euc", script])
}
