//! Archives of images, which the engine has on its disk as long as somebody takes them.

use std::{
    fs,
    io::Write,
    thread,
    time::{Duration, Instant},
};

use ds01_testkit::TestHost;

use super::{
    call, done,
    stalled::{stalled, until, with_file},
};

/// Archives that the engine has on its disk.
fn copies(host: &TestHost) -> usize {
    let all = fs::read_dir(host.root().join("engine/data/tmp")).unwrap();
    let names = all.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names
        .filter(|name| name.starts_with("docker-export-"))
        .count()
}

#[test]
fn few_archives_of_images_are_on_the_disk_at_a_time() {
    let host = TestHost::behind_gateway(1);
    let image = "/images/big/get";
    with_file(&host, "x", &[]);
    done(&host, "alice", &["commit", "x", "big"]);
    // A shared one.
    host.docker(&["tag", "ds01-20001/big:latest", "big:latest"])
        .ok();
    let one = stalled(host.connect("alice"), image);
    let other = stalled(host.connect("alice"), "/images/get?names=big");
    assert_eq!(copies(&host), 2);
    let told = call(&host, "alice", &format!("GET {image}"), "");
    let said = "you have 2 images on their way out, which is the most; \
                try again when one of them is saved";
    assert_eq!((told.status, told.message()), (429, said.into()));
    // Nobody else is kept out, until there are too many of all.
    done(
        &host,
        "bob",
        &["save", "-o", "/home/bob/x.tar", "ds01-base"],
    );
    let bobs = [0; 2].map(|_| stalled(host.connect("bob"), image));
    let told = call(&host, "carol", "GET /images/ds01-base/get", "");
    let said =
        "4 images are on their way out, which is the most; try again when one of them is saved";
    assert_eq!((told.status, told.message()), (429, said.into()));
    drop((one, other, bobs));
    until("they are gone", || copies(&host) == 0);
    done(
        &host,
        "carol",
        &["save", "-o", "/home/carol/x.tar", "ds01-base"],
    );

    // Who leaves before the first byte has their place as long as the engine writes.
    let ends = Instant::now() + Duration::from_secs(5);
    while Instant::now() < ends {
        let mut client = host.connect("alice");
        let asked = format!("GET {image} HTTP/1.1\r\nHost: d\r\n\r\n");
        client.write_all(asked.as_bytes()).unwrap();
        thread::sleep(Duration::from_millis(50));
        drop(client);
        let copies = copies(&host);
        assert!(copies <= 2, "{copies}");
    }
    until("they are gone, too", || copies(&host) == 0);
}
