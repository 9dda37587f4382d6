//! A run that is to last longer.

use super::{
    reserved::{first_two, reservation, user},
    *,
};
use crate::{allocate::run_longer, lifecycle::NotExtended, line::Passed};

/// Asks for a run of a container of user 2 until `later`, which without that ends in an hour. It
/// has GPU 0; GPU 1 is free.
fn longer(ledger: &Ledger, own: &Allocation, later: Timestamp) -> Result<(), NotExtended> {
    let mut ledger = ledger.clone();
    ledger.allocations.push(own.clone().into());
    let devices = known(&[whole(0), whole(1)]);
    let times = (NOW + HOUR, later);
    run_longer(own, &limits(), times, &devices, &ledger, NOW)
}

fn own() -> Allocation {
    Allocation {
        ends: Some(NOW + HOUR),
        ..entry("a._.2", &[whole(0)], Holding::Live)
    }
}

fn promised(whom: &str, from: Timestamp, later: Timestamp) -> Result<(), NotExtended> {
    Err(NotExtended::Promised {
        slots: "0".into(),
        whom: whom.into(),
        from,
        until: later + HOLD,
        left: from.since(NOW + HOUR + HOLD),
    })
}

#[test]
fn a_longer_run_is_over_before_a_reservation_begins() {
    let coming = Reservation {
        from: NOW + 4 * HOUR,
        until: NOW + 6 * HOUR,
        ..reservation(first_two(), user(1))
    };
    let (in_time, late) = (coming.from - HOLD, coming.from - HOLD + seconds(1));
    let with = |change: &dyn Fn(&mut Reservation)| {
        let mut reserved = coming.clone();
        change(&mut reserved);
        let mut ledger = line(&[], &[]);
        ledger.line.reservations = vec![reserved];
        ledger
    };
    let of_others = with(&|_| ());
    assert_eq!(longer(&of_others, &own(), in_time), Ok(()));
    let refused = promised("user1", coming.from, late);
    assert_eq!(longer(&of_others, &own(), late), refused);
    let own_one = with(&|reserved| reserved.whom = user(2));
    assert_eq!(longer(&own_one, &own(), late), Ok(()));
    let not_yet = with(&|reserved| reserved.lead = HOUR);
    assert_eq!(
        longer(&not_yet, &own(), late),
        Ok(()),
        "nobody minds it yet"
    );
    let for_ever = Allocation {
        hold: None,
        ..own()
    };
    let kept = longer(&of_others, &for_ever, late);
    assert_eq!(kept, Ok(()), "it is kept, run or not");
    // It has begun: what was held then is theirs for the run that they have.
    let begun = with(&|reserved| reserved.from = NOW - HOUR);
    let refused = promised("user1", NOW - HOUR, in_time);
    assert_eq!(longer(&begun, &own(), in_time), refused);
    let over = with(&|r| (r.from, r.until) = (NOW, NOW + HOUR + HOLD));
    assert_eq!(longer(&over, &own(), late), Ok(()), "nobody gains by it");
    // Of an amount only what is not left to them without it.
    let amount = |share| with(&|reserved| reserved.what = What::Amount(share));
    assert_eq!(longer(&amount(Share::WHOLE), &own(), late), Ok(()));
    let two = Share::WHOLE + Share::WHOLE;
    let refused = promised("user1", coming.from, late);
    assert_eq!(longer(&amount(two), &own(), late), refused);
}

#[test]
fn who_was_let_in_before_somebody_does_not_run_longer_past_their_time() {
    let served = NOW + 4 * HOUR;
    let passed = Allocation {
        passed: Some(Passed { ticket: 1, served }),
        ..own()
    };
    let mut ledger = line(&[waiter(1, 1, 2)], &[]);
    let (in_time, late) = (served - HOLD, served - HOLD + seconds(1));
    assert_eq!(longer(&ledger, &passed, in_time), Ok(()));
    let whom = "who waits in line with ticket 1";
    let refused = longer(&ledger, &passed, late);
    assert_eq!(refused, promised(whom, served, late));
    assert_eq!(longer(&ledger, &own(), late), Ok(()), "it passed nobody");
    // Of two who are to have it the first counts.
    let soon = Reservation {
        from: served - HOUR,
        until: served,
        ..reservation(first_two(), user(1))
    };
    ledger.line.reservations = vec![soon];
    let refused = longer(&ledger, &passed, late);
    assert_eq!(refused, promised("user1", served - HOUR, late));
    ledger.line.waiters.clear();
    ledger.line.reservations.clear();
    assert_eq!(longer(&ledger, &passed, late), Ok(()), "nobody waits");
}
