//! What containers use, as several commands show it.

use std::{thread::sleep, time::Duration};

use ds01_cli::human;
use ds01_core::{
    failure::Failure,
    usage::{Sampled, Usage, usage},
};
use ds01_host::{Host, ops::Sample};

/// Between the first two samples, when nothing was seen before.
const MOMENT: Duration = Duration::from_millis(500);

/// The headings of [`cells`].
pub const HEADINGS: [&str; 7] = [
    "CPU%",
    "MEM-USAGE",
    "MEM%",
    "GPU-MEM",
    "GPU%",
    "CPUS",
    "PIDS",
];

/// The sample that the next one is compared with.
#[derive(Debug, Default)]
pub struct Samples(Option<Vec<Sampled>>);

impl Samples {
    /// What containers used since the sample before. The first is compared with one that
    /// is asked for `again`, a moment later.
    ///
    /// # Errors
    ///
    /// That of asking again.
    pub fn usage(
        &mut self,
        host: &Host,
        mut sampled: Vec<Sampled>,
        again: &Sample,
    ) -> Result<Vec<Usage>, Failure> {
        if self.0.is_none() && !sampled.is_empty() {
            self.0 = Some(sampled);
            sleep(MOMENT);
            // What there is to note was told with the first.
            sampled = host.ask(again)?.value;
        }
        let used = usage(self.0.as_deref().unwrap_or_default(), &sampled);
        self.0 = Some(sampled);
        Ok(used)
    }
}

fn dash() -> String {
    "-".into()
}

fn percent(percent: Option<f64>) -> String {
    percent.map_or_else(dash, human::percent)
}

/// The CPU time of a container, a dash where that is not known.
pub fn cpu(used: &Usage) -> String {
    percent(used.cpu_percent)
}

/// The memory of a container and the limit on it, a dash where that is not known.
pub fn memory(used: &Usage) -> [String; 2] {
    [used.memory_bytes, used.memory_limit_bytes].map(|count| count.map_or_else(dash, human::bytes))
}

/// What one container uses, a dash where that is not known.
pub fn cells(used: &Usage) -> [String; 7] {
    let number = |count: Option<u64>| count.map_or_else(dash, |count| count.to_string());
    let of = |used: Option<String>, limit: String| {
        used.map_or_else(dash, |used| format!("{used}/{limit}"))
    };
    let [memory, limit] = memory(used);
    let devices = used.device_memory();
    [
        cpu(used),
        of(used.memory_bytes.map(|_| memory), limit),
        percent(used.memory_percent),
        devices.map_or_else(dash, |(used, all)| {
            format!("{}/{}", human::bytes(used), human::bytes(all))
        }),
        percent(used.device_utilisation()),
        used.cpus.map_or_else(dash, |cpus| cpus.to_string()),
        of(
            used.processes.map(|count| count.to_string()),
            number(used.processes_limit),
        ),
    ]
}
