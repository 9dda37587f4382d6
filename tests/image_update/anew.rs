//! The container of a project whose image is new.

use super::*;
use crate::support::expect::{inside, inspect, state, with_limit};

#[test]
fn on_a_terminal_the_container_is_made_anew_if_that_is_agreed_to() {
    let host = host();
    with_limit(&host, "max_gpu_slots_per_container", "2");
    with_limit(&host, "max_gpu_equivalents", "2");
    project(
        &host,
        "alice",
        "thesis",
        &[("requirements.txt", "numpy==1.25.0\n")],
    );
    host.run("mkdir", &["-p", "elsewhere", "set"]).ok();
    host.run("image-create", &["thesis"]).ok();
    let deploy = ["thesis", "--gpu=2", "--data=set", "--background"];
    host.run("container-deploy", &deploy).ok();
    let version = "python3 -c 'import numpy; print(numpy.version)'; ls -d /data\n";
    assert_eq!(inside(&host, "thesis", version), "1.25.0\n/data\n");

    let off = host.run(UPDATE, &["thesis", "--add=numpy==2.0.1"]);
    let next = "container thesis, running, is made from the image of before: \
                container-retire thesis && project-launch thesis\n";
    assert!(off.stderr.ends_with(next), "{}", off.stderr);
    let question = "Container thesis, running, is made from the image of before. Make it anew? What was \
                    changed in it by hand goes, the workspace stays. [y/N] ";
    let asked = |keys: &str, status: i32| -> String {
        let mut update = host.as_user("alice").pty(UPDATE, &["thesis", "--rebuild"]);
        update.expect(question);
        update.send(keys);
        let (ended, output) = update.rest();
        assert_eq!(ended, Some(status), "{output}");
        output
    };
    assert!(asked("n\r", 0).ends_with(&next.replace('\n', "\r\n")));
    asked("\x03", 130);
    let reserve = |args: &[&str]| host.as_user("root").run("gpu-reserve", args).ok();
    reserve(&["add", "--gpu=0", "--for=bob", "--from=90d", "--until=1d"]);
    let mut warned = host.as_user("alice").pty(UPDATE, &["thesis", "--rebuild"]);
    warned.expect(
        "stays. Others wait for GPUs, or have reserved some: its own may go to them. [y/N] ",
    );
    warned.send("n\r");
    assert_eq!(warned.wait(), Some(0));
    let list = reserve(&["list", "--format=simple"]);
    reserve(&["cancel", list.split('\t').next().unwrap()]);
    assert_eq!(inside(&host, "thesis", version), "1.25.0\n/data\n");
    let anew = asked("y\r", 0);
    assert!(anew.ends_with("thesis runs with GPU 0 1\r\n"), "{anew}");
    assert_eq!(inside(&host, "thesis", version), "2.0.1\n/data\n");
    assert_eq!(state(&host, "thesis"), "running");
    let image = inspect(
        &host,
        "thesis._.20001",
        "{{index .Config.Labels \"ds01.image\"}}",
    );
    assert_eq!(image, IMAGE);
    let rebuilt = || {
        let mut update = host.as_user("alice").pty(UPDATE, &["thesis", "--rebuild"]);
        let (ended, output) = update.rest();
        assert_eq!(ended, Some(0), "{output}");
        output
    };
    let same = "container thesis, running, is made from this image\r\n";
    assert!(rebuilt().ends_with(same), "nothing was changed");
    host.run("container-retire", &["thesis"]).ok();

    // One that is not made from the project's image has nothing of it.
    host.run(
        "container-deploy",
        &["thesis", "--image=lab", "--cpu-only", "--background"],
    )
    .ok();
    let other = "container thesis, running, is made from lab: \
                 container-retire thesis && project-launch thesis\r\n";
    assert!(rebuilt().ends_with(other));
}
