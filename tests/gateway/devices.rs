//! A device node that an image brings is of no use, inside or outside: nobody else's files are read by
//! the disk that they are on.

use std::{fs, os::unix::net::UnixStream, time::Duration};

use ds01_testkit::{Outcome, TestHost};

use super::docker;
use crate::support::expect::with_limit;

/// An image with a node of the kernel's log wherever a container may have one from it. Who may open
/// that may write there, root alone (mode 644) on this host, and nobody in a container.
fn image_with_devices(host: &TestHost) {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/gateway/hand.c");
    let script = format!(
        "set -e; mkdir -p image/v image/dev/v; cc -static -o image/hand {source}
         for folder in . v dev/v; do mknod -m 666 image/$folder/log c 1 11; done
         cp image/hand home/alice/hand; tar c -C image . >image.tar"
    );
    let root = host.root().to_string_lossy();
    let made = host.as_user("root").in_dir(&root);
    made.run("sh", &["-c", &script]).ok();
    let archive = host.root().join("image.tar");
    host.docker(&["import", &archive.to_string_lossy(), "image"])
        .ok();
}

/// What a process of alice's outside is told that opens what one in a container hands to it. `run`
/// starts that one with these arguments.
fn handed_over(host: &TestHost, file: &str, run: impl Fn(&[&str]) -> Outcome) -> Outcome {
    let script = ": >/proc/self/fd/9";
    let take = ["take", "/home/alice/socket", "bash", "-c", script];
    let socket = host.home("alice").join("socket");
    let _ = fs::remove_file(&socket);
    let outside = host.as_user("alice").spawn("/home/alice/hand", &take);
    while !socket.exists() {
        std::thread::sleep(Duration::from_millis(10));
    }
    let inside = run(&["image", "/hand", "give", "/w/socket", file]);
    if inside.status != Some(0) {
        // It waits no more.
        drop(UnixStream::connect(&socket));
    }
    inside.ok();
    outside.wait()
}

#[test]
fn a_device_node_of_an_image_is_opened_by_nobody() {
    let host = TestHost::behind_gateway(1);
    with_limit(&host, "max_containers_per_user", "null");
    image_with_devices(&host);
    let run = ["run", "--rm", "-u", "20001:20001"];
    let volumes = ["-v", "volume:/v", "-v", "below:/dev/v"];
    let of_user = |args: &[&str]| {
        let folder = ["-v", "/home/alice:/w"];
        let args = [&run, &folder[..], &volumes, args].concat();
        docker(&host, "alice", &args)
    };
    for file in ["/log", "/v/log", "/dev/v/log"] {
        let said = handed_over(&host, file, of_user);
        assert!(said.stderr.contains("Permission denied"), "{file} {said:?}");
    }
    // What root lets manage the host is left alone.
    let folder = format!("{}:/w", host.home("alice").display());
    let of_root = |args: &[&str]| {
        let privileged = ["--privileged", "-v", &folder];
        let args = [&run, &privileged[..], &volumes, args].concat();
        host.docker(&args)
    };
    for file in ["/log", "/v/log", "/dev/v/log"] {
        handed_over(&host, file, of_root).ok();
    }
}
