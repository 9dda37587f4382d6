//! Who passes somebody in line, and what of that holds for their next run.

use std::sync::Arc;

use super::*;

#[test]
fn who_was_let_in_before_somebody_is_not_let_run_again_past_their_time() {
    let until = NOW + 4 * HOUR;
    let held = Allocation {
        ends: Some(until),
        ..entry("b._.8", &[whole(1)], Holding::Live)
    };
    // The first waits for two, and has them when the hold of the other is over.
    let served = until + HOLD;
    let mut ledger = line(&[waiter(1, 1, 2)], &[held]);
    let small = Limits {
        gpu_hold_after_stop: Some(HOLD),
        ..limits()
    };
    let request = Request {
        container: "a._.9".parse().unwrap(),
        devices: GpuRequest::any(1),
        run: Some(HOUR),
    };
    let small = Limits {
        lifecycle: crate::limits::Lifecycle {
            created_timeout: Some(HOUR),
            ..small.lifecycle.clone()
        },
        ..small
    };
    let inventory = Inventory {
        devices: vec![whole(0), whole(1)],
        ..Inventory::default()
    };
    let asked = ledger.request_devices(&request, &small, &inventory, None, None, NOW);
    let Ok(RequestOutcome::Given { passed, .. }) = asked else {
        panic!("{asked:?}");
    };
    assert_eq!(passed, Some(crate::line::Passed { ticket: 1, served }));
    let own = Allocation {
        passed,
        ..entry("a._.9", &[whole(0)], stopped(0))
    };
    ledger.allocations.push(own.clone().into());
    let devices = known(&[whole(0), whole(1)]);
    // Each time it stopped a moment ago.
    let again = |ledger: &Ledger, now: Timestamp| {
        let holding = Holding::Stopped { since: now };
        let mut ledger = ledger.clone();
        let own = Arc::make_mut(ledger.allocations.last_mut().unwrap());
        own.holding = holding;
        let own = own.clone();
        crate::allocate::run_again(&own, &small, Some(HOUR), &devices, &ledger, now)
    };
    assert_eq!(again(&ledger, served - HOUR - HOLD), Ok(()));
    let late = served - HOUR;
    let promised = Denied::Promised {
        slots: "0".into(),
        whom: "who waits in line with ticket 1".into(),
        from: served,
        until: Some(late + HOUR + HOLD),
    };
    assert_eq!(again(&ledger, late), Err(promised));
    assert_eq!(again(&ledger, served), Ok(()), "the time is past");
    let changed = |change: &dyn Fn(&mut Ledger)| {
        let mut ledger = ledger.clone();
        change(&mut ledger);
        again(&ledger, late)
    };
    let quota = |ledger: &mut Ledger| ledger.line.waiters[0].terms.quota = Some(Share::WHOLE);
    assert_eq!(changed(&quota), Ok(()), "it waits for its own quota");
    let small = |ledger: &mut Ledger| ledger.line.waiters[0].terms.whole_gpus = false;
    assert_eq!(changed(&small), Ok(()), "it cannot use it");
    let reserved = |ledger: &mut Ledger| {
        let of_nine = reserved::reservation(reserved::first_two(), reserved::user(9));
        ledger.line.reservations = vec![Reservation {
            until: served + HOUR,
            ..of_nine
        }];
    };
    assert_eq!(changed(&reserved), Ok(()), "it waits for a reservation");
    let for_ever = |ledger: &mut Ledger| Arc::make_mut(&mut ledger.allocations[1]).hold = None;
    assert_eq!(changed(&for_ever), Ok(()), "it is kept, run or not");
    let nobody = |ledger: &mut Ledger| ledger.line.waiters.clear();
    assert_eq!(changed(&nobody), Ok(()), "nobody waits any more");
}

#[test]
fn whom_a_turn_passed_is_not_to_wait_for_a_longer_run_of_it() {
    let until = NOW + 4 * HOUR;
    let held = Allocation {
        ends: Some(until),
        ..entry("b._.8", &[whole(1)], Holding::Live)
    };
    let short = away(on(waiter(2, 2, 1), |terms| terms.longest = Some(HOUR)));
    let mut ledger = line(&[waiter(1, 1, 2), short], &[held]);
    let inventory = Inventory {
        devices: vec![whole(0), whole(1)],
        ..Inventory::default()
    };
    let turns = ledger.serve_line(&known(&inventory.devices), None, NOW);
    let served = until + HOLD;
    let passed = Some(crate::line::Passed { ticket: 1, served });
    assert_eq!(turns[0].passed, passed);
    let brief = Limits {
        gpu_hold_after_stop: Some(seconds(0)),
        lifecycle: crate::limits::Lifecycle {
            created_timeout: Some(seconds(0)),
            ..limits().lifecycle
        },
        ..limits()
    };
    let new = |ledger: &Ledger, run: Duration| {
        let request = Request {
            container: "a._.2".parse().unwrap(),
            devices: GpuRequest::any(1),
            run: Some(run),
        };
        let asked = ledger
            .clone()
            .request_devices(&request, &brief, &inventory, None, None, NOW);
        asked.map(|asked| match asked {
            RequestOutcome::Given { passed, .. } => passed,
            RequestOutcome::Waits(..) => unreachable!("it does not wait"),
        })
    };
    let again = |ledger: &Ledger, run: Duration| {
        let released = entry("b._.2", &[whole(0)], Holding::Released);
        let known = known(&inventory.devices);
        let mut ledger = ledger.clone();
        let asked = ledger.request_same_devices(&released, &brief, Some(run), &known, NOW);
        asked.map(|(_, passed)| passed)
    };
    let idle = {
        let mut ledger = ledger.clone();
        ledger.line.waiters.clear();
        ledger
    };
    for ask in [&new as &dyn Fn(&Ledger, Duration) -> _, &again] {
        assert_eq!(ask(&ledger, HOUR), Ok(passed), "as planned");
        assert_eq!(ask(&ledger, 2 * HOUR), Ok(passed), "in time all the same");
        assert_eq!(ask(&ledger, 5 * HOUR).map(|_| String::new()), behind(1));
        assert_eq!(ask(&idle, HOUR), Ok(passed), "as planned, if in vain");
        assert_eq!(ask(&idle, 5 * HOUR), Ok(None), "nobody waits any more");
    }
}
