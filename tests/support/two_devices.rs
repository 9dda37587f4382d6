//! A host whose one device is taken and whose other is free, for tests of the ledger's state.

use ds01_testkit::{Outcome, TestHost};

use super::engine_view::{assert_no_device_twice, containers};

/// The command that is refused when the ledger cannot be used.
pub(crate) const CREATE: &str = "container-create";

/// Two devices, of which alice's running container `x` has the first.
pub(crate) fn host() -> TestHost {
    let host = TestHost::with_gpus(2);
    make_x(&host);
    host
}

pub(crate) fn make_x(host: &TestHost) {
    assert_eq!(create(host, "alice", "x"), granted("x", 0));
    host.run("container-start", &["x"]).ok();
}

pub(crate) fn create(host: &TestHost, user: &str, name: &str) -> Outcome {
    host.as_user(user)
        .run(CREATE, &[name, "--image=ds01-base", "--no-wait"])
}

pub(crate) fn granted(name: &str, gpu: u32) -> Outcome {
    let stdout = format!("{name} with GPU {gpu}\n");
    Outcome {
        status: Some(0),
        stdout,
        stderr: String::new(),
    }
}

pub(crate) fn refused(status: i32, stderr: &str) -> Outcome {
    Outcome {
        status: Some(status),
        stdout: String::new(),
        stderr: format!("{CREATE}: {stderr}\n"),
    }
}

/// The words for a state that cannot be used: the path is below the state directory.
pub(crate) fn out_of_reach(
    host: &TestHost,
    verb: &str,
    path: &str,
    why: &str,
    hint: &str,
) -> Outcome {
    let state = host.state_dir();
    refused(
        8,
        &format!(
            "cannot {verb} {}/{path}: {why}\nhint: {hint}",
            state.display()
        ),
    )
}

pub(crate) fn as_root(host: &TestHost, script: &str) {
    let script = format!("set -e; cd '{}'; {script}", host.root().display());
    host.as_user("root").run("sh", &["-c", &script]).ok();
}

/// Two devices exist, alice keeps hers, and bob gets the other: nobody else gets any.
pub(crate) fn assert_one_device_is_free(host: &TestHost) {
    assert_eq!(create(host, "bob", "y"), granted("y", 1));
    let none = "no GPU free: 1 asked for, 0 of 2 free\nhint: see who holds what with gpu-status";
    assert_eq!(create(host, "carol", "z"), refused(6, none));
    let all = containers(host);
    assert_eq!(all.len(), 2);
    assert_no_device_twice(host, &all);
    host.as_user("bob").run("container-remove", &["y"]).ok();
}

/// Alice still uses her container as before.
pub(crate) fn assert_x_is_alices(host: &TestHost) {
    let list = host.run("container-list", &["--format=simple"]).ok();
    assert!(list.starts_with("x\trunning\tds01-base\t0\t"), "{list}");
    host.run("container-stop", &["x", "-t", "1"]).ok();
    host.run("container-start", &["x"]).ok();
}
