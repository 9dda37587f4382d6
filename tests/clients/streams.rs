//! Streams: long ones, endless ones, and signals.

use ds01_testkit::{Signal, TestHost};

use super::{alice, docker};

const ENDLESS: &str = "trap 'exit 0' TERM; while :; do echo tick; sleep .1; done";

#[test]
fn sixty_four_megabytes_pass_unharmed_both_ways() {
    let host = TestHost::behind_gateway(1);
    let script = "docker run -d --name c ds01-base sleep 100 >/dev/null
                  head -c 67108864 /dev/urandom >big
                  docker exec -i c cat <big | cmp - big && echo exec
                  tar c big | docker cp - c:/tmp && docker cp c:/tmp/big - | tar x -O | cmp - big && echo cp";
    assert_eq!(alice(&host).run("sh", &["-c", script]).ok(), "exec\ncp\n");
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
    let events = ["events", "--filter=container=c", "--filter=event=kill"];
    let format = "--format={{.Action}} {{.Actor.Attributes.name}} {{.Actor.Attributes.image}}";
    let watching = alice(&host).spawn("docker", &[&events[..], &[format]].concat());
    let followed = alice(&host).spawn("docker", &["logs", "-f", "c"]);
    // Until it listens, the event would be missed.
    std::thread::sleep(std::time::Duration::from_millis(500));
    docker(&host, &["stop", "c"]).ok();
    assert!(
        followed.wait().ok().ends_with("tick\n"),
        "the log ends with the container"
    );
    watching.signal(Signal::SIGTERM);
    assert_eq!(watching.wait().stdout, "kill c ds01-base\n");
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
