use std::time::Duration;

use super::*;
use crate::{
    admit::Request,
    allocate::allocate,
    device::{
        Device, Inventory,
        tests::{mig, whole},
    },
    gpu_request::GpuRequest,
    ledger::{
        Allocation, Holding, Process,
        tests::{HOLD, NOW, entry, ledger, process, seconds, stopped},
    },
    limits::Limits,
    line::{KEPT, OFFER, REMEMBERED, Stay, Terms, Turn},
    reservation::{Reservation, What, Whom},
};

mod amounts;
mod changes;
mod launches;
mod longer;
mod passed;
mod reserved;

const HOUR: Duration = Duration::from_secs(3600);

fn limits() -> Limits {
    Limits {
        quota: None,
        devices_per_container: None,
        containers: None,
        ..Limits::shipped()
    }
}

/// A request that waits at a terminal: the later its ticket, the later it came.
fn waiter(uid: u32, ticket: u64, devices: u32) -> Waiter {
    Waiter {
        ticket,
        uid,
        container: Some(format!("w{ticket}").parse().unwrap()),
        devices: GpuRequest::any(devices),
        kind: crate::lifecycle::ContainerKind::Ds01,
        logged: true,
        terms: Terms {
            longest: None,
            ..Terms::of(&limits(), None)
        },
        since: NOW - seconds(100) + seconds(ticket),
        stay: Stay::Present {
            process: Some(process(ticket as u32)),
            until: NOW + 24 * HOUR,
            offered: None,
        },
    }
}

fn away(waiter: Waiter) -> Waiter {
    Waiter {
        stay: Stay::Away { launch: None },
        ..waiter
    }
}

/// With other terms.
fn on(waiter: Waiter, change: impl FnOnce(&mut Terms)) -> Waiter {
    let mut waiter = waiter;
    change(&mut waiter.terms);
    waiter
}

fn line(waiters: &[Waiter], allocations: &[Allocation]) -> Ledger {
    let mut ledger = ledger(allocations);
    ledger.line.waiters = waiters.to_vec();
    ledger
}

fn known(devices: &[Device]) -> Vec<Known> {
    devices.iter().map(Known::from).collect()
}

/// The tickets in their order, each with the slots that it is given.
fn planned(ledger: &Ledger, devices: &[Device]) -> Vec<(u64, String)> {
    let slots = |held: Vec<Held>| {
        let slots: Vec<_> = held.iter().map(|held| held.slot.to_string()).collect();
        slots.join(" ")
    };
    let entries = plan(ledger, &known(devices), None, NOW).into_iter();
    let shown = entries.map(|e| (e.waiter.ticket, e.verdict.map_or("-".into(), slots)));
    shown.collect()
}

fn shown(expected: &[(u64, &str)]) -> Vec<(u64, String)> {
    let owned = |(ticket, slots): &(u64, &str)| (*ticket, slots.to_string());
    expected.iter().map(owned).collect()
}

/// What somebody is given who asks now, for a new container.
fn asked(uid: u32, devices: u32, ledger: &Ledger, host: &[Device]) -> Result<String, Denied> {
    asked_within(&limits(), uid, devices, ledger, host)
}

fn asked_within(
    limits: &Limits,
    uid: u32,
    devices: u32,
    ledger: &Ledger,
    host: &[Device],
) -> Result<String, Denied> {
    let request = Request {
        container: format!("new._.{uid}").parse().unwrap(),
        devices: GpuRequest::any(devices),
        run: None,
    };
    let inventory = Inventory {
        devices: host.to_vec(),
        ..Inventory::default()
    };
    let held = allocate(&request, limits, &inventory, ledger, NOW)?.devices;
    let slots: Vec<_> = held.iter().map(|held| held.slot.to_string()).collect();
    Ok(slots.join(" "))
}

fn behind(ahead: u32) -> Result<String, Denied> {
    Err(Denied::Behind {
        asked: 1,
        free: 1,
        ahead,
    })
}

#[test]
fn the_line_is_served_by_priority_then_recent_use_then_arrival() {
    let important = on(waiter(5, 9, 1), |terms| terms.priority = 90);
    let mut line = line(
        &[waiter(1, 1, 1), waiter(2, 2, 1), waiter(3, 3, 1), important],
        &[entry("a._.3", &[whole(9)], Holding::Live)],
    );
    line.line.recent.at = NOW;
    line.line.recent.uses.insert(1, 28 * 4 * 3600);
    let devices = [whole(0), whole(1)];
    let expected = shown(&[(9, "0"), (2, "1"), (3, "-"), (1, "-")]);
    assert_eq!(planned(&line, &devices), expected);
}

#[test]
fn who_asks_often_is_served_in_turn_with_who_asks_once() {
    let line = line(
        &[
            waiter(1, 1, 1),
            waiter(1, 2, 1),
            waiter(1, 3, 1),
            waiter(2, 4, 1),
        ],
        &[],
    );
    let devices = [whole(0), whole(1)];
    let expected = shown(&[(1, "0"), (4, "1"), (2, "-"), (3, "-")]);
    assert_eq!(planned(&line, &devices), expected);
}

#[test]
fn nobody_passes_the_line_by_asking_again() {
    let one = line(&[waiter(1, 1, 1)], &[]);
    assert_eq!(asked(2, 1, &one, &[whole(0)]), behind(1));
    assert_eq!(asked(2, 1, &one, &[whole(0), whole(1)]).unwrap(), "1");
    // The one who waits asks for what is theirs.
    let mut own = one.clone();
    own.line.waiters[0].container = Some("new".parse().unwrap());
    assert_eq!(asked(1, 1, &own, &[whole(0)]).unwrap(), "0");
    // Whoever is before them by the order is not behind them.
    let mut heavy = one;
    heavy.line.recent.at = NOW;
    heavy.line.recent.uses.insert(1, 28 * 3600);
    assert_eq!(asked(2, 1, &heavy, &[whole(0)]).unwrap(), "0");
}

#[test]
fn a_large_request_keeps_what_is_free_from_small_ones() {
    let taken = [entry("a._.9", &[whole(1)], Holding::Live)];
    let line = line(&[waiter(1, 1, 2), waiter(2, 2, 1)], &taken);
    let devices = [whole(0), whole(1)];
    assert_eq!(planned(&line, &devices), shown(&[(1, "-"), (2, "-")]));
    let why = |at: usize| plan(&line, &known(&devices), None, NOW).remove(at).verdict;
    let none_free = Denied::NoneFree {
        asked: 2,
        free: 1,
        exist: 2,
    };
    assert_eq!(why(0), Err(none_free));
    assert_eq!(why(1).map(|_| String::new()), behind(1));
}

#[test]
fn small_ones_pass_if_they_end_in_time_or_leave_enough() {
    // GPU 1 is free again in 800 s, GPU 2 nobody knows when.
    let taken = [
        entry("a._.9", &[whole(1)], stopped(100)),
        entry("b._.9", &[whole(2)], Holding::Live),
    ];
    let with = |longest: Option<u64>, more: &[Device]| {
        let small = on(waiter(2, 2, 1), |t| t.longest = longest.map(seconds));
        let line = line(&[waiter(1, 1, 2), small], &taken);
        let devices = [&[whole(0), whole(1), whole(2)], more].concat();
        planned(&line, &devices)
    };
    let passes = |slot| shown(&[(1, "-"), (2, slot)]);
    assert_eq!(with(Some(800), &[]), passes("0"));
    assert_eq!(with(Some(801), &[]), passes("-"));
    assert_eq!(with(None, &[]), passes("-"));
    // A third that will be free by then, so that one of the two others is not needed.
    let more = [entry("c._.9", &[whole(3)], stopped(700))];
    let line = line(
        &[waiter(1, 1, 2), waiter(2, 2, 1)],
        &[&taken[..], &more].concat(),
    );
    let devices = [whole(0), whole(1), whole(2), whole(3)];
    let expected: Vec<_> = plan(&line, &known(&devices), None, NOW)
        .into_iter()
        .map(|entry| (entry.verdict.is_ok(), entry.expected))
        .collect();
    // By 200 s the first has 0 and 3: the other must leave it 0 until then.
    assert_eq!(
        expected,
        [
            (false, Some(NOW + seconds(200))),
            (false, Some(NOW + seconds(800)))
        ]
    );
}

#[test]
fn who_leaves_enough_for_the_head_may_stay_as_long_as_they_like() {
    // By 800 s three are free, of which the head needs two.
    let taken = [
        entry("a._.9", &[whole(1)], stopped(100)),
        entry("b._.9", &[whole(2)], stopped(100)),
    ];
    let line = line(&[waiter(1, 1, 2), waiter(2, 2, 1), waiter(3, 3, 1)], &taken);
    let devices = [whole(0), whole(1), whole(2)];
    let expected = shown(&[(1, "-"), (2, "0"), (3, "-")]);
    assert_eq!(planned(&line, &devices), expected);
}

#[test]
fn the_longest_run_and_the_hold_after_it_are_known_ends() {
    let ends = Some(NOW + seconds(1000));
    let running = Allocation {
        ends,
        ..entry("a._.9", &[whole(0)], Holding::Live)
    };
    let expected = |entry: &Allocation| {
        let line = line(&[waiter(1, 1, 1)], std::slice::from_ref(entry));
        plan(&line, &known(&[whole(0)]), None, NOW)
            .remove(0)
            .expected
    };
    assert_eq!(expected(&running), Some(NOW + seconds(1000) + HOLD));
    let for_ever = Allocation {
        hold: None,
        ..running.clone()
    };
    assert_eq!(expected(&for_ever), None);
    // What should have been stopped already ends nobody knows when.
    let overdue = Allocation {
        ends: Some(NOW),
        ..running
    };
    assert_eq!(expected(&overdue), None);
}

#[test]
fn who_waits_for_their_own_quota_keeps_nobody_waiting() {
    let taken = [entry("a._.1", &[whole(1)], Holding::Live)];
    let full = on(waiter(1, 1, 1), |terms| {
        (terms.quota, terms.priority) = (Some(Share::WHOLE), 50);
    });
    let line = line(&[full, waiter(2, 2, 1)], &taken);
    let devices = [whole(0), whole(1)];
    assert_eq!(planned(&line, &devices), shown(&[(1, "-"), (2, "0")]));
    let quota = Denied::Quota {
        held: Share::WHOLE,
        asked: Share::WHOLE,
        quota: Share::WHOLE,
    };
    let entry = plan(&line, &known(&devices), None, NOW).remove(0);
    assert_eq!((entry.verdict, entry.expected), (Err(quota), None));
}

#[test]
fn a_turn_is_not_behind_another_request_of_its_user() {
    let limits = Limits {
        quota: Some(Share::WHOLE + Share::WHOLE),
        ..limits()
    };
    let devices = [whole(0), whole(1)];
    for longest in [None, Some(HOUR)] {
        let request = |ticket| {
            away(on(waiter(1, ticket, 1), |terms| {
                *terms = Terms {
                    longest,
                    ..Terms::of(&limits, None)
                }
            }))
        };
        let held = entry("a._.2", &[whole(0)], Holding::Live);
        let mut ledger = line(&[request(1), request(2)], &[held]);
        let turns = ledger.serve_line(&known(&devices), None, NOW);
        assert_eq!((turns.len(), turns[0].ticket), (1, 1));
        let theirs = asked_within(&limits, 1, 1, &ledger, &devices);
        assert_eq!(theirs, Ok("1".into()), "{longest:?}");
    }
}

#[test]
fn who_can_only_use_small_devices_keeps_only_those_from_others() {
    let devices = [whole(0), mig(1, 0, 3), mig(1, 1, 4)];
    let taken = [entry("a._.9", &[mig(1, 0, 3)], Holding::Live)];
    for change in [
        (|terms| (terms.whole_gpus, terms.quota) = (false, Share::of_mig(3, 7))) as fn(&mut Terms),
        |terms| terms.quota = Share::of_mig(3, 7),
    ] {
        let line = line(&[on(waiter(1, 1, 1), change), waiter(2, 2, 2)], &taken);
        assert_eq!(planned(&line, &devices), shown(&[(1, "-"), (2, "1:1 0")]));
    }
}

#[test]
fn expected_times_follow_one_another() {
    let taken = [
        entry("a._.9", &[whole(0)], stopped(100)),
        entry("b._.9", &[whole(1)], stopped(200)),
    ];
    let of = |ticket, longest| on(waiter(ticket, ticket.into(), 1), |t| t.longest = longest);
    let line = line(
        &[
            of(1, Some(seconds(50))),
            of(2, None),
            of(3, None),
            of(4, None),
        ],
        &taken,
    );
    let expected: Vec<_> = plan(&line, &known(&[whole(0), whole(1)]), None, NOW)
        .into_iter()
        .map(|entry| entry.expected.map(|at| at.since(NOW).as_secs()))
        .collect();
    assert_eq!(expected, [Some(700), Some(750), Some(800), None]);
}

#[test]
fn who_is_next_waits_for_a_turn_and_for_the_run_that_it_is_for() {
    let hour = |terms: &mut Terms| terms.longest = Some(HOUR);
    let devices = [whole(0)];
    let requests = [1, 2].map(|uid| away(on(waiter(uid, uid.into(), 1), hour)));
    let mut ledger = line(&requests, &[]);
    let expected = |ledger: &Ledger| {
        let entries = plan(ledger, &known(&devices), None, NOW);
        entries
            .into_iter()
            .find(|e| e.waiter.ticket == 2)
            .unwrap()
            .expected
    };
    let before = expected(&ledger);
    assert_eq!(before, Some(NOW + KEPT + HOUR));
    assert_eq!(ledger.serve_line(&known(&devices), None, NOW).len(), 1);
    assert_eq!(expected(&ledger), before);
}

#[test]
fn a_turn_is_within_the_quota_of_the_day_on_which_it_is_used() {
    let quota = |gpus: Share| Limits {
        quota: Some(gpus),
        ..limits()
    };
    let both = Share::WHOLE + Share::WHOLE;
    let devices = [whole(0), mig(1, 0, 3), mig(1, 1, 1)];
    let request = away(on(waiter(1, 1, 1), |terms| {
        *terms = Terms::of(&quota(both), None)
    }));
    let others = [
        entry("own._.1", &[mig(1, 0, 3)], Holding::Live),
        entry("a._.2", &[mig(1, 1, 1)], Holding::Live),
    ];
    let mut ledger = line(&[request], &others);
    assert_eq!(ledger.serve_line(&known(&devices), None, NOW).len(), 1);
    let asked = |gpus| asked_within(&quota(gpus), 1, 1, &ledger, &devices);
    assert_eq!(asked(both), Ok("0".into()));
    let lowered = asked(Share::WHOLE);
    assert!(matches!(lowered, Err(Denied::Quota { .. })), "{lowered:?}");
}
