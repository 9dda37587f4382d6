//! Images are shared, or one's own.

use ds01_testkit::TestHost;

use super::{call, done, refused, sleeper};
use crate::support::duties::pass;

#[test]
fn images_are_shared_or_ones_own() {
    let host = TestHost::behind_gateway(1);
    sleeper(&host, "bob", "theirs", &[]);
    done(&host, "bob", &["exec", "theirs", "touch", "/secret"]);
    let id = done(&host, "bob", &["commit", "theirs", "secret:1"]);
    for name in [
        "secret:1",
        "ds01-20002/secret:1",
        "docker.io/ds01-20002/secret:1",
        &id,
        &id[7..19],
    ] {
        let none = format!("No such image: {name}");
        for args in [
            &["image", "inspect", name][..],
            &["history", name],
            &["tag", name, "got"],
            &["rmi", name],
            &["create", "--pull=never", name],
        ] {
            let said = refused(&host, "alice", args);
            assert!(said.contains(&none), "{args:?}: {said}");
        }
    }
    for name in ["ds01-base", "ds01-base:latest"] {
        let said = refused(&host, "alice", &["rmi", "-f", name]);
        let message = format!("the image {name} is shared: others use it; an admin can remove it");
        assert_eq!(said, message);
    }
    let shared = host
        .docker(&["image", "inspect", "-f", "{{.Id}}", "ds01-base"])
        .ok();
    // What she makes under a shared name is her own, and goes before it for her alone.
    sleeper(&host, "alice", "mine", &[]);
    done(&host, "alice", &["tag", "ds01-busybox", "ds01-base"]);
    done(&host, "alice", &["commit", "mine", "ds01-base:other"]);
    done(
        &host,
        "alice",
        &["commit", "mine", "docker.io/library/ds01-base"],
    );
    for taken in ["ds01-20002/secret:1", "docker.io/ds01-20002/secret:1"] {
        for args in [&["tag", "ds01-base", taken][..], &["commit", "mine", taken]] {
            let said = refused(&host, "alice", args);
            assert!(
                said.starts_with("you cannot give an image the name"),
                "{args:?}: {said}"
            );
        }
    }
    let imported = call(
        &host,
        "alice",
        "POST /images/create?fromSrc=-&repo=ds01-20002/secret",
        "",
    );
    assert_eq!(imported.status, 403, "{imported:?}");
    let loaded = call(&host, "alice", "POST /images/load", "");
    assert_eq!(loaded.status, 403, "{loaded:?}");
    assert_eq!(
        host.docker(&["image", "inspect", "-f", "{{.Id}}", "ds01-base"])
            .ok(),
        shared
    );
    let of_bob = ["image", "inspect", "-f", "{{.Id}}", "ds01-base"];
    assert_eq!(done(&host, "bob", &of_bob), shared.trim());
    assert_ne!(done(&host, "alice", &of_bob), shared.trim());
    // Removed by its own name, hers goes, and not what it is another name of.
    done(&host, "alice", &["rmi", "ds01-base"]);
    assert_eq!(done(&host, "alice", &of_bob), shared.trim());
    host.docker(&["image", "inspect", "ds01-busybox"]).ok();
    assert_eq!(
        done(&host, "bob", &["run", "--rm", "secret:1", "ls", "/secret"]),
        "/secret"
    );
}

#[test]
fn the_name_that_an_image_has_for_a_container_goes_with_it_whoever_removes_it() {
    let host = TestHost::behind_gateway(1);
    let names = || {
        let format = "{{.Repository}}:{{.Tag}}";
        let listed = host.docker(&["images", "--format", format]).ok();
        let own = |name: &str| Some(name.strip_prefix("ds01-20001/of.container:")?.to_string());
        let mut own: Vec<_> = listed.lines().filter_map(own).collect();
        own.sort();
        own
    };
    let sweep = || pass(&host, "container-cleanup", &["--system"]).ok();
    // The engine removes it by itself.
    done(&host, "alice", &["run", "--rm", "ds01-base", "true"]);
    assert_eq!(names().len(), 1);
    sweep();
    assert_eq!(names(), [""; 0]);
    // As compose replaces one: the old one gives its name to the new one, and goes.
    sleeper(&host, "alice", "app", &[]);
    done(&host, "alice", &["rename", "app", "old"]);
    sleeper(&host, "alice", "app", &[]);
    done(&host, "alice", &["rm", "-f", "old"]);
    assert_eq!(names(), ["app._.20001"], "it is the new one's");
    done(&host, "alice", &["rename", "app", "last"]);
    sweep();
    assert_eq!(names(), ["app._.20001"], "it is used under another name");
    done(&host, "alice", &["rm", "-f", "last"]);
    assert_eq!(names(), [""; 0]);
}

#[test]
fn a_commit_has_the_files_and_the_settings_of_its_container() {
    let host = TestHost::behind_gateway(1);
    let run = [
        "run",
        "--name=own",
        "-v",
        "/home/alice/w:/w",
        "-w",
        "/tmp",
        "-e",
        "A=a \"b\" $C \\\\",
        "-l",
        "mine=x",
    ];
    let made = [
        "ds01-base",
        "sh",
        "-c",
        "id -u >/tmp/made; echo $0",
        "it's $A",
    ];
    done(&host, "alice", &[&run[..], &made].concat());
    // It has a folder, in which its owner could move what the engine reads; and one runs.
    sleeper(&host, "alice", "free", &[]);
    done(
        &host,
        "alice",
        &["exec", "-u", "0", "free", "touch", "/made"],
    );
    done(
        &host,
        "alice",
        &["commit", "-c", "ENV B=b", "own", "saved:1"],
    );
    done(&host, "alice", &["commit", "free", "saved:2"]);
    let inside = [
        "run",
        "--rm",
        "saved:1",
        "sh",
        "-c",
        "cat made; pwd; echo $A $B",
    ];
    assert_eq!(
        done(&host, "alice", &inside),
        "20001\n/tmp\na \"b\" $C \\\\ b"
    );
    assert_eq!(done(&host, "alice", &["run", "--rm", "saved:1"]), "it's $A");
    done(
        &host,
        "alice",
        &["run", "--rm", "saved:2", "test", "-e", "/made"],
    );
    let label = ["inspect", "-f", "{{.Config.Labels.mine}}", "saved:1"];
    assert_eq!(done(&host, "alice", &label), "x");
    let lost = refused(&host, "alice", &["commit", "nosuch", "x"]);
    assert!(lost.contains("No such container: nosuch"), "{lost}");
}
