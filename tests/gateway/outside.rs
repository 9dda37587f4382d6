//! Nobody who is not root walks into a container from outside: a user's own processes in it have their
//! uid, and there may be root beside them, or a device that an image brought.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use ds01_testkit::{Outcome, TestHost};

use super::{client, done, refused, sleeper};
use crate::support::expect::{engine_name, inspect, running, with_limit};

/// The files of the first process of a container, as a user of the host finds them.
fn walked_into(host: &TestHost, container: &str, user: &str) -> Outcome {
    let pid = inspect(host, container, "{{.State.Pid}}");
    // It is runc's, which nobody walks into, for a moment after the start.
    let comm = format!("/proc/{pid}/comm");
    let deadline = Instant::now() + Duration::from_secs(20);
    while fs::read_to_string(&comm).unwrap().starts_with("runc") {
        assert!(Instant::now() < deadline, "{container} does not begin");
        thread::yield_now();
    }
    let alive = host.as_user(user).run("kill", &["-0", &pid]);
    let owner = if user == "root" { "root" } else { "alice" };
    assert_eq!(alive.status == Some(0), user == owner, "{alive:?}");
    host.as_user(user)
        .run("ls", &[&format!("/proc/{pid}/root")])
}

#[track_caller]
fn is_closed(host: &TestHost, container: &str) {
    let said = walked_into(host, container, "alice");
    assert_eq!(said.status, Some(2), "{said:?}");
    assert!(said.stderr.contains("Permission denied"), "{said:?}");
    walked_into(host, container, "root").ok();
}

#[test]
fn a_users_own_process_in_a_container_is_no_way_into_it() {
    let host = TestHost::behind_gateway(1);
    with_limit(&host, "max_containers_per_user", "null");
    sleeper(&host, "alice", "mine", &["-u", "20001:20001"]);
    is_closed(&host, "mine._.20001");
    // In the network of that one, with folders of the user's, and by our own commands.
    let joins = ["-u", "20001:20001", "--network=container:mine"];
    sleeper(&host, "alice", "joins", &joins);
    is_closed(&host, "joins._.20001");
    sleeper(&host, "alice", "folder", &["-v", "/home/alice:/x"]);
    is_closed(&host, "folder._.20001");
    done(&host, "alice", &["exec", "folder", "touch", "/x/made"]);
    running(&host, "thesis");
    is_closed(&host, &engine_name("thesis"));
    // It is the namespace that keeps them out: what root starts without one is open.
    let plain = [
        "run",
        "-d",
        "--runtime=runc",
        "--name=plain",
        "-u",
        "20001:20001",
    ];
    let args = [&plain[..], &["ds01-base", "sleep", "1000"]].concat();
    host.docker(&args).ok();
    walked_into(&host, "plain", "alice").ok();
    // Nor has what an admin gives the network of the host: it could not be started.
    let of_host = ["run", "--rm", "--network=host", "ds01-base", "true"];
    host.docker(&of_host).ok();
    let runtime = ["run", "--rm", "--runtime=runc", "ds01-base", "true"];
    let said = refused(&host, "alice", &runtime);
    assert!(said.contains("Runtime"), "{said}");
}

#[test]
fn root_in_a_container_or_a_build_makes_no_device() {
    let host = TestHost::behind_gateway(1);
    let script = "mknod /tmp/disk b 7 0";
    let made = super::docker(
        &host,
        "alice",
        &["run", "--rm", "ds01-base", "sh", "-c", script],
    );
    assert!(made.stderr.contains("Operation not permitted"), "{made:?}");
    // The usual ones are the host's own there: they stay as they are for everybody.
    let script = "echo x >/dev/null; head -c 1 /dev/zero >/dev/null; chmod 600 /dev/null";
    let args = ["run", "--rm", "ds01-base", "sh", "-c", script];
    let changed = super::docker(&host, "alice", &args);
    assert!(
        changed.stderr.contains("Read-only file system"),
        "{changed:?}"
    );
    let script = "mknod /tmp/disk b 7 0";
    let dockerfile = format!("FROM ds01-base\nRUN {script}\n");
    let built = client(&host, "alice")
        .env("DOCKER_BUILDKIT", "0")
        .stdin(dockerfile)
        .run("docker", &["build", "--network=none", "-"]);
    assert_ne!(built.status, Some(0), "{built:?}");
    let said = built.stdout + &built.stderr;
    assert!(said.contains("Operation not permitted"), "{said}");
}
