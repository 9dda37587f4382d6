//! Turns with which somebody's container is started.

use super::*;
use crate::{
    ledger::tests::{intent, pending},
    reconcile::{Change, EngineSnapshot, reconcile},
};

const OWN: &str = "own._.1";

/// A turn of user 1, with which process 7 starts their container.
fn started(devices: &[Device]) -> Ledger {
    let waits = Waiter {
        stay: Stay::Away {
            launch: Some("own".parse().unwrap()),
        },
        ..waiter(1, 1, devices.len() as u32)
    };
    let mut ledger = line(&[waits], &[]);
    ledger.serve_line(&known(devices), None, NOW);
    ledger.line.turns[0].doing = Some(process(7));
    ledger
}

/// Its container has taken what is kept for it: the ledger, and the turn as it was.
fn taken(devices: &[Device], holding: Holding) -> (Ledger, Turn) {
    let mut ledger = started(devices);
    let before = ledger.line.turns[0].clone();
    let held = &before.devices;
    let used = ledger.line.take(&OWN.parse().unwrap(), held);
    assert_eq!(used, std::slice::from_ref(&before));
    assert!(ledger.line.turns[0].is_used());
    ledger
        .allocations
        .push(intent(OWN, devices, holding).into());
    (ledger, before)
}

fn seen(dead: &[Process]) -> EngineSnapshot {
    EngineSnapshot {
        generation: 10,
        asked_at: NOW,
        news: Some(0),
        dead: dead.to_vec(),
        ..EngineSnapshot::default()
    }
}

#[test]
fn a_turn_whose_container_is_there_lasts_until_its_user_knows() {
    let (mut ledger, before) = taken(&[whole(0)], Holding::Live);
    let (_, over) = ledger.tidy_line(&[], before.until);
    assert_eq!((over, ledger.line.turns.len()), (vec![], 1));
    let mut told = ledger.clone();
    told.line.note_told(before.ticket);
    assert_eq!(told.line.turns, []);
    // Without its container there is nothing to tell.
    ledger.allocations.clear();
    let (_, over) = ledger.tidy_line(&[], NOW);
    assert_eq!((over, ledger.line.turns), (vec![], vec![]));
}

#[test]
fn what_a_launch_took_that_was_killed_is_kept_again() {
    let devices = [whole(0), whole(1)];
    let (mut ledger, before) = taken(&devices, pending(1));
    assert_eq!(reconcile(&mut ledger, &seen(&[]), NOW), [], "it lives");
    assert!(ledger.line.turns[0].is_used());
    let changes = reconcile(&mut ledger, &seen(&[process(1)]), NOW);
    assert!(matches!(changes[..], [Change::Lapsed(_)]), "{changes:?}");
    assert_eq!(ledger.line.turns, [before]);
}

#[test]
fn another_container_of_theirs_uses_a_turn_up() {
    let mut ledger = started(&[whole(0)]);
    let held = ledger.line.turns[0].devices.clone();
    let mut unclaimed = ledger.clone();
    unclaimed.line.turns[0].doing = None;
    for (ledger, container) in [(&mut ledger, "other._.1"), (&mut unclaimed, OWN)] {
        let used = ledger.line.take(&container.parse().unwrap(), &held);
        assert_eq!((used.len(), ledger.line.turns.len()), (1, 0));
    }
}

#[test]
fn who_was_never_told_is_not_charged_for_a_turn_that_is_over() {
    let used = |told: bool| {
        let mut ledger = started(&[whole(0)]);
        ledger.line.turns[0].told = told;
        let before = ledger.clone();
        let (_, over) = ledger.tidy_line(&[], NOW + KEPT);
        assert_eq!(over.len(), 1);
        ledger.note_use(&before, NOW + KEPT);
        ledger.line.recent.uses.contains_key(&1)
    };
    assert_eq!((used(true), used(false)), (true, false));
}

/// Of two turns of one user, the first for any container, the second for `own`.
fn two_turns(host: &[Device]) -> Ledger {
    let launch = Waiter {
        stay: Stay::Away {
            launch: Some("own".parse().unwrap()),
        },
        container: Some("own".parse().unwrap()),
        ..waiter(1, 2, 1)
    };
    let any = Waiter {
        container: None,
        ..away(waiter(1, 1, 1))
    };
    let mut ledger = line(&[any, launch], &[]);
    ledger.serve_line(&known(host), None, NOW);
    ledger
}

/// What `name` of user 1 is given, and the tickets of the turns that are left.
fn given(ledger: &mut Ledger, host: &[Device], name: &str) -> (String, Vec<u64>) {
    let request = Request {
        container: format!("{name}._.1").parse().unwrap(),
        devices: GpuRequest::any(1),
        run: None,
    };
    let inventory = Inventory {
        devices: host.to_vec(),
        ..Inventory::default()
    };
    let asked = ledger.request_devices(&request, &limits(), &inventory, None, None, NOW);
    let Ok(RequestOutcome::Given { devices, .. }) = asked else {
        panic!("{asked:?}");
    };
    let left = ledger.line.turns.iter().filter(|turn| !turn.is_used());
    (
        crate::device::slot_list(&devices),
        left.map(|turn| turn.ticket).collect(),
    )
}

#[test]
fn of_a_users_turns_a_container_uses_the_one_that_came_for_it() {
    let mut host = [whole(0), whole(1)];
    let turns = two_turns(&host);
    for (name, expected) in [("own", ("1", 1)), ("other", ("0", 2))] {
        let (slots, left) = given(&mut turns.clone(), &host, name);
        assert_eq!((&*slots, &left[..]), (expected.0, &[expected.1][..]));
    }
    // What was kept for it is in use by now: it takes what is left, and is waited for no longer.
    host[1].activity.processes = Some(vec![7]);
    assert_eq!(
        given(&mut turns.clone(), &host, "own"),
        ("0".into(), vec![])
    );
}
