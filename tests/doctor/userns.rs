//! Containers that have no user namespace.

use ds01_testkit::TestHost;

use super::told;
use crate::support::expect::created;

#[test]
fn containers_of_before_ds01_runc_are_told_until_they_are_gone() {
    let host = TestHost::new();
    created(&host, "thesis");
    let old = ["old1", "old2", "old3", "old4", "old5", "old6"];
    for name in old {
        let args = ["create", "--runtime=runc", "--name", name, "ds01-base"];
        host.docker(&args).ok();
    }
    let [[verdict, what, fix], _] = &told(&host, "userns")[..] else {
        panic!("another number of findings");
    };
    assert_eq!(verdict, "wrong");
    // The newest come first.
    let without = "containers without a user namespace, made before ds01-runc was the default: ";
    assert_eq!(
        *what,
        format!("{without}old6 old5 old4 old3 old2 and 1 more")
    );
    assert!(fix.ends_with("container-list --all-users"), "{fix}");

    host.docker(&["rm", "old1", "old2", "old3", "old4", "old5", "old6"])
        .ok();
    let [[verdict, ..]] = &told(&host, "userns")[..] else {
        panic!("another number of findings");
    };
    assert_eq!(verdict, "ok");
}
