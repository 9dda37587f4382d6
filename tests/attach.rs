//! `container-attach` and `container-run`: a shell, on a terminal or in pipes.

use std::time::Duration;

use ds01_testkit::{Signal, Termios, TestHost};

use crate::support::expect::{
    created, done, engine_name, failed, image, inside, outcome, running, state,
};

const ATTACH: &str = "container-attach";
const PROMPT: &str = "alice@thesis:/workspace$ ";

/// The modes of a terminal that nobody has changed.
fn fresh(host: &TestHost) -> Termios {
    let mut terminal = host.as_user("alice").pty("true", &[]);
    terminal.wait();
    terminal.modes()
}

#[test]
fn the_prompt_says_who_and_where_in_every_image() {
    let host = TestHost::new();
    for base in ["ds01-base", "ds01-busybox"] {
        host.run("container-create", &["thesis", base]).ok();
        let mut shell = host.as_user("alice").pty("container-run", &["thesis"]);
        shell.expect(PROMPT);
        shell.send("cd /tmp && pwd\r");
        shell.expect("\r\n/tmp\r\n");
        shell.expect("alice@thesis:/tmp$ ");
        shell.send("exit\r");
        assert_eq!(shell.wait(), Some(0), "{base}");
        assert_eq!(state(&host, "thesis"), "running", "it runs on");
        host.run("container-remove", &["thesis", "--stop"]).ok();
    }
}

#[test]
fn a_terminal_is_the_shells_own_until_it_ends() {
    let host = TestHost::new();
    running(&host, "thesis");
    let mut shell = host.as_user("alice").pty(ATTACH, &["thesis"]);
    shell.expect(PROMPT);
    assert_ne!(shell.modes(), fresh(&host), "every key goes to the shell");
    shell.send("stty size; echo $TERM; tty\r");
    shell.expect("\r\n24 80\r\nxterm\r\n/dev/pts/");
    shell.expect(PROMPT);
    shell.resize(50, 100);
    // The new size takes its way through the engine.
    shell.send("until [ \"$(stty size)\" = '50 100' ]; do :; done; echo re''sized\r");
    shell.expect("\r\nresized\r\n");
    shell.expect(PROMPT);
    shell.send("sh -c 'echo u''p; exec sleep 1000'\r");
    shell.expect("\r\nup\r\n");
    shell.send("\x03");
    shell.expect("^C");
    shell.expect(PROMPT);
    shell.send("echo was-$?\r");
    shell.expect("\r\nwas-130\r\n");
    shell.expect(PROMPT);
    shell.send("(exit 7)\r");
    shell.expect(PROMPT);
    shell.send("\x04");
    assert_eq!(shell.wait(), Some(7), "{}", shell.output());
    assert_eq!(shell.modes(), fresh(&host));
}

#[test]
fn keys_that_docker_would_keep_reach_the_shell() {
    let host = TestHost::new();
    running(&host, "thesis");
    let mut shell = host.as_user("alice").pty(ATTACH, &["thesis"]);
    shell.expect(PROMPT);
    shell.send("stty raw -echo; echo re''ady; head -c 3 | od -An -tx1; stty sane\r");
    shell.expect("ready");
    shell.send("\x10\x11\x00");
    shell.expect("10 11 00");
    shell.expect(PROMPT);
    shell.send("exit\r");
    assert_eq!(shell.wait(), Some(0));
}

#[test]
fn the_terminal_is_restored_when_the_engine_dies() {
    let host = TestHost::new();
    running(&host, "thesis");
    let mut shell = host.as_user("alice").pty(ATTACH, &["thesis"]);
    shell.expect(PROMPT);
    assert_ne!(shell.modes(), fresh(&host));
    host.engine().kill();
    assert_eq!(shell.wait(), Some(8), "{}", shell.output());
    assert_eq!(shell.modes(), fresh(&host));
    let output = shell.output();
    // It dies while it is asked how the shell ended, or is not there any more: that is chance.
    let said = output.strip_prefix(PROMPT).unwrap_or(&output);
    assert!(said.starts_with("container-attach: "), "{output}");
    assert!(
        said.contains("the Docker Engine") || said.contains("no Docker Engine"),
        "{output}"
    );
    // Behind the gateway, which has said it, there is no hint beside.
    let next = said.contains("\r\nhint: ") || said.contains("tell an admin");
    assert!(next && !said.contains("hyper"), "{output}");
}

#[test]
fn the_terminal_is_restored_when_it_is_told_to_end() {
    let host = TestHost::new();
    running(&host, "thesis");
    for (signal, status) in [(Signal::SIGTERM, 143), (Signal::SIGHUP, 129)] {
        let mut shell = host.as_user("alice").pty(ATTACH, &["thesis"]);
        shell.expect(PROMPT);
        shell.signal(signal);
        assert_eq!(shell.wait(), Some(status));
        assert_eq!(shell.modes(), fresh(&host));
    }
}

#[test]
fn in_pipes_streams_stay_apart_and_the_status_comes_back() {
    let host = TestHost::new();
    created(&host, "thesis");
    for command in ["container-run", ATTACH] {
        let shell = host
            .as_user("alice")
            .stdin("echo out; echo err >&2; exit 7\n");
        assert_eq!(
            shell.run(command, &["thesis"]),
            outcome(7, "out\n", "err\n")
        );
    }
    let rest = host.as_user("alice").stdin("cat\nof the input\n");
    assert_eq!(rest.run(ATTACH, &["thesis"]), done("of the input\n", ""));
    let nothing = host.run(ATTACH, &["thesis"]);
    assert_eq!(nothing, done("", ""), "the end of input ends the shell");
}

#[test]
fn what_is_typed_arrives_before_the_input_has_ended() {
    let host = TestHost::new();
    running(&host, "thesis");
    let mut shell = host
        .as_user("alice")
        .stdin("touch /workspace/started\n")
        .spawn(ATTACH, &["thesis"]);
    let started = host.home("alice").join("workspace/thesis/started");
    while !started.exists() {
        std::thread::yield_now();
    }
    shell.write(b"echo two\n");
    assert_eq!(shell.wait(), done("two\n", ""));
}

#[test]
fn a_megabyte_of_anything_passes_unharmed() {
    let host = TestHost::new();
    running(&host, "thesis");
    let script = "head -c 1048576 /dev/urandom >sent\n\
                  { echo 'exec cat'; cat sent; } | container-attach thesis >received\n\
                  cmp sent received && wc -c <received";
    assert_eq!(host.run("sh", &["-c", script]), done("1048576\n", ""));
}

#[test]
fn a_reader_that_has_enough_ends_it_without_a_word() {
    let host = TestHost::new();
    running(&host, "thesis");
    let script =
        "echo 'seq 1 1000000' | container-attach thesis | head -n 1; echo ${PIPESTATUS[1]}";
    assert_eq!(host.run("bash", &["-c", script]), done("1\n141\n", ""));
}

#[test]
fn a_login_shell_keeps_the_path_of_the_image() {
    let host = TestHost::new();
    let forgets = ("/etc/profile", "PATH=/usr/bin:/bin\nexport PATH\n");
    let path = "ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin";
    for base in ["ds01-base", "ds01-busybox"] {
        image(&host, "venv", base, &[forgets], &[path]);
        host.run("container-create", &["thesis", "venv"]).ok();
        host.run("container-start", &["thesis"]).ok();
        let seen = inside(&host, "thesis", "echo $PATH\n");
        assert_eq!(
            seen, "/opt/venv/bin:/usr/local/bin:/usr/bin:/bin\n",
            "{base}"
        );
        host.run("container-remove", &["thesis", "--stop"]).ok();
    }
}

#[test]
fn container_exit_leaves_the_shell_inside_and_explains_itself_outside() {
    let host = TestHost::new();
    running(&host, "thesis");
    let mut shell = host.as_user("alice").pty(ATTACH, &["thesis"]);
    shell.expect(PROMPT);
    shell.send("container-exit\r");
    assert_eq!(shell.wait(), Some(0), "{}", shell.output());
    assert_eq!(state(&host, "thesis"), "running");
    for base in ["ds01-base", "ds01-busybox"] {
        host.run("container-deploy", &[base, base, "--cpu-only"])
            .ok();
        let script = host
            .as_user("alice")
            .stdin("container-exit\necho still here\n");
        assert_eq!(script.run(ATTACH, &[base]), done("", ""), "{base}");
    }
    let outside = host.run("container-exit", &[]);
    assert_eq!((outside.status, outside.stderr.as_str()), (Some(0), ""));
    assert!(
        outside
            .stdout
            .starts_with("You are not inside a container.\n")
    );
}

#[test]
fn only_a_running_container_has_a_shell() {
    let host = TestHost::new();
    created(&host, "thesis");
    let not = |is: &str| {
        failed(
            4,
            &format!(
                "container-attach: container thesis is {is}, not running\n\
                 hint: start it with container-run thesis\n"
            ),
        )
    };
    assert_eq!(host.run(ATTACH, &["thesis"]), not("created"));
    host.run("container-start", &["thesis"]).ok();
    host.run("container-stop", &["thesis"]).ok();
    assert_eq!(host.run(ATTACH, &["thesis"]), not("stopped"));
    let shell = host
        .as_user("alice")
        .stdin("hostname\n")
        .run("container-run", &["thesis"]);
    assert_eq!(shell, done("thesis\n", ""), "run starts it");
}

#[test]
fn a_container_that_is_stopped_ends_its_shells() {
    let host = TestHost::new();
    running(&host, "thesis");
    let mut shell = host
        .as_user("alice")
        .within(Duration::from_secs(30))
        .pty(ATTACH, &["thesis"]);
    shell.expect(PROMPT);
    host.docker(&["kill", &engine_name("thesis")]).ok();
    let (status, output) = shell.rest();
    assert_eq!(status, Some(137), "{output}");
    let end = "container thesis has been stopped; start it again with container-run thesis";
    assert!(output.contains(end), "{output}");
}

#[test]
fn a_shell_that_was_killed_alone_is_not_taken_for_its_container() {
    let host = TestHost::new();
    running(&host, "thesis");
    let killed = host
        .as_user("alice")
        .stdin("kill -9 $$\n")
        .run(ATTACH, &["thesis"]);
    assert_eq!(killed, failed(137, ""));
}

#[test]
fn an_engine_that_is_gone_is_said_once() {
    let host = TestHost::behind_gateway(1);
    running(&host, "thesis");
    host.engine().kill();
    let said = "container-attach: the Docker Engine did not open a shell: the engine cannot be reached: \
                No such file or directory; tell an admin: is docker running?\n";
    assert_eq!(host.run(ATTACH, &["thesis"]), failed(8, said));
}

#[test]
fn an_admin_is_told_of_the_container_that_was_named() {
    let host = TestHost::new();
    created(&host, "thesis");
    let named = engine_name("thesis");
    let as_root = |command: &str| host.as_user("root").run(command, &[&named]);
    let stopped = as_root(ATTACH);
    let hint = format!("hint: start it with container-run {named}\n");
    assert!(stopped.stderr.ends_with(&hint), "{}", stopped.stderr);
    let stopped = as_root("container-stats");
    let hint = format!("hint: start it with container-start {named}\n");
    assert!(stopped.stderr.ends_with(&hint), "{}", stopped.stderr);
    host.run("container-start", &["thesis"]).ok();
    let running = as_root("container-remove");
    let hint = format!("hint: stop it first, or use container-remove {named} --stop\n");
    assert!(running.stderr.ends_with(&hint), "{}", running.stderr);
    host.run("container-pause", &["thesis"]).ok();
    let paused = as_root(ATTACH);
    let hint = format!("hint: let it go on with container-unpause {named}\n");
    assert!(paused.stderr.ends_with(&hint), "{}", paused.stderr);
}
