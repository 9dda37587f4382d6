//! `docker build` through the gateway: one's own image from one's own folder, and from nobody else's.

use std::{fs, os::unix::fs::symlink};

use ds01_testkit::{Outcome, TestHost};

use crate::support::expect::{inside, project};

/// Docker's own client at the gateway, with the classic builder.
fn docker(host: &TestHost, user: &str, args: &[&str]) -> Outcome {
    let socket = format!("unix://{}", host.gateway_socket().display());
    let user = host.as_user(user).env("DOCKER_HOST", &socket);
    user.env("DOCKER_BUILDKIT", "0").run("docker", args)
}

/// A folder in a user's home, with this Dockerfile.
fn folder(host: &TestHost, user: &str, dockerfile: &str) {
    let folder = host.home(user).join("app");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("Dockerfile"), dockerfile).unwrap();
}

#[test]
fn an_image_is_its_makers_own() {
    let host = TestHost::behind_gateway(1);
    folder(
        &host,
        "alice",
        "FROM ds01-base\nCOPY Dockerfile /file\nCMD cat /file\n",
    );
    docker(&host, "alice", &["build", "-q", "-t", "app", "app"]).ok();
    let names = ["images", "--format", "{{.Repository}}:{{.Tag}}"];
    let seen = |user| {
        let mut names: Vec<_> = docker(&host, user, &names)
            .ok()
            .lines()
            .map(str::to_string)
            .collect();
        names.sort();
        names
    };
    assert_eq!(
        seen("alice"),
        ["app:latest", "ds01-base:latest", "ds01-busybox:latest"]
    );
    assert_eq!(seen("bob"), ["ds01-base:latest", "ds01-busybox:latest"]);
    let run = docker(&host, "alice", &["run", "--rm", "app"]).ok();
    assert!(run.starts_with("FROM ds01-base\n"), "{run}");
    for name in ["app", "ds01-20001/app", "ds01-20001/app:latest"] {
        let seen = docker(&host, "bob", &["image", "inspect", name]);
        assert_eq!(seen.status, Some(1), "{name}");
        let run = docker(&host, "bob", &["run", "--rm", "--pull=never", name]);
        assert_eq!(run.status, Some(125), "{name}");
    }
    // A name that others use stays what it is.
    let before = docker(
        &host,
        "bob",
        &["image", "inspect", "-f", "{{.Id}}", "ds01-base"],
    )
    .ok();
    docker(&host, "alice", &["build", "-q", "-t", "ds01-base", "app"]).ok();
    let after = docker(
        &host,
        "bob",
        &["image", "inspect", "-f", "{{.Id}}", "ds01-base"],
    )
    .ok();
    assert_eq!(before, after);
    let refused = docker(&host, "bob", &["rmi", "ds01-base"]);
    assert!(
        refused.stderr.contains("the image ds01-base is shared"),
        "{}",
        refused.stderr
    );
    docker(&host, "alice", &["rmi", "app"]).ok();
}

#[test]
fn nobody_builds_from_somebody_elses_image() {
    let host = TestHost::behind_gateway(1);
    folder(&host, "alice", "FROM ds01-base\nRUN echo secret >/secret\n");
    docker(&host, "alice", &["build", "-q", "-t", "app", "app"]).ok();
    let id = ["image", "inspect", "-f", "{{.Id}}", "app"];
    let id = docker(&host, "alice", &id)
        .ok()
        .trim()
        .replace("sha256:", "");
    let build = |dockerfile: &str, args: &[&str]| {
        folder(&host, "bob", dockerfile);
        docker(&host, "bob", &[&["build", "-q"], args, &["app"]].concat())
    };
    for (dockerfile, args) in [
        ("FROM ds01-20001/app", &[][..]),
        ("FROM docker.io/ds01-20001/app:latest", &[]),
        ("ARG A=20001\nFROM ds01-${A}/app", &[]),
        ("ARG A\nFROM $A", &["--build-arg=A=ds01-20001/app"]),
        ("FR\\\nOM ds01-20001/app", &[]),
        ("FROM ds01-base\nCOPY --from=ds01-20001/app /secret /", &[]),
        (&format!("FROM {id}"), &[]),
        (&format!("FROM {}", &id[..12]), &[]),
    ] {
        let refused = build(dockerfile, args);
        assert_eq!(
            (refused.status, refused.stdout.as_str()),
            (Some(1), ""),
            "{dockerfile}"
        );
        assert!(
            refused.stderr.contains("No such image: "),
            "{}",
            refused.stderr
        );
    }
    // The name of a stage is no image, and a trigger that is somebody's own may wait in theirs.
    build(
        "FROM ds01-base AS a\nFROM a\nCOPY --from=a /etc/passwd /x\n",
        &[],
    )
    .ok();
    build(
        "FROM ds01-base\nONBUILD COPY --from=ds01-20001/app /secret /\n",
        &["-t", "trap"],
    );
    let refused = build("FROM ds01-20002/trap", &[]);
    assert_eq!(refused.status, Some(1), "{}", refused.stdout);

    // A link between folders would make another file the one that counts.
    folder(&host, "bob", "FROM ds01-base\n");
    let app = host.home("bob").join("app");
    fs::create_dir(app.join("sub")).unwrap();
    fs::write(app.join("sub/Dockerfile"), "FROM ds01-20001/app\n").unwrap();
    symlink("sub", app.join("link")).unwrap();
    let refused = docker(
        &host,
        "bob",
        &["build", "-q", "-f", "app/link/Dockerfile", "app"],
    );
    assert_eq!((refused.status, refused.stdout.as_str()), (Some(1), ""));
}

#[test]
fn a_dockerfile_is_read_in_one_way() {
    let host = TestHost::behind_gateway(1);
    folder(&host, "alice", "FROM ds01-base\nRUN echo secret >/secret\n");
    docker(&host, "alice", &["build", "-q", "-t", "app", "app"]).ok();
    let id = ["image", "inspect", "-f", "{{.Id}}", "app"];
    let id = docker(&host, "alice", &id).ok().replace("sha256:", "");
    let build = |dockerfile: &str, args: &[&str]| {
        folder(&host, "bob", dockerfile);
        docker(&host, "bob", &[&["build"], args, &["app"]].concat())
    };
    let (none, unclear) = ("No such image: ", "cannot be told for certain");
    for (dockerfile, why) in [
        ("COPY --fr\"om\"=ds01-20001/app /secret /s", unclear),
        ("COPY --fr\\om=ds01-20001/app /secret /s", unclear),
        ("COPY --chown=0\\\n --from=ds01-20001/app /secret /s", none),
        (
            "ONBU\u{130}LD COPY --from=ds01-20001/app /secret /s",
            unclear,
        ),
        ("RUN true \\\\\n", unclear),
    ] {
        let refused = build(&format!("FROM ds01-base\n{dockerfile}\n"), &[]);
        assert_eq!(refused.status, Some(1), "{dockerfile}: {refused:?}");
        assert!(refused.stderr.contains(why), "{dockerfile}: {refused:?}");
    }
    let directive = "# a b = c\n# escape=`\nFROM ds01-base\nLABEL a=`\n\
                     COPY --from=ds01-20001/app /secret /s\n";
    let refused = build(directive, &[]);
    assert!(refused.stderr.contains(none), "{refused:?}");

    let trigger = format!("ONBUILD COPY --from={} /secret /s", &id[..14]);
    let import = format!("tar c -C /etc hostname | docker import -c '{trigger}' - trap");
    let socket = format!("unix://{}", host.gateway_socket().display());
    let bob = host.as_user("bob").env("DOCKER_HOST", &socket);
    bob.run("sh", &["-c", &import]).ok();
    let refused = build("FROM ds01-20002/trap\n", &[]);
    assert!(refused.stderr.contains(none), "{refused:?}");

    // What can be given to another image is what it was when it was looked at.
    let mine = build("FROM ds01-base # no comment\n", &["-t", "mine"]);
    assert_eq!(mine.status, Some(1), "{mine:?}");
    build("# a comment\nFROM ds01-base\nENV A=b\n", &["-t", "mine"]).ok();
    let on_top = build("FROM ds01-20002/mine\nRUN echo $A\n", &[]).ok();
    assert!(on_top.starts_with("Sending build context"), "{on_top}");
    assert!(on_top.contains("Step 1/2 : FROM sha256:"), "{on_top}");
    assert!(on_top.contains("\nb\n"), "{on_top}");
}

#[test]
fn nobody_builds_from_layers_of_others() {
    let host = TestHost::behind_gateway(1);
    let dockerfile = "FROM ds01-base\nRUN head -c 8 /dev/urandom | od -An -tx1 >/chance\n";
    let build = |user: &str| {
        folder(&host, user, dockerfile);
        docker(&host, user, &["build", "-t", "app", "app"]).ok();
        let chance = ["run", "--rm", "app", "cat", "/chance"];
        docker(&host, user, &chance).ok()
    };
    let alices = build("alice");
    assert_ne!(build("bob"), alices, "a layer of alice's");
    assert_eq!(build("alice"), alices, "her own are in her cache");
    folder(&host, "bob", dockerfile);
    let hosts = ["build", "--add-host", "mirror:10.0.0.1", "app"];
    let refused = docker(&host, "bob", &hosts);
    assert!(
        refused.stderr.contains("docker build takes no extrahosts"),
        "{refused:?}"
    );
}

#[test]
fn a_build_from_the_cache_is_the_same_image_with_its_makers_account_on_top() {
    let host = TestHost::behind_gateway(1);
    let dockerfile = "FROM ds01-base\nLABEL one=1\nRUN echo 2 >/two\nLABEL three=3\n";
    for (login, name) in [("alice", "thesis"), ("bob", "other")] {
        project(&host, login, name, &[("Dockerfile", dockerfile)]);
    }
    let id = || host.docker(&["images", "-q", "--no-trunc", "ds01-20001/thesis"]);
    host.run("image-create", &["thesis"]).ok();
    host.run("container-deploy", &["thesis", "--background"])
        .ok();
    let before = id().ok();
    // One of hers that begins as this one does.
    let longer = format!("{dockerfile}RUN echo 4 >/four\n");
    project(&host, "alice", "longer", &[("Dockerfile", &longer)]);
    host.run("image-create", &["longer"]).ok();
    let bob = host.as_user("bob");
    bob.run("image-create", &["other"]).ok();

    let again = host.run("image-create", &["thesis"]);
    assert!(again.stderr.contains("Using cache"), "{}", again.stderr);
    let next = "container thesis, running, is made from this image\n";
    assert!(again.stderr.ends_with(next), "{}", again.stderr);
    assert_eq!(id().ok(), before, "nothing was changed");
    host.run("container-retire", &["thesis", "--force"]).ok();
    host.run("container-deploy", &["thesis", "--background"])
        .ok();
    assert_eq!(inside(&host, "thesis", "whoami\n"), "alice\n");
}

#[test]
fn who_made_an_image_does_not_say_that_their_account_is_in_it() {
    let host = TestHost::new();
    // As builds left it that took steps from an image with the account.
    let dockerfile = "FROM ds01-base\nMAINTAINER DS01 20001:20001:alice\n";
    project(&host, "alice", "thesis", &[("Dockerfile", dockerfile)]);
    host.run("image-create", &["thesis"]).ok();
    host.run("container-deploy", &["thesis", "--background"])
        .ok();
    let said = inside(&host, "thesis", "whoami; cd && pwd\n");
    assert_eq!(said, "alice\n/home/alice\n");
    // Once made, it is found.
    host.run("container-retire", &["thesis"]).ok();
    let made = || host.docker(&["images", "-q", "ds01-20001/with.account"]);
    let first = made().ok();
    host.run("container-deploy", &["thesis", "--background"])
        .ok();
    assert_eq!((made().ok(), first.lines().count()), (first.clone(), 1));
}

#[test]
fn the_commands_use_ones_own_image_and_nobody_elses() {
    let host = TestHost::behind_gateway(1);
    folder(&host, "alice", "FROM ds01-base\nRUN echo mine >/mine\n");
    docker(&host, "alice", &["build", "-q", "-t", "app", "app"]).ok();
    let id = ["image", "inspect", "-f", "{{.Id}}", "app"];
    let id = docker(&host, "alice", &id).ok().trim().to_string();
    for image in ["app", "ds01-20001/app", &id] {
        let args = ["thesis", "--cpu-only", "--image", image];
        let bobs = host.as_user("bob").run("container-create", &args);
        assert_eq!(
            (bobs.status, bobs.stdout.as_str()),
            (Some(3), ""),
            "{}",
            bobs.stderr
        );
        host.run("container-create", &args).ok();
        host.run("container-start", &["thesis"]).ok();
        let mine = host.as_user("alice").stdin("cat /mine\n");
        assert_eq!(mine.run("container-attach", &["thesis"]).ok(), "mine\n");
        host.run("container-remove", &["thesis", "--stop"]).ok();
    }
}

#[test]
fn a_build_is_held_to_its_makers_limits() {
    let host = TestHost::behind_gateway(1);
    folder(
        &host,
        "alice",
        "FROM ds01-base\nRUN cat /sys/fs/cgroup/memory/memory.limit_in_bytes >/limit || \\\n cat /sys/fs/cgroup/memory.max >/limit\nCMD cat /limit\n",
    );
    docker(
        &host,
        "alice",
        &["build", "-q", "-t", "app", "-m", "100g", "app"],
    )
    .ok();
    let limit = docker(&host, "alice", &["run", "--rm", "app"]).ok();
    assert_eq!(limit.trim(), (256 << 20).to_string());
    let hosts = host.docker(&["network", "inspect", "-f", "--network={{.Id}}", "host"]);
    let hosts = hosts.ok();
    for refused in [
        "--network=host",
        hosts.trim(),
        "--network=container:x",
        "--cgroup-parent=/x",
        "--security-opt=seccomp=unconfined",
        "--ulimit=nproc=1",
    ] {
        let refused = docker(&host, "alice", &["build", "-q", refused, "app"]);
        assert_eq!(
            (refused.status, refused.stdout.as_str()),
            (Some(1), ""),
            "{}",
            refused.stderr
        );
    }
}
