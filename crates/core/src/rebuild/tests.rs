use super::*;
use crate::{
    container::{Sighting, State},
    device::{
        Claim, Device, Held,
        tests::{mig, whole},
    },
    ledger::{
        Allocation, Holding,
        tests::{
            HOLD, NOW, entry, foreign, id, intent, named, pending, seconds, sighting, stopped,
        },
    },
    record::VERSION,
};

fn record(name: &str, devices: &[Device]) -> Record {
    let text = String::new;
    Record {
        version: VERSION,
        container: name.into(),
        id: id(name),
        login: text(),
        group: text(),
        slice: text(),
        project: text(),
        image: text(),
        workspace: text(),
        binds: Vec::new(),
        mounts: None,
        as_owner: true,
        devices: devices.iter().map(Held::from).collect(),
        hold: Some(HOLD),
        extension: None,
        adopted: false,
        found: false,
        kind: None,
        created: NOW,
        node: text(),
    }
}

/// A complete look at containers and what they claim; those that stopped did so 100 s ago.
fn seen(containers: &[(Sighting, Option<Claim>)]) -> EngineSnapshot {
    let of = |(sighting, claim): &(Sighting, Option<Claim>)| (sighting.id.clone(), claim.clone());
    let stop = |(sighting, _): &(Sighting, _)| (sighting.id.clone(), NOW - seconds(100));
    EngineSnapshot {
        asked_at: NOW,
        containers: containers
            .iter()
            .map(|(sighting, _)| sighting.clone())
            .collect(),
        news: Some(containers.len()),
        claims: containers.iter().map(of).collect(),
        stopped: containers.iter().map(stop).collect(),
        ..EngineSnapshot::default()
    }
}

/// A container of ours as the engine shows it, with what it claims.
fn ours(name: &str, devices: &[Device], state: State) -> (Sighting, Option<Claim>) {
    let uuids = devices
        .iter()
        .map(|device| device.uuid.to_string())
        .collect();
    let claim = (!devices.is_empty()).then_some(Claim::Named(uuids));
    (sighting(name, devices, state), claim)
}

#[test]
fn what_records_prove_is_ours_again_and_the_rest_keeps_its_devices() {
    let (first, pair) = (whole(0), [mig(1, 0, 1), mig(1, 1, 1)]);
    let stranger = (foreign("x", State::Running), Some(named("2")));
    // Its record is of another container of that name, or tells other devices, or is none.
    let (other, differs) = ([whole(3)], [whole(4)]);
    let seen = seen(&[
        ours("a._.1", std::slice::from_ref(&first), State::Running),
        ours("b._.1", &pair, State::Exited),
        ours("c._.1", &[], State::Created),
        ours("d._.1", &other, State::Running),
        ours("e._.1", &differs, State::Running),
        ours("f._.1", &[], State::Running),
        stranger,
    ]);
    let records = [
        record("a._.1", std::slice::from_ref(&first)),
        record("b._.1", &[pair[1].clone(), pair[0].clone()]),
        record("c._.1", &[]),
        Record {
            id: id("another"),
            ..record("d._.1", &other)
        },
        record("e._.1", &[whole(5)]),
        record("gone._.1", &[whole(6)]),
    ];
    let ledger = rebuild(&seen, &records, NOW);
    let summary = |entry: &Allocation| (entry.container.to_string(), entry.holding.clone());
    let expected = [
        ("a._.1".to_string(), Holding::Live),
        ("b._.1".to_string(), stopped(100)),
        ("c._.1".to_string(), Holding::Live),
    ];
    assert_eq!(ledger.entries().map(summary).collect::<Vec<_>>(), expected);
    assert_eq!(ledger.allocations[0].id, Some(id("a._.1")));
    let unmanaged: Vec<_> = ledger
        .unmanaged
        .iter()
        .map(|u| (u.name.as_str(), &u.claim))
        .collect();
    let named = [named("GPU-3"), named("GPU-4"), named("2")];
    assert_eq!(
        unmanaged,
        [("d._.1", &named[0]), ("e._.1", &named[1]), ("x", &named[2])]
    );
}

#[test]
fn nothing_is_granted_until_every_lost_intent_would_have_lapsed() {
    let ledger = rebuild(&seen(&[]), &[], NOW);
    assert_eq!(ledger.grants_after, Some(NOW + PENDING));
}

#[test]
fn who_looked_before_the_loss_knows_less() {
    let containers = seen(&[ours("a._.1", &[whole(0)], State::Running)]);
    let rebuilt = rebuild(&containers, &[record("a._.1", &[whole(0)])], NOW);
    for generation in [0, 1_000_000_000] {
        let mut ledger = rebuilt.clone();
        let before = EngineSnapshot {
            generation,
            ..seen(&[])
        };
        assert_eq!(reconcile(&mut ledger, &before, NOW), []);
        assert_eq!(ledger.allocations, rebuilt.allocations);
    }
    let after = EngineSnapshot {
        generation: rebuilt.generation + 1,
        ..seen(&[])
    };
    let mut ledger = rebuilt.clone();
    reconcile(&mut ledger, &after, NOW);
    assert_eq!(ledger.allocations, []);
}

#[test]
fn of_two_that_have_a_device_the_one_that_runs_keeps_it() {
    let states = |first, second| {
        let both = [("a._.1", first), ("b._.2", second)];
        let containers = both.map(|(name, state)| ours(name, &[whole(0)], state));
        let records = both.map(|(name, _)| record(name, &[whole(0)]));
        let mut ledger = rebuild(&seen(&containers), &records, NOW);
        ledger
            .allocations
            .sort_by_key(|entry| entry.container.clone());
        ledger
            .entries()
            .map(|entry| entry.holding.clone())
            .collect::<Vec<_>>()
    };
    let (live, released) = (Holding::Live, Holding::Released);
    use State::{Created, Exited, Running};
    assert_eq!(states(Created, Running), [released.clone(), live.clone()]);
    assert_eq!(states(Exited, Running), [released.clone(), live.clone()]);
    assert_eq!(states(Running, Exited), [live.clone(), released.clone()]);
    assert_eq!(states(Created, Created), [live.clone(), released.clone()]);
    assert_eq!(states(Running, Running), [live, Holding::Intruding]);
    assert_eq!(states(Exited, Exited), [stopped(100), released]);
}

#[test]
fn an_old_copy_of_the_ledger_learns_of_ours_by_their_records() {
    let mut seen = seen(&[
        ours("a._.1", &[whole(0)], State::Running),
        ours("b._.1", &[whole(1)], State::Running),
        ours("c._.1", &[whole(0)], State::Exited),
    ]);
    seen.generation = 10;
    let records = [("a._.1", 0), ("b._.1", 1), ("c._.1", 0)];
    let records = records.map(|(name, gpu)| record(name, &[whole(gpu)]));
    seen.records = records.map(|record| (record.id.clone(), record)).into();
    let held = entry("d._.2", &[whole(1)], Holding::Live);
    seen.containers
        .push(sighting("d._.2", &[whole(1)], State::Running));
    let mut old = crate::ledger::tests::ledger(&[held]);
    assert_eq!(reconcile(&mut old, &seen, NOW), []);
    let summary = |entry: &Allocation| (entry.container.to_string(), entry.holding.clone());
    let expected = [
        ("d._.2".to_string(), Holding::Live),
        ("a._.1".to_string(), Holding::Live),
        ("b._.1".to_string(), Holding::Intruding),
        ("c._.1".to_string(), Holding::Released),
    ];
    assert_eq!(old.entries().map(summary).collect::<Vec<_>>(), expected);
    assert_eq!(old.unmanaged, []);
}

#[test]
fn a_record_takes_nobodys_place() {
    let mut seen = seen(&[ours("a._.1", &[whole(0)], State::Running)]);
    seen.records = [(id("a._.1"), record("a._.1", &[whole(0)]))].into();
    // It has been removed since that look, and another one is made under its name.
    let next = Allocation {
        changed: 11,
        ..intent("a._.1", &[], pending(1))
    };
    let mut ledger = crate::ledger::tests::ledger(std::slice::from_ref(&next));
    reconcile(&mut ledger, &seen, NOW);
    assert_eq!(ledger.allocations, [next.into()]);
}
