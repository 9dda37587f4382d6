//! Images are shared, or one's own.

use ds01_testkit::TestHost;

use super::{call, done, refused, sleeper};

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
