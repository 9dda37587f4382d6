use super::*;
use crate::{
    container::State,
    device::tests::{mig, whole},
    ledger::tests::{HOLD, NOW, entry, intent, named, sighting, unanswered},
};

fn found() -> Sighting {
    let mut found = sighting("a._.1", &[whole(0)], State::Created);
    found.labels.extend([
        ("ds01.user", "alice"),
        ("ds01.group", "student"),
        ("ds01.slice", "ds01-student-alice.slice"),
        ("ds01.project", "thesis"),
        ("ds01.image", "pytorch:2.8"),
        ("ds01.work_mount", "/home/alice/workspace/thesis"),
    ]);
    found
}

#[test]
fn a_container_found_later_is_recorded_from_the_ledger_and_its_labels() {
    let entry = intent("a._.1", &[whole(0)], unanswered());
    let expected = Record {
        version: 1,
        container: "a._.1".into(),
        id: ContainerId("a._.1".into()),
        login: "alice".into(),
        group: "student".into(),
        slice: "ds01-student-alice.slice".into(),
        project: "thesis".into(),
        image: "pytorch:2.8".into(),
        workspace: "/home/alice/workspace/thesis".into(),
        binds: Vec::new(),
        mounts: None,
        as_owner: true,
        devices: entry.devices.clone(),
        hold: Some(HOLD),
        extension: None,
        adopted: false,
        found: true,
        kind: Some(ContainerKind::Unknown),
        created: found().created,
        node: "host".into(),
    };
    assert_eq!(Record::of_found(&entry, &found(), "host"), expected);
}

#[test]
fn of_one_that_turned_up_nobody_knows_what_it_may() {
    let entry = intent("a._.1", &[whole(0)], unanswered());
    let mut shown = found();
    for (kind, may_start) in [("ds01", true), ("docker", false), ("compose", false)] {
        shown.labels.extend([("ds01.container_type", kind)]);
        let turned_up = Record::of_found(&entry, &shown, "host");
        assert!(!turned_up.is_known(), "{kind}");
        assert_eq!(turned_up.may_start(), may_start, "{kind}");
        let made = Record {
            found: false,
            ..turned_up
        };
        assert!(made.is_known() && made.may_start(), "{kind}");
        let adopted = Record {
            adopted: true,
            ..made
        };
        assert!(!adopted.is_known() && adopted.may_start(), "{kind}");
    }
}

#[test]
fn a_record_proves_the_container_of_its_id_name_and_devices() {
    let devices = [mig(0, 0, 1), mig(0, 1, 1)];
    let entry = entry("a._.1", &devices, Holding::Live);
    let shown = sighting("a._.1", &devices, State::Running);
    let record = Record::of_found(&entry, &shown, "host");
    let claim = |names: &[&str]| Claim::Named(names.iter().map(|name| name.to_string()).collect());
    let proves = |sighting: &Sighting, claim: Option<&Claim>| record.proves(sighting, claim);
    let same = claim(&["MIG-0-1", "MIG-0-0"]);
    assert_eq!(proves(&shown, Some(&same)), Some(entry));
    for other in [
        None,
        Some(Claim::All),
        Some(named("MIG-0-0")),
        Some(named("GPU-0")),
    ] {
        assert_eq!(proves(&shown, other.as_ref()), None, "{other:?}");
    }
    let renamed = Sighting {
        name: "b._.1".into(),
        ..shown.clone()
    };
    assert_eq!(proves(&renamed, Some(&same)), None);
    let another = Sighting {
        id: ContainerId("other".into()),
        ..shown
    };
    assert_eq!(proves(&another, Some(&same)), None);
}

#[test]
fn a_record_without_devices_proves_a_container_without_claims() {
    let entry = entry("a._.1", &[], Holding::Live);
    let shown = sighting("a._.1", &[], State::Running);
    let record = Record::of_found(&entry, &shown, "host");
    assert_eq!(record.proves(&shown, None), Some(entry));
    assert_eq!(record.proves(&shown, Some(&Claim::All)), None);
    let nameless = Record {
        container: "a".into(),
        ..record
    };
    let called = Sighting {
        name: "a".into(),
        ..shown
    };
    assert_eq!(nameless.proves(&called, None), None);
}

#[test]
fn a_record_is_stored_as_other_programs_read_it() {
    let entry = entry("a._.1", &[mig(1, 2, 3)], Holding::Live);
    let record = Record {
        created: NOW,
        ..Record::of_found(&entry, &found(), "host")
    };
    let expected = serde_json::json!({
        "version": 1,
        "container": "a._.1",
        "id": "a._.1",
        "login": "alice",
        "group": "student",
        "slice": "ds01-student-alice.slice",
        "project": "thesis",
        "image": "pytorch:2.8",
        "workspace": "/home/alice/workspace/thesis",
        "binds": [],
        "mounts": null,
        "as_owner": true,
        "devices": [{"uuid": "MIG-1-2", "gpu": "GPU-1", "slot": "1:2", "share": 12}],
        "hold": {"secs": 900, "nanos": 0},
        "extension": null,
        "adopted": false,
        "found": true,
        "kind": "unknown",
        "created": 1_000_000,
        "node": "host",
    });
    let stored = serde_json::to_value(&record).unwrap();
    assert_eq!(stored, expected);
    assert_eq!(serde_json::from_value::<Record>(stored).unwrap(), record);
}

#[test]
fn the_record_of_what_is_gone_is_kept_for_thirty_days_and_no_more_than_a_hundred_of_an_owner() {
    let (now, day) = (Timestamp(1 << 31), Duration::from_secs(24 * 60 * 60));
    let gone = |name: &str, ago: Duration| OfGone {
        container: name.parse().unwrap(),
        id: ContainerId(name.into()),
        since: now - ago,
    };
    let [fresh, old] = [29, 30].map(|days| gone("a._.1", days * day));
    assert_eq!(outdated(vec![fresh, old.clone()], now), [old]);
    let many = |uid: u32| {
        let one = move |number: u32| gone(&format!("a{number}._.{uid}"), number * day / 100);
        (0..101).map(one)
    };
    let all = many(1).chain(many(2).skip(1)).collect();
    assert_eq!(outdated(all, now), [gone("a100._.1", day)]);
}
