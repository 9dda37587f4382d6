//! An engine that was started without its disk has no container. Once the disk is mounted it has them
//! all again, and they are whose they were.

use std::{
    fs::{self, File},
    path::PathBuf,
    time::{Duration, SystemTime},
};

use ds01_testkit::TestHost;

use crate::support::{
    duties::{events, pass},
    expect::{all_containers, created, done, engine_name, failed, running, state},
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Does something while the engine runs on an empty data root.
fn without_its_disk(host: &TestHost, work: impl FnOnce()) {
    let engine = host.root().join("engine");
    let (data, disk) = (engine.join("data"), engine.join("disk"));
    host.engine().stop();
    fs::rename(&data, &disk).unwrap();
    host.engine().start();
    work();
    host.engine().stop();
    fs::remove_dir_all(&data).unwrap();
    fs::rename(&disk, &data).unwrap();
    host.engine().start();
}

/// The files with records, those of containers that are gone among them.
fn records(host: &TestHost) -> Vec<PathBuf> {
    let files = fs::read_dir(host.state_dir().join("container-metadata")).unwrap();
    files.map(|file| file.unwrap().path()).collect()
}

fn none_of_that_name(command: &str, name: &str) -> String {
    format!(
        "{command}: you have no container {name}\n\
         hint: see what you have with container-list --all\n"
    )
}

#[test]
fn containers_that_come_back_are_their_owners() {
    let host = TestHost::with_gpus(2);
    running(&host, "thesis");
    host.run("container-create", &["plain", "ds01-base", "--cpu-only"])
        .ok();
    host.run("container-create", &["unwanted", "ds01-base", "--cpu-only"])
        .ok();
    without_its_disk(&host, || {
        let gone = pass(&host, "ds01-holds", &[]).ok();
        assert_eq!(gone.lines().count(), 3, "{gone}");
        for command in ["container-start", "container-remove"] {
            let none = failed(3, &none_of_that_name(command, "thesis"));
            assert_eq!(host.run(command, &["thesis"]), none);
        }
        assert_eq!(
            host.run("container-list", &["--all", "--format=simple"])
                .ok(),
            ""
        );
    });
    // The first to look finds its own.
    host.run("container-start", &["thesis"]).ok();
    assert_eq!(state(&host, "thesis"), "running");
    let status = host.run("gpu-status", &["--format=simple"]).ok();
    assert!(status.contains("thesis"), "{status}");
    host.run("container-start", &["plain"]).ok();
    let back = events(&host, "container.create");
    let again = back
        .iter()
        .filter(|event| event["details"]["found"] == "again");
    assert_eq!(again.count(), 3, "{back:?}");
    let removed = host.run(
        "container-remove",
        &["thesis", "plain", "unwanted", "--stop", "--force"],
    );
    removed.ok();
    assert_eq!(all_containers(&host), "");
    // What DS01 itself removes leaves nothing.
    assert_eq!(records(&host), [] as [PathBuf; 0]);
}

/// While there is nothing to remove, nothing is: it is told so, and comes back as the others.
#[test]
fn what_could_not_be_removed_meanwhile_is_its_owners_still() {
    let host = TestHost::with_gpus(1);
    created(&host, "thesis");
    without_its_disk(&host, || {
        host.run("container-remove", &["thesis"]).ok();
        let none = failed(3, &none_of_that_name("container-start", "thesis"));
        assert_eq!(host.run("container-start", &["thesis"]), none);
    });
    host.run("container-remove", &["thesis"]).ok();
    assert_eq!(all_containers(&host), "");
    assert_eq!(records(&host), [] as [PathBuf; 0]);
}

#[test]
fn the_record_of_what_is_gone_goes_after_thirty_days() {
    let host = TestHost::with_gpus(1);
    created(&host, "thesis");
    host.docker(&["rm", &engine_name("thesis")]).ok();
    let gone = "thesis of alice is gone, GPU 0 is free\n";
    assert_eq!(pass(&host, "ds01-holds", &[]), done(gone, ""));
    let [record] = &records(&host)[..] else {
        panic!("one record: {:?}", records(&host));
    };
    // It stands for no container.
    let doctor = pass(&host, "ds01-doctor", &[]);
    assert!(!doctor.stdout.contains("thesis"), "{doctor:?}");
    let none = failed(3, &none_of_that_name("container-start", "thesis"));
    assert_eq!(host.run("container-start", &["thesis"]), none);
    for (days, left) in [(29, 1), (31, 0)] {
        let file = File::options().write(true).open(record).unwrap();
        file.set_modified(SystemTime::now() - days * DAY).unwrap();
        assert_eq!(pass(&host, "ds01-holds", &[]), done("", ""));
        assert_eq!(records(&host).len(), left, "{days}");
    }
    created(&host, "thesis");
}
