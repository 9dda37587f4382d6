//! What works on the engine's own socket and not here says why, and what to do instead.

use ds01_testkit::TestHost;

use super::{alice, docker};

#[test]
fn a_refusal_says_what_to_do_instead() {
    let host = TestHost::behind_gateway(1);
    let folder = host.home("alice").to_string_lossy().into_owned();
    docker(
        &host,
        &[
            "run",
            "-d",
            "--name=c",
            "-v",
            "/home/alice:/h",
            "ds01-base",
            "sleep",
            "100",
        ],
    )
    .ok();
    let exposing = "tar c -C /etc hostname | docker import -c 'EXPOSE 1000-1300' - many:1";
    alice(&host).run("sh", &["-c", exposing]).ok();
    let run = |option: &'static str| vec!["run", "--rm", option, "ds01-base", "true"];
    let of_root = format!("-v={folder}/../../etc:/e");
    for (args, told) in [
        (run("--privileged"), "GPUs need --gpus only"),
        (
            run("--cap-add=SYS_ADMIN"),
            "ask an admin to allow it in ds01.toml",
        ),
        (run("--network=host"), "publish ports with -p instead"),
        (run("--gpus=2"), "ask for fewer, with --gpus 1"),
        (run("-p=80:80"), "as in -p 8080:80"),
        (
            run("-p=20000-20256:1-257"),
            "ExposedPorts=257 (more than 256 ports)",
        ),
        (
            vec!["run", "--rm", "-P", "many:1", "true"],
            "PublishAllPorts=301 (more than 256 ports); publish those that are used",
        ),
        (
            run("-v=/etc:/e"),
            "an admin allows folders with containers.bind_roots in ds01.toml",
        ),
        (
            vec!["run", "--rm", &of_root, "ds01-base", "true"],
            "correct Binds and try again",
        ),
        (vec!["run", "--name=a.b", "ds01-base"], "'.'"),
        (vec!["update", "--memory=32m", "c"], "DS01 sets the limits"),
        (
            vec!["exec", "-u", "0", "c", "true"],
            "give your uid (as \"remoteUser\" in devcontainer.json)",
        ),
        (vec!["cp", "c:/etc/passwd", "-"], "docker exec -i c tar"),
        (vec!["commit", "c"], "docker commit CONTAINER my-image"),
        (vec!["rmi", "ds01-busybox"], "an admin can remove it"),
        (vec!["load", "-i", "/etc/hostname"], "use docker import"),
        (vec!["push", "ds01-base"], "an admin can push it"),
        (vec!["ps", "-f", "name=c[12]"], "use a part of the name"),
        (
            vec!["container", "prune", "-f", "--filter", "until=1h"],
            "leave until out",
        ),
        (vec!["swarm", "init"], "it would change the whole host"),
        (
            vec!["network", "create", "--subnet=10.0.0.0/8", "n"],
            "the engine finds a free one",
        ),
        (
            vec!["volume", "create", "-o", "type=none", "v"],
            "leave the options out",
        ),
    ] {
        let said = docker(&host, &args);
        assert_ne!(said.status, Some(0), "{args:?}");
        assert!(said.stderr.contains(told), "{args:?}: {}", said.stderr);
        assert!(
            !said.stderr.contains("Unable to find image"),
            "{args:?} is not about its image"
        );
    }
}

#[test]
fn a_refusal_reaches_a_client_that_is_still_sending() {
    let host = TestHost::behind_gateway(1);
    let script = "head -c 33554432 /dev/zero >big
                  docker run -d --name c -v $HOME:/h ds01-base sleep 100 >/dev/null
                  docker load -i big; docker cp big c:/tmp";
    let told = alice(&host).run("sh", &["-c", script]).stderr;
    for instead in ["use docker import", "docker exec -i c tar"] {
        assert!(told.contains(instead), "{instead}: {told}");
    }
}
