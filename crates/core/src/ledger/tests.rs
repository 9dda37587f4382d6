use super::*;
use crate::{
    container::State,
    device::tests::{mig, whole},
    labels::Labels,
};

pub(crate) const NOW: Timestamp = Timestamp(1_000_000);
pub(crate) const HOLD: Duration = Duration::from_secs(900);

pub(crate) fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

pub(crate) fn id(text: &str) -> ContainerId {
    ContainerId(text.into())
}

/// A process that asked for something.
pub(crate) fn process(pid: u32) -> Process {
    Process {
        pid,
        started: 1,
        boot: "boot".into(),
    }
}

/// An intent of this process, begun now.
pub(crate) fn pending(pid: u32) -> Holding {
    Holding::Pending {
        creator: Some(process(pid)),
        lapses: NOW + PENDING,
    }
}

/// An intent whose process never had an answer.
pub(crate) fn unanswered() -> Holding {
    Holding::Pending {
        creator: None,
        lapses: NOW + PENDING,
    }
}

pub(crate) fn stopped(ago: u64) -> Holding {
    Holding::Stopped {
        since: NOW - seconds(ago),
    }
}

/// An entry without an id, that keeps its devices for [`HOLD`] after a stop.
pub(crate) fn intent(container: &str, devices: &[Device], holding: Holding) -> Allocation {
    Allocation {
        container: container.parse().unwrap(),
        id: None,
        devices: devices.iter().map(Held::from).collect(),
        holding,
        hold: Some(HOLD),
        group: String::new(),
        ends: None,
        passed: None,
        late: Vec::new(),
        changed: 0,
    }
}

/// The entry of a container that exists: its id is its name.
pub(crate) fn entry(container: &str, devices: &[Device], holding: Holding) -> Allocation {
    Allocation {
        id: Some(id(container)),
        ..intent(container, devices, holding)
    }
}

pub(crate) fn ledger(allocations: &[Allocation]) -> Ledger {
    Ledger {
        generation: 10,
        allocations: allocations.iter().cloned().map(Arc::new).collect(),
        ..Ledger::default()
    }
}

pub(crate) fn unmanaged(name: &str, claim: Claim) -> Unmanaged {
    Unmanaged {
        id: id(name),
        name: name.into(),
        claim,
        changed: 0,
    }
}

pub(crate) fn named(name: &str) -> Claim {
    Claim::Named(vec![name.into()])
}

/// A container of ours as the engine shows it: its id is its name.
pub(crate) fn sighting(name: &str, devices: &[Device], state: State) -> Sighting {
    let uuids: Vec<_> = devices.iter().map(|device| &*device.uuid.0).collect();
    let labels = [
        (label::MANAGED, "true"),
        (label::GPU_UUIDS, &uuids.join(" ")),
    ];
    Sighting {
        labels: labels.into_iter().collect(),
        ..foreign(name, state)
    }
}

/// A container of somebody else.
pub(crate) fn foreign(name: &str, state: State) -> Sighting {
    Sighting {
        id: id(name),
        name: name.into(),
        state,
        image: "image".into(),
        created: NOW - seconds(3600),
        status: String::new(),
        labels: Labels::default(),
        binds: Vec::new(),
    }
}

#[test]
fn devices_are_held_from_the_intent_to_the_end_of_the_hold() {
    let orphaned = Holding::Orphaned {
        lapses: NOW + PENDING,
    };
    for (holding, hold, holds) in [
        (pending(1), Some(HOLD), true),
        (unanswered(), Some(HOLD), true),
        (orphaned, None, false),
        (Holding::Live, Some(seconds(0)), true),
        (Holding::Intruding, Some(seconds(0)), true),
        (stopped(899), Some(HOLD), true),
        (stopped(900), Some(HOLD), false),
        (stopped(0), Some(seconds(0)), false),
        (stopped(1_000_000), None, true),
        (Holding::Released, None, false),
    ] {
        let entry = Allocation {
            hold,
            ..entry("a._.1", &[whole(0)], holding)
        };
        assert_eq!(entry.holds(NOW), holds, "{entry:?}");
    }
}

#[test]
fn a_device_is_kept_by_its_holder_by_its_gpus_and_by_claims() {
    let mut ledger = ledger(&[
        entry("a._.1", &[whole(0)], Holding::Live),
        entry("b._.1", &[mig(1, 0, 1)], stopped(10)),
        entry("c._.1", &[whole(2)], Holding::Released),
    ]);
    ledger.unmanaged = vec![unmanaged("x", named("2")), unmanaged("y", named("1:1"))];
    let holders = |device: &Device| {
        let name = |holder| match holder {
            Holder::Allocation(entry) => entry.container.to_string(),
            Holder::Unmanaged(other) => other.name.clone(),
            Holder::Turn(turn) => turn.uid.to_string(),
        };
        ledger.holders_of(device, NOW).map(name).collect::<Vec<_>>()
    };
    assert_eq!(holders(&whole(0)), ["a._.1"]);
    assert_eq!(holders(&mig(0, 0, 1)), ["a._.1"]);
    assert_eq!(holders(&mig(1, 0, 1)), ["b._.1"]);
    assert_eq!(holders(&whole(1)), ["b._.1"]);
    assert_eq!(holders(&mig(1, 1, 1)), ["y"]);
    assert_eq!(holders(&mig(1, 2, 1)), [""; 0]);
    assert_eq!(holders(&whole(2)), ["x"]);
}

#[test]
fn what_an_owner_holds_is_exact() {
    let slices: Vec<_> = (0..7).map(|number| mig(0, number, 1)).collect();
    let ledger = ledger(&[
        entry("a._.1", &slices[..3], Holding::Live),
        entry("b._.1", &slices[3..], stopped(10)),
        entry("c._.1", &[whole(1)], Holding::Released),
        entry("d._.2", &[whole(2)], Holding::Live),
    ]);
    assert_eq!(ledger.held_by(1, NOW), Share::WHOLE);
    assert_eq!(ledger.held_by(3, NOW), Share::NONE);
}

#[test]
fn an_intent_awaits_the_container_of_its_name_that_has_its_devices() {
    let devices = [mig(0, 1, 1), mig(0, 0, 1)];
    let awaits = |sighting| intent("a._.1", &devices, pending(1)).awaits(&sighting);
    let labels = |uuids: &str| {
        let mut sighting = sighting("a._.1", &[], State::Created);
        sighting.labels.extend([(label::GPU_UUIDS, uuids)]);
        sighting
    };
    assert!(awaits(labels("MIG-0-1 MIG-0-0")));
    assert!(awaits(labels("MIG-0-0,MIG-0-1")), "the original's commas");
    assert!(!awaits(labels("MIG-0-1")));
    assert!(!awaits(labels("MIG-0-1 MIG-0-0 MIG-0-2")));
    assert!(!awaits(foreign("a._.1", State::Created)));
    assert!(!awaits(sighting("b._.1", &devices, State::Created)));
    let without = intent("a._.1", &[], pending(1));
    assert!(without.awaits(&sighting("a._.1", &[], State::Created)));
    assert!(!without.awaits(&foreign("a._.1", State::Created)));
    let known = entry("a._.1", &devices, Holding::Live);
    assert!(!known.awaits(&sighting("a._.1", &devices, State::Created)));
}

#[test]
fn a_change_is_dated_after_every_look_before_it() {
    let mut ledger = ledger(&[entry("a._.1", &[], Holding::Live)]);
    assert!(
        ledger.change(&"a._.1".parse().unwrap(), |entry| entry.holding =
            stopped(0))
    );
    assert!(!ledger.change(&"b._.1".parse().unwrap(), |_| ()));
    ledger.put(intent("b._.1", &[], pending(1)));
    ledger.put(intent("b._.1", &[], pending(2)));
    let changed = |entry: &Allocation| (entry.container.to_string(), entry.changed);
    let changed: Vec<_> = ledger.entries().map(changed).collect();
    assert_eq!(changed, [("a._.1".into(), 11), ("b._.1".into(), 11)]);
    assert_eq!(ledger.allocations[1].holding, pending(2));
}

#[test]
fn a_mark_is_a_container_that_was_settled_when_it_was_seen() {
    let made = |name: &str, ago| Sighting {
        created: NOW - seconds(ago),
        ..foreign(name, State::Running)
    };
    let mut ledger = Ledger::default();
    ledger.set_marks(
        &[made("young", 59), made("settled", 60), made("old", 600)],
        NOW,
    );
    let marks = |ledger: &Ledger, now| {
        let ids = ledger.marks_at(now).iter().map(|mark| mark.id.0.clone());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(marks(&ledger, NOW), ["settled", "old"]);
    assert_eq!(ledger.recent, [id("young")]);
    assert!(ledger.accounts_for(&id("young")) && ledger.accounts_for(&id("old")));
    // Time alone makes no mark: one that was asked for earlier may have been listed since.
    assert_eq!(marks(&ledger, NOW + seconds(600)), ["settled", "old"]);
    ledger.set_marks(&[made("young", 59)], NOW + seconds(1));
    assert_eq!(
        marks(&ledger, NOW + seconds(1)),
        ["young", "settled", "old"]
    );
    assert_eq!(ledger.recent, []);
    // What is made now is dated before those: nothing can be listed from them.
    assert_eq!(marks(&ledger, NOW - seconds(100)), [""; 0]);
    ledger.set_marks(&[], NOW - seconds(100));
    assert_eq!(marks(&ledger, NOW), ["old"]);
}

#[test]
fn only_so_many_marks_are_kept() {
    let made = |number: u64| Sighting {
        created: NOW - seconds(100 + number),
        ..foreign(&number.to_string(), State::Running)
    };
    let mut ledger = Ledger::default();
    ledger.set_marks(&(0..100).map(made).collect::<Vec<_>>(), NOW);
    let ids: Vec<_> = ledger.marks.iter().map(|mark| mark.id.0.clone()).collect();
    assert_eq!(
        ids,
        (0..16).map(|number| number.to_string()).collect::<Vec<_>>()
    );
}
