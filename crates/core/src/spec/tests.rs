use super::*;
use crate::device::tests::{mig, whole};

const GIB: u64 = 1 << 30;

fn alice() -> Account {
    Account {
        uid: 1001,
        gid: 100,
        login: "alice".into(),
        home: "/home/alice".into(),
    }
}

/// The container `thesis._.1001` of alice with these limits and devices, on a host of 8 CPUs.
fn made(limits: &Limits, devices: &[Held]) -> Spec {
    spec(&Plan {
        container: &"thesis._.1001".parse().unwrap(),
        account: &alice(),
        image: "sha256:1234",
        labels: &BTreeMap::from([("ds01.managed".into(), "true".into())]),
        devices,
        by_cdi: false,
        limits,
        host_cpus: 8,
        cgroup_parent: Some("ds01-student-alice.slice"),
        mounts: &[Mount {
            source: "/home/alice/workspace/thesis".into(),
            target: "/workspace".into(),
        }],
    })
}

#[test]
fn a_container_is_its_owners_with_all_limits() {
    let limits = Limits {
        nano_cpus: Some(4_000_000_000),
        memory_bytes: Some(32 * GIB),
        memory_swap_bytes: Some(40 * GIB),
        shm_bytes: Some(GIB),
        pids: Some(4096),
        max_tasks: None,
        ..Limits::shipped()
    };
    let expected = Spec {
        name: "thesis._.1001".into(),
        hostname: "thesis".into(),
        image: "sha256:1234".into(),
        user: "1001:100".into(),
        env: [
            "HOME=/home/alice",
            "USER=alice",
            "LOGNAME=alice",
            "NVIDIA_VISIBLE_DEVICES=GPU-0,MIG-1-2",
            "NVIDIA_MIG_CONFIG_DEVICES",
            "NVIDIA_MIG_MONITOR_DEVICES",
            "NVIDIA_IMEX_CHANNELS",
            "NVIDIA_GDS",
            "NVIDIA_MOFED",
            "NVIDIA_NVSWITCH",
            "NVIDIA_GDRCOPY",
            "DOCKER_RESOURCE_GPU",
        ]
        .map(String::from)
        .into(),
        command: ["tail", "-f", "/dev/null"].map(String::from).into(),
        labels: BTreeMap::from([("ds01.managed".into(), "true".into())]),
        devices: vec![Uuid("GPU-0".into()), Uuid("MIG-1-2".into())],
        by_cdi: false,
        nano_cpus: Some(4_000_000_000),
        memory_bytes: Some(32 * GIB),
        memory_swap_bytes: Some(40 * GIB),
        shm_bytes: Some(GIB),
        pids: Some(4096),
        cgroup_parent: Some("ds01-student-alice.slice".into()),
        mounts: vec![Mount {
            source: "/home/alice/workspace/thesis".into(),
            target: "/workspace".into(),
        }],
    };
    let devices = [Held::from(&whole(0)), Held::from(&mig(1, 2, 1))];
    assert_eq!(made(&limits, &devices), expected);
}

#[test]
fn without_devices_the_images_own_variable_is_overruled() {
    let made = made(&Limits::shipped(), &[]);
    assert!(
        made.env.contains(&"NVIDIA_VISIBLE_DEVICES=void".into()),
        "{:?}",
        made.env
    );
    assert_eq!(made.devices, []);
}

#[test]
fn limits_are_those_that_the_engine_takes() {
    let none = Limits {
        nano_cpus: None,
        memory_bytes: None,
        memory_swap_bytes: Some(GIB),
        shm_bytes: None,
        pids: None,
        max_tasks: None,
        ..Limits::shipped()
    };
    let made = |limits: Limits| made(&limits, &[]);
    let unlimited = made(none.clone());
    assert_eq!(
        (
            unlimited.nano_cpus,
            unlimited.memory_bytes,
            unlimited.memory_swap_bytes
        ),
        (None, None, None)
    );
    assert_eq!((unlimited.shm_bytes, unlimited.pids), (None, None));
    let cpus = |nano_cpus| {
        made(Limits {
            nano_cpus,
            ..none.clone()
        })
        .nano_cpus
    };
    assert_eq!(cpus(Some(8_000_000_000)), Some(8_000_000_000));
    assert_eq!(cpus(Some(8_000_000_001)), Some(8_000_000_000));
    for (swap, total) in [
        (None, None),
        (Some(GIB), Some(2 * GIB)),
        (Some(3 * GIB), Some(3 * GIB)),
    ] {
        let limits = Limits {
            memory_bytes: Some(2 * GIB),
            memory_swap_bytes: swap,
            ..none.clone()
        };
        assert_eq!(made(limits).memory_swap_bytes, total);
    }
    for (pids, max_tasks, least) in [
        (Some(5), Some(7), Some(5)),
        (Some(7), Some(5), Some(5)),
        (Some(5), None, Some(5)),
        (None, Some(7), Some(7)),
    ] {
        assert_eq!(
            made(Limits {
                pids,
                max_tasks,
                ..none.clone()
            })
            .pids,
            least
        );
    }
}
