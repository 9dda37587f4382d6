//! Streams: long ones, endless ones, and signals.

use std::fs;

use ds01_testkit::{Signal, TestHost};

use super::{alice, docker};

const ENDLESS: &str = "trap 'exit 0' TERM; while :; do echo tick; sleep .1; done";

#[test]
fn sixty_four_megabytes_pass_unharmed_both_ways() {
    let host = TestHost::behind_gateway(1);
    let script = "docker run -d --name c ds01-base sleep 100 >/dev/null
                  head -c 67108864 /dev/urandom >big
                  docker exec -i c cat <big | cmp - big && echo exec
                  tar c big | docker exec -i c tar x -C /tmp; docker export c | tar x -O tmp/big | cmp - big && echo export
                  tar c big | docker import - i:1 >/dev/null; docker save i:1 | tar x -O --wildcards '*/layer.tar' | tar x -O | cmp - big && echo import";
    assert_eq!(
        alice(&host).run("sh", &["-c", script]).ok(),
        "exec\nexport\nimport\n"
    );
}

#[test]
fn a_stream_ends_with_its_client_and_signals_go_through() {
    let host = TestHost::behind_gateway(1);
    docker(
        &host,
        &["run", "-d", "--name=c", "ds01-base", "sh", "-c", ENDLESS],
    )
    .ok();
    for command in ["logs -f c", "attach --sig-proxy=false c"] {
        let script = format!("docker {command} | head -n 3");
        let said = alice(&host).run("sh", &["-c", &script]).ok();
        assert_eq!(said, "tick\ntick\ntick\n", "{command}");
    }
    let events = "exec docker events --since=1 --filter=container=c --filter=event=kill \
                  --format='{{.Action}} {{.Actor.Attributes.name}} {{.Actor.Attributes.image}}' >seen";
    let watching = alice(&host).spawn("sh", &["-c", events]);
    let followed = alice(&host).spawn("docker", &["logs", "-f", "c"]);
    docker(&host, &["stop", "c"]).ok();
    assert!(
        followed.wait().ok().ends_with("tick\n"),
        "the log ends with the container"
    );
    let seen = || fs::read_to_string(host.home("alice").join("seen")).unwrap_or_default();
    while !seen().ends_with('\n') {
        std::thread::yield_now();
    }
    watching.signal(Signal::SIGTERM);
    watching.wait();
    assert_eq!(seen().lines().next(), Some("kill c ds01-base"));
    a_signal_to_the_client_goes_to_the_container(&host);
}

fn a_signal_to_the_client_goes_to_the_container(host: &TestHost) {
    let script = "trap 'echo got; exit 6' INT; echo up; while :; do sleep .1; done";
    let args = [
        "run",
        "--rm",
        "--name=other",
        "ds01-base",
        "sh",
        "-c",
        script,
    ];
    let running = alice(host).spawn("docker", &args);
    while docker(host, &["logs", "other"]).stdout != "up\n" {}
    running.signal(Signal::SIGINT);
    let said = running.wait();
    assert_eq!((said.status, &*said.stdout), (Some(6), "up\ngot\n"));
}
