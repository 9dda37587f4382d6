//! The test host itself.

use std::{
    fs,
    io::{Read, Write},
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use ds01_testkit::{Answer, GROUP, OUTSIDER, ScriptedEngine, Signal, TestHost, USERS};

#[test]
fn a_container_gets_a_device_that_exists_and_no_other() {
    let host = TestHost::with_topology("a100-mig");
    for uuid in host.gpus().uuids().iter().take(2) {
        let device = format!("device={uuid}");
        let run = host.docker(&[
            "run",
            "--rm",
            "--gpus",
            &device,
            "ds01-base",
            "bash",
            "-c",
            "env",
        ]);
        assert!(
            run.ok()
                .contains(&format!("NVIDIA_VISIBLE_DEVICES={uuid}\n"))
        );
        assert_eq!(
            host.gpus().given().last().unwrap().devices,
            std::slice::from_ref(uuid)
        );
    }
    let unknown = "device=GPU-00000000-0000-0000-0000-000000000000";
    let run = host.docker(&["run", "--rm", "--gpus", unknown, "ds01-busybox", "true"]);
    assert_ne!(run.status, Some(0));
    assert!(run.stderr.contains("GPU-00000000"), "{}", run.stderr);
    assert_eq!(host.gpus().given().len(), 2);
}

#[test]
fn a_changed_gpu_counts_at_once() {
    let host = TestHost::with_gpus(9);
    let uuids = host.gpus().uuids();
    let run = |uuid: &str| {
        let device = format!("device={uuid}");
        host.docker(&["run", "--rm", "--gpus", &device, "ds01-busybox", "true"])
            .status
    };
    assert_eq!(run(&uuids[8]), Some(0));
    host.gpus().edit(|sim| sim["gpus"][8]["lost"] = true.into());
    assert_ne!(run(&uuids[8]), Some(0));
}

#[test]
fn users_are_real_and_their_homes_their_own() {
    let host = TestHost::new();
    for (user, uid) in USERS.iter().zip(20001..) {
        let id = host.as_user(user).run("id", &[]).ok();
        let expected =
            format!("uid={uid}({user}) gid={uid}({user}) groups={uid}({user}),20000({GROUP})\n");
        assert_eq!(id, expected);
        assert_eq!(
            host.as_user(user).run("pwd", &[]).ok(),
            format!("/home/{user}\n")
        );
    }
    assert_ne!(host.run("ls", &["/home/bob"]).status, Some(0));
    let socket = format!("unix://{}", host.engine().socket().display());
    let list = |user| {
        host.as_user(user)
            .run("docker", &["-H", &socket, "ps", "-q"])
            .status
    };
    assert_eq!(list("alice"), Some(0));
    assert_ne!(list(OUTSIDER), Some(0));
    host.add_user("a.b-c@d", 30000, true);
    assert_eq!(list("a.b-c@d"), Some(0));
    assert!(
        !fs::read_to_string("/etc/passwd")
            .unwrap()
            .contains("alice:x:20001")
    );
}

#[test]
fn streams_stay_apart_and_the_status_comes_back() {
    let host = TestHost::new();
    let script = "cat; echo out; echo err >&2; exit 7";
    let outcome = host.as_user("bob").stdin("in\n").run("sh", &["-c", script]);
    assert_eq!(outcome.status, Some(7));
    assert_eq!(
        (outcome.stdout.as_str(), outcome.stderr.as_str()),
        ("in\nout\n", "err\n")
    );
    let running = host.as_user("bob").spawn("sleep", &["60"]);
    running.signal(Signal::SIGKILL);
    assert_eq!(running.wait().status, None);
    let environment = host.as_user("bob").env("X", "1").run("env", &[]).ok();
    let mut names: Vec<_> = environment
        .lines()
        .filter_map(|line| line.split('=').next())
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "DS01_CONFIG",
            "HOME",
            "LANG",
            "LOGNAME",
            "PATH",
            "SHELL",
            "USER",
            "X"
        ]
    );
}

#[test]
fn a_terminal_has_a_size_and_signals() {
    let host = TestHost::new();
    let on_terminal = |args: &[&str]| {
        host.as_user("carol")
            .within(Duration::from_secs(10))
            .pty("sh", args)
    };
    let script = "trap 'stty size; exit 3' INT; stty size; tty; while :; do sleep 0.1; done";
    let mut pty = on_terminal(&["-c", script]);
    assert_eq!(pty.expect("/dev/pts/"), "24 80\r\n/dev/pts/");
    pty.resize(50, 100);
    pty.send("\x03");
    pty.expect("50 100\r\n");
    assert_eq!(pty.wait(), Some(3));

    let mut pty = on_terminal(&[
        "-c",
        "read -r line; echo \"<$line>\"; stty raw; echo is raw; cat",
    ]);
    let modes = pty.modes();
    pty.send("hello\r");
    pty.expect("<hello>\r\n");
    pty.expect("is raw");
    assert_ne!(pty.modes(), modes);
    pty.signal(Signal::SIGKILL);
    assert_eq!(pty.wait(), None);
}

#[test]
fn the_engine_can_hang_die_and_come_back_with_its_records() {
    let host = TestHost::new();
    let id = host
        .docker(&[
            "create",
            "--init",
            "--name",
            "kept",
            "ds01-base",
            "sleep",
            "60",
        ])
        .ok();
    let _ = host.docker(&["start", "kept"]).ok();
    host.engine().signal(Signal::SIGSTOP);
    let list = host.as_user("root").spawn("docker", &["ps"]);
    drop(list);
    host.engine().signal(Signal::SIGCONT);
    for disturb in [
        |host: &TestHost| host.engine().kill(),
        |host: &TestHost| host.engine().stop(),
    ] {
        disturb(&host);
        assert_ne!(host.docker(&["ps"]).status, Some(0));
        host.engine().start();
        assert_eq!(host.docker(&["ps", "-aq", "--no-trunc"]).ok(), id);
        assert_eq!(
            host.docker(&["ps", "-q"]).ok(),
            "",
            "a container outlived its engine"
        );
        let _ = host.docker(&["start", "kept"]).ok();
    }
}

#[test]
fn nothing_is_left_of_a_host() {
    let host = TestHost::new();
    let root = host.root().to_path_buf();
    let pid = host.engine().pid();
    let id = host
        .docker(&["run", "-d", "--init", "ds01-base", "sleep", "60"])
        .ok();
    let sleeping = host
        .docker(&["inspect", "-f", "{{.State.Pid}}", id.trim()])
        .ok();
    let stray = host
        .run("sh", &["-c", "sleep 60 >/dev/null 2>&1 & echo $!"])
        .ok();
    let mounted = host.root().join("home").to_string_lossy().into_owned();
    host.as_user("root")
        .run("mount", &["-t", "tmpfs", "tmpfs", &mounted])
        .ok();
    let started = Instant::now();
    drop(host);
    assert!(started.elapsed() < Duration::from_secs(5));
    assert!(!root.exists());
    for pid in [pid.to_string(), sleeping.trim().into(), stray.trim().into()] {
        assert_eq!(alive(&pid), None);
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(&*root.to_string_lossy()));
}

/// What a process is doing, unless it only waits for its parent to collect it.
fn alive(pid: &str) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    (!stat.contains(") Z ")).then_some(stat)
}

#[test]
fn a_scripted_engine_answers_in_turn_and_breaks_as_told() {
    let socket = std::env::temp_dir().join(format!("ds01-scripted-{}.sock", std::process::id()));
    let engine = ScriptedEngine::start(&socket);
    engine.on(
        "GET",
        "/containers/json",
        [Answer::new(200, "[1]"), Answer::error(500, "no")],
    );
    engine.on(
        "POST",
        "/containers/*",
        [Answer::new(201, "0123456789").half_body()],
    );
    engine.on("GET", "/info", [Answer::close()]);
    engine.on(
        "GET",
        "/version",
        [Answer::new(200, "{}").stall_after_head()],
    );
    let ask = |request: &str| {
        let mut stream = UnixStream::connect(&socket).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_millis(300)))
            .unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        let ended = stream.read_to_end(&mut answer).is_ok();
        let text = String::from_utf8(answer).unwrap();
        (
            text.split_once("\r\n\r\n")
                .map_or(String::new(), |(_, body)| body.into()),
            ended,
        )
    };
    let list = "GET /v1.41/containers/json?all=true HTTP/1.1\r\nHost: d\r\n\r\n";
    assert_eq!(ask(list), ("[1]".into(), true));
    assert_eq!(ask(list), (r#"{"message":"no"}"#.into(), true));
    assert_eq!(ask(list), (r#"{"message":"no"}"#.into(), true));
    let create = "POST /containers/create HTTP/1.1\r\ncontent-length: 7\r\n\r\n{\"a\":1}";
    assert_eq!(ask(create), ("01234".into(), true));
    let chunked =
        "POST /containers/x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let _ = ask(chunked);
    assert_eq!(ask("GET /info HTTP/1.1\r\n\r\n"), (String::new(), true));
    assert_eq!(
        ask("GET /v1.41/version HTTP/1.1\r\n\r\n"),
        (String::new(), false)
    );
    assert!(ask("GET /other HTTP/1.1\r\n\r\n").0.contains("no script"));
    let requests = engine.requests();
    assert_eq!(requests[0].path, "/v1.41/containers/json?all=true");
    assert_eq!(requests[3].json()["a"], 1);
    assert_eq!(requests[4].body, b"abc");
    drop(engine);
    let refused = (0..50).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        UnixStream::connect(&socket).is_err()
    });
    assert!(refused);
    fs::remove_file(&socket).unwrap();
}
