//! However GPUs are asked for, there are no more of them than the quota, and none twice.

use std::thread;

use ds01_testkit::TestHost;

use super::{Reply, call, docker, done, refused, sleeper};
use crate::support::{
    engine_view::{assert_no_device_twice, containers},
    expect::{image, inside, inspect, uuid, with_config, with_limit},
};

/// What a container can be used with, by the engine's own word.
const GIVEN: &str =
    "{{range .HostConfig.DeviceRequests}}{{.DeviceIDs}}{{end}} {{.HostConfig.Runtime}}";

#[test]
fn every_spelling_gives_one_device_at_most() {
    let host = TestHost::behind_gateway(3);
    let name = "x._.20001";
    let one = format!("[{}] ds01-runc", uuid(0));
    let visible = |id: &str| format!("[{id}] ds01-runc");
    let body = |more: &str| format!(r#"{{"Image":"ds01-base","Cmd":["sleep","1000"],{more}}}"#);
    let gpu = r#""Capabilities":[["gpu"]]"#;
    let requests = |list: &str| body(&format!(r#""HostConfig":{{"DeviceRequests":[{list}]}}"#));
    let devices = |path: &str| {
        body(&format!(
            r#""HostConfig":{{"Devices":[{{"PathOnHost":"{path}"}}]}}"#
        ))
    };
    let given = [
        requests(&format!(r#"{{"Count":1,{gpu}}}"#)),
        requests(&format!(r#"{{"Count":-1,{gpu}}}"#)),
        requests(&format!(r#"{{"Driver":"nvidia","Count":1,{gpu}}}"#)),
        requests(&format!(r#"{{"DeviceIDs":["2"],{gpu}}}"#)),
        requests(&format!(r#"{{"DeviceIDs":["{}"],{gpu}}}"#, uuid(2))),
        requests(&format!(r#"{{"DeviceIDs":["all"],{gpu}}}"#)),
        requests(r#"{"Count":1,"Capabilities":[["gpu","utility","compute"]]}"#),
        requests(r#"{"Driver":"cdi","DeviceIDs":["nvidia.com/gpu=2"]}"#),
        requests(r#"{"Driver":"cdi","DeviceIDs":["nvidia.com/gpu=all"]}"#),
        devices("/dev/nvidia0"),
        devices("/dev//nvidia2"),
        devices("nvidia.com/gpu=1"),
        body(r#""Env":["NVIDIA_VISIBLE_DEVICES=all"]"#),
        body(r#""Env":["NVIDIA_VISIBLE_DEVICES=2"],"HostConfig":{"Runtime":"nvidia"}"#),
        body(r#""Env":["NVIDIA_VISIBLE_DEVICES=none","NVIDIA_VISIBLE_DEVICES=all"]"#),
        body(r#""Runtime":"nvidia","Env":["NVIDIA_VISIBLE_DEVICES=all"]"#),
    ];
    let none = [
        body(r#""Env":["NVIDIA_VISIBLE_DEVICES=void"]"#),
        body(r#""Env":["NVIDIA_VISIBLE_DEVICES="]"#),
        body(r#""Env":["NVIDIA_VISIBLE_DEVICES"]"#),
        body(
            r#""Env":["NVIDIA_GDS=enabled","NVIDIA_IMEX_CHANNELS=0","NVIDIA_MIG_CONFIG_DEVICES=all"]"#,
        ),
        body(r#""HostConfig":{"Runtime":"nvidia"}"#),
        devices("/dev/nvidiactl"),
    ];
    let cases = given
        .iter()
        .map(|body| (body, true))
        .chain(none.iter().map(|body| (body, false)));
    for (body, gives) in cases {
        let made = call(&host, "alice", "POST /containers/create?name=x", body);
        assert_eq!(made.status, 201, "{body} {made:?}");
        let expected = if gives {
            one.clone()
        } else {
            visible("").replace("[] ", " ")
        };
        assert_eq!(inspect(&host, name, GIVEN), expected, "{body}");
        let env = inspect(&host, name, "{{range .Config.Env}}{{println .}}{{end}}");
        let all: Vec<_> = env
            .lines()
            .filter(|line| line.starts_with("NVIDIA_VISIBLE_DEVICES"))
            .collect();
        let shown = if gives { uuid(0) } else { "void".into() };
        assert_eq!(all, [format!("NVIDIA_VISIBLE_DEVICES={shown}")], "{body}");
        assert!(
            !env.contains("NVIDIA_GDS=") && !env.contains("CONFIG_DEVICES="),
            "{env}"
        );
        done(&host, "alice", &["rm", "-f", "x"]);
    }
    let two = format!(r#"{{"DeviceIDs":["0","1"],{gpu}}}"#);
    let twice = format!(r#"{{"Count":1,{gpu}}},{{"Count":1,{gpu}}}"#);
    let many = [
        requests(&format!(r#"{{"Count":2,{gpu}}}"#)),
        requests(&two),
        requests(&twice),
        requests(&format!(r#"{{"Count":9223372036854775807,{gpu}}}"#)),
        body(r#""Env":["NVIDIA_VISIBLE_DEVICES=0,1"]"#),
        body(
            r#""HostConfig":{"Devices":[{"PathOnHost":"/dev/nvidia0"},{"PathOnHost":"/dev/nvidia1"}]}"#,
        ),
    ];
    for body in many {
        let said = call(&host, "alice", "POST /containers/create?name=x", &body);
        assert!(
            said.status == 403 && said.body.contains("more devices asked for ("),
            "{body} {said:?}"
        );
    }
    for body in [
        requests(r#"{"Count":1,"Capabilities":[["tpu"]]}"#),
        requests(r#"{"Driver":"cdi","DeviceIDs":["vendor.com/net=0"]}"#),
        requests(&format!(r#"{{"Count":-2,{gpu}}}"#)),
        requests(&format!(r#"{{"Count":1,{gpu},"Options":{{"a":"b"}}}}"#)),
        devices("/dev/nvidia0/../sda"),
        devices("/dev/nvidia-caps/nvidia-cap1"),
        devices("vendor.com/net=0"),
    ] {
        let said = call(&host, "alice", "POST /containers/create?name=x", &body);
        assert!(said.status == 403 || said.status == 400, "{body} {said:?}");
    }
    assert_eq!(done(&host, "alice", &["ps", "-aq"]), "");
}

#[test]
fn what_a_process_gets_is_what_it_holds() {
    let host = TestHost::behind_gateway(2);
    image(
        &host,
        "greedy",
        "ds01-base",
        &[],
        &[
            "ENV NVIDIA_VISIBLE_DEVICES=all",
            "ENV NVIDIA_MIG_CONFIG_DEVICES=all",
        ],
    );
    let env = |args: &[&str]| {
        let run = [&["run", "--rm"], args, &["env"]].concat();
        let shown = done(&host, "alice", &run);
        let lines = shown.lines().filter(|line| line.starts_with("NVIDIA_"));
        lines.map(str::to_string).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(env(&["greedy"]), "NVIDIA_VISIBLE_DEVICES=void");
    assert_eq!(
        env(&["-e", "NVIDIA_VISIBLE_DEVICES=void", "greedy"]),
        "NVIDIA_VISIBLE_DEVICES=void"
    );
    assert_eq!(
        env(&["--gpus", "all", "greedy"]),
        format!("NVIDIA_VISIBLE_DEVICES={}", uuid(0))
    );
    assert_eq!(host.gpus().given().len(), 1);
    // Nor by a command in a container that has none.
    sleeper(&host, "alice", "plain", &[]);
    let exec = ["exec", "-e", "NVIDIA_VISIBLE_DEVICES=all", "plain", "env"];
    assert!(!done(&host, "alice", &exec).contains("NVIDIA_VISIBLE_DEVICES=all"));
    // A restart by the engine would be without a look at who has the device, or at the container's files.
    let run = [
        "run",
        "-d",
        "--name",
        "again",
        "--gpus",
        "1",
        "--restart",
        "always",
        "ds01-base",
        "sleep",
        "1000",
    ];
    let started = docker(&host, "alice", &run);
    assert!(
        started.stderr.contains("containers have none here"),
        "{started:?}"
    );
    assert_eq!(
        inspect(&host, "again._.20001", "{{.HostConfig.RestartPolicy.Name}}"),
        "no"
    );
    sleeper(&host, "alice", "cpu", &["--restart", "always"]);
    assert_eq!(
        inspect(&host, "cpu._.20001", "{{.HostConfig.RestartPolicy.Name}}"),
        "no"
    );
}

#[test]
fn a_device_that_was_given_away_is_not_had_by_a_start() {
    let host = TestHost::behind_gateway(1);
    with_limit(&host, "gpu_hold_after_stop_h", "0");
    sleeper(&host, "alice", "mine", &["--gpus", "1"]);
    done(&host, "alice", &["stop", "-t", "0", "mine"]);
    sleeper(&host, "bob", "theirs", &["--gpus", "1"]);
    let gone = "GPU 0 of mine went to another container after the hold had ended; make it anew: \
                container-remove mine && container-create mine --gpu=1 --image=ds01-base";
    for verb in ["start", "restart"] {
        let said = refused(&host, "alice", &[verb, "mine"]);
        assert!(said.contains(gone), "{verb}: {said}");
    }
    assert!(call(&host, "alice", "POST /containers/mine/start", "").status == 409);
    assert_eq!(
        inspect(&host, "mine._.20001", "{{.State.Status}}"),
        "exited"
    );
    done(&host, "bob", &["rm", "-f", "theirs"]);
    done(&host, "alice", &["start", "mine"]);
}

#[test]
fn creates_at_once_get_no_more_than_there_are() {
    let host = TestHost::behind_gateway(2);
    with_config(&host, "[gateway]\nwait_s = 0\n");
    with_limit(&host, "max_containers_per_user", "null");
    let body = r#"{"Image":"ds01-base","HostConfig":{"DeviceRequests":[{"Count":1,"Capabilities":[["gpu"]]}]}}"#;
    let users = ["alice", "bob", "carol", "dave"];
    let made: Vec<Reply> = thread::scope(|scope| {
        let all: Vec<_> = (0..24)
            .map(|number| scope.spawn(move || number).join().unwrap())
            .map(|number| {
                let (host, user) = (&host, users[number % 4]);
                scope.spawn(move || call(host, user, "POST /containers/create", body))
            })
            .collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let count = |status| made.iter().filter(|reply| reply.status == status).count();
    assert_eq!(count(201), 2, "{made:?}");
    assert_eq!(count(201) + count(409) + count(403), 24, "{made:?}");
    let all = containers(&host);
    assert_eq!(all.len(), 2);
    assert_no_device_twice(&host, &all);
}

#[test]
fn no_variable_of_an_image_gives_a_container_of_our_commands_more() {
    let host = TestHost::behind_gateway(1);
    let variables = [
        "ENV NVIDIA_VISIBLE_DEVICES=all",
        "ENV DOCKER_RESOURCE_GPU=all",
        "ENV NVIDIA_GDS=enabled",
        "ENV NVIDIA_IMEX_CHANNELS=all",
        "ENV KEPT=yes",
    ];
    image(&host, "cuda", "ds01-base", &[], &variables);
    let create = ["x", "--image=cuda", "--cpu-only"];
    host.run("container-create", &create).ok();
    host.run("container-start", &["x"]).ok();
    let env = inside(&host, "x", "tr '\\0' '\\n' </proc/1/environ");
    let gives = |line: &&str| line.starts_with("NVIDIA_") || line.starts_with("DOCKER_RESOURCE_");
    let given: Vec<_> = env.lines().filter(gives).collect();
    assert_eq!(given, ["NVIDIA_VISIBLE_DEVICES=void"], "{env}");
    assert!(env.contains("KEPT=yes"), "{env}");
    // Nor did what her account was written to have any while it was there.
    let with_account = host
        .docker(&["images", "-q", "ds01-20001/with.account"])
        .ok();
    let format = [
        "image",
        "inspect",
        "-f",
        "{{.Config.Env}}",
        with_account.trim(),
    ];
    let env = host.docker(&format).ok();
    assert!(env.contains("NVIDIA_VISIBLE_DEVICES=void"), "{env}");
}
