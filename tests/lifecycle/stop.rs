//! `container-stop`.

use ds01_testkit::TestHost;

use crate::support::expect::{
    created, done, engine_name, failed, inside, inspect, running, state, with_limit,
};

const STOP: &str = "container-stop";

#[test]
fn off_a_terminal_a_named_container_is_stopped_unasked_and_all_are_not() {
    let host = TestHost::new();
    running(&host, "thesis");
    let refused = "container-stop: this needs a confirmation, and there is no terminal to ask on\n\
                   hint: --force answers yes\n";
    assert_eq!(host.run(STOP, &["--all"]), failed(2, refused));
    assert_eq!(state(&host, "thesis"), "running");
    let both = "container-stop: a name and --all exclude each other\n\
                hint: see container-stop --help\n";
    assert_eq!(
        host.run(STOP, &["thesis", "--all", "--force"]),
        failed(2, both)
    );
    assert_eq!(state(&host, "thesis"), "running");
    let stopped = host.run(STOP, &["thesis"]);
    assert_eq!(stopped, done("", "thesis keeps GPU 0 for 15m\n"));
    assert_eq!(state(&host, "thesis"), "exited");
    assert_eq!(
        host.run(STOP, &["--all"]),
        failed(2, refused),
        "though there is none"
    );
}

#[test]
fn on_a_terminal_it_shows_what_would_end_and_asks() {
    let host = TestHost::new();
    running(&host, "thesis");
    let stop = |args: &[&str]| host.as_user("alice").pty(STOP, args);
    let mut asked = stop(&["thesis"]);
    let shown = asked.expect("Stop it? [y/N] ");
    let (before, after) = (shown.find(", up "), shown.find(", image "));
    let (Some(before), Some(after)) = (before, after) else {
        panic!("{shown}")
    };
    assert_eq!(&shown[..before], "thesis: running");
    assert_eq!(
        &shown[after..],
        ", image ds01-base, 2 processes\r\nStop it? [y/N] "
    );
    asked.send("n\r");
    asked.expect("container-stop: nothing was stopped\r\n");
    assert_eq!(asked.wait(), Some(1));
    for (keys, status) in [("\r", 1), ("\x04", 1), ("\x03", 130)] {
        let mut asked = stop(&["thesis"]);
        asked.expect("Stop it? [y/N] ");
        asked.send(keys);
        assert_eq!(asked.wait(), Some(status));
        assert_eq!(state(&host, "thesis"), "running");
    }
    let mut asked = stop(&["thesis"]);
    asked.expect("Stop it? [y/N] ");
    asked.send("y\r");
    asked.expect("thesis keeps GPU 0 for 15m\r\n");
    assert_eq!(asked.wait(), Some(0));
    assert_eq!(state(&host, "thesis"), "exited");
    let mut unasked = stop(&["thesis"]);
    unasked.expect("thesis had stopped already\r\n");
    assert_eq!(unasked.wait(), Some(0));
    assert!(!unasked.output().contains("[y/N]"), "{}", unasked.output());
}

#[test]
fn force_answers_the_question() {
    let host = TestHost::new();
    running(&host, "thesis");
    let mut forced = host.as_user("alice").pty(STOP, &["thesis", "-f"]);
    let said = "thesis keeps GPU 0 for 15m\r\n";
    assert_eq!(forced.expect(said), said);
    assert_eq!(forced.wait(), Some(0));
}

#[test]
fn what_does_not_run_is_said_not_to() {
    let host = TestHost::new();
    created(&host, "thesis");
    let never = "container-stop: container thesis was never started\n\
                 hint: start it with container-start thesis\n";
    assert_eq!(host.run(STOP, &["thesis"]), failed(4, never));
    let none = "container-stop: you have no container other\n\
                hint: see what you have with container-list --all\n";
    assert_eq!(host.run(STOP, &["other"]), failed(3, none));
    host.run("container-start", &["thesis"]).ok();
    host.run("container-pause", &["thesis"]).ok();
    let stopped = host.run(STOP, &["thesis"]);
    assert_eq!(
        stopped,
        done("", "thesis keeps GPU 0 for 15m\n"),
        "a paused one stops"
    );
    let already = done("", "thesis had stopped already\n");
    assert_eq!(host.run(STOP, &["thesis"]), already);
    host.docker(&["rm", &engine_name("thesis")]).ok();
    let none = none.replace("other", "thesis");
    assert_eq!(host.run(STOP, &["thesis"]), failed(3, &none));
}

#[test]
fn several_are_started_paused_and_stopped_as_they_are_named() {
    let host = TestHost::with_gpus(2);
    with_limit(&host, "max_gpu_equivalents", "2");
    let names = ["first", "second"];
    names.iter().for_each(|name| created(&host, name));
    let states = || names.map(|name| state(&host, name));
    let none = "you have no container other\nhint: see what you have with container-list --all\n";
    for (command, is) in [
        ("container-start", "running"),
        ("container-pause", "paused"),
        ("container-unpause", "running"),
    ] {
        // What fails of them keeps none of the others.
        let all = host.run(command, &[names[0], "other", names[1]]);
        assert_eq!(all, failed(3, &format!("{command}: {none}")));
        assert_eq!(states(), [is, is]);
    }
    let kept = "first keeps GPU 0 for 15m\nsecond keeps GPU 1 for 15m\n";
    assert_eq!(host.run(STOP, &names), done("", kept));
    assert_eq!(states(), ["exited", "exited"]);
}

#[test]
fn one_whose_device_is_anothers_by_now_keeps_nothing() {
    let host = TestHost::with_gpus(1);
    with_limit(&host, "gpu_hold_after_stop_h", "0");
    running(&host, "thesis");
    host.run(STOP, &["thesis"]).ok();
    let bob = host.as_user("bob");
    bob.run("container-create", &["first", "ds01-base"]).ok();
    with_limit(&host, "gpu_hold_after_stop_h", "0.25");
    // Past DS01, which would not start it.
    host.docker(&["start", &engine_name("thesis")]).ok();
    assert_eq!(host.run(STOP, &["thesis"]), done("", ""));
    assert_eq!(state(&host, "thesis"), "exited");
}

#[test]
fn what_does_not_heed_the_request_is_killed_when_its_time_is_over() {
    let host = TestHost::new();
    running(&host, "thesis");
    inside(&host, "thesis", "kill -STOP $(pidof tail)\n");
    host.run(STOP, &["thesis", "--timeout=1"]).ok();
    let ended = inspect(
        &host,
        &engine_name("thesis"),
        "{{.State.Status}} {{.State.ExitCode}}",
    );
    assert_eq!(ended, "exited 137");
    for odd in ["soon", "3601"] {
        let wrong = format!(
            "container-stop: invalid value '{odd}' for --timeout: expected a number of seconds, 3600 at most\n\
             Try 'container-stop --help' for more information.\n"
        );
        let timeout = format!("--timeout={odd}");
        assert_eq!(host.run(STOP, &["thesis", &timeout]), failed(2, &wrong));
    }
}
