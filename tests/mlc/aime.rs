//! AIME's own scripts see our containers and manage them: `aime.sh` asks docker what they ask.

use ds01_testkit::{As, Outcome, TestHost};

use crate::support::expect::{ALICE, created, done, engine_name, image, inspect, state};

const SCRIPT: &str = include_str!("aime.sh");

/// A docker client of its own kind for each way to the engine.
#[derive(Clone, Copy)]
pub(super) enum By {
    /// On the engine itself, as one with rights to it.
    Engine,
    /// Through the gateway.
    Gateway,
}

pub(super) fn aime(host: &TestHost, user: &str, by: By, args: &[&str]) -> Outcome {
    let all = [&["-c", SCRIPT, "aime.sh"], args].concat();
    with_docker(host, user, by).run("bash", &all)
}

fn with_docker<'h>(host: &'h TestHost, user: &str, by: By) -> As<'h> {
    let socket = match by {
        By::Engine => host.engine().socket(),
        By::Gateway => host.gateway_socket(),
    };
    let socket = format!("unix://{}", socket.display());
    host.as_user(user).env("DOCKER_HOST", &socket)
}

/// The images of alice's that are hers alone, and the one that everybody uses.
fn images(host: &TestHost) -> Vec<String> {
    let all = host
        .docker(&["images", "--format", "{{.Repository}}:{{.Tag}}"])
        .ok();
    let mut named: Vec<_> = all.lines().map(str::to_owned).collect();
    named.retain(|name| {
        name.contains("/of.container:") || name.contains("thesis") || name.starts_with("ds01-base:")
    });
    named.sort();
    named
}

/// What `aime.sh` does to a container of alice's, made by `make`, in the end to its removal.
pub(super) fn managed(host: &TestHost, user: &str, by: By, name: &str) {
    let aime = |args: &[&str]| aime(host, user, by, args);
    let tag = engine_name(name);
    let listed = aime(&["list-all"]).ok();
    assert!(
        listed.contains(&format!("[{name}]")) && listed.contains("alice"),
        "{listed}"
    );

    aime(&["start", name]).ok();
    assert_eq!(state(host, name), "running");
    let stats = aime(&["stats"]).ok();
    assert!(stats.contains(&format!("[{name}")), "{stats}");
    let all = ["-c", SCRIPT, "aime.sh", "open", name];
    let mut shell = with_docker(host, user, by).pty("bash", &all);
    shell.expect("$ ");
    shell.send("id -u\r");
    shell.expect(&format!("{}\r\n", if user == "root" { 0 } else { ALICE }));
    shell.send("exit\r");
    assert_eq!(shell.wait(), Some(0), "{}", shell.output());
    assert_eq!(state(host, name), "running", "an init keeps it up");
    assert_eq!(aime(&["remove", name]).status, Some(2), "it runs");
    let stopped = aime(&["stop", name]);
    assert_eq!(stopped.status, Some(0), "{stopped:?}");
    let code = inspect(host, &tag, "{{.State.ExitCode}}");
    assert_ne!(code, "137", "it honoured the signal");
    assert!(aime(&["remove", name]).stdout.starts_with(name));
}

#[test]
fn aimes_scripts_manage_our_containers_on_the_engine_and_take_no_image_from_others() {
    let host = TestHost::with_direct_access(1);
    image(&host, "ds01-20001/thesis", "ds01-base", &[], &["LABEL a=b"]);
    let before = images(&host);
    for (user, image) in [
        ("alice", "ds01-base"),
        ("alice", "ds01-20001/thesis:latest"),
    ] {
        host.run("container-create", &["thesis", image]).ok();
        assert_eq!(images(&host).len(), before.len() + 1, "{:?}", images(&host));
        managed(&host, user, By::Engine, "thesis");
        assert_eq!(
            images(&host),
            before,
            "only the container's own name for it went"
        );
        assert_eq!(
            host.run("container-list", &["--all", "--format=simple"]),
            done("", "")
        );
    }
}

#[test]
fn root_manages_containers_of_others_with_aimes_scripts_by_the_engines_names() {
    let host = TestHost::new();
    created(&host, "thesis");
    let before = images(&host);
    managed_by_root(&host, &engine_name("thesis"));
    let left = images(&host);
    assert_eq!(left.len(), before.len() - 1, "{left:?}");
    assert!(left.contains(&"ds01-base:latest".to_string()));
}

fn managed_by_root(host: &TestHost, tag: &str) {
    let aime = |args: &[&str]| aime(host, "root", By::Engine, args);
    assert!(aime(&["list-all"]).ok().contains("[thesis]"));
    aime(&["start", tag]).ok();
    aime(&["stop", tag]).ok();
    aime(&["remove", tag]).ok();
}

#[test]
fn aimes_scripts_manage_ones_own_containers_through_the_gateway_and_leave_every_image() {
    let host = TestHost::behind_gateway(1);
    image(&host, "ds01-20001/thesis", "ds01-base", &[], &["LABEL a=b"]);
    let before = images(&host);
    for image in ["ds01-base", "ds01-20001/thesis:latest"] {
        host.run("container-create", &["thesis", image]).ok();
        let listed = aime(&host, "alice", By::Gateway, &["list"]).ok();
        assert!(
            listed.lines().any(|line| line.starts_with("[thesis] ")),
            "{listed}"
        );
        let bob = aime(&host, "bob", By::Gateway, &["list-all"]).ok();
        assert_eq!(bob.lines().count(), 1, "{bob}");
        assert_eq!(
            aime(&host, "bob", By::Gateway, &["stop", "thesis"]).status,
            Some(3)
        );
        managed(&host, "alice", By::Gateway, "thesis");
        assert_eq!(images(&host), before);
    }
    // One that docker made there is no different.
    let docker = with_docker(&host, "alice", By::Gateway);
    docker
        .run(
            "docker",
            &[
                "create",
                "--name=thesis",
                "ds01-20001/thesis",
                "sleep",
                "100",
            ],
        )
        .ok();
    assert!(
        aime(&host, "alice", By::Gateway, &["remove", "thesis"])
            .stdout
            .starts_with("thesis")
    );
    assert_eq!(images(&host), before);
}
