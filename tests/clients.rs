//! Docker's real clients through the gateway: they behave as on the engine's own socket.

mod bollard;
mod cli;
mod compose;
mod python;
mod recorded;
mod refusals;
mod streams;
mod terminal;

use std::path::Path;

use ds01_testkit::{As, Outcome, TestHost};

/// What stands for an id.
const ID: &str = "ID";

/// alice, whose clients find the gateway.
fn alice(host: &TestHost) -> As<'_> {
    let socket = format!("unix://{}", host.gateway_socket().display());
    host.as_user("alice").env("DOCKER_HOST", &socket)
}

/// Root, whose clients find the engine.
fn root(host: &TestHost) -> As<'_> {
    let socket = format!("unix://{}", host.engine().socket().display());
    host.as_user("root").env("DOCKER_HOST", &socket)
}

/// What alice's `docker` says.
#[track_caller]
fn docker(host: &TestHost, args: &[&str]) -> Outcome {
    alice(host).run("docker", args)
}

/// Whether a client is installed; the log of the test says which is not.
fn installed(path: &str) -> bool {
    let exists = Path::new(path).exists();
    if !exists {
        eprintln!("not tested: there is no {path}");
    }
    exists
}

/// The text with [`ID`] for every id, long or short.
fn without_ids(text: &str) -> String {
    let word = |c: char| c.is_ascii_alphanumeric();
    let is_id = |word: &str| {
        matches!(word.len(), 12 | 64)
            && word.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let mut shown = String::new();
    for part in text.split_inclusive(|c| !word(c)) {
        let end = part.find(|c| !word(c)).unwrap_or(part.len());
        let (word, rest) = part.split_at(end);
        shown.push_str(if is_id(word) { ID } else { word });
        shown.push_str(rest);
    }
    shown
}
