//! Amounts that admins have reserved, and how they share what is free.

use super::{reserved::*, *};

#[test]
fn what_is_reserved_for_third_ones_is_not_left_of_an_amount() {
    let devices = [whole(0), whole(1), whole(2)];
    let taken = entry("a._.9", &[whole(2)], Holding::Live);
    let of_one = reservation(What::Devices(vec![(&whole(0)).into()]), user(1));
    let mut held = with(of_one, &[taken]);
    held.line.reservations.push(amount(1, 2));
    assert!(asked(3, 1, &held, &devices).is_err());
    assert_eq!(asked(2, 1, &held, &devices).unwrap(), "1");
    // Once it is over before the amount begins, it is.
    held.line.reservations[1].from = NOW + HOUR;
    held.line.reservations[1].until = NOW + 2 * HOUR;
    held.allocations.clear();
    assert_eq!(asked(3, 1, &held, &devices).unwrap(), "1");
}

#[test]
fn an_amount_of_a_group_is_not_given_twice_at_once() {
    let devices = [whole(0), whole(1)];
    let mut ledger = with(amount(2, 1), &[]);
    ledger.line.reservations.push(Reservation {
        whom: Whom::Group("vision".into()),
        ..amount(1, 0)
    });
    let member = |uid, ticket| {
        on(waiter(uid, ticket, 1), |terms| {
            terms.group = "vision".into()
        })
    };
    ledger.line.waiters = vec![member(2, 1), member(3, 2)];
    assert_eq!(planned(&ledger, &devices), shown(&[(1, "0"), (2, "-")]));
}

#[test]
fn what_is_free_is_left_to_one_amount_alone() {
    let devices = [whole(0), whole(1), whole(2)];
    let both = |other: Reservation| {
        let mut ledger = with(amount(1, 1), &[]);
        ledger
            .line
            .reservations
            .push(Reservation { id: 2, ..other });
        ledger
    };
    let two = both(amount(1, 2));
    assert_eq!(asked(3, 1, &two, &devices).unwrap(), "0");
    assert!(asked(3, 2, &two, &devices).is_err());
    assert_eq!(asked(1, 2, &two, &devices).unwrap(), "0 1");
    // What one of them holds already is lacking no more.
    let mut one = two.clone();
    one.allocations = vec![entry("a._.1", &[whole(2)], Holding::Live).into()];
    assert_eq!(asked(3, 1, &one, &devices).unwrap(), "0");
    assert!(asked(3, 2, &one, &devices).is_err());
    // Of one party they add up as well.
    assert!(asked(3, 2, &both(amount(1, 1)), &devices).is_err());
    // One after the other they need it once.
    let later = Reservation {
        from: NOW + HOUR,
        until: NOW + 2 * HOUR,
        ..amount(1, 2)
    };
    assert_eq!(asked(3, 2, &both(later), &devices).unwrap(), "0 1");
}

#[test]
fn the_reservation_that_is_named_is_the_one_that_stands_in_the_way() {
    let devices = [whole(0), whole(1), whole(2)];
    let one = reservation(What::Devices(vec![(&whole(0)).into()]), user(1));
    let group = Reservation {
        id: 2,
        whom: Whom::Group("vision".into()),
        ..amount(3, 2)
    };
    let named = |first: &Reservation, last: &Reservation, asked_for| {
        let mut ledger = with(first.clone(), &[]);
        ledger.line.reservations.push(Reservation {
            until: NOW + 8 * HOUR,
            ..last.clone()
        });
        match asked(3, asked_for, &ledger, &devices) {
            Err(Denied::Reserved { whom, until, .. }) => Some((whom, until)),
            _ => None,
        }
    };
    let vision = |hours| Some(("group vision".into(), NOW + hours * HOUR));
    assert_eq!(named(&one, &group, 1), vision(8));
    assert_eq!(named(&group, &one, 1), vision(1));
    // All three are free when both are over.
    let last = Some(("user1".into(), NOW + 8 * HOUR));
    assert_eq!(named(&group, &one, 3), last);
}
