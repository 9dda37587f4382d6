//! What a build may change for others, and what it may use of the host.

use std::{
    fs,
    time::{Duration, Instant},
};

use ds01_testkit::{Outcome, Signal, TestHost};
use serde_json::json;

use super::{call, client, done, refused, sleeper};
use crate::support::{duties::pass, registry::in_registry};

/// How long it is waited for what comes to be on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);

/// Builds from a Dockerfile alone, without a network.
#[track_caller]
fn build(host: &TestHost, user: &str, dockerfile: &str, args: &[&str]) -> Outcome {
    let user = client(host, user).env("DOCKER_BUILDKIT", "0");
    let args = [&["build", "--network=none"], args, &["-"]].concat();
    user.stdin(dockerfile).run("docker", &args)
}

/// What is said of a build that is refused.
#[track_caller]
fn unbuilt(host: &TestHost, user: &str, dockerfile: &str, args: &[&str]) -> String {
    let outcome = build(host, user, dockerfile, args);
    assert!(outcome.status != Some(0), "{args:?} {outcome:#?}");
    let said = "Error response from daemon: ";
    let line = outcome
        .stderr
        .lines()
        .find_map(|line| line.strip_prefix(said));
    line.unwrap_or(&outcome.stderr).into()
}

/// Waits until it is so.
#[track_caller]
fn until(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + LIMIT;
    while !is_so() {
        assert!(Instant::now() < end, "never so: {what}");
        std::thread::yield_now();
    }
}

#[test]
fn a_build_by_buildkit_is_told_how_to_do_without() {
    let host = TestHost::behind_gateway(1);
    for query in [
        // As release 20.10's client asks, and what a newer one may.
        "version=2&remote=client-session&session=s1&buildid=b1&t=x",
        "session=s1",
        "outputs=%5B%7B%22Type%22%3A%22local%22%7D%5D",
    ] {
        let said = call(&host, "alice", &format!("POST /build?{query}"), "");
        let why = "BuildKit's own protocol cannot be checked; build with DOCKER_BUILDKIT=0";
        assert_eq!((said.status, &*said.message()), (403, why), "{query}");
    }
}

#[test]
fn a_build_gives_no_shared_name_to_another_image() {
    let host = TestHost::behind_gateway(1);
    host.docker(&["tag", "ds01-base", "tool:1"]).ok();
    let tool = in_registry(&host, "tool:1", "lab/tool:1");
    let from = format!("FROM {tool}\n");
    // What is not there is fetched.
    build(&host, "alice", &from, &["--pull", "-t", "x"]).ok();
    let id = |name: &str| {
        host.docker(&["image", "inspect", "-f", "{{.Id}}", name])
            .ok()
    };
    assert_eq!(id(&tool), id("ds01-base"));
    // An admin has made it another: so it stays, and is built from.
    host.docker(&["tag", "ds01-busybox", &tool]).ok();
    let copy = format!("FROM scratch\nCOPY --from={tool} /bin/busybox /x\n");
    let machine = host.docker(&["version", "-f", "{{.Server.Arch}}"]).ok();
    let own = format!("--platform=linux/{}", machine.trim());
    for dockerfile in [&from, &copy] {
        for args in [&["--pull"][..], &[], &["--pull", &own]] {
            build(&host, "alice", dockerfile, args).ok();
            assert_eq!(id(&tool), id("ds01-busybox"), "{dockerfile} {args:?}");
        }
    }
    // The builder would look for one of another machine's in the registry.
    let said = |platform: &str| {
        format!(
            "images for {platform} are not for this host, which is linux/{}; leave the platform \
             out",
            machine.trim()
        )
    };
    for dockerfile in [&from, &copy] {
        let refused = unbuilt(&host, "alice", dockerfile, &["--platform=linux/s390x"]);
        assert_eq!(refused, said("linux/s390x"));
    }
    let named = format!("ARG P=linux/s390x\nFROM --platform=$P {tool}\n");
    assert_eq!(unbuilt(&host, "alice", &named, &[]), said("linux/s390x"));
    let given = ["--build-arg", "P=linux/ppc64le"];
    assert_eq!(
        unbuilt(&host, "alice", &named, &given),
        said("linux/ppc64le")
    );
    let pull = ["pull", "--platform=linux/s390x", "nosuch:1"];
    assert_eq!(refused(&host, "alice", &pull), said("linux/s390x"));
    assert_eq!(id(&tool), id("ds01-busybox"));
    let own = own.trim_start_matches("--platform=");
    let named = format!("FROM --platform={own} {tool}\n");
    build(&host, "alice", &named, &["-t", "x"]).ok();
    assert_eq!(id("ds01-20001/x"), id("ds01-busybox"));
    // One's own is meant before a shared one, and before a stranger's in the registry.
    build(
        &host,
        "alice",
        "FROM ds01-base\nENV MINE=yes\n",
        &["-t", "ds01-busybox"],
    )
    .ok();
    for name in [
        "ds01-busybox",
        "ds01-alice/ds01-busybox",
        "ds01-20001/ds01-busybox:latest",
    ] {
        for dockerfile in [
            format!("FROM {name}\n"),
            format!("FROM scratch\nCOPY --from={name} /bin/sh /x\n"),
        ] {
            build(&host, "alice", &dockerfile, &["-t", "y"]).ok();
        }
        build(&host, "alice", &format!("FROM {name}\n"), &["-t", "y"]).ok();
        let env = host
            .docker(&["inspect", "-f", "{{.Config.Env}}", "ds01-20001/y"])
            .ok();
        assert!(env.contains("MINE=yes"), "{name}: {env}");
    }
    // What is there may say of itself that it is for another machine.
    let socket = format!("unix://{}", host.engine().socket().display());
    let script = format!(
        "docker export $(docker create ds01-busybox x) | docker import --platform linux/s390x - {tool}"
    );
    let root = host.as_user("root").env("DOCKER_HOST", &socket);
    root.run("sh", &["-c", &script]).ok();
    let other = id(&tool);
    assert_ne!(other, id("ds01-busybox"));
    for dockerfile in [&from, &named] {
        build(&host, "alice", dockerfile, &[&format!("--platform={own}")]);
        assert_eq!(id(&tool), other, "{dockerfile}");
    }
    build(&host, "alice", &from, &["-t", "y"]).ok();
}

#[test]
fn the_name_of_an_image_is_no_id_that_another_will_have() {
    let host = TestHost::behind_gateway(1);
    let ids = host.docker(&["images", "-a", "-q", "--no-trunc"]).ok();
    let begins = |start: &str| {
        ids.lines()
            .any(|id| id["sha256:".len()..].starts_with(start))
    };
    // Digits alone would be a stage.
    let mut free = (0xa00..0x1000).map(|n| format!("{n:03x}"));
    let free = free.find(|start| !begins(start)).unwrap();
    // It cannot be fetched here; the builder was asked for an image of that name.
    let built = build(&host, "alice", &format!("FROM {free}\n"), &[]);
    let step = format!("Step 1/1 : FROM {free}:latest");
    assert!(built.stdout.contains(&step), "{built:#?}");
    let none = format!("No such image: sha256:{free}");
    assert_eq!(
        unbuilt(&host, "alice", &format!("FROM sha256:{free}\n"), &[]),
        none
    );
    // An image that is called so is meant by its name, and one's own by the beginning of its id.
    host.docker(&["tag", "ds01-base", &free]).ok();
    build(&host, "alice", &format!("FROM {free}\n"), &["-t", "x"]).ok();
    let id = done(&host, "alice", &["image", "inspect", "-f", "{{.Id}}", "x"]);
    for short in [&id, &id[..20], &id[7..20]] {
        build(&host, "alice", &format!("FROM {short}\n"), &[]).ok();
    }
    // What an image does when it is built upon cannot be written anew.
    sleeper(&host, "alice", "box", &[]);
    for (from, allowed) in [("ds01-base", true), (&*id, true), (&free, false)] {
        let change = format!("ONBUILD COPY --from={from} /etc/passwd /x");
        done(
            &host,
            "alice",
            &["commit", "--change", &change, "box", "trap"],
        );
        let from_trap = "FROM ds01-20001/trap\n";
        if allowed {
            build(&host, "alice", from_trap, &[]).ok();
        } else {
            let said = format!(
                "ONBUILD of ds01-20001/trap takes from {from}, which can be an id; name the image \
                 with its tag, or with its whole id"
            );
            assert_eq!(unbuilt(&host, "alice", from_trap, &[]), said);
        }
    }
}

#[test]
fn a_user_has_four_builds_at_a_time() {
    let host = TestHost::behind_gateway(1);
    let steps = || {
        let ids = host.docker(&["ps", "-q"]).ok();
        ids.lines().map(String::from).collect::<Vec<_>>()
    };
    let sleep = ["build", "--network=none", "-"];
    let four = [1, 2, 3, 4].map(|number| {
        let alice = client(&host, "alice").env("DOCKER_BUILDKIT", "0");
        let alice = alice.stdin("FROM ds01-base\nRUN sleep 1000\n");
        let mut build = alice.spawn("docker", &sleep);
        build.close_stdin();
        // One sends its folder after the other.
        until("a step runs", || steps().len() == number);
        build
    });
    let quick = "FROM ds01-base\nRUN true\n";
    let alice = client(&host, "alice").env("DOCKER_BUILDKIT", "0");
    let mut fifth = alice.stdin(quick).spawn("docker", &sleep);
    fifth.close_stdin();
    build(&host, "bob", quick, &[]).ok();
    // Its place is free once one has ended: by itself, or because its client has gone.
    let one = &steps()[0];
    host.docker(&["kill", one]).ok();
    let fifth = fifth.wait();
    assert_eq!(fifth.status, Some(0), "{fifth:#?}");
    for build in four {
        build.signal(Signal::SIGKILL);
        build.wait();
    }
    until("nothing is built", || steps().is_empty());
    build(&host, "alice", quick, &[]).ok();
}

#[test]
fn where_a_step_could_have_gpus_nothing_is_built() {
    let host = TestHost::behind_gateway(1);
    let dockerfile = "FROM ds01-base\nENV NVIDIA_VISIBLE_DEVICES=all\nRUN true\n";
    let default = |runtime: &str| {
        let other = json!({ "other": { "path": "/usr/sbin/runc" } });
        let text = json!({ "runtimes": other, "default-runtime": runtime }).to_string();
        fs::write(host.root().join("engine/daemon.json"), &text).unwrap();
        host.engine().signal(Signal::SIGHUP);
        let info = ["info", "-f", "{{.DefaultRuntime}}"];
        until("it is the default", || {
            host.docker(&info).ok().trim() == runtime
        });
    };
    build(&host, "alice", dockerfile, &[]).ok();
    default("other");
    let said = "no images are built here: DS01 does not know the engine's default runtime, other, \
                which could give their steps GPUs; tell an admin: ds01-doctor says what to do";
    assert_eq!(unbuilt(&host, "alice", dockerfile, &[]), said);
    let told = pass(&host, "ds01-doctor", &["--format=simple"]).stdout;
    assert!(
        told.contains("the engine's default runtime is other"),
        "{told}"
    );
    // An admin may know it.
    let known = host
        .config_text()
        .replace("[engine]\n", "[engine]\nplain_runtimes = [\"other\"]\n");
    host.config(&known);
    host.stop_gateway();
    host.start_gateway();
    build(&host, "alice", dockerfile, &[]).ok();
    default("runc");
    build(&host, "alice", dockerfile, &[]).ok();
    let told = pass(&host, "ds01-doctor", &["--format=simple"]).stdout;
    assert!(!told.contains("the engine's default runtime is"), "{told}");
}
