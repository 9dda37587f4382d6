//! A ledger that is lost or wrong: it is said, nothing is granted on a guess, and what the engine
//! still holds is never given again.

use std::fs;

use ds01_testkit::TestHost;

use crate::support::{
    engine_view::{assert_no_device_twice, containers},
    two_devices::{
        CREATE, assert_one_device_is_free, assert_x_is_alices, create, granted, host, make_x,
        out_of_reach, refused,
    },
};

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
        "warning: the ledger cannot be trusted: {damage}; it was rebuilt from the engine, without the waiting line and reservations{kept}"
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
    let last = host.ledger_text().lines().count();
    damaged(
        |bytes| bytes.truncate(bytes.len() - 2),
        &format!("it is not whole: EOF while parsing an object at line {last} column 2"),
    );
    damaged(
        |bytes| *bytes = br#"{"version":3,"devices":[]}"#.into(),
        "it has version 3, this release reads versions 1 to 2",
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
fn without_the_folder_of_records_nothing_is_made() {
    let host = host();
    assert_one_device_is_free(&host);
    let records = host.state_dir().join("container-metadata");
    let aside = host.root().join("aside");
    fs::rename(&records, &aside).unwrap();
    let why = "No such file or directory";
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
fn a_new_state_directory_gives_nobody_what_containers_hold() {
    let host = host();
    fs::remove_dir_all(host.state_dir()).unwrap();
    let why = "Permission denied";
    let state = format!(
        "cannot write {}: {why}\nhint: tell an admin",
        host.state_dir().display()
    );
    assert_eq!(create(&host, "bob", "y"), refused(8, &state));
    host.as_user("root").run("gpu-status", &[]).ok();
    assert_one_device_is_free(&host);
}
