//! Names are one's own: they never clash with another's, nor tell of one.

use ds01_testkit::TestHost;

use super::{done, refused, sleeper};
use crate::support::expect::inspect;

#[test]
fn two_users_may_use_one_name_and_a_conflict_is_with_oneself() {
    let host = TestHost::behind_gateway(1);
    sleeper(&host, "bob", "same", &["-v", "same:/x"]);
    sleeper(&host, "alice", "same", &["-v", "same:/x"]);
    for (user, uid) in [("alice", 20001), ("bob", 20002)] {
        assert_eq!(done(&host, user, &["ps", "--format", "{{.Names}}"]), "same");
        assert_eq!(done(&host, user, &["volume", "ls", "-q"]), "same");
        let owner = inspect(
            &host,
            &format!("same._.{uid}"),
            "{{index .Config.Labels \"ds01.user\"}}",
        );
        assert_eq!(owner, user);
    }
    let again = "container same exists already; use it with container-run same, or \
                 container-remove same";
    assert_eq!(
        refused(&host, "alice", &["create", "--name", "same", "ds01-base"]),
        again
    );
    // Another's is no reason, under any name: it only cannot be spelled.
    done(&host, "bob", &["rename", "same", "taken"]);
    done(&host, "alice", &["create", "--name", "taken", "ds01-base"]);
    let exists = "container taken exists already; choose another name\n\
                  Error: failed to rename container named same";
    assert_eq!(
        refused(&host, "alice", &["rename", "same", "taken"]),
        exists
    );
    for spelled in [
        "other._.20002",
        "other._.20001",
        "../other",
        "a b",
        "a/b",
        "-a",
        "",
    ] {
        let create = ["create", "--name", spelled, "ds01-base"];
        if !spelled.is_empty() {
            refused(&host, "alice", &create);
        }
        refused(&host, "alice", &["rename", "same", spelled]);
    }
    done(&host, "alice", &["rename", "same", "moved"]);
    let names = done(&host, "alice", &["ps", "-a", "--format", "{{.Names}}"]);
    assert_eq!(names, "taken\nmoved");
    assert_eq!(
        done(&host, "bob", &["ps", "-a", "--format", "{{.Names}}"]),
        "taken"
    );
    // It is as much her own as before.
    assert_eq!(
        done(&host, "alice", &["exec", "moved", "echo", "here"]),
        "here"
    );
    done(&host, "alice", &["rm", "-f", "moved"]);
    assert_eq!(
        done(&host, "alice", &["ps", "-a", "--format", "{{.Names}}"]),
        "taken"
    );
}

#[test]
fn a_name_that_equals_an_id_of_anothers_is_ones_own() {
    let host = TestHost::behind_gateway(1);
    let theirs = sleeper(&host, "bob", "theirs", &[]);
    let short = &theirs[..12];
    let mine = sleeper(&host, "alice", short, &[]);
    let of = |user: &str, name: &str| done(&host, user, &["inspect", "-f", "{{.Id}}", name]);
    assert_eq!(of("alice", short), mine);
    assert_eq!(of("bob", short), theirs);
    done(&host, "alice", &["rm", "-f", short]);
    assert_eq!(of("bob", short), theirs);
    refused(&host, "alice", &["rm", short]);
    assert_eq!(
        done(&host, "bob", &["exec", "theirs", "echo", "here"]),
        "here"
    );
}
