//! What the engine takes long to make: by the image and the volume, that is up to whoever asks.

use std::{
    thread,
    time::{Duration, Instant},
};

use ds01_testkit::TestHost;

use crate::support::{
    expect::{all_containers, done, failed, uuid},
    hung::hung,
};

#[test]
fn what_is_being_made_keeps_its_own_devices_and_no_others() {
    let host = TestHost::behind_gateway(3);
    let version = host.docker(&["version", "--format", "{{.Server.Version}}"]);
    if !version.ok().starts_with("20.10") {
        // A later one lists a container once it is made.
        return;
    }
    // Whether it has files already is looked at, before the image's are copied into it.
    let slow = host.root().join("slow");
    std::fs::create_dir(&slow).unwrap();
    let _serving = hung(&host, &slow.to_string_lossy());
    let device = format!("device={}", slow.display());
    let gpu = format!("device={}", uuid(0));
    let socket = format!("unix://{}", host.engine().socket().display());
    let make = |name: &str, more: &[&str]| {
        let options = ["-o", "type=none", "-o", "o=bind", "-o", &device, name];
        host.docker(&[&["volume", "create"], &options[..]].concat())
            .ok();
        let volume = format!("{name}:/bin");
        let args = [&["create", "--name", name, "-v", &volume], more].concat();
        let root = host.as_user("root").env("DOCKER_HOST", &socket);
        root.spawn("docker", &[&args[..], &["ds01-base"]].concat())
    };
    let _making = [make("plain", &[]), make("other", &["--gpus", &gpu])];
    let deadline = Instant::now() + Duration::from_secs(60);
    while all_containers(&host).lines().count() < 2 {
        assert!(Instant::now() < deadline, "{}", all_containers(&host));
        thread::yield_now();
    }
    let create = |user: &str| {
        let args = ["first", "ds01-base", "--no-wait"];
        host.as_user(user).run("container-create", &args)
    };
    assert_eq!(create("alice"), done("first with GPU 1\n", ""));
    assert_eq!(create("bob"), done("first with GPU 2\n", ""));
    let none = "container-create: no GPU free: 1 asked for, 0 of 3 free\n\
                hint: see who holds what with gpu-status\n";
    assert_eq!(create("carol"), failed(6, none));
    let unmanaged = host.ledger().read()["unmanaged"].to_string();
    assert!(unmanaged.contains("\"other\""), "{unmanaged}");
}
