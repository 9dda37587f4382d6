//! Volumes without a name go with their container: root takes their files away first, so that nobody who
//! has one open leads the engine elsewhere.

use std::{
    fs,
    os::fd::AsRawFd,
    path::{Path, PathBuf},
};

use ds01_testkit::TestHost;

use super::{call, done, processes::until, refused};
use crate::support::expect::with_limit;

/// Whatever fills the volumes of a container, and waits.
const FILLS: &str = "for v in /v /w; do [ ! -d $v ] || { mkdir -p $v/sub; echo x > $v/sub/file; }; done; \
    echo filled; exec sleep 1000";

fn host() -> TestHost {
    let host = TestHost::behind_gateway(1);
    with_limit(&host, "max_containers_per_user", "null");
    let change = "--change=VOLUME /w";
    host.docker(&["run", "--name=base", "ds01-base", "mkdir", "-p", "/w/sub"])
        .ok();
    host.docker(&["commit", change, "base", "with-volume"]).ok();
    host.docker(&["rm", "base"]).ok();
    host
}

/// Runs a container of alice's, and waits until its volumes are filled.
fn filled(host: &TestHost, name: &str, more: &[&str], image: &str) {
    let run = [&["run", "-d", "--name", name], more].concat();
    let run = [&run[..], &[image, "sh", "-c", FILLS]].concat();
    done(host, "alice", &run);
    let is_filled = || done(host, "alice", &["logs", name]).contains("filled");
    until("its volumes are filled", is_filled);
}

/// The engine's folder of the volume that a container of alice's has at a place.
fn place(host: &TestHost, name: &str, target: &str) -> PathBuf {
    let format = format!(
        r#"{{{{range .Mounts}}}}{{{{if eq .Destination "{target}"}}}}{{{{.Source}}}}{{{{end}}}}{{{{end}}}}"#
    );
    let name = format!("{name}._.20001");
    PathBuf::from(host.docker(&["inspect", "-f", &format, &name]).ok().trim())
}

/// A folder of a volume that somebody has open: it goes on being one wherever its name is.
pub(super) struct Held(fs::File, PathBuf);

impl Held {
    pub(super) fn of(volume: &Path) -> Self {
        let file = fs::File::open(volume.join("sub")).unwrap();
        Self(file, volume.into())
    }

    /// Waits for its volume to be gone and its files to be deleted; that it was not the engine who did.
    #[track_caller]
    pub(super) fn goes(&self) {
        let Self(file, volume) = self;
        until("the volume is gone", || !volume.exists());
        let going = volume.ancestors().nth(3).unwrap().join("ds01-going");
        let was = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap();
        assert!(
            was.starts_with(&going),
            "the engine removed {}",
            was.display()
        );
        let deleted = || fs::read_dir(&going).unwrap().next().is_none();
        until("its files are deleted", deleted);
    }
}

#[test]
fn rm_takes_the_volumes_without_a_name_that_no_other_container_has() {
    let host = host();
    let mounts = ["-v", "/v", "-v", "data:/data"];
    filled(&host, "one", &mounts, "with-volume");
    let both = ["/v", "/w"].map(|target| Held::of(&place(&host, "one", target)));
    let named = place(&host, "one", "/data");
    // What is refused loses nothing.
    refused(&host, "alice", &["rm", "-v", "one"]);
    refused(&host, "bob", &["rm", "-v", "one"]);
    assert!(both.iter().all(|held| held.1.join("sub/file").exists()));
    let sharer = ["create", "--name=two", "--volumes-from=one", "ds01-base"];
    done(&host, "alice", &sharer);
    done(&host, "alice", &["rm", "-fv", "one"]);
    assert!(both.iter().all(|held| held.1.join("sub/file").exists()));
    let gone = call(&host, "alice", "DELETE /containers/two?v=1", "");
    assert_eq!((gone.status, &*gone.body), (204, ""));
    // Docker's answer comes when they are gone.
    assert!(both.iter().all(|held| !held.1.exists()));
    both.iter().for_each(Held::goes);
    assert!(named.exists());
    // Without -v they stay; and so does one that the request named, as compose does.
    filled(&host, "one", &mounts, "with-volume");
    let [v, w] = ["/v", "/w"].map(|target| place(&host, "one", target));
    let id = v.parent().unwrap().file_name().unwrap().to_str().unwrap();
    let mount = format!("{id}:/v");
    let heir = ["create", "--name=heir", "-v", &mount, "ds01-base"];
    done(&host, "alice", &heir);
    done(&host, "alice", &["rm", "-f", "one"]);
    done(&host, "alice", &["rm", "-v", "heir"]);
    assert!(v.exists() && w.exists());
}

#[test]
fn so_do_our_own_commands() {
    let host = host();
    for (user, arg) in [("alice", "one"), ("root", "one._.20001")] {
        filled(&host, "one", &["-v", "/v"], "with-volume");
        let both = ["/v", "/w"].map(|target| Held::of(&place(&host, "one", target)));
        done(&host, "alice", &["kill", "one"]);
        let remove = ["-f", "--volumes", arg];
        host.as_user(user).run("container-remove", &remove).ok();
        assert!(both.iter().all(|held| !held.1.exists()), "{user}");
        both.iter().for_each(Held::goes);
    }
}

#[test]
fn those_of_a_container_that_the_engine_removes_by_itself_go_after_it() {
    let host = host();
    let mounts = ["--rm", "-v", "/v/", "--mount", "type=volume,target=/m"];
    let both = |name: &str| {
        filled(&host, name, &mounts, "with-volume");
        ["/v", "/w"].map(|target| Held::of(&place(&host, name, target)))
    };
    let held = both("one");
    let made = place(&host, "one", "/m");
    done(&host, "alice", &["kill", "one"]);
    held.iter().for_each(Held::goes);
    until("the volume is gone", || !made.exists());
    // By hand, Docker's answer comes when they are gone.
    done(
        &host,
        "alice",
        &["create", "--rm", "--name=one", "with-volume"],
    );
    let held = Held::of(&place(&host, "one", "/w"));
    done(&host, "alice", &["rm", "-v", "one"]);
    assert!(!held.1.exists());
    held.goes();
    // Those that another has stay as long.
    let held = both("one");
    let shown = |format: &str| done(&host, "alice", &["inspect", "-f", format, "one"]);
    assert_eq!(shown("{{.HostConfig.AutoRemove}}"), "true");
    let sources = shown("{{range .HostConfig.Mounts}}[{{.Target}}{{.Source}}]{{end}}");
    assert_eq!(sources, "[/m][/v][/w]");
    let sharer = ["create", "--name=two", "--volumes-from=one", "ds01-base"];
    done(&host, "alice", &sharer);
    done(&host, "alice", &["kill", "one"]);
    until("it is gone", || {
        done(&host, "alice", &["ps", "-aq", "--filter=name=one"]).is_empty()
    });
    assert!(held.iter().all(|held| held.1.join("sub/file").exists()));
    done(&host, "alice", &["rm", "two"]);
    held.iter().for_each(Held::goes);
    // While there is no gateway they stay, and the next one finds them.
    let held = both("one");
    assert!(host.stop_gateway());
    host.docker(&["rm", "-fv", "one._.20001"]).ok();
    assert!(held.iter().all(|held| held.1.join("sub/file").exists()));
    host.start_gateway();
    held.iter().for_each(Held::goes);
}

#[test]
fn one_that_the_engine_removes_by_itself_has_what_others_and_its_image_have() {
    let host = host();
    filled(&host, "one", &[], "with-volume");
    let kept = place(&host, "one", "/w");
    let run = |more: &[&str], image: &str, place: &str| {
        let run = [&["run", "--rm"], more, &[image, "ls", place]].concat();
        done(&host, "alice", &run)
    };
    assert_eq!(run(&["--volumes-from=one"], "with-volume", "/w"), "sub");
    assert_eq!(run(&["--tmpfs=/w"], "with-volume", "/w"), "");
    assert_eq!(run(&["-v", "data:/w"], "with-volume", "/w"), "sub");
    assert!(kept.join("sub/file").exists());
    let mkdir = [
        "run",
        "--name=more",
        "ds01-base",
        "mkdir",
        "-p",
        "/w/inside",
    ];
    host.docker(&mkdir).ok();
    for (volume, image) in [("/w/../w", "more"), ("w", "odd")] {
        let change = format!("--change=VOLUME {volume}");
        host.docker(&["commit", &change, "more", image]).ok();
    }
    host.docker(&["rm", "more"]).ok();
    assert_eq!(run(&[], "more", "/w"), "inside");
    assert_eq!(run(&["-v", "/w"], "more", "/w"), "inside");
    // One that has no place would be the engine's to remove.
    let said = refused(&host, "alice", &["run", "--rm", "odd", "true"]);
    assert!(said.contains("not an absolute path"), "{said}");
    let left = || host.docker(&["volume", "ls", "-q"]).ok();
    until("all others are gone", || left().lines().count() == 2);
}
