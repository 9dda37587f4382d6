//! `container-create`: an engine or a driver that does not answer.

use std::{fs::File, os::unix::net::UnixStream, thread};

use ds01_testkit::{Signal, TestHost};
use serde_json::json;

use super::CREATE;
use crate::support::{
    awaited::is_awaited,
    expect::{created, done, failed},
};

const ARGS: [&str; 2] = ["thesis", "ds01-base"];

#[test]
fn an_engine_that_is_absent_or_forbidden_is_said_to_be() {
    let host = TestHost::with_direct_access(1);
    let socket = host.engine().socket();
    let forbidden = format!(
        "container-create: you may not use the Docker Engine at {}\n\
         hint: ask an admin for access to DS01\n",
        socket.display()
    );
    let path = socket.to_string_lossy();
    host.as_user("root").run("chmod", &["600", &path]).ok();
    assert_eq!(host.run(CREATE, &ARGS), failed(7, &forbidden));
    let absent = format!(
        "container-create: no Docker Engine answers at {path}\n\
         hint: ask an admin to start it: systemctl start docker\n"
    );
    host.as_user("root").run("chmod", &["660", &path]).ok();
    host.engine().signal(Signal::SIGKILL);
    while UnixStream::connect(&socket).is_ok() {}
    let refused = host.run(CREATE, &ARGS);
    assert_eq!(
        refused,
        failed(8, &absent),
        "the socket is there, nobody listens"
    );
    host.engine().kill();
    assert_eq!(host.run(CREATE, &ARGS), failed(8, &absent), "no socket");
    host.engine().start();
    assert_eq!(host.run(CREATE, &ARGS), done("thesis with GPU 0\n", ""));
}

#[test]
fn interrupted_it_takes_back_what_it_makes_meanwhile() {
    let host = TestHost::with_gpus(1);
    host.run("container-list", &[]).ok();
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        // It has looked, and waits for the ledger.
        let ledger = File::open(host.state_dir().join("ledger.json.lock")).unwrap();
        ledger.lock().unwrap();
        let create = host.as_user("alice").spawn(CREATE, &ARGS);
        while !is_awaited(&host, "ledger.json.lock") {
            thread::yield_now();
        }
        create.signal(signal);
        drop(ledger);
        let said = "thesis was removed again\ncontainer-create: interrupted\n";
        assert_eq!(create.wait(), failed(130, said));
        assert_eq!(
            host.run("container-list", &["--all", "--format=simple"])
                .ok(),
            ""
        );
    }
    assert_eq!(host.run(CREATE, &ARGS), done("thesis with GPU 0\n", ""));
}

#[test]
fn without_a_driver_there_are_containers_without_gpu() {
    let host = TestHost::new();
    host.gpus().remove_driver();
    let absent = "container-create: no NVIDIA driver answers: NVIDIA driver is not loaded\n\
                  hint: a container without GPU can be made: container-create <name> --cpu-only\n";
    assert_eq!(host.run(CREATE, &ARGS), failed(8, absent));
    let made = host.run(CREATE, &["editing", "ds01-base", "--cpu-only"]);
    assert_eq!(made, done("editing without GPU\n", ""));
}

#[test]
fn a_driver_that_fails_grants_nothing() {
    let host = TestHost::with_gpus(2);
    host.gpus().edit(|sim| {
        sim["failures"] = json!([{ "function": "nvmlDeviceGetCount_v2", "result": "UNKNOWN" }]);
    });
    let failing = "container-create: the NVIDIA driver failed: an internal driver error occurred\n\
                   hint: tell an admin; nvidia-smi on the host shows more\n";
    assert_eq!(host.run(CREATE, &ARGS), failed(8, failing));
    host.gpus().edit(|sim| {
        sim["failures"] = json!([]);
        sim["gpus"][0]["lost"] = true.into();
    });
    let made = host.run(CREATE, &ARGS);
    let lost = "container-create: warning: GPU 0: device fell off the bus or has otherwise become \
                inacessible\n";
    assert_eq!(made, done("thesis with GPU 1\n", lost));
    let busy = "container-create: no GPU free: 1 asked for, 0 of 1 free\n\
                hint: see who holds what with gpu-status\n";
    let bob = host
        .as_user("bob")
        .run(CREATE, &[&ARGS[..], &["--no-wait"]].concat());
    assert_eq!(
        bob,
        failed(6, &format!("{lost}{busy}")),
        "nor is it silent then"
    );
}

/// The driver's time limit passes once, for all that ask at the same time.
#[test]
fn a_driver_that_hangs_is_given_up_and_nothing_with_it() {
    let host = TestHost::new();
    created(&host, "thesis");
    host.gpus().edit(|sim| {
        sim["failures"] = json!([{ "function": "nvmlDeviceGetName", "result": "hang" }]);
    });
    let bob = host.as_user("bob").spawn(CREATE, &ARGS);
    let status = host.as_user("carol").spawn("gpu-status", &[]);
    host.run("container-start", &["thesis"]).ok();
    host.run("container-remove", &["thesis", "--stop"]).ok();
    let hung = |name: &str| {
        format!(
            "{name}: the NVIDIA driver did not answer within 15 s\n\
             hint: tell an admin; nvidia-smi on the host shows more\n"
        )
    };
    assert_eq!(bob.wait(), failed(8, &hung(CREATE)));
    assert_eq!(status.wait(), failed(8, &hung("gpu-status")));
}
