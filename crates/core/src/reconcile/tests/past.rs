//! Containers of ours that were started past DS01, and who has their devices.

use super::*;

#[test]
fn what_was_started_past_ds01_has_its_devices_only_if_they_are_free() {
    let released = entry(A, &[mig(0, 0, 1), mig(0, 1, 1)], Holding::Released);
    let becomes = |others: &[Allocation], strangers: &[Unmanaged], state| {
        let mut ledger = ledger(others);
        ledger.allocations.push(released.clone().into());
        ledger.unmanaged = strangers.to_vec();
        let mut sightings = vec![sighting(A, &[], state)];
        sightings.extend(
            others
                .iter()
                .map(|o| foreign(&o.container.to_string(), State::Running)),
        );
        sightings.extend(strangers.iter().map(|o| foreign(&o.name, State::Running)));
        reconcile(&mut ledger, &complete(&sightings), NOW);
        ledger.allocations.pop().unwrap().holding.clone()
    };
    let live = |device: Device| [entry("b._.2", &[device], Holding::Live)];
    let up = State::Running;
    assert_eq!(becomes(&live(mig(0, 2, 1)), &[], up), Holding::Live);
    assert_eq!(becomes(&live(mig(0, 1, 1)), &[], up), Holding::Intruding);
    assert_eq!(becomes(&live(whole(0)), &[], up), Holding::Intruding);
    assert_eq!(
        becomes(&live(whole(0)), &[], State::Exited),
        Holding::Released
    );
    for (claim, after) in [
        (Claim::All, Holding::Intruding),
        (named("0:1"), Holding::Intruding),
        (named("0"), Holding::Intruding),
        (named("MIG-0-0"), Holding::Intruding),
        (named("MIG-0-2"), Holding::Live),
        (named("1"), Holding::Live),
    ] {
        assert_eq!(becomes(&[], &[unmanaged("x", claim)], up), after);
    }
}

#[test]
fn an_intruder_is_at_home_once_the_others_are_gone() {
    let mut ledger = ledger(&[
        entry(A, &[whole(0)], Holding::Intruding),
        entry("b._.2", &[whole(0)], Holding::Live),
    ]);
    let intruder = sighting(A, &[], State::Running);
    let other = sighting("b._.2", &[], State::Running);
    reconcile(&mut ledger, &complete(&[intruder.clone(), other]), NOW);
    assert_eq!(ledger.allocations[0].holding, Holding::Intruding);
    reconcile(&mut ledger, &complete(&[intruder]), NOW);
    assert_eq!(ledger.allocations[0].holding, Holding::Live);
}

#[test]
fn devices_are_its_own_again_unless_they_are_with_others() {
    let free = |own: Holding, other: Holding, claim: Claim| {
        let mut ledger = ledger(&[
            entry(A, &[whole(0)], own),
            entry("b._.2", &[whole(0)], other),
        ]);
        ledger.unmanaged = vec![unmanaged("x", claim)];
        is_free(&ledger, 0, NOW)
    };
    let none = || named("GPU-9");
    assert!(free(Holding::Released, Holding::Released, none()));
    assert!(!free(Holding::Released, Holding::Live, none()));
    assert!(!free(stopped(10), Holding::Intruding, none()));
    assert!(!free(Holding::Released, Holding::Released, Claim::All));
    assert!(
        free(stopped(10), Holding::Released, Claim::All),
        "it never gave them up"
    );
    assert!(!free(Holding::Intruding, Holding::Released, Claim::All));
}
