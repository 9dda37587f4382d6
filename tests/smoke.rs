//! The host that every other test stands on.

use ds01_testkit::TestHost;

#[test]
fn a_user_of_the_host_reaches_the_built_programs_and_the_engine() {
    let host = TestHost::with_topology("a100-mig");
    let path = host
        .run("sh", &["-c", "command -v nvidia-container-runtime-hook"])
        .ok();
    assert_eq!(path, "/mnt/bin/nvidia-container-runtime-hook\n");
    let socket = format!("unix://{}", host.engine().socket().display());
    let images = host
        .run(
            "docker",
            &["-H", &socket, "images", "--format", "{{.Repository}}"],
        )
        .ok();
    assert!(
        images.contains("ds01-base\n") && images.contains("ds01-busybox\n"),
        "{images}"
    );
}
