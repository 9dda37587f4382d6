//! The simulated GPUs of a test host, and the record of what its containers were given.

use std::{fs, path::PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{OrFail, TestHost};

/// The GPUs, to be changed while commands use them.
pub struct Gpus<'h>(pub(crate) &'h TestHost);

/// What the hook gave to one container that started.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct DevicesGiven {
    /// When, in seconds since 1970.
    pub time: f64,
    /// The container's id.
    pub id: String,
    /// Its first process.
    pub pid: i32,
    /// The UUIDs of its devices.
    pub devices: Vec<String>,
}

impl Gpus<'_> {
    /// Replaces `nvml-sim.json` (crates/nvml-sim describes it) in one step.
    pub fn set(&self, json: &str) {
        let file = self.file();
        let new = file.with_extension("new");
        fs::write(&new, json)
            .and_then(|()| fs::rename(&new, file))
            .or_fail("replace the GPUs");
    }

    /// Changes the GPUs that there are.
    ///
    /// ```no_run
    /// # let host = ds01_testkit::TestHost::with_gpus(2);
    /// host.gpus().edit(|sim| sim["gpus"][1]["lost"] = true.into());
    /// ```
    pub fn edit(&self, change: impl FnOnce(&mut Value)) {
        let mut all = self.all();
        change(&mut all);
        self.set(&all.to_string());
    }

    /// Puts these processes on a GPU, in the place of those that were there.
    pub fn used_by(&self, gpu: usize, pids: &[u32]) {
        let processes = pids
            .iter()
            .map(|pid| json!({ "pid": pid, "memory_bytes": 1 }));
        let processes: Value = processes.collect();
        self.edit(|sim| sim["gpus"][gpu]["processes"] = processes);
    }

    /// Takes the driver away.
    pub fn remove_driver(&self) {
        fs::remove_file(self.file()).or_fail("remove the GPUs");
    }

    /// The UUIDs of what can be given: MIG devices, and GPUs that are not in MIG mode.
    pub fn uuids(&self) -> Vec<String> {
        let all = self.all();
        let gpus = all["gpus"].as_array().into_iter().flatten();
        let devices = gpus.flat_map(|gpu| match gpu["mig_enabled"].as_bool() {
            Some(true) => gpu["mig"].as_array().map_or(&[][..], Vec::as_slice),
            _ => std::slice::from_ref(gpu),
        });
        devices
            .filter_map(|device| device["uuid"].as_str())
            .map(str::to_owned)
            .collect()
    }

    /// What each container was really given, oldest first: the hook's own record.
    pub fn given(&self) -> Vec<DevicesGiven> {
        let file = self.0.root().join("engine/hook/devices-given.jsonl");
        let text = match fs::read_to_string(file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            read => read.or_fail("read the hook's record"),
        };
        text.lines()
            .map(|line| serde_json::from_str(line).or_fail(line))
            .collect()
    }

    fn all(&self) -> Value {
        let text = fs::read_to_string(self.file()).or_fail("read the GPUs");
        serde_json::from_str(&text).or_fail("parse the GPUs")
    }

    fn file(&self) -> PathBuf {
        self.0.root().join("engine/hook/nvml-sim.json")
    }
}

/// `number` whole GPUs, made from those of a topology.
pub(crate) fn whole(topology: &str, number: usize) -> String {
    let mut all: Value = serde_json::from_str(topology).or_fail("parse the topology");
    let first = all["gpus"][0].clone();
    let gpus = (0..number).map(|index| {
        let mut gpu = first.clone();
        gpu["uuid"] = format!("GPU-5eed0000-0000-4000-8000-{index:012x}").into();
        gpu["minor_number"] = index.into();
        gpu["pci_bus_id"] = format!("00000000:{:02X}:00.0", index + 1).into();
        gpu
    });
    all["gpus"] = gpus.collect();
    all.to_string()
}
