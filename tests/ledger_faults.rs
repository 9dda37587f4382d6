//! A ledger that is lost, wrong or out of reach: it is said, nothing is granted on a guess, and
//! what the engine still holds is never given again.

use std::fs::{self, File};

use ds01_testkit::{OUTSIDER, Outcome, TestHost};

use crate::support::engine_view::{assert_no_device_twice, containers};

const CREATE: &str = "container-create";

/// Two devices, of which alice's running container `x` has the first.
fn host() -> TestHost {
    let host = TestHost::with_gpus(2);
    make_x(&host);
    host
}

fn make_x(host: &TestHost) {
    assert_eq!(create(host, "alice", "x"), granted("x", 0));
    host.run("container-start", &["x"]).ok();
}

fn create(host: &TestHost, user: &str, name: &str) -> Outcome {
    host.as_user(user).run(CREATE, &[name, "--image=ds01-base"])
}

fn granted(name: &str, gpu: u32) -> Outcome {
    let stdout = format!("{name} with GPU {gpu}\n");
    Outcome {
        status: Some(0),
        stdout,
        stderr: String::new(),
    }
}

fn refused(status: i32, stderr: &str) -> Outcome {
    Outcome {
        status: Some(status),
        stdout: String::new(),
        stderr: format!("{CREATE}: {stderr}\n"),
    }
}

/// The words for a state that cannot be used: the path is below the state directory.
fn out_of_reach(host: &TestHost, verb: &str, path: &str, why: &str, hint: &str) -> Outcome {
    let state = host.state_dir();
    refused(
        8,
        &format!(
            "cannot {verb} {}/{path}: {why}\nhint: {hint}",
            state.display()
        ),
    )
}

fn as_root(host: &TestHost, script: &str) {
    let script = format!("set -e; cd '{}'; {script}", host.root().display());
    host.as_user("root").run("sh", &["-c", &script]).ok();
}

/// Two devices exist, alice keeps hers, and bob gets the other: nobody else gets any.
fn assert_one_device_is_free(host: &TestHost) {
    assert_eq!(create(host, "bob", "y"), granted("y", 1));
    let none = "no GPU free: 1 asked for, 0 of 2 free\nhint: see who holds what with gpu-status";
    assert_eq!(create(host, "carol", "z"), refused(6, none));
    let all = containers(host);
    assert_eq!(all.len(), 2);
    assert_no_device_twice(host, &all);
    host.as_user("bob").run("container-remove", &["y"]).ok();
}

/// Alice still uses her container as before.
fn assert_x_is_alices(host: &TestHost) {
    let list = host.run("container-list", &["--format=simple"]).ok();
    assert!(list.starts_with("x\trunning\tds01-base\t0\t"), "{list}");
    host.run("container-stop", &["x", "-t", "1"]).ok();
    host.run("container-start", &["x"]).ok();
}

/// What a damaged ledger leads to, from the first command on to the end of the waiting.
fn assert_rebuilt(host: &TestHost, damage: &str) {
    let looked = host.run("gpu-status", &["--format=simple"]);
    let warning = format!("gpu-status: warning: the ledger cannot be trusted: {damage}\n");
    assert_eq!((looked.status, looked.stderr), (Some(0), warning));
    let first = create(host, "bob", "y");
    let until = host.ledger().read()["grants_after"].as_u64().unwrap();
    let at = until - 180;
    let aside = host.state_dir().join(format!("ledger.json.damaged-{at}"));
    let kept = match aside.exists() {
        true => format!("; see {}", aside.display()),
        false => String::new(),
    };
    let until = host
        .run("date", &["-u", "-d", &format!("@{until}"), "+%FT%TZ"])
        .ok();
    let until = until.trim_end();
    let warning = format!(
        "warning: the ledger cannot be trusted: {damage}; it was rebuilt from the engine{kept}"
    );
    let wait = format!(
        "the ledger was rebuilt: nothing is granted before {until}\n\
         hint: try again then; containers that exist can be used"
    );
    assert_eq!(first, refused(8, &format!("{warning}\n{CREATE}: {wait}")));
    assert_eq!(create(host, "carol", "z"), refused(8, &wait));
    assert_x_is_alices(host);
    host.ledger()
        .edit(|ledger| ledger["grants_after"] = at.into());
    assert_one_device_is_free(host);
    // The next one may come within the same second.
    if aside.exists() {
        fs::remove_file(aside).unwrap();
    }
}

#[test]
fn a_damaged_ledger_is_rebuilt_from_the_engine_and_nothing_granted_meanwhile() {
    let host = host();
    let damaged = |change: fn(&mut Vec<u8>), damage: &str| {
        let mut bytes = host.ledger().bytes();
        change(&mut bytes);
        host.ledger().set(&bytes);
        assert_rebuilt(&host, damage);
    };
    damaged(|bytes| bytes.clear(), "it is empty");
    damaged(|bytes| bytes.fill(0), "it is empty");
    damaged(
        |bytes| bytes.truncate(11),
        "it is not whole: EOF while parsing a value at line 1 column 11",
    );
    let end = host.ledger().bytes().len() - 2;
    damaged(
        |bytes| bytes.truncate(bytes.len() - 2),
        &format!("it is not whole: EOF while parsing an object at line 1 column {end}"),
    );
    damaged(
        |bytes| *bytes = br#"{"version":2,"devices":[]}"#.into(),
        "it has version 2, this release reads version 1",
    );
    fs::remove_file(host.ledger().path()).unwrap();
    assert_rebuilt(&host, "it is missing");
    // One bit of the checksum itself: what was written is then known here.
    let text = host.ledger_text();
    let right = text.split('"').nth(5).unwrap();
    let mut wrong = right.as_bytes().to_vec();
    wrong[7] ^= 1;
    let wrong = String::from_utf8(wrong).unwrap();
    host.ledger()
        .set(text.replacen(right, &wrong, 1).as_bytes());
    assert_rebuilt(&host, &format!("its checksum is {right}, not {wrong}"));
}

#[test]
fn what_a_power_cut_tore_leaves_each_device_with_its_container() {
    let host = host();
    // Nothing is synced: the ledger and the record of the newest container may be torn at once.
    let record = host.state_dir().join("container-metadata/x._.20001.json");
    fs::write(&record, vec![0; 512]).unwrap();
    host.ledger().set(&[0; 4096]);
    let refused = create(&host, "bob", "y");
    assert_eq!(refused.status, Some(8), "{refused:#?}");
    host.ledger()
        .edit(|ledger| ledger["grants_after"] = 1.into());
    assert_one_device_is_free(&host);
    let status = host.run("gpu-status", &["--format=simple"]).ok();
    let users: Vec<_> = status
        .lines()
        .filter_map(|line| line.split('\t').nth(5))
        .collect();
    assert_eq!(users, ["unmanaged", "free"]);
}

#[test]
fn an_old_copy_of_the_ledger_is_made_good_by_the_engine_and_the_records() {
    let host = TestHost::with_gpus(2);
    let old = host.ledger().bytes();
    make_x(&host);
    host.ledger().set(&old);
    assert_one_device_is_free(&host);
    assert_x_is_alices(&host);
    // The other way round: it knows what is no more.
    let old = host.ledger().bytes();
    host.run("container-remove", &["x", "--stop"]).ok();
    assert_eq!(create(&host, "bob", "y"), granted("y", 0));
    host.ledger().set(&old);
    assert_eq!(create(&host, "alice", "x"), granted("x", 1));
    assert_no_device_twice(&host, &containers(&host));
}

#[test]
fn a_full_disk_at_any_write_grants_nothing_and_keeps_nothing() {
    let host = host();
    assert_one_device_is_free(&host);
    as_root(
        &host,
        "mv state aside; mkdir state; mount -t tmpfs -o size=64k tmpfs state; cp -a aside/. state/",
    );
    let full = |path| {
        let why = "No space left on device (os error 28)";
        out_of_reach(&host, "write", path, why, "tell an admin: the disk is full")
    };
    let mut refusals = Vec::new();
    let room = (0..9).find(|free| {
        let fill = "cat /dev/zero >state/fill 2>/dev/null || true";
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
        refusals.push(outcome);
        false
    });
    // Without room for the intent, and with room for no more than that and the record.
    assert_eq!(refusals, [full("ledger.json"), full("ledger.json")]);
    assert_eq!(room, Some(2));
    host.as_user("bob").run("container-remove", &["y"]).ok();
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
    let why = "Read-only file system (os error 30)";
    let refusal = out_of_reach(&host, "use", "ledger.json.turn", why, "tell an admin");
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
    let io = "Input/output error (os error 5)";
    let many = "Too many open files (os error 24)";
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
            "write:error=EIO",
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
    for file in ["ledger.json.lock", "ledger.json.turn"] {
        fs::remove_file(host.state_dir().join(file)).unwrap();
    }
    assert_one_device_is_free(&host);
    assert_x_is_alices(&host);
}

#[test]
fn without_the_folder_of_records_nothing_is_made() {
    let host = host();
    assert_one_device_is_free(&host);
    let records = host.state_dir().join("container-metadata");
    let aside = host.root().join("aside");
    fs::rename(&records, &aside).unwrap();
    let why = "No such file or directory (os error 2)";
    let record = "container-metadata/y._.20002.json";
    let refusal = out_of_reach(&host, "write", record, why, "tell an admin");
    assert_eq!(create(&host, "bob", "y"), refusal);
    // Nor is a lost ledger rebuilt without them: everybody's containers would be nobody's.
    host.ledger().set(b"");
    let refusal = out_of_reach(&host, "use", "container-metadata", why, "tell an admin");
    assert_eq!(create(&host, "bob", "y"), refusal);
    assert_eq!(containers(&host).len(), 1);
    fs::rename(&aside, &records).unwrap();
    assert_rebuilt(&host, "it is empty");
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
    let why = "Permission denied (os error 13)";
    let refusal = out_of_reach(&host, "use", "ledger.json", why, "tell an admin");
    assert_eq!(create(&host, "bob", "y"), refusal);
    assert_eq!(containers(&host).len(), 1);
}

#[test]
fn a_new_state_directory_gives_nobody_what_containers_hold() {
    let host = host();
    fs::remove_dir_all(host.state_dir()).unwrap();
    let why = "Permission denied (os error 13)";
    let state = format!(
        "cannot write {}: {why}\nhint: tell an admin",
        host.state_dir().display()
    );
    assert_eq!(create(&host, "bob", "y"), refused(8, &state));
    host.as_user("root").run("gpu-status", &[]).ok();
    assert_one_device_is_free(&host);
}
