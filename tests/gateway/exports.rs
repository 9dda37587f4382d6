//! A start while somebody reads all files of a container: the engine would go on with the files as the
//! run before has them, with which whoever has a folder of those open could lead it anywhere.

use ds01_testkit::TestHost;

use super::{
    done, refused, sleeper,
    stalled::{stalled, with_file},
};
use crate::support::expect::{engine_name, failed, inspect};

#[test]
fn a_container_does_not_start_while_all_its_files_are_read() {
    let host = TestHost::behind_gateway(1);
    with_file(&host, "x", &[]);
    let pid = || inspect(&host, &engine_name("x"), "{{.State.Pid}}");
    let before = pid();
    let export = stalled(host.connect("alice"), "/containers/x/export");
    let message = "container x does not start while all its files are read";
    let hint = "try again when docker export or docker commit has ended, or end that";
    let said = format!("{message}; {hint}");
    let told = refused(&host, "alice", &["restart", "-t", "0", "x"]);
    assert!(told.ends_with(&said), "{told}");
    assert_eq!(pid(), before, "it was stopped");
    // What runs is left alone, and who only looks reads with others.
    done(&host, "alice", &["start", "x"]);
    done(&host, "alice", &["commit", "x", "taken"]);
    done(&host, "alice", &["kill", "x"]);
    let told = refused(&host, "alice", &["start", "x"]);
    assert!(told.contains(&said), "{told}");
    let told = host.run("container-start", &["x"]);
    let expected = format!("container-start: {message}\nhint: {hint}\n");
    assert_eq!(told, failed(4, &expected));
    // Nobody else's wait, and none of one's own.
    for user in ["alice", "bob"] {
        sleeper(&host, user, "other", &[]);
        done(&host, user, &["restart", "-t", "0", "other"]);
    }
    drop(export);
    done(&host, "alice", &["start", "x"]);
    // Read to its end, it is in nobody's way.
    done(&host, "alice", &["export", "-o", "/home/alice/x.tar", "x"]);
    done(&host, "alice", &["restart", "-t", "0", "x"]);
}
