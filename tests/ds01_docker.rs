//! `ds01-docker`, the front of Docker's own client.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use ds01_testkit::{Outcome, Signal, TestHost};

use crate::support::expect::{done, failed, outcome};

const FRONT: &str = "ds01-docker";

/// Tells what it was called with.
const TELLS: &str = "#!/bin/sh\n\
                     printf '%s|' \"${0##*/}\" \"$@\"\n\
                     printf '\\nhost %s\\n' \"${DOCKER_HOST-none}\"\n";

/// Writes a program to alice's `bin`, that `with_path` puts before everything else.
fn program(host: &TestHost, name: &str, script: &str) {
    let bin = host.home("alice").join("bin");
    fs::create_dir_all(&bin).unwrap();
    fs::write(bin.join(name), script).unwrap();
    fs::set_permissions(bin.join(name), Permissions::from_mode(0o755)).unwrap();
}

/// A host on which this script is the docker client, in the usual place.
fn host_with_client(script: &str) -> TestHost {
    let host = TestHost::new();
    let client = host.root().join("client");
    fs::write(&client, script).unwrap();
    fs::set_permissions(&client, Permissions::from_mode(0o755)).unwrap();
    cover(&host, &client.to_string_lossy());
    host
}

/// Shows `file` as `/usr/bin/docker` in the namespace of the host.
fn cover(host: &TestHost, file: &str) {
    let mount = host.as_user("root");
    mount
        .run("mount", &["--bind", file, "/usr/bin/docker"])
        .ok();
}

/// Runs `command` as alice with her `bin` first on a short PATH.
fn with_path(host: &TestHost, command: &str, args: &[&str]) -> Outcome {
    let alice = host.as_user("alice").env("PATH", "/home/alice/bin:/bin");
    alice.run(command, args)
}

fn gateway(host: &TestHost) -> String {
    format!("unix://{}/run/docker.sock", host.root().display())
}

#[test]
fn it_becomes_docker_with_every_argument_and_the_gateways_address() {
    let host = host_with_client(TELLS);
    let told = |args: &str, address: &str| done(&format!("docker|{args}\nhost {address}\n"), "");
    let gateway = gateway(&host);
    let args = ["run", "-c", "512", "--help", "", "a  b", "--", "-H"];
    let expected = told("run|-c|512|--help||a  b|--|-H|", &gateway);
    assert_eq!(host.run(FRONT, &args), expected);
    assert_eq!(
        host.run(FRONT, &["--version"]),
        told("--version|", &gateway)
    );
    // A user's own choice is left alone; an empty one is none, as for docker.
    for args in [&["-H", "tcp://x", "ps"][..], &["--context=x", "ps"]] {
        let expected = told(&(args.join("|") + "|"), "none");
        assert_eq!(host.run(FRONT, args), expected);
    }
    for (name, value, address) in [
        ("DOCKER_HOST", "tcp://x", "tcp://x"),
        ("DOCKER_CONTEXT", "x", "none"),
        ("DOCKER_HOST", "", &gateway),
        ("DOCKER_CONTEXT", "", &gateway),
    ] {
        let alice = host.as_user("alice").env(name, value);
        assert_eq!(
            alice.run(FRONT, &["ps"]),
            told("ps|", address),
            "{name}={value}"
        );
    }
}

#[test]
fn builds_are_the_classic_builders_unless_the_user_says_so() {
    let host = host_with_client("#!/bin/sh\necho \"${DOCKER_BUILDKIT-unset}\"\n");
    assert_eq!(host.run(FRONT, &["build", "."]), done("0\n", ""));
    let chosen = host.as_user("alice").env("DOCKER_BUILDKIT", "1");
    assert_eq!(chosen.run(FRONT, &["build", "."]), done("1\n", ""));
    // Another engine may have BuildKit.
    let elsewhere = host.run(FRONT, &["-H", "tcp://x", "build", "."]);
    assert_eq!(elsewhere, done("unset\n", ""));
}

#[test]
fn arguments_need_not_be_utf8() {
    let host = host_with_client("#!/bin/sh\nprintf %s \"$1\" | od -An -tx1\n");
    let odd = host.run("sh", &["-c", "exec ds01-docker \"$(printf 'a\\377')\""]);
    assert_eq!(odd, done(" 61 ff\n", ""));
}

#[test]
fn the_client_is_called_docker_whatever_the_front_was() {
    let host = TestHost::new();
    // A shell tells its own name; `-c` is its option here.
    cover(&host, "/bin/bash");
    assert_eq!(host.run(FRONT, &["-c", "echo $0"]), done("docker\n", ""));
}

#[test]
fn status_streams_and_signals_are_dockers() {
    let host = host_with_client("#!/bin/sh\ncat\necho err >&2\nexit 37\n");
    let piped = host.as_user("alice").stdin("in").run(FRONT, &[]);
    assert_eq!(piped, outcome(37, "in", "err\n"));

    let host =
        host_with_client("#!/bin/sh\ntrap 'echo stopped; exit 9' TERM\necho ready\nread x\n");
    let mut front = host.as_user("alice").pty(FRONT, &[]);
    front.expect("ready");
    front.signal(Signal::SIGTERM);
    front.expect("stopped");
    assert_eq!(front.wait(), Some(9));
}

#[test]
fn linked_as_docker_it_finds_the_real_one_and_never_itself() {
    let host = TestHost::new();
    // Not a program: nothing is in the usual place.
    cover(&host, "/dev/null");
    let bin = host.home("alice").join("bin");
    program(&host, "docker", TELLS);
    fs::create_dir(bin.join("first")).unwrap();
    symlink("/mnt/bin/ds01-docker", bin.join("first/docker")).unwrap();
    let linked = "/home/alice/bin/first/docker";
    let path = "/home/alice/bin/first:/mnt/bin:/home/alice/bin:/bin";
    let through = host
        .as_user("alice")
        .env("PATH", path)
        .run("docker", &["ps"]);
    let expected = format!("docker|ps|\nhost {}\n", gateway(&host));
    assert_eq!(through, done(&expected, ""));
    assert_eq!(with_path(&host, linked, &["ps"]), done(&expected, ""));

    // A file of that name that is no program is passed by, as a shell does.
    fs::set_permissions(bin.join("docker"), Permissions::from_mode(0o644)).unwrap();
    let none = "docker: there is no docker client but this front of it\n\
                hint: ask an admin to install one: apt-get install docker.io\n";
    assert_eq!(with_path(&host, linked, &["ps"]), failed(1, none));
    fs::remove_file(bin.join("docker")).unwrap();
    fs::hard_link(bin.join("first/docker"), bin.join("docker")).unwrap();
    assert_eq!(with_path(&host, linked, &["ps"]), failed(1, none));
}

#[test]
fn without_a_configuration_nothing_is_guessed() {
    let host = host_with_client(TELLS);
    host.config("this is no configuration");
    let refused = host.run(FRONT, &["ps"]);
    assert_eq!((refused.status, refused.stdout.as_str()), (Some(2), ""));
    assert!(refused.stderr.starts_with("ds01-docker: "), "{refused:?}");
    // Who goes elsewhere does not need it.
    let elsewhere = host.run(FRONT, &["-H", "tcp://x", "ps"]);
    assert_eq!(elsewhere, done("docker|-H|tcp://x|ps|\nhost none\n", ""));
}

#[test]
fn the_real_client_runs_behind_it() {
    let host = TestHost::new();
    let real = host.run("/usr/bin/docker", &["--version"]);
    assert!(real.stdout.starts_with("Docker version "), "{real:?}");
    assert_eq!(host.run(FRONT, &["--version"]), real);
    // No gateway runs here: this is where the client looked for it.
    let refused = host.run(FRONT, &["ps"]);
    assert_eq!(refused.status, Some(1));
    assert!(refused.stderr.contains(&gateway(&host)), "{refused:?}");
    assert!(!Path::new(&gateway(&host)[7..]).exists());
}
