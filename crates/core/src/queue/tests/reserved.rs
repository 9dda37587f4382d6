//! What admins have reserved.

use std::sync::Arc;

use super::*;

pub(super) fn reservation(what: What, whom: Whom) -> Reservation {
    Reservation {
        id: 1,
        by: "root".into(),
        whom,
        what,
        from: NOW,
        until: NOW + HOUR,
        lead: 24 * HOUR,
    }
}

pub(super) fn user(uid: u32) -> Whom {
    Whom::User {
        uid,
        login: format!("user{uid}"),
    }
}

pub(super) fn with(reserved: Reservation, allocations: &[Allocation]) -> Ledger {
    let mut ledger = ledger(allocations);
    ledger.line.reservations = vec![reserved];
    ledger
}

pub(super) fn first_two() -> What {
    What::Devices([whole(0), whole(1)].iter().map(Held::from).collect())
}

#[test]
fn reserved_devices_are_for_those_alone_for_whom_they_are_reserved() {
    let devices = [whole(0), whole(1), whole(2)];
    let held = with(reservation(first_two(), user(1)), &[]);
    assert_eq!(asked(2, 1, &held, &devices).unwrap(), "2");
    let reserved = |asked, free| {
        Err(Denied::Reserved {
            asked,
            free,
            whom: "user1".into(),
            until: NOW + HOUR,
        })
    };
    assert_eq!(asked(2, 2, &held, &devices), reserved(2, 3));
    // They are given what is theirs first, and leave the rest to others.
    assert_eq!(asked(1, 3, &held, &devices).unwrap(), "0 1 2");
    let mig = [mig(3, 0, 1), whole(0)];
    assert_eq!(asked(1, 1, &held, &mig).unwrap(), "0");
    let mut of_group = held.clone();
    of_group.line.reservations[0].whom = Whom::Group("vision".into());
    let member = on(waiter(2, 1, 1), |terms| terms.group = "vision".into());
    of_group.line.waiters = vec![member, waiter(3, 2, 2)];
    assert_eq!(planned(&of_group, &devices), shown(&[(1, "0"), (2, "-")]));
    let mut over = held;
    over.line.reservations[0].until = NOW;
    assert_eq!(asked(2, 3, &over, &devices).unwrap(), "0 1 2");
}

#[test]
fn what_is_reserved_for_somebody_hides_nothing_that_they_can_afford() {
    let sevenths = |slices| Share::of_mig(slices, 7);
    let one = |device: &Device| reservation(What::Devices(vec![Held::from(device)]), user(1));
    let given = |quota, count, ledger: &Ledger, devices: &[Device]| {
        let limits = Limits { quota, ..limits() };
        asked_within(&limits, 1, count, ledger, devices)
    };
    let devices = [whole(0), mig(1, 0, 1), mig(1, 1, 1)];
    let all = with(one(&devices[0]), &[]);
    assert_eq!(given(sevenths(3), 1, &all, &devices).unwrap(), "1:0");
    assert_eq!(given(sevenths(3), 2, &all, &devices).unwrap(), "1:0 1:1");
    assert_eq!(given(None, 1, &all, &devices).unwrap(), "0");

    // Nor where they have some of it already.
    let devices = [mig(0, 0, 4), mig(0, 1, 3), mig(1, 0, 1), mig(1, 1, 1)];
    let has = entry("a._.1", &devices[..1], Holding::Live);
    let two = with(one(&devices[1]), &[has]);
    assert_eq!(given(sevenths(5), 1, &two, &devices).unwrap(), "1:0");
    assert_eq!(given(sevenths(7), 1, &two, &devices).unwrap(), "0:1");
}

#[test]
fn a_clock_that_is_ahead_for_a_while_takes_no_reservation_away() {
    let mut held = with(reservation(first_two(), user(1)), &[]);
    let ahead = NOW + 48 * HOUR;
    held.tidy_line(&[], ahead);
    assert_eq!(held.line.reserved(ahead).count(), 0);
    assert_eq!(held.line.reserved(NOW).count(), 1);
    held.tidy_line(&[], NOW + HOUR + REMEMBERED);
    assert_eq!(held.line.reservations, []);
}

#[test]
fn before_it_begins_others_have_what_they_give_back_in_time() {
    let mut coming = with(reservation(first_two(), user(1)), &[]);
    coming.line.reservations[0].from = NOW + 2 * HOUR;
    coming.line.reservations[0].until = NOW + 4 * HOUR;
    let given = |longest: Option<Duration>, lead: Duration| {
        let mut ledger = coming.clone();
        ledger.line.reservations[0].lead = lead;
        ledger.line.waiters = vec![on(waiter(2, 1, 1), |terms| terms.longest = longest)];
        planned(&ledger, &[whole(0)])
    };
    let (yes, no) = (shown(&[(1, "0")]), shown(&[(1, "-")]));
    assert_eq!(given(Some(2 * HOUR), 24 * HOUR), yes);
    assert_eq!(given(Some(3 * HOUR), 24 * HOUR), no);
    assert_eq!(given(None, 24 * HOUR), no);
    assert_eq!(given(None, HOUR), yes);
}

#[test]
fn of_an_amount_others_have_only_what_is_left() {
    let devices = [whole(0), whole(1), mig(2, 0, 3), mig(2, 1, 4)];
    let two = What::Amount(Share::WHOLE + Share::WHOLE);
    let of_group = reservation(two, Whom::Group("vision".into()));
    let held = with(of_group.clone(), &[]);
    // Three GPUs are free: one is left.
    assert_eq!(asked(2, 2, &held, &devices).unwrap(), "2:0 2:1");
    assert!(matches!(
        asked(2, 3, &held, &devices),
        Err(Denied::Reserved { .. })
    ));
    // What the group holds is part of it.
    let of_theirs = Allocation {
        group: "vision".into(),
        ..entry("a._.7", &[whole(0)], Holding::Live)
    };
    let held = with(of_group, &[of_theirs]);
    assert_eq!(asked(2, 2, &held, &devices).unwrap(), "2:0 2:1");
    assert!(asked(2, 3, &held, &devices).is_err());
    let member = on(waiter(3, 1, 3), |terms| terms.group = "vision".into());
    let mut held = held;
    held.line.waiters = vec![member];
    assert_eq!(planned(&held, &devices), shown(&[(1, "2:0 2:1 1")]));
}

#[test]
fn who_waits_for_a_reservation_to_end_keeps_nobody_waiting() {
    let mut held = with(reservation(first_two(), user(1)), &[]);
    held.line.waiters = vec![waiter(2, 1, 1), waiter(1, 2, 1)];
    let devices = [whole(0), whole(1)];
    assert_eq!(planned(&held, &devices), shown(&[(1, "-"), (2, "0")]));
    let entries = plan(&held, &known(&devices), None, NOW);
    assert_eq!(entries[0].expected, Some(NOW + HOUR));
    // Each of the two is left by an amount, and both are not.
    let mut held = with(amount(1, 1), &[]);
    held.line.waiters = vec![waiter(2, 1, 2), waiter(3, 2, 1)];
    assert_eq!(planned(&held, &devices), shown(&[(1, "-"), (2, "0")]));
    let entries = plan(&held, &known(&devices), None, NOW);
    assert_eq!(entries[0].expected, Some(NOW + HOUR));
    // Of what is with others they count on their own all the same.
    held.allocations = vec![entry("a._.9", &[whole(2)], Holding::Live).into()];
    let devices = [whole(0), whole(1), whole(2)];
    assert_eq!(planned(&held, &devices), shown(&[(1, "-"), (2, "-")]));
}

/// A reservation of the first two GPUs for user 1, which begins in two hours.
fn coming() -> Reservation {
    Reservation {
        from: NOW + 2 * HOUR,
        until: NOW + 4 * HOUR,
        ..reservation(first_two(), user(1))
    }
}

#[test]
fn a_turn_ends_where_a_reservation_begins_and_what_is_made_of_it_before() {
    let turn = |from: Timestamp, longest: Duration, lead: Duration| {
        let mut ledger = with(
            Reservation {
                from,
                lead,
                ..coming()
            },
            &[],
        );
        let waiter = away(waiter(2, 1, 1));
        ledger.line.waiters = vec![on(waiter, |terms| terms.longest = Some(longest))];
        let turns = ledger.serve_line(&known(&[whole(0)]), None, NOW);
        turns.first().map(|turn| turn.until)
    };
    let day = 24 * HOUR;
    // It may be an hour, after the time for which it is kept.
    assert_eq!(turn(NOW + HOUR + KEPT, HOUR, day), Some(NOW + KEPT));
    assert_eq!(turn(NOW + HOUR, HOUR, day), None);
    // What nobody has to mind yet bounds the turn all the same.
    let soon = NOW + Duration::from_secs(60);
    assert_eq!(turn(soon, HOUR, Duration::from_secs(1)), Some(soon));
}

#[test]
fn another_run_is_over_before_a_reservation_begins() {
    let again = |reserved: Reservation, run: Duration, uid: u32| {
        let own = entry(&format!("a._.{uid}"), &[whole(0)], stopped(1));
        let ledger = with(reserved, std::slice::from_ref(&own));
        let devices = known(&[whole(0), whole(1), whole(2)]);
        crate::allocate::run_again(&own, &limits(), Some(run), &devices, &ledger, NOW)
    };
    let promised = |from: Timestamp, run: Duration| {
        Err(Denied::Promised {
            slots: "0".into(),
            whom: "user1".into(),
            from,
            until: Some(NOW + run + HOLD),
        })
    };
    let (in_time, too_long) = (2 * HOUR - HOLD, 2 * HOUR);
    assert_eq!(again(coming(), in_time, 2), Ok(()));
    assert_eq!(again(coming(), too_long, 1), Ok(()), "it is theirs");
    let late = promised(NOW + 2 * HOUR, too_long);
    assert_eq!(again(coming(), too_long, 2), late);
    let begun = Reservation {
        from: NOW - HOUR,
        ..coming()
    };
    assert_eq!(again(begun, HOUR, 2), promised(NOW - HOUR, HOUR));
    // Of an amount only what is not left to them without it.
    let amount = |share| Reservation {
        what: What::Amount(share),
        ..coming()
    };
    let two = Share::WHOLE + Share::WHOLE;
    assert_eq!(again(amount(two), too_long, 2), Ok(()));
    assert_eq!(
        again(amount(two + Share::WHOLE), too_long, 2),
        promised(NOW + 2 * HOUR, too_long)
    );
}

/// Whether a container of user 2 that stopped just now may run again, for ever: with GPU 0, which
/// it keeps for [`HOLD`], as `change` says. GPUs 0 and 1 are all there is.
fn runs_again(
    reserved: Reservation,
    others: &[Allocation],
    change: impl FnOnce(&mut Allocation),
) -> bool {
    let mut own = entry("a._.2", &[whole(0)], stopped(0));
    change(&mut own);
    let ledger = with(reserved, &[&[own.clone()], others].concat());
    let devices = known(&[whole(0), whole(1)]);
    let again = crate::allocate::run_again(&own, &limits(), None, &devices, &ledger, NOW);
    assert!(matches!(again, Ok(()) | Err(Denied::Promised { .. })));
    again.is_ok()
}

#[test]
fn another_run_is_refused_only_where_somebody_gains_by_it() {
    assert!(!runs_again(coming(), &[], |_| ()));
    // Whether it runs or not, it has its GPU until all is over.
    let kept = |hold| move |own: &mut Allocation| own.hold = hold;
    assert!(runs_again(coming(), &[], kept(None)));
    assert!(runs_again(coming(), &[], kept(Some(4 * HOUR))));
    assert!(!runs_again(
        coming(),
        &[],
        kept(Some(4 * HOUR - seconds(1)))
    ));
}

#[test]
fn a_device_with_another_number_by_now_is_reserved_all_the_same() {
    let slot = "7".parse().unwrap();
    assert!(!runs_again(coming(), &[], |own| own.devices[0].slot = slot));
}

#[test]
fn of_an_amount_counts_what_is_free_when_it_begins() {
    let one = Reservation {
        what: What::Amount(Share::WHOLE),
        ..coming()
    };
    let with_one = |uid: u32, ends: Timestamp| Allocation {
        ends: Some(ends),
        ..entry(&format!("b._.{uid}"), &[whole(1)], Holding::Live)
    };
    let in_time = one.from - HOLD;
    assert!(runs_again(one.clone(), &[with_one(3, in_time)], |_| ()));
    let late = in_time + seconds(1);
    assert!(!runs_again(one.clone(), &[with_one(3, late)], |_| ()));
    let begun = Reservation {
        from: NOW,
        ..one.clone()
    };
    assert!(!runs_again(begun, &[with_one(3, in_time)], |_| ()));
    // What they hold and give back in time is not there twice.
    let two = Reservation {
        what: What::Amount(Share::WHOLE + Share::WHOLE),
        ..one
    };
    assert!(!runs_again(two, &[with_one(1, in_time)], |_| ()));
}

#[test]
fn what_is_kept_for_a_short_run_is_not_for_a_longer_one() {
    let short = away(on(waiter(2, 1, 1), |terms| terms.longest = Some(HOUR)));
    let mut ledger = with(coming(), &[]);
    ledger.line.waiters = vec![short];
    let devices = [whole(0)];
    let turns = ledger.serve_line(&known(&devices), None, NOW);
    assert_eq!(turns[0].longest, Some(HOUR));
    let planned = |ledger: &Ledger, longest: Option<Duration>| {
        let mut ledger = ledger.clone();
        ledger.line.waiters = vec![on(waiter(2, 2, 1), |terms| terms.longest = longest)];
        planned(&ledger, &devices)
    };
    let (yes, no) = (shown(&[(2, "0")]), shown(&[(2, "-")]));
    assert_eq!(planned(&ledger, Some(HOUR)), yes);
    // As long as there is time it is theirs, as any other would be.
    assert_eq!(planned(&ledger, Some(2 * HOUR)), yes);
    assert_eq!(planned(&ledger, Some(2 * HOUR + seconds(1))), no);
    assert_eq!(planned(&ledger, None), no);
    // From before it was noted.
    ledger.line.turns[0].longest = None;
    assert_eq!(planned(&ledger, None), yes);
    let text = serde_json::to_string(&ledger.line.turns[0]).unwrap();
    assert!(!text.contains("longest"), "{text}");
    let turn: Turn = serde_json::from_str(&text).unwrap();
    assert_eq!(turn, ledger.line.turns[0]);
}

/// As [`reservation`], of so many GPUs.
pub(super) fn amount(gpus: u32, uid: u32) -> Reservation {
    let amount = std::iter::repeat_n(Share::WHOLE, gpus as usize).sum();
    reservation(What::Amount(amount), user(uid))
}

#[test]
fn what_two_have_reserved_and_is_short_is_for_who_comes_first() {
    let devices = [whole(0), whole(1)];
    let short = |of_one: Reservation, of_two: Reservation| {
        let taken = entry("a._.9", &[whole(1)], Holding::Live);
        let mut ledger = with(of_one, &[taken]);
        ledger.line.reservations.push(of_two);
        ledger
    };
    let both = short(amount(1, 1), amount(1, 2));
    assert_eq!(asked(1, 1, &both, &devices).unwrap(), "0");
    assert_eq!(asked(2, 1, &both, &devices).unwrap(), "0");
    assert!(asked(3, 1, &both, &devices).is_err());
    let of_device = reservation(What::Devices(vec![(&whole(0)).into()]), user(1));
    let both = short(of_device, amount(1, 2));
    assert_eq!(asked(1, 1, &both, &devices).unwrap(), "0");
    assert!(asked(2, 1, &both, &devices).is_err(), "it is of the other");
    // What they have of it already is not theirs again.
    let mut used = short(amount(1, 1), amount(1, 2));
    Arc::make_mut(&mut used.allocations[0]).container = "a._.1".parse().unwrap();
    assert!(asked(1, 1, &used, &devices).is_err());
    assert_eq!(asked(2, 1, &used, &devices).unwrap(), "0");
    // Nor is it as long as they like: theirs is over when that of the other begins.
    let coming = Reservation {
        from: NOW + HOUR,
        until: NOW + 2 * HOUR,
        ..amount(1, 2)
    };
    let both = short(amount(1, 1), coming.clone());
    assert!(asked(1, 1, &both, &devices).is_err());
    let longer = Reservation {
        until: NOW + 2 * HOUR,
        ..amount(1, 1)
    };
    let both = short(longer, coming);
    assert_eq!(asked(1, 1, &both, &devices).unwrap(), "0");
}

#[test]
fn what_somebody_has_by_their_own_reservation_runs_again() {
    let mut own = entry("a._.2", &[whole(0)], stopped(0));
    let mut ledger = with(amount(2, 1), &[own.clone()]);
    let again = |ledger: &Ledger, own: &Allocation| {
        let devices = known(&[whole(0), whole(1)]);
        crate::allocate::run_again(own, &limits(), None, &devices, ledger, NOW).is_ok()
    };
    assert!(!again(&ledger, &own));
    ledger.line.reservations.push(amount(1, 2));
    assert!(again(&ledger, &own));
    own.devices.push((&whole(1)).into());
    ledger.allocations = vec![own.clone().into()];
    assert!(!again(&ledger, &own), "of two one is theirs");
}
