//! What root in one container has open keeps no other container from starting, which the kernel
//! counts together.

use std::time::Duration;

use ds01_testkit::TestHost;

use super::{docker, done, sleeper};

/// The words of the kernel for `ETOOMANYREFS`.
const FULL: &str = "Too many references: cannot splice";

/// An image with a program that sends descriptors until no more may be on their way.
fn image_with_flood(host: &TestHost) {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/gateway/flood.c");
    let root = host.root().to_string_lossy();
    let script = format!(
        "set -e; mkdir image; cc -static -o image/flood {source}; tar c -C image . >image.tar"
    );
    let made = host.as_user("root").in_dir(&root);
    made.run("sh", &["-c", &script]).ok();
    let archive = host.root().join("image.tar");
    host.docker(&["import", &archive.to_string_lossy(), "image"])
        .ok();
}

#[test]
fn descriptors_on_their_way_keep_no_container_from_starting() {
    let host = TestHost::behind_gateway(1);
    image_with_flood(&host);
    let flood = ["run", "-d", "--name", "flood", "-u", "0", "image", "/flood"];
    done(&host, "alice", &flood);
    while done(&host, "alice", &["logs", "flood"]) != FULL {
        std::thread::sleep(Duration::from_millis(50));
    }
    // runc hands the terminal over as root in the new container.
    let run = ["run", "--rm", "-t", "-u", "0", "ds01-base", "echo", "works"];
    let said = docker(&host, "bob", &run);
    docker(&host, "alice", &["rm", "-f", "flood"]).ok();
    assert_eq!(said.ok().trim_end(), "works");
}

#[test]
fn a_process_has_no_more_files_than_its_container() {
    let host = TestHost::behind_gateway(1);
    let most = |args: &[&str]| -> u64 {
        let args = [args, &["sh", "-c", "ulimit -Hn"]].concat();
        done(&host, "alice", &args).parse().unwrap()
    };
    let all = most(&["run", "--rm", "ds01-base"]);
    // The engine's own limit is that of the machine.
    let own = host.as_user("root").run("sh", &["-c", "ulimit -Hn"]).ok();
    assert!(all <= 65_536 && all < own.trim_end().parse().unwrap());
    sleeper(&host, "alice", "plain", &[]);
    assert_eq!(most(&["exec", "plain"]), all);
    // runc gives what joins only what the engine asks for.
    sleeper(&host, "alice", "other", &["--ulimit", "core=0"]);
    assert_eq!(most(&["exec", "other"]), all);
    sleeper(&host, "alice", "few", &["--ulimit", "nofile=99:100"]);
    assert_eq!(most(&["exec", "few"]), 100);
}
