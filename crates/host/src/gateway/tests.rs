use std::{
    fs,
    io::{Read, Write},
    os::{
        fd::AsFd,
        unix::net::{UnixListener, UnixStream},
    },
    path::Path,
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::*;
use crate::{Caller, Site};

/// A directory that is removed with it.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("ds01-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir(&dir).unwrap();
        Self(dir)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Asks for a number.
#[derive(Serialize, serde::Deserialize)]
struct Number;

impl Operation for Number {
    const NAME: &'static str = "number";
    type Answer = u32;

    fn run(&self, _: &Site, _: Caller) -> Result<u32, Failure> {
        unreachable!("the gateway does it")
    }
}

/// Asks the gateway at this socket, from a thread of its own.
fn asks(socket: &Path) -> thread::JoinHandle<Result<Answered<u32>, Failure>> {
    let gateway = Gateway {
        socket: socket.into(),
        engine: Engine::new(socket, Duration::from_secs(1)),
        patience: Patience::default(),
    };
    thread::spawn(move || gateway.ask(&Number))
}

/// A connection, once the whole request has come on it.
fn heard(listener: &UnixListener) -> UnixStream {
    let (mut client, _) = listener.accept().unwrap();
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\nnull") {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        request.extend(byte);
    }
    client
}

fn answers(listener: &UnixListener) {
    let body = r#"{"value":7,"notices":[]}"#;
    let length = body.len();
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
    heard(listener).write_all(answer.as_bytes()).unwrap();
}

/// Waits for somebody who connects.
fn comes(listener: &UnixListener) {
    let mut waits = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
    assert_eq!(poll(&mut waits, PollTimeout::NONE), Ok(1));
}

#[test]
fn what_a_gateway_has_not_heard_the_next_one_is_asked() {
    let dir = Dir::new("gateway-unheard");
    let socket = dir.0.join("docker.sock");
    let first = UnixListener::bind(&socket).unwrap();
    let asked = asks(&socket);
    // It ends with somebody in its queue, and with one whose request it has not read to the end.
    comes(&first);
    drop(first);
    fs::remove_file(&socket).unwrap();
    let second = UnixListener::bind(&socket).unwrap();
    let (mut client, _) = second.accept().unwrap();
    client.read_exact(&mut [0; 9]).unwrap();
    drop(client);
    answers(&second);
    assert_eq!(asked.join().unwrap().unwrap().value, 7);
}

#[test]
fn what_a_gateway_has_heard_no_other_is_asked() {
    let dir = Dir::new("gateway-heard");
    let socket = dir.0.join("docker.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let asked = asks(&socket);
    drop(heard(&listener));
    let failure = asked.join().unwrap().unwrap_err();
    assert_eq!(failure.kind, Kind::Unreachable);
    listener.set_nonblocking(true).unwrap();
    let again = listener.accept().unwrap_err();
    assert_eq!(again.kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn a_gateway_that_does_not_come_back_is_told() {
    let dir = Dir::new("gateway-gone");
    let socket = dir.0.join("docker.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let asked = asks(&socket);
    comes(&listener);
    drop(listener);
    let failure = asked.join().unwrap().unwrap_err();
    assert_eq!(failure.kind, Kind::Unreachable);
    let refused = "Connection refused (os error 111)";
    assert_eq!(failure.causes, [refused]);
}

#[test]
fn nobody_is_waited_for_where_no_gateway_was() {
    use io::ErrorKind::{BrokenPipe, ConnectionRefused, ConnectionReset, NotFound, TimedOut};
    let unheard = |kind: io::ErrorKind| [false, true].map(|ended| is_unheard(&kind.into(), ended));
    for kind in [ConnectionRefused, NotFound] {
        assert_eq!(unheard(kind), [false, true], "{kind}");
    }
    for kind in [ConnectionReset, BrokenPipe] {
        assert_eq!(unheard(kind), [true, true], "{kind}");
    }
    assert_eq!(unheard(TimedOut), [false, false]);
}
