//! The Python SDK, as Debian has it.

use ds01_testkit::TestHost;

use super::{alice, installed};
use crate::support::expect::done;

#[test]
fn the_python_sdk_works() {
    if !installed("/usr/lib/python3/dist-packages/docker/__init__.py") {
        return;
    }
    let host = TestHost::behind_gateway(1);
    let said = alice(&host).run("/usr/bin/python3", &["-c", include_str!("sdk.py")]);
    assert_eq!(said, done("all of it\n", ""));
}
