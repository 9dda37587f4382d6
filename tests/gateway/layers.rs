//! The root of a container outlives it where somebody has it open: so its files are nowhere that anybody
//! else comes when the engine begins to remove them by their paths.

use std::{
    fs::{self, File},
    io::{Read, Write},
    net::Shutdown,
    os::{
        fd::AsRawFd,
        unix::{
            fs::{PermissionsExt, symlink},
            net::{UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use ds01_testkit::TestHost;

use super::{docker, done, processes::until, refused, unnamed::Held};
use crate::support::{
    duties::pass,
    expect::{engine_name, inspect, state, with_limit},
};

/// A host whose engine has the files of containers where we look after them: others are not tried.
fn host() -> Option<TestHost> {
    let host = TestHost::behind_gateway(1);
    with_limit(&host, "max_containers_per_user", "null");
    let driver = host.docker(&["info", "-f", "{{.Driver}}"]).ok();
    (driver.trim() == "overlay2").then_some(host)
}

/// Runs a container of alice's that writes files of its own; where they are, and its root, which is
/// handed out: as one that goes over a socket to another container.
fn filled(host: &TestHost, name: &str, more: &[&str]) -> (PathBuf, File) {
    let script = "mkdir -p /sub/deep; echo x > /sub/file; echo filled; exec sleep 1000";
    let run = [&["run", "-d", "--name", name], more].concat();
    done(
        host,
        "alice",
        &[&run[..], &["ds01-base", "sh", "-c", script]].concat(),
    );
    until("it is filled", || {
        done(host, "alice", &["logs", name]).contains("filled")
    });
    let told = |format: &str| inspect(host, &engine_name(name), format);
    let root = File::open(format!("/proc/{}/root", told("{{.State.Pid}}"))).unwrap();
    (PathBuf::from(told("{{.GraphDriver.Data.UpperDir}}")), root)
}

fn going(upper: &Path) -> PathBuf {
    upper.ancestors().nth(3).unwrap().join("ds01-going")
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut all| all.next().is_none())
}

/// Waits for the files to be where they were: nothing tells the gateway that they are not.
fn back(upper: &Path) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !upper.join("sub/file").exists() || !is_empty(&going(upper)) {
        assert!(Instant::now() < deadline, "it is not put back");
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn the_files_of_a_container_are_taken_away_before_it_is_removed() {
    let Some(host) = host() else { return };
    let kept = host.root().join("kept");
    fs::create_dir(&kept).unwrap();
    fs::write(kept.join("file"), "kept").unwrap();
    let by_docker = || drop(done(&host, "alice", &["rm", "-f", "one"]));
    let by_command = || {
        done(&host, "alice", &["kill", "one"]);
        host.run("container-remove", &["one", "-f"]).ok();
    };
    let pruned = || {
        done(&host, "alice", &["kill", "one"]);
        done(&host, "alice", &["container", "prune", "-f"]);
    };
    let swept = || {
        let at_once = "  container_hold_after_stop_h: 0\ndefault_group";
        host.limits_yaml(&host.limits_text().replace("default_group", at_once));
        done(&host, "alice", &["kill", "one"]);
        pass(&host, "container-cleanup", &["--system"]).ok();
    };
    let all: [(&str, &dyn Fn()); 4] = [
        ("docker rm", &by_docker),
        ("container-remove", &by_command),
        ("docker container prune", &pruned),
        ("a sweep", &swept),
    ];
    for (what, remove) in all {
        let (upper, root) = filled(&host, "one", &[]);
        let held = Held::of(&upper);
        let leaked = PathBuf::from(format!("/proc/self/fd/{}", root.as_raw_fd()));
        symlink(&kept, leaked.join("link")).unwrap();
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                let name = |name: &str| leaked.join(name);
                while !over.load(Ordering::Relaxed) {
                    // By and by its files are deleted.
                    for (from, to) in [
                        ("sub", "was"),
                        ("link", "sub"),
                        ("sub", "link"),
                        ("was", "sub"),
                    ] {
                        let _ = fs::rename(name(from), name(to));
                    }
                }
            });
            remove();
            over.store(true, Ordering::Relaxed);
        });
        assert!(!upper.exists(), "{what}");
        held.goes();
        assert!(kept.join("file").exists(), "{what}");
    }
}

/// In the engine's place: what becomes of a request to remove a container, which the engine never hears.
fn in_between(host: &TestHost, answer: &'static str) {
    let (real, socket) = (host.engine().socket(), host.root().join("between.sock"));
    let _ = fs::remove_file(&socket);
    let listener = UnixListener::bind(&socket).unwrap();
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o666)).unwrap();
    let config = host.config_text();
    let (from, to) = (real.to_string_lossy(), socket.to_string_lossy());
    host.config(&config.replace(&*from, &to));
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let engine = UnixStream::connect(&real).unwrap();
            let answers = (engine.try_clone().unwrap(), client.try_clone().unwrap());
            thread::spawn(move || passed_on(answers, |_| None));
            thread::spawn(move || {
                let remove = |asked: &[u8]| asked.starts_with(b"DELETE").then_some(answer);
                passed_on((client, engine), remove);
            });
        }
    });
}

/// Passes on what is said, until something is answered by `answer`.
fn passed_on(
    (mut from, mut to): (UnixStream, UnixStream),
    answer: impl Fn(&[u8]) -> Option<&'static str>,
) {
    let mut bytes = [0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut bytes) {
        if let Some(answer) = answer(&bytes[..length]) {
            let _ = from.write_all(answer.as_bytes());
            break;
        }
        if to.write_all(&bytes[..length]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

#[test]
fn what_the_engine_does_not_remove_loses_no_file() {
    let Some(host) = host() else { return };
    let (upper, _root) = filled(&host, "one", &[]);
    // Of one that runs nothing is moved.
    refused(&host, "alice", &["rm", "one"]);
    assert!(upper.join("sub/file").exists() && !going(&upper).exists());
    done(&host, "alice", &["kill", "one"]);
    until("it has ended", || state(&host, "one") == "exited");
    let config = host.config_text();
    let refusal = "HTTP/1.1 409 Conflict\r\nContent-Type: application/json\r\nContent-Length: 18\r\n\
                   Connection: close\r\n\r\n{\"message\":\"busy\"}";
    for answer in [refusal, ""] {
        host.stop_gateway();
        in_between(&host, answer);
        host.start_gateway();
        let said = docker(&host, "alice", &["rm", "one"]);
        assert_ne!(said.status, Some(0), "{said:?}");
        // Without an answer it may come to it still.
        let is_aside = !upper.join("sub/file").exists();
        assert_eq!(is_aside, answer.is_empty(), "{said:?}");
        assert!(!is_aside || is_empty(&upper));
        back(&upper);
        host.config(&config);
    }
    // What was left by one that was killed: the next gateway finds it.
    host.stop_gateway();
    let id = inspect(&host, &engine_name("one"), "{{.Id}}");
    let layer = upper
        .parent()
        .unwrap()
        .file_name()
        .unwrap()
        .to_str()
        .unwrap();
    let place = going(&upper).join("1-left");
    fs::create_dir(&place).unwrap();
    fs::rename(&upper, place.join(format!("layer:{layer}:{id}"))).unwrap();
    host.start_gateway();
    back(&upper);
    done(&host, "alice", &["start", "one"]);
    let ls = done(&host, "alice", &["exec", "one", "cat", "/sub/file"]);
    assert_eq!(ls, "x");
    let held = Held::of(&upper);
    done(&host, "alice", &["rm", "-f", "one"]);
    held.goes();
}

#[test]
fn one_that_goes_with_its_end_is_removed_by_us() {
    let Some(host) = host() else { return };
    let told = |format: &str| inspect(&host, &engine_name("one"), format);
    let (upper, _root) = filled(&host, "one", &["--rm"]);
    let held = Held::of(&upper);
    let auto_remove = "{{.HostConfig.AutoRemove}}";
    assert_eq!(told(auto_remove), "false");
    assert_eq!(
        done(&host, "alice", &["inspect", "-f", auto_remove, "one"]),
        "true"
    );
    // A restart is no end: what ends after it is gone, and it is there.
    done(&host, "alice", &["restart", "-t", "0", "one"]);
    done(&host, "alice", &["run", "--rm", "ds01-base", "true"]);
    assert_eq!(state(&host, "one"), "running");
    done(&host, "alice", &["kill", "one"]);
    held.goes();
    until("it is gone", || host.docker(&["ps", "-aq"]).ok().is_empty());
    // While there is no gateway it stays, and the next one finds it.
    let (upper, _root) = filled(&host, "one", &["--rm"]);
    let held = Held::of(&upper);
    assert!(host.stop_gateway());
    host.docker(&["kill", &engine_name("one")]).ok();
    assert!(upper.join("sub/file").exists());
    host.start_gateway();
    held.goes();
    // Docker's client hears of its end, and with which status; and of one that cannot start.
    for (command, status) in [(&["sh", "-c", "exit 7"][..], 7), (&["/none"], 127)] {
        let run = [&["run", "--rm", "ds01-base"], command].concat();
        let ran = docker(&host, "alice", &run);
        assert_eq!(ran.status, Some(status), "{ran:?}");
        assert_eq!(host.docker(&["ps", "-aq"]).ok(), "");
    }
    // The label of an image is no reason.
    done(
        &host,
        "alice",
        &[
            "run",
            "-d",
            "--rm",
            "--name=one",
            "ds01-base",
            "sleep",
            "1000",
        ],
    );
    host.docker(&["commit", &engine_name("one"), "labelled"])
        .ok();
    done(&host, "alice", &["rm", "-f", "one"]);
    host.docker(&["run", "--name=admins", "labelled", "true"])
        .ok();
    done(&host, "alice", &["run", "--name=two", "labelled", "true"]);
    done(&host, "alice", &["run", "--rm", "ds01-base", "true"]);
    let left = host.docker(&["ps", "-a", "--format={{.Names}}"]).ok();
    assert_eq!(left, format!("{}\nadmins\n", engine_name("two")));
}
