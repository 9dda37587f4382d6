//! Folders of the host: really the caller's, and never in reach of a root that is not the host's.

use std::{
    fs,
    os::unix::{fs::symlink, net::UnixListener},
};

use ds01_testkit::TestHost;

use super::{as_root, call, docker, done, refused, sleeper};
use crate::support::expect::{image, with_config};

#[test]
fn a_folder_of_the_host_is_really_the_callers() {
    let host = TestHost::behind_gateway(1);
    let (home, theirs) = (host.home("alice"), host.home("bob"));
    fs::write(theirs.join("secret"), "bob's").unwrap();
    as_root(
        &host,
        "install -d -o bob -g bob -m 755 /home/bob/open; chmod 711 /home/bob",
    )
    .ok();
    symlink("/", home.join("root")).unwrap();
    symlink("/home/bob/open", home.join("bob")).unwrap();
    symlink("/proc/self/root", home.join("proc")).unwrap();
    let _listening = UnixListener::bind(home.join("socket")).unwrap();
    fs::hard_link(theirs.join("secret"), home.join("linked")).unwrap();
    let root = host.root().display().to_string();
    let with = |mount: &str| refused(&host, "alice", &["create", "-v", mount, "ds01-base"]);
    let elsewhere = |path: &str| {
        format!(
            "cannot mount {path}: it is not in your home, nor in a folder that the host \
                 allows; an admin allows folders with containers.bind_roots in ds01.toml"
        )
    };
    for path in [
        "/",
        "/etc",
        "/home",
        "/home/bob/open",
        "/proc",
        "/proc/self",
        "/proc/self/root",
        "/sys",
        "/dev",
        "/run",
        "/var/lib",
        "/home/alice/root",
        "/home/alice/root/etc",
        "/home/alice/bob",
        "/home/alice/proc",
        "/home/alice/proc/etc",
        &root,
        &format!("{root}/run"),
        &format!("{root}/engine"),
        "//",
        "/home/alice/./root",
    ] {
        let path = &path.replace("/./", "/").replace("//", "/");
        assert_eq!(with(&format!("{path}:/x")), elsewhere(path));
        let mount = format!("type=bind,source={path},target=/x");
        assert_eq!(
            refused(&host, "alice", &["create", "--mount", &mount, "ds01-base"]),
            elsewhere(path)
        );
    }
    let not_a_folder = |path: &str| {
        format!(
            "cannot mount {path}: it is not a folder; name a folder, in your home or one that \
                 the host allows"
        )
    };
    let socket = host.gateway_socket().display().to_string();
    for path in [
        "/home/alice/socket",
        "/home/alice/linked",
        "/home/bob/secret",
        &socket,
    ] {
        assert_eq!(with(&format!("{path}:/x")), not_a_folder(path));
    }
    for path in [
        "/root/x",
        "/home/carol",
        "/etc/ssl/private",
        "/proc/1/root",
        "/proc/1/cwd",
    ] {
        refused(
            &host,
            "alice",
            &["create", "-v", &format!("{path}:/x"), "ds01-base"],
        );
    }
    let dots =
        "wrong value: Binds=/home/alice/../bob ('..' in a path); correct Binds and try again";
    assert_eq!(with("/home/alice/../bob:/x"), dots);
    assert_eq!(done(&host, "alice", &["ps", "-aq"]), "");
    assert!(!host.root().join("root/x").exists());
    // A root that an admin allows holds the engine's and DS01's own files back.
    with_config(
        &host,
        &format!("[containers]\nbind_roots = [\"{root}\", \"/srv\"]\n"),
    );
    as_root(
        &host,
        &format!("install -d -m 755 {root}/shared/data; echo x > {root}/shared/data/file"),
    )
    .ok();
    for path in [
        &root,
        &format!("{root}/run"),
        &format!("{root}/run/mounts"),
        &format!("{root}/state"),
        &format!("{root}/engine"),
    ] {
        if path.ends_with("mounts") {
            assert!(with(&format!("{path}:/x")).contains("cannot ma"));
            continue;
        }
        let own = format!(
            "cannot mount {path}: the engine or DS01 has files of its own there; name another folder"
        );
        let said = with(&format!("{path}:/x"));
        assert!(said == own || path.ends_with("state"), "{said}");
    }
    let data = format!("{root}/shared/data:/x:ro");
    assert_eq!(
        done(
            &host,
            "alice",
            &["run", "--rm", "-v", &data, "ds01-base", "cat", "/x/file"]
        ),
        "x"
    );
}

#[test]
fn a_link_in_the_place_of_a_folder_leads_nowhere() {
    let host = TestHost::behind_gateway(1);
    let home = host.home("alice");
    let make = "mkdir -p /home/alice/data/sub && echo hers > /home/alice/data/file";
    host.run("sh", &["-c", make]).ok();
    as_root(
        &host,
        "mkdir -p /home/secret/sub; echo root > /home/secret/file",
    )
    .ok();
    let script = "cat /x/file; cat /y/file 2>/dev/null; true";
    done(
        &host,
        "alice",
        &[
            "create",
            "--name",
            "swapped",
            "-v",
            "/home/alice/data:/x",
            "--mount",
            "type=bind,source=/home/alice/data/sub,target=/y",
            "ds01-base",
            "sh",
            "-c",
            script,
        ],
    );
    let swap = |user: &str| {
        let script = "cd /home/alice; mv data data.$RANDOM; ln -sfn /home/secret data";
        host.as_user(user).run("bash", &["-c", script]).ok();
    };
    let output = || done(&host, "alice", &["start", "-a", "swapped"]);
    assert_eq!(output(), "hers");
    swap("alice");
    assert_eq!(
        fs::read_link(home.join("data")).unwrap().to_str(),
        Some("/home/secret")
    );
    assert_eq!(output(), "hers");
    done(&host, "alice", &["restart", "swapped"]);
    // Again after DS01's mounts have gone, as in a reboot: then the folder has to be one.
    let run = host.root().join("run/mounts");
    let unmount = format!(
        "for m in $(grep -o '{0}/[^ ]*' /proc/self/mountinfo | sort -r); do umount $m; done; \
        [ -z \"$(find {0} -name file)\" ]",
        run.display()
    );
    done(&host, "alice", &["wait", "swapped"]);
    as_root(&host, &unmount).ok();
    let said = refused(&host, "alice", &["start", "swapped"]);
    assert!(
        said.contains("cannot mount /home/alice/data: it is not in your home"),
        "{said}"
    );
    host.run(
        "sh",
        &[
            "-c",
            "cd /home/alice; rm data; mkdir -p data/sub; echo new > data/file",
        ],
    )
    .ok();
    assert_eq!(output(), "new");
    // Swapped as fast as one can while containers are made: each has hers, or none.
    let race = "cd /home/alice; mkdir -p own; echo hers > own/file; \
        for n in $(seq 4000); do ln -sfn own race; ln -sfn /home/secret race; done";
    let racing = host.as_user("alice").spawn("bash", &["-c", race]);
    for number in 0..6 {
        let made = docker(
            &host,
            "alice",
            &[
                "run",
                "--rm",
                "-v",
                "/home/alice/race:/x",
                "ds01-base",
                "cat",
                "/x/file",
            ],
        );
        assert!(
            made.status != Some(0) || made.stdout == "hers\n",
            "{number} {made:?}"
        );
    }
    drop(racing);
    // What was mounted goes with its container, and nothing in it.
    done(&host, "alice", &["rm", "-f", "swapped"]);
    assert_eq!(fs::read_to_string(home.join("data/file")).unwrap(), "new\n");
    assert_eq!(
        fs::read_to_string(host.root().join("home/secret/file")).unwrap(),
        "root\n"
    );
}

#[test]
fn a_container_with_a_folder_is_its_owner_for_ever() {
    let host = TestHost::behind_gateway(1);
    let setuid = [("/entry", "#!/bin/sh\nexec sleep 1000\n")];
    image(
        &host,
        "rooted",
        "ds01-base",
        &[
            setuid[0],
            (
                "/etc/passwd",
                "root:x:0:0::/:/bin/sh\nevil:x:20001:0::/:/bin/sh\nalice:x:0:0::/:/bin/sh\n",
            ),
            (
                "/etc/group",
                "root:x:0:evil,alice\nshadow:x:42:evil,alice\n",
            ),
        ],
        &["USER root", "ENTRYPOINT [\"/entry\"]"],
    );
    // A program of the image that would make anybody root.
    let made = "id=$(docker -H unix://$ENGINE create rooted); docker -H unix://$ENGINE start $id >/dev/null; \
        docker -H unix://$ENGINE exec $id sh -c 'cp /bin/bash /suid; chmod 4755 /suid'; \
        docker -H unix://$ENGINE commit $id rooted >/dev/null; docker -H unix://$ENGINE rm -f $id >/dev/null";
    let made = made.replace("$ENGINE", &host.engine().socket().display().to_string());
    as_root(&host, &made).ok();
    done(
        &host,
        "alice",
        &[
            "run",
            "-d",
            "--name",
            "own",
            "-v",
            "/home/alice/data:/data",
            "rooted",
        ],
    );
    let inside = |args: &[&str]| done(&host, "alice", &[&["exec"], args].concat());
    assert_eq!(
        inside(&["own", "sh", "-c", "id -u; id -g; id -G"]),
        "20001\n20001\n20001"
    );
    let status = inside(&["own", "cat", "/proc/1/status"]);
    for line in [
        "Uid:\t20001\t20001\t20001\t20001",
        "CapEff:\t0000000000000000",
        "NoNewPrivs:\t1",
    ] {
        assert!(status.contains(line), "{line}: {status}");
    }
    let suid = inside(&[
        "own",
        "sh",
        "-c",
        "ls -l /suid | cut -c1-10; /suid -p -c 'id -u'",
    ]);
    assert_eq!(suid, "-rwsr-xr-x\n20001");
    let user = |user: &str| {
        format!(
            "not allowed: User={user} (a container with folders of the host runs as its owner); \
        leave the user out or give your uid (as \"remoteUser\" in devcontainer.json), or make the \
             container without folders of the host"
        )
    };
    for other in [
        "0", "root", "0:0", "20001:0", "evil", "alice", "00", "+0", "20002", "20001:42",
    ] {
        assert_eq!(
            refused(&host, "alice", &["exec", "-u", other, "own", "id"]),
            user(other)
        );
    }
    for same in ["20001", "20001:20001"] {
        assert_eq!(inside(&["-u", same, "own", "id", "-u"]), "20001");
    }
    for asked in ["0", "root", "20002", "evil"] {
        let run = [
            "run",
            "--rm",
            "-u",
            asked,
            "-v",
            "/home/alice/data:/data",
            "--entrypoint",
            "id",
            "rooted",
            "-u",
        ];
        assert_eq!(done(&host, "alice", &run), "20001");
    }
    let root = [
        "run",
        "--rm",
        "-u",
        "0",
        "--entrypoint",
        "id",
        "rooted",
        "-u",
    ];
    assert_eq!(done(&host, "alice", &root), "0");
    // The engine would enter its folders as root.
    let copied = |verb: &str| {
        format!(
            "files of own are not {verb} by docker cp: it has folders of this host, which the \
        engine would enter as root; use its folder on the host, or: docker exec -i own tar"
        )
    };
    assert_eq!(
        refused(&host, "alice", &["cp", "own:/data", "-"]),
        copied("read")
    );
    host.run("sh", &["-c", "echo x > file"]).ok();
    refused(&host, "alice", &["cp", "file", "own:/data/"]);
    let put = call(&host, "alice", "PUT /containers/own/archive?path=/data", "");
    assert!(
        put.status == 403 && put.body.contains(&copied("written")),
        "{put:?}"
    );
    let file = "POST /containers/own/exec";
    let exec = |body: &str| call(&host, "alice", file, body).status;
    assert_eq!(exec(r#"{"Cmd":["id"],"User":"0"}"#), 403);
    assert_eq!(exec(r#"{"Cmd":["id"],"Privileged":true}"#), 403);
    assert_eq!(exec(r#"{"Cmd":["id"],"user":"0"}"#), 400);
    assert_eq!(exec(r#"{"Cmd":["id"]}"#), 201);
    // Without a folder root inside is root there alone.
    sleeper(&host, "alice", "free", &[]);
    assert_eq!(inside(&["-u", "0", "free", "id", "-u"]), "0");
    // This engine would mount its files on the host, at paths that root in it can move meanwhile.
    for copied in [&["cp", "file", "free:/file"], &["cp", "free:/file", "-"]] {
        let refused = refused(&host, "alice", copied);
        assert!(refused.contains("before release 23"), "{refused}");
    }
    let differs = refused(&host, "alice", &["diff", "free"]);
    assert!(
        differs.starts_with("docker diff does not tell of free"),
        "{differs}"
    );
    // What it leaves on the host is its owner's.
    inside(&["own", "touch", "/data/made"]);
    let found = fs::metadata(host.home("alice").join("data/made")).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&found), 20001);
}
