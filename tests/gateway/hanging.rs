//! Folders whose file system hangs.

use ds01_testkit::TestHost;

use super::{as_root, done, refused};
use crate::support::{expect::failed, hung::hung};

#[test]
fn who_names_a_folder_that_hangs_is_told_so() {
    let host = TestHost::behind_gateway(1);
    let folder = "/home/alice/data";
    as_root(&host, &format!("install -d -o alice -g alice {folder}")).ok();
    let _serving = hung(&host, folder);
    let create = ["new", "ds01-base", "--cpu-only", "--data", folder];
    let said = format!("{folder} does not answer within 15 s");
    let hint = "name another folder, or tell an admin: its file system hangs";
    let expected = format!("container-create: {said}\nhint: {hint}\n");
    assert_eq!(host.run("container-create", &create), failed(8, &expected));
    let volume = format!("{folder}:/data");
    let told = refused(&host, "alice", &["create", "-v", &volume, "ds01-base"]);
    assert_eq!(told, format!("{said}; {hint}"));
    // Nothing was taken, and nobody else waits.
    assert_eq!(host.ledger().read()["allocations"], serde_json::json!([]));
    done(&host, "alice", &["create", "ds01-base"]);
}
