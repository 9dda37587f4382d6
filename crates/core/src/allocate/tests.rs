use super::*;
use crate::{
    device::{
        Claim, Device, Uuid,
        tests::{mig, whole},
    },
    ledger::{
        Holding,
        tests::{NOW, entry, ledger, named, stopped, unmanaged},
    },
    share::Share,
};

/// No limits at all.
fn unlimited() -> Limits {
    Limits {
        quota: None,
        devices_per_container: None,
        containers: None,
        ..Limits::shipped()
    }
}

fn inventory(devices: &[Device]) -> Inventory {
    Inventory {
        devices: devices.to_vec(),
        ..Inventory::default()
    }
}

fn ask(devices: u32) -> Request {
    Request {
        container: "new._.1".parse().unwrap(),
        devices: GpuRequest::any(devices),
        run: None,
    }
}

fn is_free(device: &Device, ledger: &Ledger) -> bool {
    given(1, &unlimited(), std::slice::from_ref(device), ledger).is_ok()
}

/// The slots that are given.
fn given(
    asked: u32,
    limits: &Limits,
    devices: &[Device],
    ledger: &Ledger,
) -> Result<String, Denied> {
    let held = allocate(&ask(asked), limits, &inventory(devices), ledger, NOW)?.devices;
    Ok(held
        .iter()
        .map(|held| held.slot.to_string())
        .collect::<Vec<_>>()
        .join(" "))
}

/// GPU 0 and 1 whole, 2 and 3 in MIG: 3g 2g 2g and 1g 1g 1g.
fn mixed() -> Vec<Device> {
    let (second, third) = ([3, 2, 2], [1, 1, 1]);
    let of = |gpu: u32, slices: [u32; 3]| {
        slices
            .into_iter()
            .zip(0..)
            .map(move |(slices, number)| mig(gpu, number, slices))
    };
    [whole(0), whole(1)]
        .into_iter()
        .chain(of(2, second))
        .chain(of(3, third))
        .collect()
}

#[test]
fn the_smallest_are_given_first_and_whole_gpus_last() {
    for (asked, expected) in [
        (0, ""),
        (1, "3:0"),
        (3, "3:0 3:1 3:2"),
        (4, "3:0 3:1 3:2 2:1"),
        (6, "3:0 3:1 3:2 2:1 2:2 2:0"),
        (8, "3:0 3:1 3:2 2:1 2:2 2:0 0 1"),
    ] {
        assert_eq!(
            given(asked, &unlimited(), &mixed(), &ledger(&[])).unwrap(),
            expected
        );
    }
    // As large as a GPU, and still not a whole one.
    let devices = [whole(0), mig(1, 0, 7)];
    assert_eq!(
        given(1, &unlimited(), &devices, &ledger(&[])).unwrap(),
        "1:0"
    );
}

#[test]
fn among_equals_the_fullest_gpu_is_filled_first_then_in_numeric_order() {
    let devices: Vec<_> = [0, 1, 2, 10]
        .into_iter()
        .flat_map(|gpu| (0..3).map(move |number| mig(gpu, number, 1)))
        .collect();
    let empty = ledger(&[]);
    assert_eq!(
        given(4, &unlimited(), &devices, &empty).unwrap(),
        "0:0 0:1 0:2 1:0"
    );
    let begun = ledger(&[entry("a._.2", &[mig(10, 1, 1)], Holding::Live)]);
    assert_eq!(
        given(3, &unlimited(), &devices, &begun).unwrap(),
        "10:0 10:2 0:0"
    );
    let gpus: Vec<_> = [10, 9, 2].map(whole).into();
    assert_eq!(given(3, &unlimited(), &gpus, &empty).unwrap(), "2 9 10");
}

#[test]
fn who_names_a_type_is_given_that_or_nothing() {
    let given = |asked: &str, limits: &Limits, ledger: &Ledger| {
        let request = Request {
            devices: asked.parse().unwrap(),
            ..ask(1)
        };
        let held = allocate(&request, limits, &inventory(&mixed()), ledger, NOW)?.devices;
        let slots: Vec<_> = held.iter().map(|held| held.slot.to_string()).collect();
        Ok(slots.join(" "))
    };
    let empty = ledger(&[]);
    for (asked, expected) in [
        ("full", "0"),
        ("full:2", "0 1"),
        ("2g.10gb:2", "2:1 2:2"),
        ("3g.15gb", "2:0"),
        ("full:0", ""),
    ] {
        let slots = given(asked, &unlimited(), &empty);
        assert_eq!(slots.as_deref(), Ok(expected), "{asked}");
    }
    let too_few = |asked: &str, exist| {
        let asked = asked.parse().unwrap();
        Err(Denied::TooFewOfType { asked, exist })
    };
    for (asked, exist) in [("full:3", 2), ("7g.80gb", 0)] {
        let denied = given(asked, &unlimited(), &empty);
        assert_eq!(denied, too_few(asked, exist), "{asked}");
    }
    let mig_alone = Limits {
        whole_gpus: false,
        ..unlimited()
    };
    assert_eq!(given("full", &mig_alone, &empty), too_few("full", 0));
    let taken = ledger(&[entry("a._.2", &[mig(2, 0, 3)], Holding::Live)]);
    let denied = given("3g.15gb", &unlimited(), &taken).unwrap_err();
    assert_eq!(
        denied.to_string(),
        "no GPU of type 3g.15gb free: 1 asked for, 0 of 1 free"
    );
    // What the type needs counts, not the smallest that there is.
    let one = Limits {
        quota: Some(Share::WHOLE),
        ..unlimited()
    };
    let held = ledger(&[entry("a._.1", &[mig(3, 0, 1)], Holding::Live)]);
    let denied = given("full", &one, &held).unwrap_err();
    let asked = Share::WHOLE;
    assert!(
        matches!(denied, Denied::Quota { asked: of_type, .. } if of_type == asked),
        "{denied:?}"
    );
    assert_eq!(given("1g.5gb", &one, &held).as_deref(), Ok("3:1"));
}

#[test]
fn who_may_not_have_whole_gpus_is_given_mig_devices_only() {
    let limits = Limits {
        whole_gpus: false,
        ..unlimited()
    };
    let devices = [whole(0), mig(1, 0, 3)];
    assert_eq!(given(1, &limits, &devices, &ledger(&[])).unwrap(), "1:0");
    let too_few = Denied::TooFew { asked: 2, exist: 1 };
    assert_eq!(given(2, &limits, &devices, &ledger(&[])), Err(too_few));
    let none_free = Denied::NoneFree {
        asked: 1,
        free: 0,
        exist: 1,
    };
    let taken = ledger(&[entry("a._.2", &[mig(1, 0, 3)], Holding::Live)]);
    assert_eq!(given(1, &limits, &devices, &taken), Err(none_free));
}

#[test]
fn a_device_is_given_once_its_holder_is_done_with_it() {
    let none_free = || {
        Err(Denied::NoneFree {
            asked: 1,
            free: 0,
            exist: 1,
        })
    };
    for (holding, expected) in [
        (Holding::Live, none_free()),
        (Holding::Intruding, none_free()),
        (stopped(899), none_free()),
        (stopped(900), Ok("0".into())),
        (Holding::Released, Ok("0".into())),
    ] {
        let held = ledger(&[entry("a._.2", &[whole(0)], holding)]);
        assert_eq!(given(1, &unlimited(), &[whole(0)], &held), expected);
    }
}

#[test]
fn a_mig_device_and_its_whole_gpu_are_never_both_out() {
    // The GPU was partitioned, or made whole again, while somebody held it.
    let held = ledger(&[entry("a._.2", &[whole(0)], Holding::Live)]);
    let none_free = Denied::NoneFree {
        asked: 1,
        free: 0,
        exist: 1,
    };
    assert_eq!(
        given(1, &unlimited(), &[mig(0, 0, 1)], &held),
        Err(none_free.clone())
    );
    let held = ledger(&[entry("a._.2", &[mig(0, 0, 1)], Holding::Live)]);
    assert_eq!(given(1, &unlimited(), &[whole(0)], &held), Err(none_free));
}

#[test]
fn what_a_container_of_others_claims_is_not_given() {
    let devices = [whole(0), mig(1, 0, 1), mig(1, 1, 1), whole(2)];
    for (claim, expected) in [
        (Claim::All, ""),
        (Claim::Named(vec![]), "0 1:0 1:1 2"),
        (named("0"), "1:0 1:1 2"),
        (named("1"), "0 2"),
        (named("1:1"), "0 1:0 2"),
        (named("1.1"), "0 1:0 2"),
        (named("MIG-1-1"), "0 1:0 2"),
        (named("GPU-1"), "0 2"),
        (named("gpu-2"), "0 1:0 1:1"),
        (named("GPU-9"), "0 1:0 1:1 2"),
        (Claim::Named(vec!["0".into(), "2".into()]), "1:0 1:1"),
    ] {
        let others = Ledger {
            unmanaged: vec![unmanaged("x", claim.clone())],
            ..Ledger::default()
        };
        let free = devices.iter().filter(|device| is_free(device, &others));
        let free: Vec<_> = free.map(|device| device.slot.to_string()).collect();
        assert_eq!(free.join(" "), expected, "{claim:?}");
    }
}

#[test]
fn a_device_in_use_outside_containers_is_not_given() {
    for (processes, expected) in [
        (Some(vec![]), true),
        (Some(vec![4711]), false),
        // MIG devices of old drivers do not tell.
        (None, true),
    ] {
        let mut device = whole(0);
        device.activity.processes = processes;
        assert_eq!(is_free(&device, &ledger(&[])), expected, "{device:?}");
    }
}

#[test]
fn what_is_free_must_fit_in_the_quota() {
    let limits = Limits {
        quota: Share::from_gpus(0.5),
        ..unlimited()
    };
    let devices = [mig(0, 0, 1), mig(0, 1, 4)];
    let taken = ledger(&[entry("a._.2", &[mig(0, 0, 1)], Holding::Live)]);
    let expected = Denied::NoneFits {
        held: Share::NONE,
        asked: Share::of_mig(4, 7).unwrap(),
        quota: Share::from_gpus(0.5).unwrap(),
    };
    assert_eq!(given(1, &limits, &devices, &taken), Err(expected));
    let smaller = [mig(0, 0, 1), mig(0, 1, 3)];
    assert_eq!(given(1, &limits, &smaller, &taken).unwrap(), "0:1");
}

#[test]
fn seven_slices_are_exactly_one_gpu() {
    let limits = Limits {
        quota: Some(Share::WHOLE),
        ..unlimited()
    };
    let slices: Vec<_> = (0..7).map(|number| mig(0, number, 1)).collect();
    assert_eq!(
        given(7, &limits, &slices, &ledger(&[])).unwrap(),
        "0:0 0:1 0:2 0:3 0:4 0:5 0:6"
    );
    let six = ledger(&[entry("a._.1", &slices[..6], stopped(10))]);
    assert_eq!(given(1, &limits, &slices, &six).unwrap(), "0:6");
}

#[test]
fn what_a_container_has_is_what_the_ledger_keeps() {
    let device = mig(3, 2, 2);
    let held = Held {
        uuid: Uuid("MIG-3-2".into()),
        gpu: Uuid("GPU-3".into()),
        slot: "3:2".parse().unwrap(),
        share: Share::of_mig(2, 7).unwrap(),
    };
    let given = allocate(
        &ask(1),
        &unlimited(),
        &inventory(&[device]),
        &ledger(&[]),
        NOW,
    );
    assert_eq!(given.map(|given| given.devices), Ok(vec![held]));
}
