use super::*;

/// What `HostConfig` becomes under these limits, and the warnings.
fn settled(config: Value, limits: &Limits) -> (Value, Vec<String>) {
    let body = json!({ "HostConfig": config });
    let planned = planned_of(body, limits, &Allow::default()).unwrap();
    let body = serde_json::to_value(&planned.body).unwrap();
    (body["HostConfig"].clone(), planned.warnings)
}

#[test]
fn a_request_is_within_the_limits_or_brought_there() {
    for (asked, key, expected, warned) in [
        (json!({}), "NanoCpus", json!(4_000_000_000_i64), false),
        (json!({"NanoCpus": 5}), "NanoCpus", json!(5), false),
        (
            json!({"NanoCpus": 5_000_000_000_i64}),
            "NanoCpus",
            json!(4_000_000_000_i64),
            true,
        ),
        (
            json!({"CpuQuota": 50_000}),
            "NanoCpus",
            json!(500_000_000),
            false,
        ),
        (
            json!({"CpuQuota": 20_000, "CpuPeriod": 10_000}),
            "NanoCpus",
            json!(2_000_000_000),
            false,
        ),
        (
            json!({"CpuQuota": i64::MAX}),
            "NanoCpus",
            json!(4_000_000_000_i64),
            true,
        ),
        (
            json!({"CpuQuota": -1}),
            "NanoCpus",
            json!(4_000_000_000_i64),
            true,
        ),
        (
            json!({"CpuPeriod": 10_000}),
            "NanoCpus",
            json!(4_000_000_000_i64),
            false,
        ),
        (json!({"CpuQuota": 1}), "CpuQuota", Value::Null, false),
        (json!({}), "Memory", json!(32 * GIB), false),
        (json!({"Memory": GIB}), "Memory", json!(GIB), false),
        (json!({"Memory": 64 * GIB}), "Memory", json!(32 * GIB), true),
        (json!({"Memory": -1}), "Memory", json!(32 * GIB), true),
        (json!({"Memory": i64::MIN}), "Memory", json!(32 * GIB), true),
        (json!({}), "MemorySwap", json!(40 * GIB), false),
        (json!({"Memory": GIB}), "MemorySwap", json!(40 * GIB), false),
        (
            json!({"Memory": GIB, "MemorySwap": 2 * GIB}),
            "MemorySwap",
            json!(2 * GIB),
            false,
        ),
        (
            json!({"Memory": 2 * GIB, "MemorySwap": GIB}),
            "MemorySwap",
            json!(2 * GIB),
            false,
        ),
        (
            json!({"MemorySwap": 50 * GIB}),
            "MemorySwap",
            json!(40 * GIB),
            true,
        ),
        (
            json!({"MemorySwap": -1}),
            "MemorySwap",
            json!(40 * GIB),
            true,
        ),
        (json!({}), "ShmSize", json!(16 * GIB), false),
        (
            json!({"ShmSize": 64 << 20}),
            "ShmSize",
            json!(64 << 20),
            false,
        ),
        (json!({"PidsLimit": 0}), "PidsLimit", json!(4096), false),
        (json!({"PidsLimit": -1}), "PidsLimit", json!(4096), true),
        (json!({"PidsLimit": 10}), "PidsLimit", json!(10), false),
        (
            json!({"MemoryReservation": 64 * GIB}),
            "MemoryReservation",
            json!(32 * GIB),
            false,
        ),
        (
            json!({"MemoryReservation": 0}),
            "MemoryReservation",
            Value::Null,
            false,
        ),
        (
            json!({"CpuShares": 512, "BlkioWeight": 0}),
            "CpuShares",
            json!(512),
            false,
        ),
        (
            json!({"BlkioWeight": 1000}),
            "BlkioWeight",
            Value::Null,
            true,
        ),
        (json!({"CpuShares": 1024}), "CpuShares", json!(1024), false),
        (json!({"CpuShares": 1025}), "CpuShares", Value::Null, true),
        (
            json!({"CpuShares": i64::MAX}),
            "CpuShares",
            Value::Null,
            true,
        ),
        (json!({"CpuShares": -1}), "CpuShares", Value::Null, false),
        (
            json!({"CpusetCpus": "0-1"}),
            "CpusetCpus",
            json!("0-1"),
            false,
        ),
    ] {
        let (host, warnings) = settled(asked.clone(), &limits());
        assert_eq!(host[key], expected, "{asked}");
        assert_eq!(!warnings.is_empty(), warned, "{asked}: {warnings:?}");
    }
    let (_, warnings) = settled(json!({"PidsLimit": 9999, "Memory": -1}), &limits());
    assert_eq!(
        warnings,
        [
            "--memory unlimited asked for, your limit is 32GB",
            "--pids-limit 9999 asked for, your limit is 4096",
        ]
    );
    let asked = json!({"NanoCpus": 64_500_000_000_i64, "Memory": 64 * GIB});
    let (_, warnings) = settled(asked, &limits());
    assert_eq!(
        warnings,
        [
            "--cpus 64.5 asked for, your limit is 4",
            "--memory 64GB asked for, your limit is 32GB",
        ]
    );
}

#[test]
fn no_limit_leaves_what_was_asked_for() {
    let free = Limits {
        nano_cpus: None,
        memory_bytes: None,
        memory_swap_bytes: None,
        shm_bytes: None,
        pids: None,
        max_tasks: None,
        ..limits()
    };
    let (host, _) = settled(json!({}), &free);
    // The host has no more.
    let expected = json!({"NanoCpus": 8_000_000_000_i64, "RestartPolicy": {"Name": "no"}});
    assert_eq!(host, expected);
    let (host, _) = settled(json!({"MemorySwap": GIB}), &free);
    assert_eq!(host["MemorySwap"], Value::Null);
    let (host, _) = settled(json!({"Memory": GIB, "PidsLimit": 7}), &free);
    assert_eq!(
        (&host["Memory"], &host["MemorySwap"], &host["PidsLimit"]),
        (&json!(GIB), &json!(-1), &json!(7))
    );
}

#[test]
fn a_limit_of_nothing_is_never_unlimited() {
    let none = Limits {
        pids: Some(0),
        memory_bytes: Some(0),
        ..limits()
    };
    let (host, _) = settled(json!({}), &none);
    assert_eq!(
        (&host["PidsLimit"], &host["Memory"]),
        (&json!(1), &json!(1))
    );
}

#[test]
fn numbers_that_contradict_are_wrong() {
    for (asked, expected) in [
        (json!({"NanoCpus": 1, "CpuQuota": 1}), "NanoCpus"),
        (json!({"NanoCpus": 1, "CpuPeriod": 1}), "NanoCpus"),
        (json!({"CpuQuota": 1, "CpuPeriod": 1}), "CpuPeriod"),
        (json!({"CpuQuota": 1, "CpuPeriod": i64::MIN}), "CpuPeriod"),
    ] {
        assert_eq!(field(host(asked.clone())), expected, "{asked}");
    }
}
