//! `ds01-gateway` as a service: how it starts, stops, and takes the engine's place.

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        net::UnixStream,
    },
    path::Path,
};

use ds01_testkit::{Outcome, TestHost};

use crate::support::{
    duties::{hours, pass, policy},
    expect::{done, failed, running},
    hung::hung,
};

/// Docker's own client, as alice, at the gateway.
fn docker(host: &TestHost, args: &[&str]) -> Outcome {
    let socket = format!("unix://{}", host.gateway_socket().display());
    host.as_user("alice")
        .env("DOCKER_HOST", &socket)
        .run("docker", args)
}

#[test]
fn a_dry_run_of_a_duty_makes_nothing_on_a_host_that_is_new() {
    let host = TestHost::new();
    let made = [host.state_dir(), host.root().join("log")];
    for folder in made.iter().filter(|folder| folder.exists()) {
        fs::remove_dir_all(folder).unwrap();
    }
    for duty in [
        "ds01-adopt",
        "ds01-idle",
        "ds01-runtime",
        "ds01-holds",
        "ds01-queue",
        "ds01-slices",
        "container-owner-tracker",
    ] {
        pass(&host, duty, &["--dry-run"]).ok();
        let there: Vec<_> = made.iter().filter(|folder| folder.exists()).collect();
        assert!(there.is_empty(), "{duty} has made {there:?}");
    }
}

#[test]
fn only_root_starts_it_and_only_once() {
    let host = TestHost::behind_gateway(1);
    let config = host.root().join("etc/ds01.toml");
    let args = ["--config", &*config.to_string_lossy()];
    let expected = "ds01-gateway: the gateway runs as root: it holds the engine's socket\n\
                    hint: systemctl start ds01-gateway\n";
    assert_eq!(host.run("ds01-gateway", &args), failed(7, expected));
    let run = host.root().join("run");
    let run = run.display();
    let expected = format!(
        "ds01-gateway: another gateway serves {run}\n\
         hint: see who that is with fuser -v {run}/gateway.lock\n"
    );
    let second = host.as_user("root").run("ds01-gateway", &args);
    assert_eq!(second, failed(4, &expected));
    assert_eq!(docker(&host, &["ps", "-q"]).ok(), "");
}

#[test]
fn no_login_can_keep_the_next_gateway_from_its_place() {
    let host = TestHost::behind_gateway(1);
    let lock = host.root().join("run/gateway.lock");
    let as_bob = |script: &str| {
        let script = script.replace("LOCK", &lock.to_string_lossy());
        host.as_user("bob").run("sh", &["-c", &script])
    };
    let tries = "flock -n -x LOCK true; flock -n -s LOCK true; exec 9<LOCK";
    let tried = as_bob(tries);
    assert_eq!(
        tried.stderr.matches("Permission denied").count(),
        3,
        "{tried:?}"
    );
    // As an older version made it.
    host.stop_gateway();
    fs::set_permissions(&lock, fs::Permissions::from_mode(0o644)).unwrap();
    host.start_gateway();
    let tried = as_bob("exec 9<LOCK");
    assert!(tried.stderr.contains("Permission denied"), "{tried:?}");
}

#[test]
fn everybody_may_connect_and_nobody_but_root_may_change_what_is_there() {
    let host = TestHost::behind_gateway(1);
    let mode = |path: &str| {
        let file = fs::metadata(host.root().join(path)).unwrap();
        file.permissions().mode() & 0o7777
    };
    assert_eq!(mode("run"), 0o755);
    assert_eq!(mode("run/docker.sock"), 0o666);
    assert_eq!(mode("run/empty"), 0o555);
    assert_eq!(mode("state"), 0o700);
}

#[test]
fn containers_run_on_while_it_is_down_and_are_the_same_afterwards() {
    let host = TestHost::behind_gateway(1);
    docker(
        &host,
        &[
            "run",
            "-d",
            "--name=thesis",
            "--gpus=1",
            "ds01-base",
            "sleep",
            "600",
        ],
    )
    .ok();
    let seen = || {
        docker(
            &host,
            &[
                "inspect",
                "-f",
                "{{.State.Pid}} {{.State.Running}}",
                "thesis",
            ],
        )
    };
    let before = seen().ok();
    host.stop_gateway();
    let socket = host.gateway_socket();
    let down = seen();
    assert_eq!(down.status, Some(1));
    assert!(
        down.stderr.contains("Cannot connect to the Docker daemon"),
        "{}",
        down.stderr
    );
    let expected = "container-list: DS01's gateway does not answer: Connection refused";
    let list = host.run("container-list", &[]);
    assert_eq!((list.status, list.stdout.as_str()), (Some(8), ""));
    assert!(list.stderr.starts_with(expected), "{}", list.stderr);
    host.start_gateway();
    assert!(UnixStream::connect(socket).is_ok());
    assert_eq!(seen().ok(), before);
    let given = host.run("gpu-status", &["--format=simple"]).ok();
    assert!(given.ends_with("\talice\tthesis\n"), "{given}");
}

#[test]
fn it_ends_when_its_calls_have_ended() {
    let host = TestHost::behind_gateway(1);
    // As first process it ignores SIGTERM: the engine waits before it kills.
    docker(
        &host,
        &["run", "-d", "--name=thesis", "ds01-base", "sleep", "600"],
    )
    .ok();
    let socket = format!("unix://{}", host.gateway_socket().display());
    let alice = host.as_user("alice").env("DOCKER_HOST", &socket);
    let stopping = alice.spawn("docker", &["stop", "-t", "2", "thesis"]);
    let signalled = ["events", "--since=1", "--until=0s", "--filter=event=kill"];
    while host.docker(&signalled).ok().is_empty() {}
    assert!(host.stop_gateway(), "it ran");
    let ended = stopping.wait();
    assert_eq!((ended.status, ended.stdout.as_str()), (Some(0), "thesis\n"));
}

#[test]
fn it_can_take_the_place_of_the_engine() {
    let host = TestHost::behind_gateway(1);
    let socket = host.root().join("taken.sock");
    let taken = format!("{}[gateway]\ntakes_over = {socket:?}\n", host.config_text());
    host.config(&taken);
    let at = format!("unix://{}", socket.display());
    let alice = host.as_user("alice").env("DOCKER_HOST", &at);
    alice
        .run(
            "docker",
            &["run", "-d", "--name=thesis", "ds01-base", "sleep", "600"],
        )
        .ok();
    assert!(host.run("container-list", &[]).ok().contains("thesis"));
    let bob = host.as_user("bob").env("DOCKER_HOST", &at);
    assert_eq!(bob.run("docker", &["ps", "-aq"]).ok(), "");
}

/// Ends the gateway, and takes its mounts away as a reboot does.
fn unmount_all(host: &TestHost) {
    host.stop_gateway();
    let mounts = host.root().join("run/mounts");
    let script = format!(
        "find {0} -mindepth 2 -maxdepth 2 -exec umount {{}} \\; && rm -r {0}",
        mounts.display()
    );
    host.as_user("root").run("sh", &["-c", &script]).ok();
}

#[test]
fn whose_files_hang_at_boot_keeps_nobody_from_the_gateway_nor_from_theirs() {
    let host = TestHost::behind_gateway(2);
    for user in ["alice", "bob"] {
        let create = ["own", "ds01-base"];
        host.as_user(user).run("container-create", &create).ok();
    }
    unmount_all(&host);
    let _serving = hung(&host, "/home/alice/workspace/own");
    host.start_gateway();
    let mounts = format!("/proc/{}/mountinfo", host.gateway_pid());
    let mounts = fs::read_to_string(mounts).unwrap();
    let staged = format!("{}/", host.root().join("run/mounts").display());
    assert_eq!(mounts.matches(&staged).count(), 1, "{mounts}");
    let start = host.as_user("bob").run("container-start", &["own"]);
    assert_eq!(start, done("", ""));
}

/// The engine resolves the path of a mount anew at every start.
#[test]
fn after_a_reboot_a_container_has_the_same_folder_again_and_no_other() {
    let host = TestHost::behind_gateway(1);
    let home = host.home("alice");
    for folder in ["work", "other"] {
        host.run("mkdir", &[folder]).ok();
        fs::write(home.join(folder).join("name"), folder).unwrap();
    }
    let bind = "--volume=/home/alice/work:/work";
    let cat = [
        "run",
        "--name=thesis",
        bind,
        "ds01-base",
        "cat",
        "/work/name",
    ];
    assert_eq!(docker(&host, &cat).ok(), "work");
    let unmount_all = || {
        unmount_all(&host);
        host.start_gateway();
    };
    unmount_all();
    let again = ["start", "-a", "thesis"];
    assert_eq!(docker(&host, &again).ok(), "work");

    // In its place there is a link now, to where the owner may not have a folder mounted.
    fs::rename(home.join("work"), home.join("gone")).unwrap();
    std::os::unix::fs::symlink("/etc", home.join("work")).unwrap();
    assert_eq!(
        docker(&host, &again).ok(),
        "work",
        "what was opened once stays"
    );
    unmount_all();
    let refused = docker(&host, &again);
    assert!(
        refused.stderr.contains("cannot mount /home/alice/work"),
        "{}",
        refused.stderr
    );
    assert_eq!((refused.status, refused.stdout.as_str()), (Some(1), ""));
}

/// As systemd starts it: what is mounted there, nobody else sees.
#[test]
fn with_a_view_of_its_own_it_mounts_folders_where_the_engine_sees_them() {
    let host = TestHost::behind_gateway(1);
    host.stop_gateway();
    let config = host.root().join("etc/ds01.toml");
    let own_view = [
        "--mount",
        "--propagation=slave",
        "ds01-gateway",
        "--config",
        &*config.to_string_lossy(),
    ];
    let _gateway = host.as_user("root").spawn("unshare", &own_view);
    while docker(&host, &["version"]).status != Some(0) {}
    host.run("sh", &["-c", "mkdir work && echo mine >work/name"])
        .ok();
    let bind = "--volume=/home/alice/work:/work";
    let cat = "cat /work/name; echo more >/work/more";
    let run = ["run", "--name=thesis", bind, "ds01-base", "sh", "-c", cat];
    assert_eq!(docker(&host, &run).ok(), "mine\n");
    assert_eq!(host.run("cat", &["work/more"]).ok(), "more\n");
    let mounts = || {
        let mounts = host.as_user("root").run("cat", &["/proc/self/mountinfo"]);
        let below = format!("{}/run/mounts/", host.root().display());
        mounts.ok().matches(&below).count()
    };
    assert_eq!(mounts(), 1, "it stays as long as the container");
    assert_eq!(docker(&host, &["start", "-a", "thesis"]).ok(), "mine\n");
    docker(&host, &["rm", "thesis"]).ok();
    assert_eq!(mounts(), 0);
    assert_eq!(host.run("ls", &["work"]).ok(), "more\nname\n");
}

/// A duty of root's as its service runs it: without what the bounding set of services lacks.
fn as_service(host: &TestHost, duty: &str) -> Outcome {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/package");
    let hardening = fs::read_to_string(package.join("systemd/hardening")).unwrap();
    let sets = hardening
        .lines()
        .filter_map(|line| line.strip_prefix("CapabilityBoundingSet=CAP_"));
    let kept = sets.flat_map(|set| set.split(" CAP_"));
    let kept: String = kept
        .map(|name| format!(",+{}", name.to_lowercase()))
        .collect();
    let config = format!("--config={}/etc/ds01.toml", host.root().display());
    let bounds = format!("--bounding-set=-all{kept}");
    host.as_user("root")
        .run("setpriv", &[&bounds, duty, &config])
}

#[test]
fn what_a_service_makes_is_the_trusted_groups() {
    let host = TestHost::new();
    let state = host.state_dir();
    let is_the_groups = |dir: &Path| {
        let known = fs::metadata(dir).unwrap();
        let socket = fs::metadata(host.engine().socket()).unwrap();
        let expected = (0o2770, socket.gid());
        assert_eq!((known.mode() & 0o7777, known.gid()), expected, "{dir:?}");
    };
    let log = host.root().join("log");
    for dir in [&state, &log] {
        let _ = fs::remove_dir_all(dir);
    }
    assert_eq!(as_service(&host, "ds01-holds"), done("", ""));
    for dir in [&state, &state.join("container-metadata"), &log] {
        is_the_groups(dir);
    }

    policy(&host, &format!("  max_runtime_h: {}\n", hours(4.0)), "");
    running(&host, "thesis");
    while as_service(&host, "ds01-runtime").ok().is_empty() {}
    is_the_groups(&state.join("notices"));
    let told = host.run("ds01-notices", &[]).ok();
    assert!(told.contains("thesis"), "{told}");
}
