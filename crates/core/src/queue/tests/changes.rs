//! Who leaves, who is given a turn, who should ask.

use super::*;
use crate::allocate::in_words;

/// A line whose devices are known, as it is after somebody has asked.
fn after(mut ledger: Ledger, devices: &[Device]) -> Ledger {
    ledger.line.devices = known(devices);
    ledger
}

#[test]
fn what_is_free_is_kept_for_who_does_not_wait_at_a_terminal() {
    let devices = [whole(0)];
    let mut ledger = line(&[away(waiter(1, 1, 1)), waiter(2, 2, 1)], &[]);
    let turns = ledger.serve_line(&known(&devices), None, NOW);
    let expected = Turn {
        passed: None,
        container: Some("w1".parse().unwrap()),
        logged: true,
        ticket: 1,
        uid: 1,
        group: String::new(),
        devices: vec![(&whole(0)).into()],
        until: NOW + KEPT,
        longest: None,
        launch: None,
        told: false,
        doing: None,
    };
    assert_eq!(turns, [expected]);
    assert_eq!(ledger.line.turns, turns);
    assert_eq!(planned(&ledger, &devices), shown(&[(2, "-")]));
    let none_free = Denied::NoneFree {
        asked: 1,
        free: 0,
        exist: 1,
    };
    assert_eq!(asked(3, 1, &ledger, &devices), Err(none_free));
    // Any container of theirs may have it.
    assert_eq!(asked(1, 1, &ledger, &devices).unwrap(), "0");
    let used = ledger
        .line
        .take(&"c._.1".parse().unwrap(), &[(&whole(0)).into()]);
    assert_eq!(ledger.line.turns, []);
    // No container came of it.
    ledger.line.keep_again(used);
    assert_eq!(ledger.line.turns, turns);
}

#[test]
fn while_the_engine_is_making_a_container_who_asks_waits() {
    let mut ledger = line(&[], &[]);
    let request = Request {
        container: "new._.1".parse().unwrap(),
        devices: GpuRequest::any(1),
        run: None,
    };
    let inventory = Inventory {
        devices: vec![whole(0)],
        ..Inventory::default()
    };
    let wait = Wait {
        kind: crate::lifecycle::ContainerKind::Ds01,
        process: None,
        until: NOW + HOUR,
    };
    let mut ask = |unclear| {
        ledger.request_devices(
            &request,
            &limits(),
            &inventory,
            unclear,
            Some(wait.clone()),
            NOW,
        )
    };
    let unclear = Denied::Unclear { name: "odd".into() };
    let waits = ask(Some("odd"));
    assert!(
        matches!(&waits, Ok(RequestOutcome::Waits(_, why)) if *why == unclear),
        "{waits:?}"
    );
    assert!(matches!(ask(None), Ok(RequestOutcome::Given { .. })));
    assert_eq!(ledger.line.waiters, []);
}

#[test]
fn who_waits_for_a_type_gets_that_one_and_keeps_nobody_from_another() {
    let devices = [whole(0), mig(1, 0, 3)];
    let full = Waiter {
        devices: "full".parse().unwrap(),
        ..away(waiter(1, 1, 1))
    };
    let waiters = [full, waiter(2, 2, 1)];
    let taken = entry("a._.9", &[whole(0)], Holding::Live);
    let ledger = line(&waiters, &[taken]);
    assert_eq!(planned(&ledger, &devices), shown(&[(1, "-"), (2, "1:0")]));
    let mut free = line(&waiters, &[]);
    assert_eq!(planned(&free, &devices), shown(&[(1, "0"), (2, "1:0")]));
    let turns = free.serve_line(&known(&devices), None, NOW);
    assert_eq!(turns[0].devices, [Held::from(&whole(0))]);
    // So it is stored, and read again.
    let text = serde_json::to_string(&ledger.line).unwrap();
    assert!(text.contains(r#""devices":"full:1""#), "{text}");
    assert_eq!(
        serde_json::from_str::<crate::line::Line>(&text).unwrap(),
        *ledger.line
    );
}

#[test]
fn what_is_kept_counts_once_against_the_quota() {
    let devices = [whole(0), whole(1)];
    let mut ledger = line(&[away(waiter(1, 1, 1))], &[]);
    ledger.serve_line(&known(&devices), None, NOW);
    let one = |w| on(w, |terms| terms.quota = Some(Share::WHOLE));
    ledger.line.waiters = vec![one(waiter(1, 5, 1))];
    assert_eq!(planned(&ledger, &devices), shown(&[(5, "0")]));
    ledger.line.waiters = vec![one(waiter(1, 5, 1)), one(waiter(1, 6, 1))];
    assert_eq!(planned(&ledger, &devices), shown(&[(5, "0"), (6, "-")]));
}

#[test]
fn a_turn_that_nobody_uses_is_over_and_so_is_a_wait_whose_process_ended() {
    let away = away(waiter(1, 1, 1));
    let mut ledger = line(&[away, waiter(2, 2, 1), waiter(3, 3, 1)], &[]);
    ledger.serve_line(&known(&[whole(0)]), None, NOW);
    let tickets =
        |ledger: &Ledger| -> Vec<_> { ledger.line.waiters.iter().map(|w| w.ticket).collect() };
    let (gone, over) = ledger.tidy_line(&[process(2)], NOW + KEPT - seconds(1));
    assert_eq!((gone.len(), over.len()), (1, 0));
    assert_eq!(tickets(&ledger), [3]);
    let (gone, over) = ledger.tidy_line(&[], NOW + KEPT);
    assert_eq!((gone.len(), over.len()), (0, 1));
    let (gone, _) = ledger.tidy_line(&[], NOW + 24 * HOUR);
    assert_eq!(gone[0].1, crate::line::Gone::GaveUp);
    assert_eq!((tickets(&ledger), ledger.line.devices), (vec![], vec![]));
}

#[test]
fn what_is_kept_for_somebody_is_not_kept_again_for_another_request_of_theirs() {
    let devices = known(&[whole(0)]);
    let both = [away(waiter(1, 1, 1)), away(waiter(1, 2, 1))];
    let mut ledger = line(&both, &[]);
    assert_eq!(ledger.serve_line(&devices, None, NOW).len(), 1);
    assert_eq!(ledger.serve_line(&devices, None, NOW), []);
    let tickets: Vec<_> = ledger.line.waiters.iter().map(|w| w.ticket).collect();
    assert_eq!(tickets, [2]);
    assert_eq!(asked(1, 1, &ledger, &[whole(0)]).unwrap(), "0");
}

#[test]
fn who_does_not_take_what_is_free_for_them_leaves_the_line() {
    let devices = known(&[whole(0)]);
    let mut ledger = line(&[waiter(1, 1, 1), waiter(2, 2, 1)], &[]);
    ledger.serve_line(&devices, Some(2), NOW);
    let at = |ledger: &Ledger, now| {
        let entries = plan(ledger, &devices, None, now).into_iter();
        let served = entries.filter(|entry| entry.verdict.is_ok());
        served.map(|entry| entry.waiter.ticket).collect::<Vec<_>>()
    };
    assert_eq!(at(&ledger, NOW + OFFER - seconds(1)), [1]);
    assert_eq!(at(&ledger, NOW + OFFER), [2]);
    // Who asks is there.
    ledger.serve_line(&devices, Some(1), NOW + seconds(5));
    assert_eq!(at(&ledger, NOW + OFFER), [1]);
    ledger.serve_line(&devices, Some(2), NOW + seconds(5));
    let before = ledger.clone();
    let (gone, _) = ledger.tidy_line(&[], NOW + seconds(5) + OFFER);
    ledger.note_use(&before, NOW + seconds(5) + OFFER);
    let kept = 28 * KEPT.as_secs();
    assert_eq!(
        ledger.line.recent.uses.get(&1),
        Some(&kept),
        "nobody had it"
    );
    assert_eq!(
        (gone[0].0.ticket, gone[0].1),
        (1, crate::line::Gone::Absent)
    );
}

/// A driver that has to wake eight GPUs, then a file system that is busy.
#[test]
fn who_asks_at_once_has_what_is_free_though_the_answer_takes_long() {
    let devices = known(&[whole(0)]);
    let mut ledger = line(&[waiter(1, 1, 1), waiter(2, 2, 1)], &[]);
    ledger.serve_line(&devices, None, NOW);
    let answered = NOW + seconds(30);
    let (gone, _) = ledger.tidy_line(&[], answered);
    assert_eq!(gone, []);
    let entries = plan(&ledger, &devices, None, answered);
    assert_eq!(entries[0].waiter.ticket, 1);
    assert!(entries[0].verdict.is_ok());
}

#[test]
fn who_waits_waits_on_while_the_driver_shows_less() {
    let waits = waiter(1, 1, 2);
    let Stay::Present { process, until, .. } = waits.stay.clone() else {
        unreachable!("it waits at a terminal");
    };
    let mut ledger = line(&[waits, waiter(2, 2, 1)], &[]);
    let mut ask = |name: &str, devices: &[Device]| {
        let request = Request {
            container: name.parse().unwrap(),
            devices: GpuRequest::any(2),
            run: None,
        };
        let inventory = Inventory {
            devices: devices.to_vec(),
            ..Inventory::default()
        };
        let wait = Wait {
            kind: crate::lifecycle::ContainerKind::Ds01,
            process: process.clone(),
            until,
        };
        let asked = ledger.request_devices(&request, &limits(), &inventory, None, Some(wait), NOW);
        (asked, planned(&ledger, devices))
    };
    let one = [whole(0)];
    let few = || Denied::TooFew { asked: 2, exist: 1 };
    // Meanwhile it keeps nobody from what there is.
    let behind_it = shown(&[(1, "-"), (2, "0")]);
    assert_eq!(
        ask("w1._.1", &one),
        (Ok(RequestOutcome::Waits(1, few())), behind_it.clone())
    );
    // Who only comes now would wait for what there may never be.
    assert_eq!(ask("new._.3", &one), (Err(few()), behind_it));
    let (asked, _) = ask("w1._.1", &[whole(0), whole(1)]);
    assert!(
        matches!(asked, Ok(RequestOutcome::Given { .. })),
        "{asked:?}"
    );
}

#[test]
fn why_these_devices_are_given_is_told() {
    let devices = [whole(0), whole(1), whole(2)];
    let theirs = reserved::reservation(reserved::first_two(), reserved::user(1));
    let mut ledger = reserved::with(theirs, &[]);
    let why = |ledger: &Ledger, uid: u32, devices_asked: u32| {
        let request = Request {
            container: format!("new._.{uid}").parse().unwrap(),
            devices: GpuRequest::any(devices_asked),
            run: None,
        };
        let inventory = Inventory {
            devices: devices.to_vec(),
            ..Inventory::default()
        };
        let chosen = allocate(&request, &limits(), &inventory, ledger, NOW);
        in_words(&chosen.unwrap().reasons)
    };
    let free = "the first of the smallest that were free";
    assert_eq!(why(&ledger, 2, 1), free);
    assert_eq!(why(&ledger, 1, 2), "reserved for its owner");
    ledger.line.waiters = vec![Waiter {
        container: None,
        ..away(waiter(1, 1, 1))
    }];
    ledger.serve_line(&known(&devices), None, NOW);
    let kept = "kept since its owner's turn came";
    assert_eq!(why(&ledger, 1, 1), kept);
    let all = format!("{kept}, reserved for its owner, {free}");
    assert_eq!(why(&ledger, 1, 3), all);
    assert_eq!(why(&ledger, 1, 0), "");
}

#[test]
fn the_ledger_alone_tells_who_should_ask() {
    let devices = [whole(0), whole(1)];
    let taken = |holding| {
        [
            entry("a._.9", &[whole(0)], holding),
            entry("b._.9", &[whole(1)], Holding::Live),
        ]
    };
    let waiters = [waiter(1, 1, 1), waiter(2, 2, 1)];
    let all = after(line(&waiters, &taken(stopped(100))), &devices);
    let outlook =
        |dead: &[Process], at, uid: u32, ticket| all.survey(dead, at).outlook(uid, ticket);
    let none_free = Denied::NoneFree {
        asked: 1,
        free: 0,
        exist: 2,
    };
    let standing = Standing {
        ticket: 1,
        place: 1,
        of: 2,
        why: Some(none_free),
        expected: Some(NOW + seconds(800)),
    };
    let expected = Outlook {
        standing,
        looks: true,
        others_served: false,
    };
    assert_eq!(outlook(&[], NOW, 1, 1), Some(expected));
    assert_eq!(all.survey(&[], NOW).next, Some(NOW + seconds(800)));
    let second = outlook(&[], NOW, 2, 2).unwrap();
    assert_eq!(
        (
            second.standing.place,
            second.standing.is_served(),
            second.looks,
            second.others_served
        ),
        (2, false, false, false)
    );
    // The hold ends, and nobody has to write it.
    let later = NOW + seconds(800);
    assert!(outlook(&[], later, 1, 1).unwrap().standing.is_served());
    assert!(outlook(&[], later, 2, 2).unwrap().others_served);
    // The first is no more.
    assert!(
        outlook(&[process(1)], later, 2, 2)
            .unwrap()
            .standing
            .is_served()
    );
    // Others have no ticket of this number.
    assert_eq!(outlook(&[], NOW, 2, 1), None);
}

#[test]
fn that_a_time_moves_on_with_who_is_about_to_be_served_is_nothing_new() {
    let first = on(waiter(1, 1, 1), |terms| terms.longest = Some(HOUR));
    let all = after(line(&[first, waiter(2, 2, 1)], &[]), &[whole(0)]);
    let at = |after: u64| all.survey(&[], NOW + seconds(after));
    let (now, soon, later) = (at(0), at(9), at(60));
    let second = |survey: &Survey| survey.outlook(2, 2).unwrap().standing;
    assert_ne!(now, soon);
    assert!(soon.is_like(&now) && later.is_like(&now));
    assert!(second(&soon).is_like(&second(&now)));
    assert!(
        !second(&later).is_like(&second(&now)),
        "it is told each minute"
    );
    let left = all.survey(&[process(1)], NOW);
    assert!(!left.is_like(&now));
}

#[test]
fn a_stopped_container_does_not_pass_the_line_by_starting_again() {
    let own = entry("a._.9", &[whole(0)], Holding::Released);
    let again = |waiters: &[Waiter]| {
        let ledger = after(
            line(waiters, std::slice::from_ref(&own)),
            &[whole(0), whole(1)],
        );
        crate::allocate::allocate_again(&own, &limits(), None, &ledger.line.devices, &ledger, NOW)
            .map(drop)
    };
    assert_eq!(again(&[]), Ok(()));
    assert_eq!(again(&[waiter(1, 1, 2)]).map(|()| String::new()), behind(1));
    // The first is given GPU 0, though 1 would do as well: it cannot know.
    assert_eq!(again(&[waiter(1, 1, 1)]).map(|()| String::new()), behind(1));
    let less = on(waiter(1, 1, 1), |terms| terms.priority = 1);
    assert_eq!(again(&[less]), Ok(()));
}

#[test]
fn a_clock_that_is_set_back_keeps_nobody_waiting_longer() {
    let mut ledger = line(&[away(waiter(1, 1, 1)), waiter(2, 2, 1)], &[]);
    ledger.serve_line(&known(&[whole(0), whole(1)]), None, NOW);
    let back = NOW - 24 * HOUR;
    ledger.line_not_later_than(back);
    assert_eq!(ledger.line.turns[0].until, back + KEPT);
    assert!(ledger.line.waiters[0].since <= back);
    let (gone, _) = ledger.tidy_line(&[], back + OFFER);
    assert_eq!(gone.len(), 1);
}
