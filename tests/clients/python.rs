//! The Python SDK, as Debian has it.

use ds01_testkit::TestHost;

use super::{alice, installed};
use crate::support::{
    expect::done,
    line::{in_line, waiters},
};

#[test]
fn the_python_sdk_works() {
    if !installed("/usr/lib/python3/dist-packages/docker/__init__.py") {
        return;
    }
    let host = TestHost::behind_gateway(1);
    let said = alice(&host).run("/usr/bin/python3", &["-c", include_str!("sdk.py")]);
    assert_eq!(said, done("all of it\n", ""));
}

#[test]
fn the_python_sdk_waits_in_line_for_its_gpu() {
    if !installed("/usr/lib/python3/dist-packages/docker/__init__.py") {
        return;
    }
    let host = TestHost::behind_gateway(1);
    let bob = |command: &str, args: &[&str]| host.as_user("bob").run(command, args).ok();
    bob("container-create", &["his", "ds01-base"]);
    let script = "import docker\n\
                  one = docker.types.DeviceRequest(count=1, capabilities=[['gpu']])\n\
                  run = docker.from_env().containers.run\n\
                  print(run('ds01-base', 'echo ran', name='mine', device_requests=[one]))\n";
    let waiting = alice(&host).spawn("/usr/bin/python3", &["-c", script]);
    in_line(&host, 1);
    assert_eq!(waiters(&host), [(20001, "mine".to_string())]);
    bob("container-remove", &["his"]);
    assert_eq!(waiting.wait(), done("b'ran\\n'\n", ""));
    assert_eq!(waiters(&host), []);
}
