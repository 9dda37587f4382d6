//! How busy and how full this machine is.

use std::{fs, path::Path};

use ds01_core::alert::Filled;
use nix::sys::statvfs::statvfs;
use serde::{Deserialize, Serialize};

/// The machine, apart from its GPUs. `None` is what cannot be read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct System {
    /// Processes that run or wait to, on average over 1, 5 and 15 minutes.
    pub load: Option<[f64; 3]>,
    /// CPUs.
    pub cpus: usize,
    /// Memory that nothing can be given, and all of it.
    pub memory: Option<Filled>,
    /// The disk that the engine keeps its files on, without what only root may fill.
    pub disk: Option<Filled>,
}

impl System {
    /// As it is now; `engine` is where the engine keeps its files.
    pub(crate) fn now(engine: Option<&Path>) -> Self {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        Self {
            load: load(&text("/proc/loadavg")),
            cpus: cpus(&text("/proc/stat")),
            memory: memory(&text("/proc/meminfo")),
            disk: engine.and_then(disk),
        }
    }
}

/// The name of this host.
pub fn name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname");
    name.unwrap_or_default().trim().into()
}

fn load(text: &str) -> Option<[f64; 3]> {
    let numbers = text.split(' ').map(|word| word.parse().ok());
    let numbers: Vec<f64> = numbers.take(3).collect::<Option<_>>()?;
    numbers.try_into().ok()
}

fn cpus(text: &str) -> usize {
    let one = |line: &&str| {
        let number = line
            .strip_prefix("cpu")
            .and_then(|rest| rest.chars().next());
        number.is_some_and(|c| c.is_ascii_digit())
    };
    text.lines().filter(one).count()
}

fn memory(text: &str) -> Option<Filled> {
    let bytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
        kib.checked_mul(1024)
    };
    let bytes_in_all = bytes("MemTotal:")?;
    Some(Filled {
        used_bytes: bytes_in_all.saturating_sub(bytes("MemAvailable:")?),
        bytes: bytes_in_all,
    })
}

fn disk(path: &Path) -> Option<Filled> {
    let disk = statvfs(path).ok()?;
    let blocks = |count: u64| count.saturating_mul(disk.fragment_size());
    let used_bytes = blocks(disk.blocks().saturating_sub(disk.blocks_free()));
    Some(Filled {
        used_bytes,
        bytes: used_bytes.saturating_add(blocks(disk.blocks_available())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_files_are_read() {
        assert_eq!(load("0.50 1.25 10.00 2/345 678\n"), Some([0.5, 1.25, 10.0]));
        assert_eq!(load("0.50\n"), None);
        assert_eq!(cpus("cpu  1 2\ncpu0 1 2\ncpu1 1 2\nintr 3\n"), 2);
        let text = "MemTotal:       1000 kB\nMemFree: 1 kB\nMemAvailable:    400 kB\n";
        let filled = Filled {
            used_bytes: 600 << 10,
            bytes: 1000 << 10,
        };
        assert_eq!(memory(text), Some(filled));
        assert_eq!(memory("MemTotal: 1000 kB\n"), None);
    }

    #[test]
    fn this_machine_can_be_read() {
        let system = System::now(Some(Path::new("/")));
        assert!(system.cpus > 0 && system.load.is_some() && system.memory.is_some());
        assert!(
            system
                .disk
                .is_some_and(|disk| disk.bytes >= disk.used_bytes)
        );
        assert_eq!(System::now(Some(Path::new("/nonexistent"))).disk, None);
    }
}
