//! Archives in which one reader finds another Dockerfile than the next.

use std::{
    fs,
    io::Write,
    os::unix::fs::{PermissionsExt, symlink},
    thread,
};

use ds01_testkit::TestHost;

use super::{Reply, as_root, client, reply, send};

const GOOD: &[u8] = b"FROM ds01-base\nRUN echo harmless\n";
const EVIL: &[u8] =
    b"FROM ds01-base\nCOPY --from=ds01-20002/model /secret /stolen\nRUN cat /stolen\n";
const SECRET: &str = "only-for-bob";

/// An entry of an archive: a ustar header, and the data in whole blocks.
fn entry(kind: u8, path: &[u8], link: &str, size: usize, data: &[u8]) -> Vec<u8> {
    let mut entry = vec![0; 512];
    let mut field = |at: usize, bytes: &[u8]| entry[at..at + bytes.len()].copy_from_slice(bytes);
    field(0, path);
    field(100, b"0000644\0");
    field(108, b"0000000\0");
    field(116, b"0000000\0");
    field(124, format!("{size:011o}\0").as_bytes());
    field(136, b"14000000000\0");
    field(148, b"        ");
    field(156, &[kind]);
    field(157, link.as_bytes());
    field(257, b"ustar\x0000");
    let sum: u32 = entry.iter().map(|byte| u32::from(*byte)).sum();
    entry[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    entry.extend(data);
    entry.resize(entry.len().next_multiple_of(512), 0);
    entry
}

fn file(path: &str, data: &[u8]) -> Vec<u8> {
    entry(b'0', path.as_bytes(), "", data.len(), data)
}

fn link(kind: u8, path: &str, to: &str) -> Vec<u8> {
    entry(kind, path.as_bytes(), to, 0, b"")
}

/// One PAX record of less than a hundred bytes.
fn record(key: &str, value: &str) -> String {
    format!("{} {key}={value}\n", key.len() + value.len() + 5)
}

fn head(query: &str, length: usize) -> Vec<u8> {
    format!(
        "POST /build?networkmode=none&nocache=1{query} HTTP/1.1\r\nHost: d\r\n\
         Content-Type: application/x-tar\r\nContent-Length: {length}\r\n\r\n"
    )
    .into()
}

/// What is said to a build of these entries.
#[track_caller]
fn build(host: &TestHost, user: &str, query: &str, entries: &[Vec<u8>]) -> Reply {
    let body = [&entries.concat()[..], &[0; 1024]].concat();
    send(host, user, [head(query, body.len()), body].concat())
}

/// Bob's image with his secret, which he himself can read.
fn bobs_model(host: &TestHost) {
    let dockerfile = format!("FROM ds01-base\nRUN echo {SECRET} | tr a-z A-Z >/secret\n");
    let built = build(
        host,
        "bob",
        "&t=model",
        &[file("Dockerfile", dockerfile.as_bytes())],
    );
    assert!(built.body.contains("Successfully tagged"), "{built:?}");
    let read = build(host, "bob", "", &[file("Dockerfile", EVIL)]);
    assert!(read.body.contains(&SECRET.to_uppercase()), "{read:?}");
}

#[test]
fn no_archive_hides_a_dockerfile_from_the_gateway() {
    let host = TestHost::behind_gateway(1);
    bobs_model(&host);
    let good = || file("Dockerfile", GOOD);
    let evil = |path: &str| file(path, EVIL);
    let pax = |records: &str| entry(b'x', b"x", "", records.len(), records.as_bytes());
    let size = EVIL.len().to_string();
    let sparse = [
        record("GNU.sparse.major", "0"),
        record("GNU.sparse.minor", "1"),
        record("GNU.sparse.name", "Dockerfile"),
        record("GNU.sparse.size", &size),
        record("GNU.sparse.numblocks", "1"),
        record("GNU.sparse.map", &format!("0,{size}")),
    ];
    for (query, entries, why) in [
        (
            "",
            vec![evil("Dockerfile")],
            "No such image: ds01-20002/model",
        ),
        (
            "",
            vec![file("a/Dockerfile", GOOD), evil("dockerfile")],
            "the folder has no Dockerfile",
        ),
        (
            "&dockerfile=",
            vec![file("a/Dockerfile", GOOD), evil("dockerfile")],
            "the folder has no",
        ),
        (
            "&dockerfile=Dockerfile/..",
            vec![good(), evil("x")],
            "a Dockerfile cannot be called",
        ),
        (
            "",
            vec![good(), evil("Dockerfile")],
            "Dockerfile is in it twice",
        ),
        (
            "",
            vec![good(), evil("Dockerfile/.")],
            "Dockerfile is in it twice",
        ),
        (
            "",
            vec![good(), evil("Dockerfile/x/..")],
            "Dockerfile is in it twice",
        ),
        (
            "",
            vec![good(), evil("/Dockerfile")],
            "Dockerfile is in it twice",
        ),
        (
            "",
            vec![good(), pax(&record("path", "Dockerfile")), evil("x")],
            "Dockerfile is in it twice",
        ),
        (
            "",
            vec![good(), pax(&sparse.concat()), evil("x")],
            "it has a sparse file",
        ),
        (
            "",
            vec![good(), evil("x"), link(b'1', "Dockerfile", "x")],
            "Dockerfile is no file",
        ),
        (
            "",
            vec![good(), evil("x"), link(b'2', "Dockerfile", "x")],
            "Dockerfile is no file",
        ),
        (
            "",
            vec![good(), link(b'2', "d", "."), evil("d/Dockerfile")],
            "d/Dockerfile is in a link",
        ),
        (
            "&dockerfile=d/x",
            vec![file("d/x", GOOD), evil("e/x"), link(b'2', "d", "e")],
            "d is in the way",
        ),
        (
            "",
            vec![good(), entry(b'L', b"x", "", 5 << 30, b"")],
            "it has a name that is too long",
        ),
    ] {
        let said = build(&host, "alice", query, &entries);
        assert!(
            matches!(said.status, 400 | 404) && said.message().contains(why),
            "{said:?}, not {why}"
        );
    }
    // What these begin with, the engine would take for packed.
    for magic in [
        &b"\xfd7zXZ\0"[..],
        b"BZh91AY&SY",
        b"\x28\xb5\x2f\xfd",
        b"P*M\x18",
    ] {
        let said = build(
            &host,
            "alice",
            "",
            &[entry(b'0', magic, "", 0, b""), good()],
        );
        assert!(said.body.contains("Successfully built"), "{said:?}");
        assert!(!said.body.contains(&SECRET.to_uppercase()), "{said:?}");
    }
    // Between links, and to a file that is there before, the checked one stays.
    let entries = [
        link(b'2', "d", "."),
        evil("other"),
        evil("dockerfile"),
        link(b'1', "hard", "Dockerfile"),
        evil("hard"),
        good(),
    ];
    let said = build(&host, "alice", "", &entries);
    assert!(
        said.body.contains("harmless") && said.body.contains("Successfully built"),
        "{said:?}"
    );
    assert!(!said.body.contains(&SECRET.to_uppercase()), "{said:?}");
}

#[test]
fn a_folder_arrives_as_it_is() {
    let host = TestHost::behind_gateway(1);
    let app = host.home("alice").join("app");
    let far = (0..6)
        .map(|at| format!("{at}").repeat(60))
        .collect::<Vec<_>>()
        .join("/");
    for folder in ["bin", "data/empty", "docker", &far] {
        fs::create_dir_all(app.join(folder)).unwrap();
    }
    let write = |path: &str, text: &str, mode: u32| {
        fs::write(app.join(path), text).unwrap();
        fs::set_permissions(app.join(path), fs::Permissions::from_mode(mode)).unwrap();
    };
    write("bin/tool", "#!/bin/sh\necho it runs\n", 0o755);
    write("data/private", "x", 0o600);
    write("data/none", "", 0o444);
    write("data/blocks", &"b".repeat(1024), 0o644);
    write(&format!("data/{}", "n".repeat(150)), "long", 0o644);
    write(&format!("{far}/file"), "far", 0o640);
    fs::set_permissions(app.join("data"), fs::Permissions::from_mode(0o750)).unwrap();
    fs::hard_link(app.join("data/blocks"), app.join("data/same")).unwrap();
    symlink("../data/./blocks", app.join("bin/link")).unwrap();
    symlink(format!("../{far}/file"), app.join("bin/far")).unwrap();
    symlink("nowhere", app.join("bin/dangling")).unwrap();
    const LIST: &str =
        "find . -type f ! -path ./docker/image -exec stat -c '%A %s %Y %n' {} + | sort
        find . -type d ! -name . -exec stat -c '%A %n' {} + | sort
        for link in bin/link bin/far bin/dangling; do readlink $link; done
        cat data/same | wc -c; bin/tool";
    fs::write(
        app.join("docker/image"),
        "FROM ds01-base\nCOPY . /app\nWORKDIR /app\nRUN test \"$(head -n 1 docker/image)\" = 'FROM ds01-base'\n",
    )
    .unwrap();
    let here = format!("chown -R alice /home/alice/app; cd /home/alice/app; {LIST}");
    let here = as_root(&host, &here);
    let docker = |args: &[&str]| {
        client(&host, "alice")
            .env("DOCKER_BUILDKIT", "0")
            .run("docker", args)
    };
    docker(&["build", "-q", "-t", "app", "-f", "app/docker/image", "app"]).ok();
    let there = docker(&["run", "--rm", "app", "sh", "-c", LIST]).ok();
    assert_eq!(there, here.ok());
    assert!(there.ends_with("it runs\n"), "{there}");
    // Read again, nothing has changed: each step is in the engine's cache.
    let again = docker(&["build", "-f", "app/docker/image", "app"]).ok();
    assert_eq!(again.matches("Using cache").count(), 3, "{again}");
}

#[test]
fn who_sends_two_folders_slowly_keeps_nobody_else_waiting_and_a_third_comes_after_one_of_them() {
    let host = TestHost::behind_gateway(1);
    let begun = || {
        let mut client = host.connect("alice");
        client
            .write_all(&[head("", 4096), vec![0; 10]].concat())
            .unwrap();
        client
    };
    let (first, second) = (begun(), begun());
    let archive = [file("Dockerfile", GOOD)];
    let built = |user| build(&host, user, "", &archive).status;
    // By the end of a whole build that began after them, the two have their places.
    assert_eq!(built("bob"), 200);
    thread::scope(|scope| {
        let third = scope.spawn(|| built("alice"));
        assert_eq!(built("bob"), 200);
        assert!(!third.is_finished(), "a third beside two");
        drop(first);
        assert_eq!(third.join().unwrap(), 200);
    });
    second.shutdown(std::net::Shutdown::Write).unwrap();
    let cut = reply(second);
    assert!(
        cut.message().starts_with("the folder cannot be read: "),
        "{cut:?}"
    );
}
