//! Containers of others, of ours that the ledger does not know, and what counts as known.

use super::*;

/// A container of others and what it claims.
fn stranger(seen: &mut EngineSnapshot, name: &str, claim: Option<Claim>) {
    seen.containers.push(foreign(name, State::Running));
    seen.news = Some(seen.containers.len());
    seen.claims.insert(id(name), claim);
}

#[test]
fn containers_of_others_are_found_and_forgotten() {
    let mut seen = complete(&[]);
    stranger(&mut seen, "x", Some(named("0")));
    stranger(&mut seen, "y", None);
    let mut ledger = ledger(&[]);
    let found = Unmanaged {
        changed: 11,
        ..unmanaged("x", named("0"))
    };
    let changes = reconcile(&mut ledger, &seen, NOW);
    assert_eq!(changes, [Change::Found(found.clone())]);
    assert_eq!(ledger.unmanaged, [found]);
    assert_eq!(reconcile(&mut ledger, &seen, NOW), [], "once");
    ledger.generation = 11;
    // That one was listed before the stranger came.
    reconcile(&mut ledger, &complete(&[]), NOW);
    assert_eq!(ledger.unmanaged.len(), 1);
    let later = EngineSnapshot {
        generation: 11,
        ..complete(&[])
    };
    assert_eq!(reconcile(&mut ledger, &later, NOW), []);
    assert_eq!(ledger.unmanaged, []);
}

#[test]
fn a_container_that_an_intent_awaits_is_no_stranger_and_not_yet_known() {
    // Whoever looked did not know of the intent, which has been recorded since.
    let coming = Allocation {
        changed: 11,
        ..intent(A, &[whole(0)], pending(1))
    };
    let mut seen = complete(&[sighting(A, &[whole(0)], State::Created)]);
    seen.claims.insert(id(A), Some(named("GPU-0")));
    let mut ledger = ledger(&[coming]);
    let before = ledger.clone();
    assert_eq!(reconcile(&mut ledger, &seen, NOW), []);
    assert_eq!(ledger, before);
}

#[test]
fn one_without_devices_is_no_mark_either_while_an_intent_awaits_it() {
    let coming = Allocation {
        changed: 11,
        ..intent(A, &[], pending(1))
    };
    let mut seen = complete(&[sighting(A, &[], State::Created)]);
    seen.containers[0].created = NOW - SETTLED;
    seen.claims.insert(id(A), None);
    let mut ledger = ledger(&[coming]);
    let before = ledger.clone();
    assert_eq!(reconcile(&mut ledger, &seen, NOW), []);
    assert_eq!(ledger, before);
}

/// A record of `name` and the list in which the container is there again, with a device.
fn there_again(name: &str, state: State) -> EngineSnapshot {
    let mut seen = complete(&[sighting(name, &[whole(0)], state)]);
    let with = entry(name, &[whole(0)], Holding::Live);
    let record = Record::of_found(&with, &seen.containers[0], "node");
    seen.claims.insert(id(name), Some(named(&whole(0).uuid.0)));
    seen.records.insert(id(name), record);
    seen
}

#[test]
fn one_that_is_there_again_holds_what_nobody_else_was_given_meanwhile() {
    let becomes = |state, change: &dyn Fn(&mut Ledger)| {
        let mut ledger = ledger(&[]);
        change(&mut ledger);
        reconcile(&mut ledger, &there_again(A, state), NOW);
        ledger.entry(&A.parse().unwrap()).unwrap().holding.clone()
    };
    let nothing = |_: &mut Ledger| {};
    // Nor does it matter that it was taken for a stranger's before.
    let itself = |ledger: &mut Ledger| {
        let claim = named(&whole(0).uuid.0);
        ledger.unmanaged.push(unmanaged(A, claim));
    };
    let stopped = Holding::Stopped { since: NOW };
    for free in [&nothing as &dyn Fn(&mut Ledger), &itself] {
        assert_eq!(becomes(State::Running, free), Holding::Live);
        assert_eq!(becomes(State::Exited, free), stopped);
    }
    let given = |ledger: &mut Ledger| {
        ledger.put(intent("b._.2", &[whole(0)], pending(1)));
    };
    let strangers = |ledger: &mut Ledger| {
        ledger.unmanaged.push(Unmanaged {
            changed: 11,
            ..unmanaged("x", named(&whole(0).uuid.0))
        });
    };
    let promised = |ledger: &mut Ledger| {
        ledger.line.turns.push(Turn {
            ticket: 1,
            uid: 2,
            group: String::new(),
            container: None,
            logged: true,
            devices: vec![Held::from(&whole(0))],
            until: NOW + PENDING,
            longest: None,
            passed: None,
            launch: None,
            told: true,
            doing: None,
        });
    };
    for taken in [&given as &dyn Fn(&mut Ledger), &strangers, &promised] {
        assert_eq!(becomes(State::Running, taken), Holding::Intruding);
        assert_eq!(becomes(State::Exited, taken), Holding::Released);
    }
}

#[test]
fn a_stranger_under_the_name_of_an_intent_keeps_its_devices() {
    let mut seen = complete(&[foreign(A, State::Running)]);
    seen.claims.insert(id(A), Some(named("GPU-1")));
    let mut ledger = ledger(&[intent(A, &[whole(0)], pending(1))]);
    let found = Unmanaged {
        changed: 11,
        ..unmanaged(A, named("GPU-1"))
    };
    assert_eq!(reconcile(&mut ledger, &seen, NOW), [Change::Found(found)]);
}

#[test]
fn marks_move_on_only_when_everything_that_is_new_is_accounted_for() {
    let mark = |name: &str| Mark {
        id: id(name),
        created: NOW - seconds(3600),
    };
    let begin = || Ledger {
        marks: vec![mark("old")],
        ..ledger(&[entry(A, &[], Holding::Live)])
    };
    let seen = |claims: &[(&str, Option<Claim>)]| {
        let mut seen = complete(&[
            sighting(A, &[], State::Running),
            foreign("x", State::Running),
            foreign("y", State::Running),
        ]);
        seen.claims = claims
            .iter()
            .map(|(name, claim)| (id(name), claim.clone()))
            .collect();
        seen
    };
    let marks = |seen: &EngineSnapshot| {
        let mut ledger = begin();
        reconcile(&mut ledger, seen, NOW);
        ledger
            .marks
            .into_iter()
            .map(|mark| mark.id.0)
            .collect::<Vec<_>>()
    };
    let all = [("x", None), ("y", Some(named("0")))];
    assert_eq!(marks(&seen(&all)), [A, "x", "y", "old"]);
    assert_eq!(marks(&seen(&all[..1])), ["old"]);
    // What is not new was accounted for when it was.
    let older = EngineSnapshot {
        news: Some(2),
        ..seen(&all[..1])
    };
    assert_eq!(marks(&older), [A, "x", "old"]);
    let nothing = EngineSnapshot {
        news: None,
        ..seen(&all)
    };
    assert_eq!(marks(&nothing), ["old"]);
    let vanished = EngineSnapshot {
        vanished: vec![id("old")],
        ..seen(&all[..1])
    };
    assert_eq!(marks(&vanished), [""; 0]);
}

#[test]
fn what_is_too_young_to_be_a_mark_is_known_all_the_same() {
    let mut seen = complete(&[]);
    stranger(&mut seen, "x", None);
    seen.containers[0].created = NOW + seconds(1) - SETTLED;
    let mut ledger = ledger(&[]);
    reconcile(&mut ledger, &seen, NOW);
    assert_eq!(
        (ledger.marks.clone(), ledger.recent.clone()),
        (vec![], vec![id("x")])
    );
    // A look from before the clock was set back makes no mark either.
    seen.asked_at = NOW + seconds(3600);
    reconcile(&mut ledger, &seen, NOW);
    assert_eq!(ledger.marks, []);
}

#[test]
fn what_is_newer_than_one_of_which_nothing_can_be_told_is_no_mark() {
    let begin = Mark {
        id: id("old"),
        created: NOW - seconds(3600),
    };
    let marks = |untold: Option<Timestamp>| {
        let mut seen = complete(&[]);
        stranger(&mut seen, "x", None);
        seen.containers[0].created = NOW - seconds(600);
        seen.untold = untold;
        let mut ledger = Ledger {
            marks: vec![begin.clone()],
            ..ledger(&[])
        };
        reconcile(&mut ledger, &seen, NOW);
        ledger
            .marks
            .into_iter()
            .map(|mark| mark.id.0)
            .collect::<Vec<_>>()
    };
    assert_eq!(marks(None), ["x", "old"]);
    assert_eq!(marks(Some(NOW - seconds(300))), ["x", "old"]);
    assert_eq!(marks(Some(NOW - seconds(630))), ["old"]);
}

#[test]
fn the_container_of_an_earlier_intent_takes_the_place_of_a_later_one() {
    let first = intent(A, &[whole(0)], orphaned());
    let second = Allocation {
        late: first.candidates(),
        ..intent(A, &[whole(1)], pending(1))
    };
    // Whoever asks for the second finds its name taken, dead or not.
    let there = complete(&[sighting(A, &[whole(0)], State::Created)]);
    let mut ledger = ledger(std::slice::from_ref(&second));
    let changes = reconcile(&mut ledger, &there, NOW);
    assert_eq!(changes, [Change::Confirmed(A.parse().unwrap())]);
    let expected = Allocation {
        changed: 11,
        ..entry(A, &[whole(0)], Holding::Released)
    };
    assert_eq!(ledger.allocations, [expected.into()]);
    let third = intent(A, &[whole(1)], orphaned());
    let third = Allocation {
        late: second.candidates(),
        ..third
    };
    assert_eq!(third.candidates(), second.candidates(), "each once");
}
