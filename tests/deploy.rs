//! `container-deploy`: a container that runs, or none.

use std::{fs, process::Command};

use ds01_testkit::{Outcome, Signal, TestHost};

use crate::support::expect::{
    all_containers, created, done, engine_name, failed, image, inspect, project, running, state,
    uuid, with_config, with_hook,
};

const DEPLOY: &str = "container-deploy";
const PROMPT: &str = "alice@thesis:/workspace$ ";

/// Alice holds nothing: her whole quota can be had.
#[track_caller]
fn assert_nothing_is_left(host: &TestHost) {
    assert_eq!(all_containers(host), "");
    let free = host.run("gpu-status", &["--format=simple"]).ok();
    assert!(!free.contains("alice"), "{free}");
    let ledger: serde_json::Value = serde_json::from_str(&host.ledger_text()).unwrap();
    assert_eq!(
        ledger["ledger"]["allocations"],
        serde_json::json!([]),
        "{ledger}"
    );
}

#[test]
fn off_a_terminal_it_runs_and_says_with_what() {
    let host = TestHost::new();
    let deployed = host.run(DEPLOY, &["Thesis", "--image=ds01-base"]);
    assert_eq!(deployed, done("thesis runs with GPU 0\n", ""));
    assert_eq!(state(&host, "thesis"), "running");
    assert_eq!(host.gpus().given().last().unwrap().devices, [uuid(0)]);
    let args = ["editing", "ds01-base", "--cpu-only", "--background"];
    let deployed = host.run(DEPLOY, &args);
    assert_eq!(deployed, done("editing runs without GPU\n", ""));
    let odd = "container-deploy: unexpected argument \"more\"\n\
               hint: a name and an image are all there is: see container-deploy --help\n";
    assert_eq!(host.run(DEPLOY, &["a", "b", "more"]), failed(2, odd));
    let help = host.run(DEPLOY, &["--help"]).ok();
    let usage = "Usage: container-deploy [options] [<name> [<image>]]\n";
    assert!(help.starts_with(usage), "{help}");
}

#[test]
fn with_open_the_shell_has_all_three_streams_and_the_status() {
    let host = TestHost::new();
    let shell = host
        .as_user("alice")
        .stdin("hostname; echo err >&2; exit 7\n");
    let deployed = shell.run(DEPLOY, &["thesis", "--image=ds01-base", "--open"]);
    let expected = Outcome {
        status: Some(7),
        stdout: "thesis\n".into(),
        stderr: "err\n".into(),
    };
    assert_eq!(deployed, expected);
    assert_eq!(state(&host, "thesis"), "running", "it runs on");
}

#[test]
fn on_a_terminal_it_opens_a_shell() {
    let host = TestHost::new();
    let args = ["thesis", "--image=ds01-base"];
    let mut shell = host.as_user("alice").pty(DEPLOY, &args);
    let said = "thesis runs with GPU 0; exit or Ctrl-D leaves it running\r\n";
    assert_eq!(shell.expect(said), said);
    shell.expect(PROMPT);
    shell.send("exit\r");
    assert_eq!(shell.wait(), Some(0));
    assert_eq!(state(&host, "thesis"), "running");
    host.run("container-remove", &["thesis", "--stop"]).ok();
    let args = ["thesis", "--image=ds01-base", "--background"];
    let mut deployed = host.as_user("alice").pty(DEPLOY, &args);
    let said = "thesis runs with GPU 0\r\n";
    assert_eq!(deployed.expect(said), said);
    assert_eq!(deployed.wait(), Some(0));
}

#[test]
fn without_a_name_it_is_the_images_or_that_of_a_project() {
    let host = TestHost::new();
    image(&host, "ds01-20001/thesis:v2", "ds01-base", &[], &[]);
    image(&host, "ds01-20001/other", "ds01-base", &[], &[]);
    let args = ["--image=ds01-alice/thesis:v2", "--cpu-only"];
    let deployed = host.run(DEPLOY, &args);
    assert_eq!(deployed, done("thesis runs without GPU\n", ""));
    let mount = "{{range .Mounts}}{{.Destination}}{{end}}";
    let mounted = host.docker(&["inspect", "-f", mount, &engine_name("thesis")]);
    assert_eq!(mounted.ok(), "/workspace\n");
    let interface = "{{index .Config.Labels \"ds01.interface\"}}";
    let interface = inspect(&host, &engine_name("thesis"), interface);
    assert_eq!(interface, "orchestration");
    assert!(host.home("alice").join("workspace/thesis").is_dir());

    let none = "container-deploy: missing argument <name>\n\
                hint: without a terminal it must be given: see container-deploy --help\n";
    assert_eq!(host.run(DEPLOY, &[]), failed(2, none));
    project(&host, "alice", "other", &[]);
    let mut menu = host
        .as_user("alice")
        .pty(DEPLOY, &["--cpu-only", "--background"]);
    menu.expect("Deploy a container for which project?");
    let chosen = menu.expect("other");
    assert!(!chosen.contains("thesis"), "it has a container: {chosen}");
    menu.send("\r");
    menu.expect("other runs without GPU\r\n");
    assert_eq!(menu.wait(), Some(0));
}

#[test]
fn the_menu_has_what_can_be_made_and_what_to_choose_it_by() {
    let host = TestHost::new();
    project(&host, "alice", "bare", &[("x", "")]);
    project(
        &host,
        "alice",
        "unbuilt",
        &[("Dockerfile", "FROM ds01-base\n")],
    );
    for command in [DEPLOY, "container-create"] {
        let mut none = host.as_user("alice").pty(command, &[]);
        none.expect("no project of yours without a container has an image\r\n");
        none.expect(&format!("{command} <name> --image=<image>"));
        assert_eq!(none.wait(), Some(3));
    }
    project(
        &host,
        "alice",
        "thesis",
        &[("Dockerfile", "FROM ds01-base\n")],
    );
    host.run("image-create", &["thesis"]).ok();
    for (command, end) in [(DEPLOY, "\x03"), ("container-create", "\r")] {
        let mut menu = host.as_user("alice").pty(command, &["--cpu-only"]);
        menu.expect(" container for which project?");
        let row = menu.expect(" old");
        let has = |word: &str| row.contains(word);
        assert!(has("thesis") && has("ds01-base") && has("image "), "{row}");
        assert!(!has("bare") && !has("unbuilt"), "{row}");
        menu.send(end);
        menu.wait();
    }
    // Another image serves each, and a container of any name.
    let args = ["--image=ds01-base", "--cpu-only"];
    let mut none = host.as_user("alice").pty("container-create", &args);
    none.expect("bare");
    none.expect("unbuilt");
    none.expect("another name");
    none.expect("a name that is listed; Ctrl-C leaves");
    // A name that is not there leaves what asks for one.
    none.send("newone\r");
    none.expect("Name of the container [test]: ");
    none.send("\x03");
    none.wait();
    let mut menu = host.as_user("alice").pty("container-create", &args);
    menu.expect("another name");
    menu.send("another\r");
    menu.expect("Name of the container [test]: ");
    menu.send("newone\r");
    menu.expect("newone without GPU\r\n");
    assert_eq!(menu.wait(), Some(0));
}

#[test]
fn a_project_that_is_not_built_yet_is_not_silently_given_the_hosts_image() {
    let host = TestHost::new();
    with_config(&host, "[containers]\ndefault_image = \"ds01-base\"\n");
    let files = [("Dockerfile", "FROM ds01-busybox\n")];
    project(&host, "alice", "thesis", &files);
    let told = "project thesis has no image yet: made from ds01-base; build its own with \
                image-create thesis\n";
    let would = host.run("container-create", &["thesis", "--cpu-only", "--dry-run"]);
    assert_eq!(would, done("thesis would be made without GPU\n", told));
    let deployed = host.run(DEPLOY, &["thesis", "--cpu-only"]);
    assert_eq!(deployed, done("thesis runs without GPU\n", told));
    // Who names an image knows it.
    let named = host.run(DEPLOY, &["other", "ds01-base", "--project=thesis"]);
    assert_eq!(named, done("other runs with GPU 0\n", ""));
}

#[test]
fn what_cannot_be_is_said_before_anything_is_made() {
    let host = TestHost::new();
    let none = "container-deploy: you have no project thesis, and this host has no default image\n\
                hint: make a project first, with project-init thesis; or choose from image-list \
                --all: container-deploy thesis --image=<image>\n";
    assert_eq!(host.run(DEPLOY, &["thesis"]), failed(3, none));
    project(&host, "alice", "thesis", &[]);
    let make = none.replace(
        "make a project first, with project-init",
        "make one with image-create",
    );
    let make = make.replace(
        "you have no project thesis, and this host has no default image",
        "project thesis has no image: there is no ds01-20001/thesis:latest",
    );
    assert_eq!(host.run(DEPLOY, &["thesis"]), failed(3, &make));
    project(
        &host,
        "alice",
        "thesis",
        &[("Dockerfile", "FROM ds01-base\n")],
    );
    let build = make.replace("make one", "build it");
    assert_eq!(host.run(DEPLOY, &["thesis"]), failed(3, &build));
    let none = "container-deploy: there is no image nothing on this host\n\
                hint: choose from image-list --all, or fetch it first: docker pull nothing\n";
    let named = host.run(DEPLOY, &["thesis", "--image=nothing"]);
    assert_eq!(named, failed(3, none));
    for (one, other) in [("--open", "--background"), ("--gpu=1", "--cpu-only")] {
        let both = format!(
            "container-deploy: {} and {other} exclude each other\nhint: leave one of them out\n",
            one.split('=').next().unwrap()
        );
        let args = ["thesis", "--image=ds01-base", one, other];
        assert_eq!(host.run(DEPLOY, &args), failed(2, &both));
    }
    let another = "container-deploy: a container is made for its owner by its owner\n\
                   hint: make one of your own: container-deploy thesis\n";
    let args = ["thesis._.20002", "--image=ds01-base"];
    assert_eq!(host.run(DEPLOY, &args), failed(7, another));
    assert_nothing_is_left(&host);
}

#[test]
fn a_container_that_exists_is_said_to_with_its_state_and_what_to_type() {
    let host = TestHost::new();
    let exists = |state: &str, hint: &str| {
        let text = format!(
            "container-deploy: container thesis exists already: it is {state}\nhint: {hint}\n"
        );
        assert_eq!(host.run(DEPLOY, &["thesis"]), failed(4, &text));
    };
    let start = "start it with container-start thesis, or container-run thesis for a shell";
    created(&host, "thesis");
    exists("created", start);
    host.run("container-start", &["thesis"]).ok();
    exists("running", "open a shell in it with container-attach thesis");
    host.run("container-pause", &["thesis"]).ok();
    exists("paused", "let it go on with container-unpause thesis");
    host.run("container-stop", &["thesis"]).ok();
    exists("stopped", start);
    let bob = host
        .as_user("bob")
        .run(DEPLOY, &["thesis", "--image=ds01-base", "--cpu-only"]);
    assert_eq!(bob, done("thesis runs without GPU\n", ""));
}

#[test]
fn one_that_does_not_start_leaves_nothing() {
    let host = TestHost::new();
    with_hook(&host, "echo 'the GPU is on fire' >&2; exit 1");
    let args = ["thesis", "--image=ds01-base"];
    let refused = host.run(DEPLOY, &args);
    assert_eq!((refused.status, &*refused.stdout), (Some(1), ""));
    let said = &refused.stderr;
    let begin = "thesis was removed again\n\
                 container-deploy: the Docker Engine did not start it: ";
    assert!(said.starts_with(begin), "{said}");
    assert!(said.contains("the GPU is on fire"), "{said}");
    let hint = "\nhint: to see more, take the steps one by one: container-create thesis \
                --image=ds01-base --gpu=1 && container-start thesis\n";
    assert!(said.ends_with(hint), "{said}");
    assert_nothing_is_left(&host);

    // Without a GPU too: a file is where the workspace would be mounted.
    image(&host, "odd", "ds01-base", &[("/workspace", "")], &[]);
    let refused = host.run(DEPLOY, &["thesis", "--image=odd", "--cpu-only", "--open"]);
    assert_eq!(refused.status, Some(1), "{}", refused.stderr);
    assert_nothing_is_left(&host);
    with_hook(&host, "exit 0");
    host.run(DEPLOY, &args).ok();
}

#[test]
fn what_cannot_be_undone_is_said_as_well() {
    let host = TestHost::new();
    let pid = host.root().join("engine/dockerd.pid");
    with_hook(&host, &format!("kill -9 $(cat {})", pid.display()));
    let dead = host.run(DEPLOY, &["thesis", "--image=ds01-base"]);
    assert_eq!(
        (dead.status, &*dead.stdout),
        (Some(8), ""),
        "{}",
        dead.stderr
    );
    let lines: Vec<_> = dead.stderr.lines().collect();
    let [both, first, hint] = lines[..] else {
        panic!("{}", dead.stderr)
    };
    let not = "container-deploy: warning: thesis was made, and could not be removed again: ";
    assert!(both.starts_with(not), "{both}");
    assert!(first.starts_with("container-deploy: "), "{first}");
    assert_eq!(hint, "hint: remove it with container-remove thesis --stop");
    with_hook(&host, "exit 0");
    host.engine().start();
    host.run("container-remove", &["thesis", "--stop"]).ok();
    assert_nothing_is_left(&host);
}

#[test]
fn one_that_ends_at_once_is_told_with_its_last_words_and_removed() {
    let host = TestHost::new();
    let tail = "#!/bin/sh\necho first >&2\necho no such thing >&2\nexit 3\n";
    image(&host, "odd", "ds01-base", &[("/bin/tail", tail)], &[]);
    let ended = host.run(DEPLOY, &["thesis", "--image=odd"]);
    let said = "thesis was removed again\n\
                container-deploy: container thesis ended as soon as it was started, with status 3: \
                first: no such thing\n\
                hint: an image needs a shell and tail, which every Linux system has: choose from \
                image-list --all\n";
    assert_eq!(ended, failed(1, said));
    assert_nothing_is_left(&host);
}

#[test]
fn interrupted_between_its_steps_it_leaves_nothing() {
    let host = TestHost::new();
    let hook = host.root().join("engine/hook");
    let fifo = hook.join("go-on");
    let made = Command::new("mkfifo").arg(&fifo).status().unwrap();
    assert!(made.success());
    let interrupted = "container-deploy: interrupted\r\n";
    let refused = "container-deploy: the Docker Engine did not start it: ";
    for (signal, hook, said) in [
        (Signal::SIGINT, "exit 0", interrupted),
        (Signal::SIGTERM, "exit 0", interrupted),
        (Signal::SIGINT, "exit 1", refused),
    ] {
        with_hook(&host, &format!("read word <{}; {hook}", fifo.display()));
        let args = ["thesis", "--image=ds01-base"];
        let mut deploy = host.as_user("alice").pty(DEPLOY, &args);
        // Opening it waits for the hook: the container is made, and about to start.
        let go_on = fs::File::options().write(true).open(&fifo).unwrap();
        deploy.signal(signal);
        drop(go_on);
        let said = format!("thesis was removed again\r\n{said}");
        assert_eq!(deploy.expect(&said), said);
        assert_eq!(deploy.wait(), Some(130), "{}", deploy.output());
        assert_nothing_is_left(&host);
    }
}

#[test]
fn guided_tells_the_docker_command_of_each_step() {
    let host = TestHost::new();
    let args = ["thesis", "--image=ds01-base", "--guided"];
    let guided = host.run(DEPLOY, &args);
    let stderr = format!(
        "guide: your limits are read, and devices are chosen that nobody holds\n\
         guide: the choice is GPU 0: the first of the smallest that were free\n\
         guide: a container is made within your limits, as docker create --name thesis._.20001 \
         --gpus '\"device={}\"' -v /home/alice/workspace/thesis:/workspace ds01-base does\n\
         guide: it is started, as docker start does\n",
        uuid(0)
    );
    assert_eq!(guided, done("thesis runs with GPU 0\n", &stderr));
}

#[test]
fn without_a_free_device_nothing_is_made() {
    let host = TestHost::new();
    running(&host, "thesis");
    let bob = host
        .as_user("bob")
        .run(DEPLOY, &["first", "--image=ds01-base", "--no-wait"]);
    let none = "container-deploy: no GPU free: 1 asked for, 0 of 1 free\n\
                hint: see who holds what with gpu-status\n";
    assert_eq!(bob, failed(6, none));
    assert_eq!(all_containers(&host), "thesis._.20001\n");
}
