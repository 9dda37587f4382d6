use std::{collections::BTreeMap as Map, sync::Arc};

use ds01_core::{
    device::{Activity, Device, Held, Slot, Uuid},
    label,
    labels::Labels,
    ledger::Holding,
    ledger_text::Damage,
    share::Share,
};

use super::{
    super::{Verdict, holders, records},
    *,
};

const NOW: Timestamp = Timestamp(1_790_000_000);

fn device(gpu: u32) -> Device {
    let uuid = Uuid(format!("GPU-{gpu}").into());
    Device {
        gpu: uuid.clone(),
        uuid,
        slot: Slot { gpu, mig: None },
        share: Share::WHOLE,
        model: String::new(),
        profile: None,
        memory_bytes: 0,
        activity: Activity::default(),
    }
}

fn sighting(id: &str, name: &str, state: State, managed: bool) -> Sighting {
    let label = (label::MANAGED.to_string(), "true".to_string());
    Sighting {
        id: ContainerId(id.into()),
        name: name.into(),
        state,
        image: String::new(),
        created: NOW,
        status: String::new(),
        labels: if managed {
            Labels::from_iter([label])
        } else {
            Labels::default()
        },
        binds: Vec::new(),
    }
}

fn entry(id: &str, gpu: u32, holding: Holding) -> Allocation {
    Allocation {
        container: format!("{id}._.1001").parse().unwrap(),
        id: Some(ContainerId(id.into())),
        devices: vec![Held::from(&device(gpu))],
        holding,
        hold: None,
        group: String::new(),
        ends: None,
        passed: None,
        late: Vec::new(),
        changed: 0,
    }
}

fn record(id: &str) -> (PathBuf, Option<Record>) {
    let sighting = sighting(id, &format!("{id}._.1001"), State::Running, true);
    let record = Record::of_found(&entry(id, 0, Holding::Live), &sighting, "node");
    (PathBuf::from(format!("/m/{id}._.1001.json")), Some(record))
}

fn named(name: &str) -> Claim {
    Claim::Named(vec![name.into()])
}

/// A host with a ledger, where everything of the rest can be chosen.
struct Host {
    ledger: Ledger,
    containers: Vec<Sighting>,
    claims: Map<ContainerId, Option<Claim>>,
    records: Vec<(PathBuf, Option<Record>)>,
    inventory: Option<Inventory>,
}

impl Host {
    /// `one` with GPU 0, as it should be.
    fn sound() -> Self {
        Self {
            ledger: Ledger {
                allocations: vec![entry("one", 0, Holding::Live).into()],
                ..Ledger::default()
            },
            containers: vec![sighting("one", "one._.1001", State::Running, true)],
            claims: Map::from([(ContainerId("one".into()), Some(named("GPU-0")))]),
            records: vec![record("one")],
            inventory: Some(Inventory {
                devices: vec![device(0), device(1)],
                ..Inventory::default()
            }),
        }
    }

    fn findings(&self) -> Vec<Finding> {
        let facts = Facts {
            stored: Some(&self.ledger),
            ledger: &self.ledger,
            containers: &self.containers,
            claims: self.claims.clone(),
            records: &self.records,
            inventory: self.inventory.as_ref(),
            now: NOW,
            docker: "docker",
        };
        let mut all = gone(&facts);
        all.extend(records::check(&facts));
        all.extend(holders::check(&facts, &[]));
        all.retain(|finding| finding.verdict != Verdict::Ok);
        all
    }

    /// The one finding: its verdict, what, and fix.
    fn only(&self) -> (Verdict, String, String) {
        match &self.findings()[..] {
            [
                Finding {
                    verdict, what, fix, ..
                },
            ] => (*verdict, what.clone(), fix.clone().unwrap_or_default()),
            other => panic!("{other:#?}"),
        }
    }
}

fn told(verdict: Verdict, what: &str, fix: &str) -> (Verdict, String, String) {
    (verdict, what.into(), fix.into())
}

#[test]
fn nothing_is_wrong_with_a_sound_host() {
    assert_eq!(Host::sound().findings(), []);
}

#[test]
fn a_container_that_was_removed_past_us_is_told_once() {
    let mut host = Host::sound();
    host.containers.clear();
    let what = "one._.1001 with GPU 0 is in the ledger, and not in the engine";
    let fix = "none needed: the next container-create notes it";
    assert_eq!(host.only(), told(Verdict::Warning, what, fix));
    host.ledger.allocations.clear();
    let what = "/m/one._.1001.json is the record of a container that is gone";
    assert_eq!(
        host.only(),
        told(Verdict::Warning, what, "rm /m/one._.1001.json")
    );
    // Put aside it is kept for a while, and is the proof again if the container is there.
    host.records[0].0 = "/m/one._.1001.one.gone".into();
    assert_eq!(host.findings(), []);
    host.containers = Host::sound().containers;
    host.ledger = Host::sound().ledger;
    assert_eq!(host.findings(), []);
}

#[test]
fn a_record_that_cannot_be_read_proves_nothing() {
    let mut host = Host::sound();
    host.records.push(("/m/two._.1001.json".into(), None));
    let fix = "once there is no such container in docker ps -a: rm /m/two._.1001.json";
    assert_eq!(
        host.only(),
        told(Verdict::Wrong, "/m/two._.1001.json is no record", fix)
    );
}

#[test]
fn a_label_is_no_record() {
    let mut host = Host::sound();
    host.containers
        .push(sighting("two", "two._.1002", State::Exited, true));
    let what = "two._.1002 is labelled as DS01's, and has no record";
    let fix = "if nobody needs it: docker rm two._.1002";
    assert_eq!(host.only(), told(Verdict::Warning, what, fix));
    // Unless it is just being made.
    let mut coming = entry(
        "two",
        1,
        Holding::Pending {
            creator: None,
            lapses: NOW,
        },
    );
    (coming.id, coming.devices) = (None, vec![]);
    coming.container = "two._.1002".parse().unwrap();
    host.ledger.allocations.push(coming.into());
    assert_eq!(host.findings(), []);
}

#[test]
fn holders_of_nobody_are_named_with_what_they_hold() {
    let stray = |claim: Claim, state: State, managed: bool| {
        let mut host = Host::sound();
        host.containers.push(sighting("x", "stray", state, managed));
        host.ledger.unmanaged.push(Unmanaged {
            id: ContainerId("x".into()),
            name: "stray".into(),
            claim,
            changed: 0,
        });
        host
    };
    let what = "stray (running) holds GPU 1, and DS01 did not make it";
    let fix = "unless it is to have them: docker rm -f stray";
    let running = stray(named("GPU-1"), State::Running, false);
    assert_eq!(running.only(), told(Verdict::Wrong, what, fix));
    let what = "stray (stopped) holds GPU 1, labelled as DS01's without a record of whose it is";
    let fix = "ds01-adopt --dry-run; or docker rm stray";
    let stopped = stray(named("1"), State::Exited, true);
    assert_eq!(stopped.only(), told(Verdict::Wrong, what, fix));
    let what = "stray (created) asks for GPUs that do not exist";
    let lost = stray(named("GPU-9"), State::Created, false);
    assert_eq!(lost.only(), told(Verdict::Warning, what, "docker rm stray"));
    // One that asks for all takes one from its holder.
    let all = stray(Claim::All, State::Running, false).findings();
    let whats: Vec<_> = all.iter().map(|finding| finding.what.as_str()).collect();
    assert_eq!(
        whats,
        [
            "stray (running) holds GPU 0 1, and DS01 did not make it",
            "GPU 0 is held by one._.1001 and stray",
        ]
    );
}

#[test]
fn a_device_of_two_is_told_unless_one_has_given_it_back() {
    let mut host = Host::sound();
    host.containers
        .push(sighting("two", "two._.1001", State::Running, true));
    host.records.push(record("two"));
    host.ledger
        .allocations
        .push(entry("two", 0, Holding::Intruding).into());
    let what = "GPU 0 is held by one._.1001 and two._.1001";
    let fix = "docker stop the one that is not to have it";
    assert_eq!(host.only(), told(Verdict::Wrong, what, fix));
    Arc::make_mut(&mut host.ledger.allocations[1]).holding = Holding::Released;
    assert_eq!(host.findings(), []);
}

#[test]
fn a_device_that_is_gone_is_told_of_its_holder() {
    let mut host = Host::sound();
    host.inventory = Some(Inventory {
        devices: vec![device(1)],
        ..Inventory::default()
    });
    let (verdict, what, _) = host.only();
    let expected = "one._.1001 holds GPU-0 (GPU 0), which does not exist";
    assert_eq!((verdict, what.as_str()), (Verdict::Warning, expected));
    host.inventory = None;
    assert_eq!(host.only().0, Verdict::Unknown);
}

#[test]
fn a_ledger_is_damaged_waiting_or_whole() {
    assert_eq!(
        whole(&Stored::Damaged(Damage::Empty), NOW).verdict,
        Verdict::Wrong
    );
    let until = |grants_after| {
        let ledger = Ledger {
            grants_after,
            ..Ledger::default()
        };
        whole(&Stored::Whole(ledger.into()), NOW).verdict
    };
    assert_eq!(until(None), Verdict::Ok);
    assert_eq!(until(Some(NOW)), Verdict::Ok);
    assert_eq!(until(Some(Timestamp(NOW.0 + 1))), Verdict::Warning);
}

#[test]
fn an_entry_with_other_devices_than_its_container_is_told() {
    let id = ContainerId("one".into());
    for (claim, same) in [
        (Some(named("GPU-0")), true),
        (Some(named("GPU-1")), false),
        (Some(Claim::All), false),
        (
            Some(Claim::Named(vec!["GPU-0".into(), "GPU-1".into()])),
            false,
        ),
        (None, false),
    ] {
        let mut host = Host::sound();
        host.claims.insert(id.clone(), claim.clone());
        let expected: &[&str] = match same {
            true => &[],
            false => &["one._.1001 has other GPUs than the ledger says"],
        };
        let findings = host.findings();
        let whats: Vec<_> = findings.iter().map(|f| f.what.as_str()).collect();
        assert_eq!(whats, expected, "{claim:?}");
    }
}

#[test]
fn a_container_that_was_renamed_is_told() {
    let mut host = Host::sound();
    host.containers[0].name = "other._.1002".into();
    let what = "/m/one._.1001.json is the record of other._.1002, that was one._.1001";
    let fix = "docker rename other._.1002 one._.1001";
    assert_eq!(host.only(), told(Verdict::Wrong, what, fix));
}

#[test]
fn a_holder_that_the_ledger_forgot_is_found() {
    let mut host = Host::sound();
    host.containers
        .push(sighting("x", "stray", State::Running, false));
    host.containers
        .push(sighting("y", "idle", State::Running, false));
    let claim = |id: &str, claim| (ContainerId(id.into()), claim);
    host.claims
        .extend([claim("x", Some(named("GPU-1"))), claim("y", None)]);
    add_hidden(&mut host.ledger, &host.containers, &host.claims);
    let found: Vec<_> = host
        .ledger
        .unmanaged
        .iter()
        .map(|u| u.name.as_str())
        .collect();
    assert_eq!(found, ["stray"]);
}
