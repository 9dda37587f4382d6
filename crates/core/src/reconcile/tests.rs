use std::time::Duration;

use super::*;
use crate::{
    device::{
        Device,
        tests::{mig, whole},
    },
    ledger::{
        Mark, SETTLED,
        tests::{
            HOLD, NOW, entry, foreign, id, intent, ledger, named, pending, process, seconds,
            sighting, stopped, unanswered, unmanaged,
        },
    },
};

mod others;
mod past;

const A: &str = "a._.1";

fn orphaned() -> Holding {
    Holding::Orphaned {
        lapses: NOW + ORPHANED,
    }
}

/// A complete list, taken now by one who knows the ledger as it is.
fn complete(containers: &[Sighting]) -> EngineSnapshot {
    EngineSnapshot {
        generation: 10,
        asked_at: NOW,
        containers: containers.to_vec(),
        news: Some(containers.len()),
        ..EngineSnapshot::default()
    }
}

/// What becomes of one entry.
fn becomes(
    entry: &Allocation,
    seen: &EngineSnapshot,
    now: Timestamp,
) -> (Option<Holding>, Vec<Change>) {
    let mut ledger = ledger(std::slice::from_ref(entry));
    let changes = reconcile(&mut ledger, seen, now);
    let after = ledger.entries().last();
    (after.map(|entry| entry.holding.clone()), changes)
}

/// What becomes of one entry without any change worth an event.
#[track_caller]
fn quietly(entry: &Allocation, seen: &EngineSnapshot, now: Timestamp) -> Holding {
    let (holding, changes) = becomes(entry, seen, now);
    assert_eq!(changes, [], "{entry:?}");
    holding.unwrap()
}

#[test]
fn an_intent_is_confirmed_by_name_and_devices_once_its_maker_is_done_for() {
    let intent = |holding| intent(A, &[whole(0)], holding);
    let there = complete(&[sighting(A, &[whole(0)], State::Created)]);
    let dead = EngineSnapshot {
        dead: vec![process(1)],
        ..there.clone()
    };
    let late = EngineSnapshot {
        asked_at: NOW + PENDING,
        ..there.clone()
    };
    let confirmed = |holding| (Some(holding), vec![Change::Confirmed(A.parse().unwrap())]);
    // Its maker lives, and will say so itself.
    assert_eq!(quietly(&intent(pending(1)), &there, NOW), pending(1));
    assert_eq!(
        becomes(&intent(pending(1)), &dead, NOW),
        confirmed(Holding::Live)
    );
    let then = NOW + PENDING;
    assert_eq!(
        becomes(&intent(pending(1)), &late, then),
        confirmed(Holding::Live)
    );
    assert_eq!(
        becomes(&intent(unanswered()), &there, NOW),
        confirmed(Holding::Live)
    );
    // It held nothing: it is its owner's, without a device until it starts.
    assert_eq!(
        becomes(&intent(orphaned()), &there, NOW),
        confirmed(Holding::Released)
    );
}

#[test]
fn a_confirmed_entry_has_the_id_and_is_dated() {
    let mut ledger = ledger(&[intent(A, &[whole(0)], unanswered())]);
    reconcile(
        &mut ledger,
        &complete(&[sighting(A, &[whole(0)], State::Created)]),
        NOW,
    );
    let expected = Allocation {
        changed: 11,
        ..entry(A, &[whole(0)], Holding::Live)
    };
    assert_eq!(ledger.allocations, [expected.into()]);
}

#[test]
fn a_container_of_another_under_the_same_name_is_not_taken_for_ours() {
    let intent = intent(A, &[whole(0)], unanswered());
    for other in [
        foreign(A, State::Running),
        sighting(A, &[whole(1)], State::Running),
        sighting("b._.1", &[whole(0)], State::Running),
    ] {
        assert_eq!(quietly(&intent, &complete(&[other]), NOW), unanswered());
    }
}

#[test]
fn an_intent_whose_maker_died_holds_nothing_and_keeps_its_name_until_it_lapses() {
    let before = intent(A, &[whole(0)], pending(1));
    let at = |later: u64| EngineSnapshot {
        asked_at: NOW + seconds(later),
        dead: vec![process(1)],
        ..complete(&[])
    };
    let lapsed = vec![Change::Lapsed(before.clone())];
    assert_eq!(becomes(&before, &at(0), NOW), (Some(orphaned()), lapsed));
    let orphan = intent(A, &[whole(0)], orphaned());
    let day = ORPHANED.as_secs();
    let last = NOW + seconds(day - 1);
    assert_eq!(quietly(&orphan, &at(day - 1), last), orphaned());
    // Its devices were told of before.
    assert_eq!(becomes(&orphan, &at(day), NOW + ORPHANED), (None, vec![]));
    // Nobody's process 1 is another's.
    let other = intent(A, &[whole(0)], pending(2));
    assert_eq!(quietly(&other, &at(0), NOW), pending(2));
}

#[test]
fn an_intent_is_given_up_by_a_look_from_after_it_lapsed() {
    for holding in [pending(1), unanswered()] {
        let intent = intent(A, &[whole(0)], holding.clone());
        let (before, after) = (NOW + seconds(179), NOW + seconds(180));
        let seen = |asked_at| EngineSnapshot {
            asked_at,
            ..complete(&[])
        };
        let lapsed = vec![Change::Lapsed(intent.clone())];
        let orphaned = Holding::Orphaned {
            lapses: after + ORPHANED,
        };
        assert_eq!(
            becomes(&intent, &seen(after), after),
            (Some(orphaned), lapsed)
        );
        // The engine may have made it after that look.
        assert_eq!(quietly(&intent, &seen(before), after), holding);
    }
    let without = intent(A, &[], unanswered());
    let seen = EngineSnapshot {
        asked_at: NOW + PENDING,
        ..complete(&[])
    };
    let lapses = NOW + PENDING + ORPHANED;
    assert_eq!(
        quietly(&without, &seen, NOW + PENDING),
        Holding::Orphaned { lapses }
    );
}

#[test]
fn a_look_that_asked_nothing_gives_nothing_up() {
    let nothing = EngineSnapshot {
        generation: 10,
        asked_at: NOW + PENDING,
        asked: Some(BTreeSet::new()),
        dead: vec![process(1)],
        ..EngineSnapshot::default()
    };
    for holding in [pending(1), unanswered(), orphaned()] {
        let intent = intent(A, &[whole(0)], holding.clone());
        assert_eq!(quietly(&intent, &nothing, NOW + PENDING), holding);
    }
    for holding in [pending(1), Holding::Live, stopped(10), Holding::Released] {
        let entry = entry(A, &[whole(0)], holding.clone());
        assert_eq!(quietly(&entry, &nothing, NOW), holding);
    }
}

#[test]
fn what_changed_after_the_look_is_left_alone() {
    let seen = EngineSnapshot {
        generation: 9,
        asked_at: NOW + PENDING,
        dead: vec![process(1)],
        ..complete(&[sighting("b._.1", &[], State::Exited)])
    };
    for before in [
        intent(A, &[whole(0)], pending(1)),
        intent(A, &[whole(0)], unanswered()),
        entry(A, &[whole(0)], Holding::Live),
        entry("b._.1", &[], Holding::Live),
    ] {
        let before = Allocation {
            changed: 10,
            ..before
        };
        assert_eq!(quietly(&before, &seen, NOW), before.holding);
    }
}

#[test]
fn a_container_that_is_gone_gives_its_devices_back() {
    for holding in [
        pending(1),
        Holding::Live,
        stopped(10),
        Holding::Released,
        Holding::Intruding,
    ] {
        let entry = entry(A, &[whole(0)], holding);
        let gone = (None, vec![Change::Gone(entry.clone())]);
        assert_eq!(becomes(&entry, &complete(&[]), NOW), gone);
    }
}

#[test]
fn a_partial_look_drops_what_it_asked_for_only() {
    let partial = EngineSnapshot {
        asked: Some([id(A)].into()),
        ..complete(&[])
    };
    let mut both = ledger(&[
        entry(A, &[whole(0)], Holding::Live),
        entry("b._.2", &[], Holding::Live),
    ]);
    both.unmanaged = vec![unmanaged("x", named("1"))];
    reconcile(&mut both, &partial, NOW);
    assert_eq!(
        both.allocations,
        [entry("b._.2", &[], Holding::Live).into()]
    );
    assert_eq!(both.unmanaged, [unmanaged("x", named("1"))]);
}

/// What a container in each state makes of each holding. The stop was 100 s ago.
#[test]
fn an_entry_follows_its_container() {
    let up = [State::Running, State::Paused, State::Restarting];
    let down = [State::Exited, State::Dead];
    let stop = || stopped(100);
    for (before, states, after) in [
        (Holding::Live, &up[..], Holding::Live),
        (
            Holding::Live,
            &[State::Created, State::Removing],
            Holding::Live,
        ),
        (Holding::Live, &down, stop()),
        (stopped(10), &down, stopped(10)),
        (stopped(10), &up, Holding::Live),
        (Holding::Intruding, &down, Holding::Released),
        (Holding::Released, &down, Holding::Released),
        (
            Holding::Released,
            &[State::Created, State::Removing],
            Holding::Released,
        ),
        (Holding::Released, &up, Holding::Live),
    ] {
        for state in states {
            let mut seen = complete(&[sighting(A, &[whole(0)], *state)]);
            seen.stopped.insert(id(A), NOW - seconds(100));
            let entry = entry(A, &[whole(0)], before.clone());
            assert_eq!(quietly(&entry, &seen, NOW), after, "{before:?} {state}");
        }
    }
}

#[test]
fn a_start_under_way_is_followed_when_it_shows_or_nobody_can_carry_it_out() {
    let seen = |state, asked: u64, dead: bool| {
        let mut seen = complete(&[sighting(A, &[whole(0)], state)]);
        seen.asked_at = NOW + seconds(asked);
        seen.dead = if dead { vec![process(1)] } else { vec![] };
        seen.stopped.insert(id(A), NOW - seconds(100));
        seen
    };
    for (state, asked, dead, after) in [
        (State::Exited, 0, false, pending(1)),
        (State::Running, 0, false, pending(1)),
        // The engine may be about to: its client's death does not stop it.
        (State::Exited, 179, true, pending(1)),
        (State::Exited, 180, true, stopped(100)),
        (State::Exited, 180, false, stopped(100)),
        (State::Running, 0, true, Holding::Live),
        (State::Created, 0, true, Holding::Live),
        (State::Running, 180, false, Holding::Live),
    ] {
        let entry = entry(A, &[whole(0)], pending(1));
        let after_all = quietly(&entry, &seen(state, asked, dead), NOW + seconds(asked));
        assert_eq!(after_all, after, "{state} {asked} {dead}");
    }
}

#[test]
fn a_container_stopped_when_the_engine_says_or_now_and_never_later() {
    let stop = |finished: Option<Timestamp>| {
        let mut seen = complete(&[sighting(A, &[whole(0)], State::Exited)]);
        seen.stopped.extend(finished.map(|at| (id(A), at)));
        quietly(&entry(A, &[whole(0)], Holding::Live), &seen, NOW)
    };
    assert_eq!(stop(Some(NOW - seconds(7))), stopped(7));
    assert_eq!(stop(None), stopped(0));
    assert_eq!(stop(Some(NOW + seconds(7))), stopped(0));
}

#[test]
fn a_hold_ends_on_time_and_for_good() {
    let at = |hold: Option<Duration>, ago: u64| {
        let entry = Allocation {
            hold,
            ..entry(A, &[whole(0)], stopped(ago))
        };
        becomes(
            &entry,
            &complete(&[sighting(A, &[whole(0)], State::Exited)]),
            NOW,
        )
    };
    let released = |hold| {
        let entry = Allocation {
            hold,
            changed: 11,
            ..entry(A, &[whole(0)], Holding::Released)
        };
        (Some(Holding::Released), vec![Change::Released(entry)])
    };
    assert_eq!(at(Some(HOLD), 899), (Some(stopped(899)), vec![]));
    assert_eq!(at(Some(HOLD), 900), released(Some(HOLD)));
    assert_eq!(at(Some(seconds(0)), 0), released(Some(seconds(0))));
    assert_eq!(at(None, 900_000), (Some(stopped(900_000)), vec![]));
    // The clock set back does not bring it again: its devices may have gone to another.
    let entry = entry(A, &[whole(0)], Holding::Released);
    let seen = complete(&[sighting(A, &[whole(0)], State::Exited)]);
    assert_eq!(
        quietly(&entry, &seen, NOW - seconds(5000)),
        Holding::Released
    );
}

#[test]
fn a_hold_of_no_device_ends_without_a_word() {
    let entry = entry(A, &[], stopped(900));
    let seen = complete(&[sighting(A, &[], State::Exited)]);
    assert_eq!(quietly(&entry, &seen, NOW), Holding::Released);
}

#[test]
fn after_the_clock_was_set_back_nothing_lasts_longer_than_from_now() {
    let then = NOW - seconds(5000);
    let lapses = then + PENDING;
    let creator = Some(process(1));
    let mut ledger = ledger(&[
        intent(A, &[whole(0)], pending(1)),
        intent("b._.1", &[], orphaned()),
        entry("c._.1", &[whole(1)], stopped(0)),
    ]);
    ledger.grants_after = Some(NOW + PENDING);
    let seen = EngineSnapshot {
        asked_at: then,
        ..complete(&[sighting("c._.1", &[whole(1)], State::Exited)])
    };
    assert_eq!(reconcile(&mut ledger, &seen, then), []);
    let holdings: Vec<_> = ledger
        .entries()
        .map(|entry| entry.holding.clone())
        .collect();
    let expected = [
        Holding::Pending { creator, lapses },
        Holding::Orphaned {
            lapses: then + ORPHANED,
        },
        Holding::Stopped { since: then },
    ];
    assert_eq!(holdings, expected);
    assert_eq!(ledger.grants_after, Some(then + PENDING));
}
