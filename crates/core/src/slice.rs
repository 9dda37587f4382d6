//! What all containers of a user may use together: limits of their slice, which systemd sets.

use std::collections::BTreeMap;

use crate::{limits::Limits, policy::Policy, record::Record, usage::Counters};

/// A page of memory, in which the kernel counts.
const PAGE: u64 = 4096;

/// Billionths of a CPU in a hundredth of one.
const NANO_CPUS_PER_PERCENT: u64 = 10_000_000;

/// The limits of a slice. `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SliceLimits {
    /// CPU time; 100 is one CPU.
    pub cpu_quota_percent: Option<u64>,
    /// Memory above which the kernel ends processes.
    pub memory_max_bytes: Option<u64>,
    /// Memory above which the kernel slows processes; the older cgroups know no such limit.
    pub memory_high_bytes: Option<u64>,
    /// Processes and threads.
    pub tasks_max: Option<u64>,
}

impl SliceLimits {
    /// Those of the slice of a user who has `limits`. Without a number of tasks for all containers
    /// together it is `max_tasks`.
    pub fn of(limits: &Limits) -> Self {
        let aggregate = limits.aggregate.clone().unwrap_or_default();
        Self {
            cpu_quota_percent: aggregate.cpu_quota_percent,
            memory_max_bytes: aggregate.memory_max_bytes,
            memory_high_bytes: aggregate.memory_high_bytes,
            tasks_max: aggregate.tasks_max.or(limits.max_tasks),
        }
    }

    /// As systemd reads them; a limit that is none takes away one that was.
    ///
    /// Source: systemd.resource-control(5).
    pub fn properties(&self) -> [String; 4] {
        let or_infinity = |limit: Option<u64>| limit.map_or("infinity".into(), |n| n.to_string());
        let percent = self.cpu_quota_percent;
        [
            percent.map_or("CPUQuota=".into(), |n| format!("CPUQuota={n}%")),
            format!("MemoryMax={}", or_infinity(self.memory_max_bytes)),
            format!("MemoryHigh={}", or_infinity(self.memory_high_bytes)),
            format!("TasksMax={}", or_infinity(self.tasks_max)),
        ]
    }

    /// What the kernel does not hold the slice to, by the counters of its cgroup.
    ///
    /// The older cgroups refuse less memory than is used, and fewer CPUs than a container in the
    /// slice may use.
    pub fn missing(&self, slice: &Counters) -> Vec<&'static str> {
        let nano_cpus = self.cpu_quota_percent.map(|n| n * NANO_CPUS_PER_PERCENT);
        let memory = self.memory_max_bytes.map(|bytes| bytes / PAGE * PAGE);
        let compared = [
            ("CPUQuota", nano_cpus == slice.nano_cpus),
            ("MemoryMax", memory == slice.memory_limit_bytes),
            ("TasksMax", self.tasks_max == slice.processes_limit),
        ];
        let differing = compared.into_iter().filter(|(_, same)| !same);
        differing.map(|(property, _)| property).collect()
    }
}

/// The limits of every slice that has containers, by what their owners may use now.
pub fn plan(records: &[Record], policy: &Policy) -> BTreeMap<String, SliceLimits> {
    let ours = records.iter().filter(|record| is_ours(&record.slice));
    let of = |record: &Record| SliceLimits::of(&policy.limits_for(&record.login));
    ours.map(|record| (record.slice.clone(), of(record)))
        .collect()
}

/// Whether this is the name of a user's slice, as [`crate::user::slice`] makes them.
pub fn is_ours(slice: &str) -> bool {
    let name = slice
        .strip_prefix("ds01-")
        .and_then(|name| name.strip_suffix(".slice"));
    name.is_some_and(|name| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '\\' | '-');
        name.matches('-').count() == 1 && name.chars().all(plain)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Aggregate;

    fn limits() -> SliceLimits {
        SliceLimits {
            cpu_quota_percent: Some(150),
            memory_max_bytes: Some(10_000),
            memory_high_bytes: None,
            tasks_max: Some(64),
        }
    }

    #[test]
    fn systemd_is_told_every_limit_and_that_there_is_none() {
        let told = [
            "CPUQuota=150%",
            "MemoryMax=10000",
            "MemoryHigh=infinity",
            "TasksMax=64",
        ];
        assert_eq!(limits().properties(), told);
        let none = [
            "CPUQuota=",
            "MemoryMax=infinity",
            "MemoryHigh=infinity",
            "TasksMax=infinity",
        ];
        assert_eq!(SliceLimits::default().properties(), none);
    }

    #[test]
    fn tasks_are_those_of_one_container_where_nothing_is_said_of_all() {
        let mut user = Limits {
            max_tasks: Some(7),
            aggregate: None,
            ..Limits::shipped()
        };
        assert_eq!(SliceLimits::of(&user).tasks_max, Some(7));
        user.aggregate = Some(Aggregate {
            tasks_max: Some(20),
            ..Aggregate::default()
        });
        assert_eq!(SliceLimits::of(&user).tasks_max, Some(20));
    }

    #[test]
    fn what_the_kernel_has_not_taken_is_told() {
        let held = Counters {
            nano_cpus: Some(1_500_000_000),
            memory_limit_bytes: Some(8192),
            processes_limit: Some(64),
            ..Counters::default()
        };
        assert!(limits().missing(&held).is_empty());
        let missing = limits().missing(&Counters {
            nano_cpus: None,
            ..held
        });
        assert_eq!(missing, ["CPUQuota"]);
        let missing = limits().missing(&Counters::default());
        assert_eq!(missing, ["CPUQuota", "MemoryMax", "TasksMax"]);
        assert!(
            SliceLimits::default()
                .missing(&Counters::default())
                .is_empty()
        );
    }

    #[test]
    fn only_slices_of_users_are_ours() {
        assert!(is_ours("ds01-student-h_lee.slice"));
        assert!(is_ours(r"ds01-phd\x2ds-anna\x2dlena.slice"));
        for other in [
            "",
            "ds01.slice",
            "ds01-student.slice",
            "user-1000.slice",
            "ds01-a-b-c.slice",
            "ds01-a-b.service",
            "ds01-a-../b.slice",
            "ds01-a- b.slice",
            "--ds01-a-b.slice",
        ] {
            assert!(!is_ours(other), "{other}");
        }
    }
}
