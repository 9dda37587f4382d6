//! What a process in a container has as standard input is the host's `/dev/null` at times, which root
//! in it must not take away from everybody.

use std::{fs, os::unix::fs::MetadataExt};

use ds01_testkit::TestHost;

use super::{docker, done, sleeper};

/// What changes nothing where it works, but is told of nonetheless.
const TRIES: &str = "for fd in 0 1 2; do test -c /proc/self/fd/$fd || continue
    chmod 666 /proc/self/fd/$fd; chown 0:0 /proc/self/fd/$fd; done 2>&1";

/// What such a try is told of standard input alone.
const CLOSED: &str = "chmod: /proc/self/fd/0: Read-only file system\n\
                      chown: /proc/self/fd/0: Read-only file system";

/// Mode, owner and device of the host's own.
fn null() -> [u64; 4] {
    let known = fs::metadata("/dev/null").unwrap();
    let ids = [known.mode(), known.uid(), known.gid()].map(u64::from);
    [ids[0], ids[1], ids[2], known.rdev()]
}

#[test]
fn the_hosts_null_stays_as_it_is() {
    let host = TestHost::behind_gateway(1);
    let before = null();
    sleeper(&host, "alice", "r1", &[]);
    let exec = |args: &[&str], script: &str| {
        let exec = [&["exec"], args, &["r1", "sh", "-c", script]].concat();
        done(&host, "alice", &exec)
    };
    assert_eq!(exec(&[], TRIES), CLOSED);
    assert_eq!(exec(&["--privileged=false", "-u", "0"], TRIES), CLOSED);
    // All three are such a device, and it can be read and written as ever.
    let used = format!("echo x; echo y >&2; wc -c >/0; {{ {TRIES}; }} >/said");
    docker(&host, "alice", &["exec", "-d", "r1", "sh", "-c", &used]).ok();
    let said = exec(&[], "until test -s /said; do sleep 0.1; done; cat /0 /said");
    assert_eq!(said, format!("0\n{CLOSED}"));
    // Pipes and terminals are as they were.
    assert_eq!(exec(&["-i"], TRIES), "");
    assert_eq!(
        exec(&["-t"], "chmod 600 /proc/self/fd/0 && echo can"),
        "can"
    );
    assert_eq!(null(), before);
}

#[test]
fn a_first_process_that_keeps_the_hosts_null_cannot_change_it() {
    let host = TestHost::behind_gateway(1);
    let before = null();
    // With these runc opens nothing anew, as no device is in the container.
    let files = "cd /v; touch null zero full random urandom tty";
    let first = [
        "run",
        "--rm",
        "-v",
        "devices:/v",
        "ds01-base",
        "sh",
        "-c",
        files,
    ];
    done(&host, "alice", &first);
    let second = [
        "run",
        "--rm",
        "-v",
        "devices:/dev",
        "ds01-base",
        "sh",
        "-c",
        TRIES,
    ];
    let said = docker(&host, "alice", &second);
    assert_eq!(said.stdout.trim_end(), CLOSED, "{said:?}");
    assert_eq!(null(), before);
    // It reads nothing, as ever.
    let plain = [
        "run",
        "--rm",
        "ds01-base",
        "sh",
        "-c",
        "wc -c; echo x >/dev/null",
    ];
    assert_eq!(done(&host, "alice", &plain), "0");
}
