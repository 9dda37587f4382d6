//! What Docker's API is asked for waits in the same line as what commands ask for.

use std::{
    io::Write,
    os::unix::net::UnixStream,
    thread,
    time::{Duration, Instant},
};

use ds01_testkit::TestHost;

use super::{call, client, done, refused, reply, sleeper};
use crate::support::{
    duties::events,
    expect::{self, failed, inspect, uuid, with_config, with_limit},
    line::{in_line, waiters},
};

const BODY: &str = r#"{"Image":"ds01-base","HostConfig":{"DeviceRequests":[{"Count":1,"Capabilities":[["gpu"]]}]}}"#;

/// Asks for a container with a GPU, on a connection that stays open.
fn asks(host: &TestHost, user: &str, name: &str) -> UnixStream {
    let mut client = host.connect(user);
    let head = format!(
        "POST /containers/create?name={name} HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        BODY.len()
    );
    client.write_all((head + BODY).as_bytes()).unwrap();
    client
}

#[test]
fn docker_waits_in_the_line_and_nobody_passes_it() {
    let host = TestHost::behind_gateway(1);
    sleeper(&host, "alice", "mine", &["--gpus", "1"]);
    let run = [
        "run",
        "-d",
        "--name",
        "his",
        "--gpus",
        "1",
        "ds01-base",
        "sleep",
        "1000",
    ];
    let bob = client(&host, "bob").spawn("docker", &run);
    in_line(&host, 1);
    assert_eq!(waiters(&host), [(20002, "his".to_string())]);
    // What he does beside it goes on.
    assert_eq!(done(&host, "bob", &["ps", "-aq"]), "");
    done(&host, "alice", &["rm", "-f", "mine"]);
    let args = ["hers", "ds01-base", "--no-wait"];
    let carol = host.as_user("carol").run("container-create", &args);
    assert_eq!(carol.status, Some(6), "{carol:?}");
    assert_eq!(bob.wait().status, Some(0));
    let given = "{{range .HostConfig.DeviceRequests}}{{.DeviceIDs}}{{end}}";
    assert_eq!(
        inspect(&host, "his._.20002", given),
        format!("[{}]", uuid(0))
    );
    assert_eq!(waiters(&host), []);
}

#[test]
fn who_closes_the_connection_leaves_the_line() {
    let host = TestHost::behind_gateway(1);
    expect::created(&host, "thesis");
    let bob = asks(&host, "bob", "his");
    in_line(&host, 1);
    let carol = asks(&host, "carol", "hers");
    in_line(&host, 2);
    drop(bob);
    in_line(&host, 1);
    let left = &events(&host, "queue.left")[0];
    assert_eq!(
        (&left["user"], &left["details"]["reason"]),
        (&"bob".into(), &"its owner left".into())
    );
    host.run("container-remove", &["thesis"]).ok();
    assert_eq!(reply(carol).status, 201);
    assert_eq!(expect::all_containers(&host), "hers._.20003\n");
}

#[test]
fn as_many_wait_as_may_and_as_long_as_the_host_lets_them() {
    let host = TestHost::behind_gateway(1);
    with_limit(&host, "max_containers_per_user", "null");
    expect::created(&host, "thesis");
    let names: Vec<_> = (0..16).map(|number| format!("c{number}")).collect();
    let waiting: Vec<_> = names.iter().map(|name| asks(&host, "bob", name)).collect();
    in_line(&host, 16);
    let most = call(&host, "bob", "POST /containers/create?name=more", BODY);
    let message = "16 requests of yours wait in line already; see who waits with gpu-queue list";
    assert_eq!((most.status, &*most.message()), (403, message));
    let list = host
        .as_user("bob")
        .run("container-list", &["--all", "--format=simple"]);
    assert_eq!(list, expect::done("", ""));
    drop(waiting);
    in_line(&host, 0);

    with_config(&host, "[gateway]\nwait_s = 1\n");
    let create = ["create", "--gpus", "1", "ds01-base"];
    let in_vain =
        "no GPU free: 1 asked for, 0 of 1 free; waited for 1s; wait beyond it with gpu-queue join";
    assert_eq!(refused(&host, "bob", &create), in_vain);
    host.config(&host.config_text().replace("wait_s = 1", "wait_s = 0"));
    let at_once = "no GPU free: 1 asked for, 0 of 1 free; see who holds what with gpu-status";
    assert_eq!(refused(&host, "bob", &create), at_once);
    let command = host
        .as_user("bob")
        .run("container-create", &["his", "ds01-base", "--wait=0"]);
    let at_once = format!(
        "container-create: {}\n",
        at_once.replace("; see", "\nhint: see")
    );
    assert_eq!(command, failed(6, &at_once));
}

#[test]
fn commands_wait_on_while_the_gateway_is_restarted_and_keep_their_place() {
    let host = TestHost::behind_gateway(1);
    expect::created(&host, "thesis");
    let waits = |user: &str, name: &str, place: &str| {
        let args = [name, "ds01-base"];
        let mut terminal = host.as_user(user).pty("container-create", &args);
        terminal.expect(place);
        terminal
    };
    let mut bob = waits("bob", "his", "place 1 of 1");
    let mut carol = waits("carol", "hers", "place 2 of 2");
    let line = || host.ledger().read()["line"]["waiters"].clone();
    let tickets = |line: &serde_json::Value| {
        let all = line.as_array().unwrap().iter();
        all.map(|waiter| waiter["ticket"].clone())
            .collect::<Vec<_>>()
    };
    let before = tickets(&line());
    host.kill_gateway();
    let silent = "the gateway does not answer: it is asked again for up to 1m, and your place is \
                  kept unless it is your turn meanwhile";
    bob.expect(silent);
    carol.expect(silent);
    host.start_gateway();
    host.run("container-remove", &["thesis"]).ok();
    bob.expect("his with GPU 0");
    assert_eq!(bob.wait(), Some(0));
    assert_eq!(tickets(&line()), before[1..]);
    host.as_user("bob").run("container-remove", &["his"]).ok();
    carol.expect("hers with GPU 0");
    assert_eq!(carol.wait(), Some(0));
}

#[test]
fn what_is_taken_out_of_the_line_elsewhere_is_refused() {
    let host = TestHost::behind_gateway(1);
    expect::created(&host, "thesis");
    let bob = asks(&host, "bob", "his");
    in_line(&host, 1);
    host.as_user("bob").run("gpu-queue", &["leave", "his"]).ok();
    let refused = reply(bob);
    assert!(
        refused
            .message()
            .starts_with("you took it out of the line, with gpu-queue leave "),
        "{}",
        refused.message()
    );
    assert_eq!(waiters(&host), []);
}

#[test]
fn what_would_not_start_again_is_not_stopped_by_a_restart() {
    let host = TestHost::behind_gateway(1);
    sleeper(&host, "alice", "mine", &["--gpus", "1"]);
    let began = || inspect(&host, "mine._.20001", "{{.State.StartedAt}}");
    let before = began();
    let reserve = |args: &[&str]| host.as_user("root").run("gpu-reserve", args).ok();
    let restart = ["restart", "-t", "0", "mine"];
    reserve(&["add", "--gpu=0", "--for=carol", "--from=1h", "--until=1h"]);
    let why = refused(&host, "alice", &restart);
    assert!(why.contains("GPU 0 is promised to carol from 2"), "{why}");
    assert_eq!(began(), before);
    let list = reserve(&["list", "--format=simple"]);
    reserve(&["cancel", list.split('\t').next().unwrap()]);
    done(&host, "alice", &restart);
    assert_ne!(began(), before);
}

#[test]
fn who_would_be_behind_others_after_it_is_not_stopped_by_a_restart() {
    let host = TestHost::behind_gateway(1);
    expect::with_limit(&host, "gpu_hold_after_stop_h", "0");
    sleeper(&host, "alice", "mine", &["--gpus", "1"]);
    let began = || inspect(&host, "mine._.20001", "{{.State.StartedAt}}");
    let before = began();
    let restart = ["restart", "-t", "0", "mine"];
    done(&host, "alice", &restart);
    let again = began();
    assert_ne!(again, before, "nobody waits");
    let bob = asks(&host, "bob", "his");
    in_line(&host, 1);
    let why = refused(&host, "alice", &restart);
    assert!(why.contains("no GPU free for you yet: "), "{why}");
    assert_eq!(began(), again);
    host.as_user("bob").run("gpu-queue", &["leave", "his"]).ok();
    drop(bob);
    done(&host, "alice", &restart);
    assert_ne!(began(), again);
}

#[test]
fn who_would_share_a_device_after_it_is_not_stopped_by_a_restart() {
    let host = TestHost::behind_gateway(1);
    expect::with_limit(&host, "gpu_hold_after_stop_h", "0");
    sleeper(&host, "alice", "mine", &["--gpus", "1"]);
    let pid = || inspect(&host, "mine._.20001", "{{.State.Pid}}");
    let restart = ["restart", "-t", "0", "mine"];
    let before = pid();
    host.gpus().used_by(0, &[before.parse().unwrap()]);
    done(&host, "alice", &restart);
    let own = pid();
    assert_ne!(own, before, "its own process uses it");
    let outside = host.as_user("carol").spawn("sleep", &["1000"]);
    host.gpus()
        .used_by(0, &[own.parse().unwrap(), outside.pid()]);
    let why = refused(&host, "alice", &restart);
    assert!(
        why.contains("no GPU free: 1 asked for, 0 of 1 free"),
        "{why}"
    );
    assert_eq!(pid(), own);
}

#[test]
fn who_joins_while_a_container_stops_to_restart_is_behind_it() {
    let host = TestHost::behind_gateway(1);
    expect::with_limit(&host, "gpu_hold_after_stop_h", "0");
    sleeper(&host, "alice", "mine", &["--gpus", "1"]);
    let began = || inspect(&host, "mine._.20001", "{{.State.StartedAt}}");
    let before = began();
    // Its process ignores what asks it to end: it takes all the grace.
    thread::scope(|scope| {
        let restarts = scope.spawn(|| done(&host, "alice", &["restart", "-t", "5", "mine"]));
        let holding = || {
            let all = &host.ledger().read()["allocations"];
            let mine = all.as_array().unwrap().iter();
            let mut mine = mine.filter(|one| one["container"] == "mine._.20001");
            mine.next().unwrap()["holding"].to_string()
        };
        let deadline = Instant::now() + Duration::from_secs(120);
        while !holding().contains("pending") {
            assert!(Instant::now() < deadline, "{}", holding());
            thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(began(), before, "it still stops");
        host.as_user("bob").run("gpu-queue", &["join"]).ok();
        restarts.join().unwrap();
    });
    assert_ne!(began(), before);
    assert_eq!(waiters(&host), [(20002, "-".to_string())]);
}
