use super::*;
use crate::limits::Limits;

/// Thresholds: GPU 5 %, CPU 2 %, network 1 MiB a minute.
fn policy() -> Lifecycle {
    Limits::shipped().lifecycle
}

/// A device that tells how busy it is.
fn whole(utilisation: u32) -> DeviceSample {
    device(Activity {
        memory_used_bytes: Some(1 << 30),
        utilisation: Some(utilisation),
        processes: Some(vec![7]),
    })
}

/// A MIG device, which does not.
fn mig(processes: &[u32], memory: u64) -> DeviceSample {
    device(Activity {
        memory_used_bytes: Some(memory),
        utilisation: None,
        processes: Some(processes.to_vec()),
    })
}

fn device(activity: Activity) -> DeviceSample {
    DeviceSample {
        uuid: Uuid("GPU-0".into()),
        slot: "0".parse().unwrap(),
        activity,
        shared: None,
    }
}

/// A minute after [`before`], with so much used in between.
fn sample(devices: Vec<DeviceSample>, cpu_percent: f64, network: u64) -> Sample {
    Sample {
        at: Uptime(60_000),
        paused: false,
        cpu_ns: Some((cpu_percent * 600e6) as u64),
        network_bytes: Some(network),
        devices,
        lost: false,
    }
}

fn before(memory: Option<u64>) -> Before {
    Before {
        at: Uptime(0),
        cpu_ns: Some(0),
        network_bytes: Some(0),
        memory: memory
            .map(|memory| (Uuid("GPU-0".into()), memory))
            .into_iter()
            .collect(),
    }
}

fn verdict(sample: &Sample) -> Verdict {
    judge(Some(&before(None)), sample, &policy()).verdict
}

const MIB: u64 = 1 << 20;

#[test]
fn one_busy_signal_is_use_and_exactly_at_a_threshold_is_busy() {
    use Verdict::{Active, Idle};
    for (utilisation, cpu, network, expected, why) in [
        (0, 0.0, 0, Idle, "all idle"),
        (4, 1.9, MIB - 1, Idle, "all just below"),
        (80, 0.0, 0, Active, "the GPU"),
        (0, 80.0, 0, Active, "the CPU"),
        (0, 0.0, 5 * MIB, Active, "the network"),
        (5, 0.0, 0, Active, "the GPU at its threshold"),
        (0, 2.0, 0, Active, "the CPU at its threshold"),
        (0, 0.0, MIB, Active, "the network at its threshold"),
    ] {
        let sample = sample(vec![whole(utilisation)], cpu, network);
        assert_eq!(verdict(&sample), expected, "{why}");
    }
}

#[test]
fn every_device_counts() {
    for (devices, expected) in [
        (vec![whole(0), whole(0)], Verdict::Idle),
        (vec![whole(0), whole(90)], Verdict::Active),
        (vec![whole(90), whole(0)], Verdict::Active),
        (
            vec![whole(0), device(Activity::default())],
            Verdict::Unknown,
        ),
        (
            vec![whole(90), device(Activity::default())],
            Verdict::Active,
        ),
    ] {
        assert_eq!(
            verdict(&sample(devices.clone(), 0.0, 0)),
            expected,
            "{devices:?}"
        );
    }
}

#[test]
fn a_mig_device_is_judged_by_its_processes_and_memory_and_else_by_the_others() {
    use Verdict::{Active, Idle};
    for (device, then, cpu, expected, why) in [
        (mig(&[], 0), Some(0), 0.0, Idle, "no process"),
        (
            mig(&[], 0),
            None,
            0.0,
            Idle,
            "no process, nothing known before",
        ),
        (
            mig(&[7], MIB),
            Some(MIB),
            0.0,
            Idle,
            "one that only sits on it",
        ),
        (mig(&[7], MIB), Some(MIB), 50.0, Active, "one that works"),
        (
            mig(&[7], 2 * MIB),
            Some(MIB),
            0.0,
            Active,
            "one that moves memory",
        ),
        (
            mig(&[], 0),
            Some(MIB),
            0.0,
            Active,
            "one that has just ended",
        ),
        (mig(&[7], MIB), None, 0.0, Idle, "nothing known before"),
    ] {
        let judged = judge(
            Some(&before(then)),
            &sample(vec![device], cpu, 0),
            &policy(),
        );
        assert_eq!(judged.verdict, expected, "{why}");
    }
}

#[test]
fn what_cannot_be_read_is_neither_busy_nor_idle_and_never_enough_to_be_idle() {
    use Verdict::{Active, Idle, Unknown};
    let without = |change: fn(&mut Sample)| {
        let mut sample = sample(vec![whole(0)], 0.0, 0);
        change(&mut sample);
        sample
    };
    for (sample, expected, why) in [
        (without(|s| s.network_bytes = None), Idle, "the network"),
        (without(|s| s.cpu_ns = None), Idle, "the CPU"),
        (
            without(|s| s.devices[0].activity.utilisation = None),
            Idle,
            "how busy the GPU is, which has a process: the others decide",
        ),
        (
            without(|s| (s.cpu_ns, s.network_bytes) = (None, None)),
            Unknown,
            "all but the GPU",
        ),
        (
            without(|s| (s.devices[0].activity.utilisation, s.cpu_ns) = (None, None)),
            Unknown,
            "all but the network",
        ),
        (
            without(|s| s.devices[0].activity = Activity::default()),
            Unknown,
            "everything about the device",
        ),
        (without(|s| s.lost = true), Unknown, "another device"),
        (
            without(|s| {
                s.lost = true;
                s.devices[0].activity = Activity::default();
                s.cpu_ns = Some(u64::MAX);
            }),
            Active,
            "everything about the device, and the CPU is busy",
        ),
    ] {
        assert_eq!(verdict(&sample), expected, "{why}");
    }
    let first = sample(vec![whole(0)], 0.0, 0);
    assert_eq!(
        judge(None, &first, &policy()).verdict,
        Unknown,
        "no rate yet"
    );
    let again = Before::from(&first);
    let twice = judge(Some(&again), &first, &policy());
    assert_eq!(twice.verdict, Unknown, "no time has passed");
    let mut backwards = sample(vec![whole(0)], 0.0, 0);
    let mut then = before(None);
    (then.cpu_ns, then.network_bytes) = (Some(1), Some(1));
    backwards.cpu_ns = Some(0);
    let judged = judge(Some(&then), &backwards, &policy());
    assert_eq!(judged.verdict, Unknown, "counters that began anew");
}

#[test]
fn a_paused_container_is_not_busy_but_for_what_it_did_before() {
    let mut paused = sample(vec![whole(90), device(Activity::default())], 0.0, 0);
    paused.paused = true;
    paused.lost = true;
    assert_eq!(verdict(&paused), Verdict::Idle);
    paused.cpu_ns = None;
    assert_eq!(judge(None, &paused, &policy()).verdict, Verdict::Idle);
    let mut just_now = sample(vec![whole(0)], 50.0, 0);
    just_now.paused = true;
    assert_eq!(verdict(&just_now), Verdict::Active);
}

#[test]
fn what_others_do_on_a_device_that_is_shared_is_not_its_own() {
    let shared = |own| DeviceSample {
        shared: own,
        ..whole(90)
    };
    for (own, expected) in [
        (None, Verdict::Active),
        (Some(true), Verdict::Active),
        (Some(false), Verdict::Idle),
    ] {
        assert_eq!(
            verdict(&sample(vec![shared(own)], 0.0, 0)),
            expected,
            "{own:?}"
        );
    }
}

#[test]
fn rates_are_over_the_time_since_the_sample_before() {
    let mut two_minutes = sample(vec![whole(40)], 10.0, 3 * MIB);
    two_minutes.at = Uptime(120_000);
    let judged = judge(Some(&before(None)), &two_minutes, &policy());
    assert_eq!(judged.cpu_percent, Some(5.0));
    assert_eq!(judged.network_per_minute, Some(1.5 * MIB as f64));
    assert_eq!(judged.devices, [("0".parse().unwrap(), Some(40))]);
}
