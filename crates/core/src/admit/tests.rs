use super::*;
use crate::{
    device::{
        Device,
        tests::{mig, whole},
    },
    ledger::{
        Holding, PENDING,
        tests::{NOW, entry, intent, ledger, pending, stopped, unanswered},
    },
};

fn limits() -> Limits {
    Limits {
        quota: Some(Share::WHOLE),
        devices_per_container: Some(2),
        containers: Some(2),
        ..Limits::shipped()
    }
}

fn admitted(devices: u32, limits: &Limits, host: &[Device], ledger: &Ledger) -> Result<(), Denied> {
    let inventory = Inventory {
        devices: host.to_vec(),
        ..Inventory::default()
    };
    admit(
        1,
        &GpuRequest::any(devices),
        limits,
        &inventory,
        ledger,
        NOW,
    )
}

fn quota(held: Share, asked: Share) -> Result<(), Denied> {
    Err(Denied::Quota {
        held,
        asked,
        quota: Share::WHOLE,
    })
}

#[test]
fn the_most_that_a_container_may_have_is_within_every_limit() {
    let host = [whole(0), whole(1), mig(2, 0, 3), mig(2, 1, 4)];
    let no_limits = Limits {
        quota: None,
        devices_per_container: None,
        ..limits()
    };
    for (limits, expected) in [
        (no_limits.clone(), 4),
        (
            Limits {
                devices_per_container: Some(3),
                ..no_limits.clone()
            },
            3,
        ),
        (
            Limits {
                quota: Some(Share::WHOLE),
                ..no_limits.clone()
            },
            2,
        ),
        (
            Limits {
                quota: Some(Share::NONE),
                ..no_limits.clone()
            },
            0,
        ),
        (
            Limits {
                whole_gpus: false,
                ..no_limits
            },
            2,
        ),
    ] {
        assert_eq!(most(&limits, host.iter()), expected, "{limits:?}");
    }
}

#[test]
fn the_first_limit_that_is_passed_is_named() {
    let mut full = ledger(&[
        entry("a._.1", &[whole(0)], Holding::Live),
        entry("b._.1", &[], stopped(10)),
    ]);
    full.grants_after = Some(NOW + PENDING);
    let mut limits = limits();
    let asked = |limits: &Limits, ledger: &Ledger| admitted(3, limits, &[whole(0)], ledger);
    let until = NOW + PENDING;
    assert_eq!(asked(&limits, &full), Err(Denied::Rebuilt { until }));
    full.grants_after = Some(NOW);
    let containers = Denied::Containers { count: 2, limit: 2 };
    assert_eq!(asked(&limits, &full), Err(containers));
    limits.containers = None;
    let too_many = Denied::TooMany { asked: 3, limit: 2 };
    assert_eq!(asked(&limits, &full), Err(too_many));
    limits.devices_per_container = None;
    let too_few = Denied::TooFew { asked: 3, exist: 1 };
    assert_eq!(asked(&limits, &full), Err(too_few));
    assert_eq!(
        admitted(1, &limits, &[whole(0)], &full),
        quota(Share::WHOLE, Share::WHOLE)
    );
    limits.quota = None;
    assert_eq!(admitted(1, &limits, &[whole(0)], &full), Ok(()));
}

#[test]
fn what_is_pending_or_kept_after_a_stop_counts_until_it_lapses() {
    let held = |holding| {
        let ledger = ledger(&[entry("a._.1", &[whole(0)], holding)]);
        admitted(1, &limits(), &[whole(0), whole(1)], &ledger)
    };
    let reached = || quota(Share::WHOLE, Share::WHOLE);
    assert_eq!(held(pending(1)), reached());
    assert_eq!(held(unanswered()), reached());
    assert_eq!(held(Holding::Live), reached());
    assert_eq!(held(stopped(899)), reached());
    assert_eq!(held(stopped(900)), Ok(()));
    assert_eq!(held(Holding::Released), Ok(()));
    let orphaned = Holding::Orphaned {
        lapses: NOW + PENDING,
    };
    assert_eq!(held(orphaned), Ok(()));
}

#[test]
fn the_least_that_a_request_may_add_decides_and_others_do_not_count() {
    let host = [whole(0), mig(1, 0, 3), mig(1, 1, 4), mig(1, 2, 1)];
    let six = Share::of_mig(6, 7).unwrap();
    let of = |uid| {
        let held = [mig(2, 0, 3), mig(2, 1, 3)];
        ledger(&[entry(&format!("a._.{uid}"), &held, Holding::Live)])
    };
    assert_eq!(admitted(1, &limits(), &host, &of(1)), Ok(()));
    let least = Share::of_mig(4, 7).unwrap();
    assert_eq!(admitted(2, &limits(), &host, &of(1)), quota(six, least));
    assert_eq!(admitted(2, &limits(), &host, &of(2)), Ok(()));
}

#[test]
fn a_container_without_devices_needs_no_quota() {
    let over = ledger(&[entry("a._.1", &[whole(0), whole(1)], Holding::Live)]);
    assert_eq!(admitted(0, &limits(), &[], &over), Ok(()));
    let none = Limits {
        quota: Some(Share::NONE),
        ..limits()
    };
    assert_eq!(admitted(0, &none, &[], &ledger(&[])), Ok(()));
    let too_small = |smallest, quota| Err(Denied::TooSmall { smallest, quota });
    let small = too_small(Share::WHOLE, Share::NONE);
    assert_eq!(admitted(1, &none, &[whole(0)], &ledger(&[])), small);
    let one = Share::of_mig(1, 7).unwrap();
    let limits = Limits {
        quota: Some(one),
        ..limits()
    };
    let devices = [whole(0), mig(1, 0, 2)];
    let small = too_small(Share::of_mig(2, 7).unwrap(), one);
    for asked in [1, 2] {
        assert_eq!(admitted(asked, &limits, &devices, &ledger(&[])), small);
    }
    // What is one device within, two are not: fewer can be had.
    let devices = [mig(1, 0, 1), mig(1, 1, 1)];
    let two = Err(Denied::Quota {
        held: Share::NONE,
        asked: one + one,
        quota: one,
    });
    assert_eq!(admitted(2, &limits, &devices, &ledger(&[])), two);
}

#[test]
fn an_intent_of_which_nothing_came_is_no_container() {
    let orphaned = Holding::Orphaned {
        lapses: NOW + PENDING,
    };
    let entries = [
        entry("a._.1", &[], Holding::Live),
        intent("new._.1", &[], orphaned),
    ];
    assert_eq!(admitted(0, &limits(), &[], &ledger(&entries)), Ok(()));
}

#[test]
fn a_container_has_its_devices_again_only_within_the_quota() {
    let again = |ledger: &Ledger| {
        let entry = entry("a._.1", &[mig(0, 0, 3)], Holding::Released);
        admit_again(&entry, &limits(), ledger, NOW)
    };
    let (three, five) = (Share::of_mig(3, 7).unwrap(), Share::of_mig(5, 7).unwrap());
    let with = |slices| ledger(&[entry("b._.1", &[mig(0, 1, slices)], Holding::Live)]);
    assert_eq!(again(&with(4)), Ok(()));
    assert_eq!(again(&with(5)), quota(five, three));
    let mut rebuilt = with(4);
    rebuilt.grants_after = Some(NOW + PENDING);
    let until = NOW + PENDING;
    assert_eq!(again(&rebuilt), Err(Denied::Rebuilt { until }));
}

#[test]
fn a_container_has_its_devices_again_only_as_far_as_one_may_have_them_by_now() {
    let none = Ledger::default();
    let again = |devices: &[Device], limits: &Limits| {
        let entry = entry("a._.1", devices, Holding::Released);
        admit_again(&entry, limits, &none, NOW)
    };
    let wide = Limits {
        quota: None,
        devices_per_container: Some(2),
        ..limits()
    };
    let two = [mig(0, 0, 3), mig(0, 1, 3)];
    assert_eq!(again(&two, &wide), Ok(()));
    let one = Limits {
        devices_per_container: Some(1),
        ..wide.clone()
    };
    let name: ContainerName = "a".parse().unwrap();
    let (has, limit) = (2, 1);
    let more = Denied::HadMore {
        name: name.clone(),
        has,
        limit,
    };
    assert_eq!(again(&two, &one), Err(more));
    let parts = Limits {
        whole_gpus: false,
        ..wide.clone()
    };
    assert_eq!(again(&two, &parts), Ok(()));
    let slots = "1".into();
    let whole = [mig(0, 0, 3), whole(1)];
    assert_eq!(again(&whole, &wide), Ok(()));
    assert_eq!(again(&whole, &parts), Err(Denied::HadWhole { name, slots }));
}

#[test]
fn each_refusal_tells_its_status_and_what_to_do() {
    let third = Share::of_mig(3, 7).unwrap();
    let (held, asked, quota) = (third, third, Share::WHOLE);
    for (denied, status, text) in [
        (
            Denied::Rebuilt { until: NOW },
            8,
            "the ledger was rebuilt: nothing is granted before 1970-01-12T13:46:40Z",
        ),
        (
            Denied::Containers { count: 3, limit: 3 },
            5,
            "container limit reached: 3 of 3, stopped ones count too",
        ),
        (
            Denied::TooMany { asked: 3, limit: 2 },
            5,
            "more devices asked for (3) than one container may have (2)",
        ),
        (
            Denied::TooFew { asked: 3, exist: 0 },
            5,
            "more devices asked for (3) than this host has for you (0)",
        ),
        (
            Denied::TooSmall {
                smallest: quota,
                quota: held,
            },
            5,
            "your GPU quota of 0.43 is smaller than the smallest GPU here, 1",
        ),
        (
            Denied::Quota { held, asked, quota },
            5,
            "GPU quota reached: 0.43 of 1 in use, 0.43 more asked for",
        ),
        (
            Denied::NoneFree {
                asked: 1,
                free: 0,
                exist: 4,
            },
            6,
            "no GPU free: 1 asked for, 0 of 4 free",
        ),
        (
            Denied::NoneFits { held, asked, quota },
            6,
            "no GPU free that fits: 0.43 of 1 in use, the smallest free needs 0.43",
        ),
        (
            Denied::Unclear { name: "x".into() },
            6,
            "docker does not tell which GPUs x has: it is being made, or somebody copies its files",
        ),
        (
            Denied::Behind {
                asked: 1,
                free: 2,
                ahead: 3,
            },
            6,
            "no GPU free for you yet: 1 asked for, 2 free, and 3 ahead of you in line",
        ),
        (
            Denied::Reserved {
                asked: 1,
                free: 1,
                whom: "group vision".into(),
                until: NOW,
            },
            6,
            "no GPU free for you yet: 1 asked for, 1 free, but reserved for group vision until \
             1970-01-12T13:46:40Z",
        ),
        (
            Denied::Waiting { limit: 16 },
            5,
            "16 requests of yours wait in line already",
        ),
    ] {
        assert_eq!(
            (denied.kind().status(), denied.to_string().as_str()),
            (status, text)
        );
        let hint = denied.hint().unwrap();
        let only_some_have = hint.contains("--cpu-only") && !hint.contains("container-create");
        assert!(!only_some_have, "{denied}: {hint}");
    }
}
