//! What containers use, as the kernel counts it: the files of their control groups, in both of
//! its layouts. A hundred containers are read in a millisecond, where the engine takes seconds.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use ds01_core::{container::ContainerId, usage::Counters};

use crate::{clock, kernel_file};

/// Where each kind of counter is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Cgroups {
    accounting: Option<Tree>,
    cpu: Option<Tree>,
    memory: Option<Tree>,
    processes: Option<Tree>,
}

/// One hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Tree {
    mount: PathBuf,
    /// The one hierarchy for everything, not one of those for each kind.
    unified: bool,
}

impl Cgroups {
    /// Those of this host; none where they are not mounted.
    pub(crate) fn of_this_host() -> Self {
        Self::mounted(&kernel_file::read("/proc/self/mounts").unwrap_or_default())
    }

    fn mounted(mounts: &str) -> Self {
        let lines = mounts
            .lines()
            .map(|line| line.split(' ').collect::<Vec<_>>());
        let mounts: Vec<_> = lines.filter(|fields| fields.len() > 3).collect();
        let unified = mounts.iter().find(|fields| fields[2] == "cgroup2");
        // On a host with both, what has a hierarchy of its own is not in the unified one.
        let tree = |controller: &str| {
            let has = |fields: &&Vec<&str>| {
                fields[2] == "cgroup" && fields[3].split(',').any(|option| option == controller)
            };
            let own = mounts.iter().find(has);
            own.or(unified).map(|fields| Tree {
                mount: fields[1].into(),
                unified: own.is_none(),
            })
        };
        Self {
            accounting: tree("cpuacct"),
            cpu: tree("cpu"),
            memory: tree("memory"),
            processes: tree("pids"),
        }
    }

    /// The CPU time of a running container since its start, in nanoseconds; `None` as
    /// [`Cgroups::read`].
    pub(crate) fn cpu_ns(&self, id: &ContainerId, slice: &str) -> Option<u64> {
        self.cpu_time(&self.place(places(id, slice))?.0)
    }

    /// The first of `places` that there is in the hierarchies, and the number of its directory: a
    /// start makes it anew, so that it tells the runs apart.
    fn place(&self, places: Vec<PathBuf>) -> Option<(PathBuf, u64)> {
        let accounting = self.accounting.as_ref()?;
        places.into_iter().find_map(|place| {
            let dir = fs::metadata(accounting.mount.join(&place)).ok()?;
            Some((place, dir.ino()))
        })
    }

    fn cpu_time(&self, place: &Path) -> Option<u64> {
        let text = file(&self.accounting, place, "cpuacct.usage", "cpu.stat")?;
        match self.accounting.as_ref()?.unified {
            true => field(&text, "usage_usec")?.checked_mul(1000),
            false => text.trim().parse().ok(),
        }
    }

    /// The counters of a running container, which is in `slice` if its engine uses systemd's.
    /// `None` if its files are elsewhere, or it has stopped.
    pub(crate) fn read(&self, id: &ContainerId, slice: &str) -> Option<Counters> {
        let (place, run) = self.place(places(id, slice))?;
        Some(self.at(&place, run))
    }

    /// The counters of a slice that something runs in.
    pub(crate) fn read_slice(&self, slice: &str) -> Option<Counters> {
        let (place, run) = self.place(vec![place_of(slice)?])?;
        Some(self.at(&place, run))
    }

    fn at(&self, place: &Path, run: u64) -> Counters {
        let file = |tree, split, unified| file(tree, place, split, unified);
        let number = |tree, split, unified| limit(&file(tree, split, unified)?);
        let (at_ns, cpu_ns) = (clock::steady_ns(), self.cpu_time(place));
        let cached = file(&self.memory, "memory.stat", "memory.stat").and_then(|text| {
            let unified = self.memory.as_ref().is_some_and(|tree| tree.unified);
            let name = if unified {
                "inactive_file"
            } else {
                "total_inactive_file"
            };
            field(&text, name)
        });
        let memory = number(&self.memory, "memory.usage_in_bytes", "memory.current");
        let nano_cpus = match self.cpu.as_ref().is_some_and(|tree| tree.unified) {
            true => file(&self.cpu, "", "cpu.max").and_then(|text| {
                let (quota, period) = text.trim().split_once(' ')?;
                nano_cpus(quota, period)
            }),
            false => {
                let quota = file(&self.cpu, "cpu.cfs_quota_us", "");
                let period = file(&self.cpu, "cpu.cfs_period_us", "");
                quota.zip(period).and_then(|(q, p)| nano_cpus(&q, &p))
            }
        };
        Counters {
            at_ns,
            run,
            cpu_ns,
            memory_bytes: memory
                .zip(cached)
                .map(|(all, cached)| all.saturating_sub(cached)),
            processes: number(&self.processes, "pids.current", "pids.current"),
            nano_cpus,
            memory_limit_bytes: number(&self.memory, "memory.limit_in_bytes", "memory.max"),
            processes_limit: number(&self.processes, "pids.max", "pids.max"),
        }
    }
}

/// A file of a container: each layout has its own name for it.
fn file(tree: &Option<Tree>, place: &Path, split: &str, unified: &str) -> Option<String> {
    let tree = tree.as_ref()?;
    let name = if tree.unified { unified } else { split };
    kernel_file::read(tree.mount.join(place).join(name)).ok()
}

/// Where engines put a container, below the mount: by themselves, or by way of systemd.
fn places(id: &ContainerId, slice: &str) -> Vec<PathBuf> {
    let scope = format!("docker-{id}.scope");
    let below = |path: &Path| path.join(&scope);
    let mut places = vec![
        Path::new("docker").join(&id.0),
        below(Path::new("system.slice")),
    ];
    if let Some(slice) = place_of(slice) {
        places.insert(0, below(&slice));
    }
    places
}

/// Where systemd puts a slice, below the mount: `a-b.slice` is in `a.slice`. Its name can be from
/// a label: it must not lead elsewhere.
fn place_of(slice: &str) -> Option<PathBuf> {
    let name = slice.strip_suffix(".slice")?;
    let ends = name.match_indices('-').map(|(at, _)| at);
    let ends = ends.chain([name.len()]);
    (!name.contains('/')).then(|| ends.map(|end| format!("{}.slice", &name[..end])).collect())
}

/// A number of a file; no limit is `None`.
fn limit(text: &str) -> Option<u64> {
    /// In pages, the most that the older layout has: it stands for no limit.
    const NONE: u64 = (i64::MAX as u64) & !0xffff;
    text.trim().parse().ok().filter(|number| *number < NONE)
}

/// The value after `name` in lines of names and values.
fn field(text: &str, name: &str) -> Option<u64> {
    let mut values = text.lines().filter_map(|line| line.split_once(' '));
    values.find(|(key, _)| *key == name)?.1.trim().parse().ok()
}

/// Time that may be used in each period of time; `max` or `-1` is no limit.
fn nano_cpus(quota: &str, period: &str) -> Option<u64> {
    let quota: u64 = quota.trim().parse().ok()?;
    let period: u64 = period.trim().parse().ok()?;
    quota.checked_mul(1_000_000_000)?.checked_div(period)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory with files, gone when it is dropped.
    struct Files(PathBuf);

    impl Files {
        fn new(name: &str, files: &[(&str, &str)]) -> Self {
            let dir = std::env::temp_dir().join(format!("ds01-{name}-{}", std::process::id()));
            for (path, text) in files {
                let path = dir.join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            Self(dir)
        }
    }

    impl Drop for Files {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn id() -> ContainerId {
        ContainerId("0f".into())
    }

    #[test]
    fn the_unified_layout_is_read() {
        let place = r"ds01.slice/ds01-phd\x2ds.slice/ds01-phd\x2ds-anna.slice/docker-0f.scope";
        let at = |file: &str| format!("{place}/{file}");
        let files = [
            (at("cpu.stat"), "usage_usec 1500\nuser_usec 1000\n"),
            (at("cpu.max"), "150000 100000\n"),
            (at("memory.current"), "1000\n"),
            (at("memory.stat"), "anon 1\nfile 500\ninactive_file 300\n"),
            (at("memory.max"), "max\n"),
            (at("pids.current"), "3\n"),
            (at("pids.max"), "256\n"),
        ];
        let files = files.each_ref().map(|(path, text)| (path.as_str(), *text));
        let files = Files::new("cgroup2", &files);
        let mounts = format!("cgroup2 {} cgroup2 rw,nosuid 0 0\n", files.0.display());
        let cgroups = Cgroups::mounted(&mounts);
        let read = cgroups.read(&id(), r"ds01-phd\x2ds-anna.slice").unwrap();
        assert_eq!(read.run, fs::metadata(files.0.join(place)).unwrap().ino());
        let expected = Counters {
            at_ns: read.at_ns,
            run: read.run,
            cpu_ns: Some(1_500_000),
            memory_bytes: Some(700),
            processes: Some(3),
            nano_cpus: Some(1_500_000_000),
            memory_limit_bytes: None,
            processes_limit: Some(256),
        };
        assert_eq!(read, expected);
        let cpu_ns = cgroups.cpu_ns(&id(), r"ds01-phd\x2ds-anna.slice");
        assert_eq!(cpu_ns, read.cpu_ns);
        assert_eq!(cgroups.read(&id(), "../x.slice"), None);
        assert_eq!(cgroups.read(&ContainerId("0e".into()), ""), None);
    }

    #[test]
    fn the_layout_with_a_hierarchy_for_each_kind_is_read() {
        let files = Files::new(
            "cgroup1",
            &[
                ("cpuacct/docker/0f/cpuacct.usage", "1500000\n"),
                ("cpu/docker/0f/cpu.cfs_quota_us", "-1\n"),
                ("cpu/docker/0f/cpu.cfs_period_us", "100000\n"),
                ("memory/docker/0f/memory.usage_in_bytes", "1000\n"),
                (
                    "memory/docker/0f/memory.stat",
                    "inactive_file 1\ntotal_inactive_file 400\n",
                ),
                (
                    "memory/docker/0f/memory.limit_in_bytes",
                    "9223372036854771712\n",
                ),
                ("pids/docker/0f/pids.current", "7\n"),
                ("pids/docker/0f/pids.max", "max\n"),
            ],
        );
        let dir = files.0.display();
        let mount = |kind: &str| format!("cgroup {dir}/{kind} cgroup rw,relatime,{kind} 0 0\n");
        let mounts = ["cpuacct", "cpu", "memory", "pids"].map(mount).concat();
        // Mounted beside them, without any of these.
        let mounts = format!("cgroup2 {dir}/unified cgroup2 rw 0 0\n{mounts}");
        let read = Cgroups::mounted(&mounts).read(&id(), "").unwrap();
        let expected = Counters {
            at_ns: read.at_ns,
            run: read.run,
            cpu_ns: Some(1_500_000),
            memory_bytes: Some(600),
            processes: Some(7),
            ..Counters::default()
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn a_counter_that_is_not_there_is_none() {
        let files = Files::new("cgroup0", &[("docker/0f/cpu.stat", "usage_usec x\n")]);
        let mounts = format!("cgroup2 {} cgroup2 rw 0 0\n", files.0.display());
        let read = Cgroups::mounted(&mounts).read(&id(), "").unwrap();
        let nothing = Counters {
            at_ns: read.at_ns,
            run: read.run,
            ..Counters::default()
        };
        assert_eq!(read, nothing);
        assert_eq!(
            Cgroups::mounted("tmpfs / tmpfs rw 0 0\n").read(&id(), ""),
            None
        );
    }
}
