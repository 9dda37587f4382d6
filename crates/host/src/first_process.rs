//! The first process of a container, as proc(5) tells of it: nothing is run inside.

use std::{collections::BTreeSet, fs::File, os::fd::OwnedFd, path::PathBuf, sync::LazyLock};

use ds01_core::{container::ContainerId, time::Uptime};
use nix::{
    fcntl::{AtFlags, OFlag, open, openat},
    sys::stat::{Mode, fstatat, stat},
};

use crate::{clock, kernel_file};

/// The networks of the host, by device and inode. A service may have one of its own, and may not be
/// shown the first process's.
static HOST_NETWORKS: LazyLock<Vec<(u64, u64)>> = LazyLock::new(|| {
    let all = ["/proc/1/ns/net", "/proc/self/ns/net"].into_iter();
    let all = all.filter_map(|path| stat(path).ok());
    all.map(|network| (network.st_dev, network.st_ino))
        .collect()
});

/// A process that was in a container when it was opened. What is read of it is of that one, and
/// of none that has its number later.
#[derive(Debug)]
pub(crate) struct FirstProcess(OwnedFd);

impl FirstProcess {
    /// Opens a process; `None` if it is not there, or not in this container.
    pub(crate) fn open(pid: u32, id: &ContainerId) -> Option<Self> {
        let path = PathBuf::from(format!("/proc/{pid}"));
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let process = Self(open(&path, flags, Mode::empty()).ok()?);
        is_in(&process.text("cgroup")?, id).then_some(process)
    }

    /// When it was started.
    pub(crate) fn began(&self) -> Option<Uptime> {
        clock::began(&self.text("stat")?)
    }

    /// The bytes that its network has received and sent; `None` if that is the host's, whose
    /// traffic is anybody's.
    pub(crate) fn network_bytes(&self) -> Option<u64> {
        let own = fstatat(&self.0, "ns/net", AtFlags::empty()).ok()?;
        match HOST_NETWORKS.contains(&(own.st_dev, own.st_ino)) {
            true => None,
            false => traffic(&self.text("net/dev")?),
        }
    }

    fn text(&self, name: &str) -> Option<String> {
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        let file = openat(&self.0, name, flags, Mode::empty()).ok()?;
        kernel_file::text(File::from(file)).ok()
    }
}

/// Whether a process is in a container; `None` if it is not there to be asked.
pub(crate) fn is_inside(pid: u32, id: &ContainerId) -> Option<bool> {
    let text = kernel_file::read(format!("/proc/{pid}/cgroup")).ok()?;
    Some(is_in(&text, id))
}

/// Whether a process is in one of these containers; `None` if it is not there to be asked.
pub(crate) fn is_inside_any(pid: u32, ids: &BTreeSet<&ContainerId>) -> Option<bool> {
    let text = kernel_file::read(format!("/proc/{pid}/cgroup")).ok()?;
    let is_id = |name: &str| ids.contains(&ContainerId(name.into()));
    let scope = |name: &str| Some(is_id(name.strip_prefix("docker-")?.strip_suffix(".scope")?));
    let is_one = |name: &str| is_id(name) || scope(name) == Some(true);
    Some(names_in(&text).any(is_one))
}

/// Whose a process is; `None` if it is not there.
pub(crate) fn uid_of(pid: u32) -> Option<u32> {
    let text = kernel_file::read(format!("/proc/{pid}/status")).ok()?;
    let uids = text.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    uids.split_whitespace().next()?.parse().ok()
}

/// What a process is called; `None` if it is not there.
pub(crate) fn name_of(pid: u32) -> Option<String> {
    let name = std::fs::read(format!("/proc/{pid}/comm")).ok()?;
    Some(String::from_utf8_lossy(&name).trim_end().into())
}

/// Whether a process with this proc(5)'s cgroup is in a container, as engines name its directory
/// by themselves or by way of systemd.
fn is_in(cgroup: &str, id: &ContainerId) -> bool {
    let scope = format!("docker-{id}.scope");
    names_in(cgroup).any(|name| name == id.0 || name == scope)
}

/// The names of the directories that proc(5)'s cgroup tells of.
fn names_in(cgroup: &str) -> impl Iterator<Item = &str> {
    let paths = cgroup.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    paths.flat_map(|path| path.split('/'))
}

/// Received and sent by all interfaces but the loopback, from proc(5)'s net/dev.
fn traffic(text: &str) -> Option<u64> {
    let interfaces = text.lines().filter_map(|line| line.split_once(':'));
    let mut others = interfaces.filter(|(name, _)| name.trim() != "lo");
    others.try_fold(0_u64, |sum, (_, counters)| {
        let mut counters = counters.split_whitespace();
        let received: u64 = counters.next()?.parse().ok()?;
        let sent: u64 = counters.nth(7)?.parse().ok()?;
        sum.checked_add(received)?.checked_add(sent)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEV: &str = "Inter-|   Receive                |  Transmit\n \
         face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs\n    \
         lo: 999 1 0 0 0 0 0 0 999 1 0 0 0 0 0 0\n  \
         eth0: 1000 2 0 0 0 0 0 0 200 3 0 0 0 0 0 0\n  \
         eth1:30 2 0 0 0 0 0 0 4 3 0 0 0 0 0 0\n";

    #[test]
    fn traffic_is_of_all_interfaces_but_the_loopback() {
        assert_eq!(traffic(DEV), Some(1234));
        assert_eq!(traffic("    lo: 9 0 0 0 0 0 0 0 9 0\n"), Some(0));
        assert_eq!(traffic("eth0: 1 2 3\n"), None);
        assert_eq!(traffic("eth0: x 2 0 0 0 0 0 0 4 3\n"), None);
    }

    #[test]
    fn a_process_is_in_a_container_by_the_whole_name_of_its_directory() {
        let id = ContainerId("0f".into());
        for (text, inside) in [
            ("0::/system.slice/docker-0f.scope\n", true),
            ("12:cpu:/docker/0f\n11:memory:/docker/0f\n", true),
            ("0::/docker/0f/inner\n", true),
            ("0::/../docker-0f.scope", true),
            ("0::/docker/0f1\n", false),
            ("0::/user.slice/x-docker-0f.scope\n", false),
            ("1:name=0f:/docker/0e\n", false),
            ("", false),
        ] {
            assert_eq!(is_in(text, &id), inside, "{text}");
        }
    }

    #[test]
    fn this_process_is_in_no_such_container() {
        let id = ContainerId("0f".into());
        assert!(FirstProcess::open(std::process::id(), &id).is_none());
        assert_eq!(is_inside(std::process::id(), &id), Some(false));
        assert_eq!(is_inside(u32::MAX, &id), None);
        let ids = BTreeSet::from([&id]);
        assert_eq!(is_inside_any(std::process::id(), &ids), Some(false));
        assert_eq!(is_inside_any(u32::MAX, &ids), None);
        let here = std::process::id();
        assert_eq!(uid_of(here), Some(nix::unistd::getuid().as_raw()));
        assert!(name_of(here).is_some() && name_of(u32::MAX).is_none());
    }
}
