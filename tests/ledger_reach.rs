//! A ledger out of reach, on a disk that is full, read-only or broken, or under a lock that is
//! kept: it is said, and nothing is granted.

use std::{
    fs::{self, File},
    os::unix::fs::MetadataExt,
    thread,
};

use ds01_testkit::OUTSIDER;

use crate::support::{
    engine_view::containers,
    two_devices::{
        CREATE, as_root, assert_one_device_is_free, assert_x_is_alices, create, granted, host,
        out_of_reach, refused,
    },
};

#[test]
fn a_full_disk_at_any_write_grants_nothing_and_keeps_nothing() {
    let host = host();
    assert_one_device_is_free(&host);
    as_root(
        &host,
        "mv state aside; mkdir state; mount -t tmpfs -o size=64k tmpfs state; cp -a aside/. state/",
    );
    let full = |path| {
        let why = "No space left on device";
        out_of_reach(&host, "write", path, why, "tell an admin: the disk is full")
    };
    let mounts = host.root().join("run/mounts");
    let staged = || fs::read_dir(&mounts).map_or(0, Iterator::count);
    let before = staged();
    let mut refusals = Vec::new();
    let room = (0..9).find(|free| {
        // Without the spare file, the ledger itself needs room as well.
        let fill = "rm -f state/ledger.json.new; cat /dev/zero >state/fill 2>/dev/null || true";
        as_root(
            &host,
            &format!("{fill}; truncate -s -{} state/fill", free * 4096),
        );
        let outcome = create(&host, "bob", "y");
        as_root(&host, "rm state/fill");
        let names: Vec<_> = containers(&host).into_iter().map(|c| c.name).collect();
        if outcome == granted("y", 1) {
            assert_eq!(names, ["y._.20002", "x._.20001"]);
            return true;
        }
        assert_eq!(names, ["x._.20001"], "{outcome:#?}");
        let images = host.docker(&["images", "--format={{.Tag}}"]).ok();
        assert!(!images.contains("y._.20002"), "{images}");
        refusals.push(outcome);
        false
    });
    // Without room for the intent, and with room for no more than that.
    let record = full("container-metadata/y._.20002.json");
    assert_eq!(refusals, [full("ledger.json"), record]);
    assert_eq!(room, Some(2));
    host.as_user("bob").run("container-remove", &["y"]).ok();
    assert_eq!(staged(), before);
    assert_one_device_is_free(&host);
    assert_x_is_alices(&host);
}

#[test]
fn a_read_only_disk_grants_nothing_and_can_be_listed_from() {
    let host = host();
    assert_one_device_is_free(&host);
    as_root(
        &host,
        "mount --bind state state; mount -o remount,ro,bind state",
    );
    let why = "Read-only file system";
    let refusal = out_of_reach(&host, "use", "ledger.json.lock", why, "tell an admin");
    assert_eq!(create(&host, "bob", "y"), refusal);
    let list = host.run("container-list", &["--format=simple"]);
    assert_eq!((list.status, &*list.stderr), (Some(0), ""));
    assert!(list.stdout.starts_with("x\trunning\t"), "{list:#?}");
    as_root(&host, "umount state");
    assert_one_device_is_free(&host);
    assert_x_is_alices(&host);
}

#[test]
fn an_error_of_the_disk_at_any_call_is_told_and_changes_nothing() {
    let host = host();
    assert_one_device_is_free(&host);
    let before = host.ledger().bytes();
    let io = "Input/output error";
    let many = "Too many open files";
    let cases = [
        ("read:error=EIO", "ledger.json", "use", "ledger.json", io),
        (
            "openat:error=EMFILE",
            "ledger.json",
            "use",
            "ledger.json",
            many,
        ),
        (
            "openat:error=EMFILE",
            "ledger.json.lock",
            "use",
            "ledger.json.lock",
            many,
        ),
        (
            "flock:error=EIO",
            "ledger.json.lock",
            "use",
            "ledger.json.lock",
            io,
        ),
        (
            "openat:error=EMFILE",
            "ledger.json.new",
            "write",
            "ledger.json",
            many,
        ),
        (
            "write,pwrite64:error=EIO",
            "ledger.json.new",
            "write",
            "ledger.json",
            io,
        ),
        (
            "?rename,?renameat,renameat2:error=EIO",
            "ledger.json.new",
            "write",
            "ledger.json",
            io,
        ),
    ];
    for (inject, on, verb, path, why) in cases {
        let on = host.state_dir().join(on);
        let calls = format!("trace={}", inject.split_once(':').unwrap().0);
        let inject = format!("inject={inject}");
        let on = on.to_str().unwrap();
        let strace = ["-o", "/dev/null", "-P", on, "-e", &calls, "-e", &inject];
        let command = [CREATE, "y", "--image=ds01-base"];
        let outcome = host
            .as_user("bob")
            .run("strace", &[&strace[..], &command].concat());
        assert_eq!(
            outcome,
            out_of_reach(&host, verb, path, why, "tell an admin"),
            "{inject}"
        );
        assert_eq!(host.ledger().bytes(), before, "{inject}");
        assert_eq!(containers(&host).len(), 1, "{inject}");
    }
    assert_one_device_is_free(&host);
}

#[test]
fn a_lock_that_another_keeps_ends_in_an_error_and_is_not_skipped() {
    let host = host();
    assert_one_device_is_free(&host);
    let path = host.state_dir().join("ledger.json.lock");
    let lock = File::open(&path).unwrap();
    lock.lock().unwrap();
    let (before, path) = (host.ledger().bytes(), path.display());
    let locked = format!(
        "another process does not let go of {path}\n\
         hint: see who holds it with fuser -v {path}"
    );
    assert_eq!(create(&host, "bob", "y"), refused(8, &locked));
    assert_eq!(host.ledger().bytes(), before);
    assert_eq!(containers(&host).len(), 1);
    host.run("container-list", &[]).ok();
    drop(lock);
    assert_one_device_is_free(&host);
}

#[test]
fn lock_files_that_were_removed_are_made_again_for_everybody() {
    let host = host();
    let [lock, turn] = ["lock", "turn"].map(|file| {
        let path = host.state_dir().join(format!("ledger.json.{file}"));
        fs::remove_file(&path).unwrap();
        path
    });
    assert_one_device_is_free(&host);
    // The turn is made by the first who has to wait.
    let held = File::open(&lock).unwrap();
    held.lock().unwrap();
    let waiting = host
        .as_user("bob")
        .spawn(CREATE, &["y", "ds01-base", "--cpu-only"]);
    while !turn.exists() {
        thread::yield_now();
    }
    drop(held);
    waiting.wait().ok();
    let modes = [lock, turn].map(|path| fs::metadata(path).unwrap().mode() & 0o777);
    assert_eq!(modes, [0o660; 2]);
    host.as_user("bob").run("container-remove", &["y"]).ok();
    assert_one_device_is_free(&host);
    assert_x_is_alices(&host);
}

#[test]
fn who_may_not_read_the_ledger_is_told() {
    let host = host();
    let state = host.state_dir();
    let outside = format!(
        "you may not use {}\nhint: ask an admin for access to DS01",
        state.display()
    );
    assert_eq!(create(&host, OUTSIDER, "y"), refused(7, &outside));
    as_root(
        &host,
        "chmod 600 state/ledger.json; chown root state/ledger.json",
    );
    let why = "Permission denied";
    let refusal = out_of_reach(&host, "use", "ledger.json", why, "tell an admin");
    assert_eq!(create(&host, "bob", "y"), refusal);
    assert_eq!(containers(&host).len(), 1);
}
