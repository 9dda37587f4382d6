//! Who is at the other end of a connection: what the kernel says, and nothing else.

use std::{
    fs, io,
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::{fs::MetadataExt, net::UnixStream},
    },
    sync::OnceLock,
};

use ds01_core::{container::ContainerId, ledger::Process};
use ds01_host::clock;
use nix::{
    libc,
    sys::socket::{getsockopt, sockopt::PeerCredentials},
};

use crate::keeper::Who;

/// The process that connected, as it was then.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// `None` if nobody needs to recognise it.
    pub(crate) connected: Option<Connected>,
    /// The container that it seems to be in: whatever uid it has there, it can only be that one's
    /// owner.
    pub(crate) inside: Option<Inside>,
}

impl Peer {
    /// With whose connections this one is counted and parsed.
    pub(crate) fn who(&self) -> Who {
        match &self.inside {
            // Root in there is whatever uid it likes.
            Some(inside) => (0, Some(inside.container.clone())),
            None => (self.uid, None),
        }
    }

    /// The process, as others can recognise it; `None` if it has gone.
    pub(crate) fn process(&self) -> Option<Process> {
        match self.connected.as_ref()? {
            Connected::Held(pid, descriptor) => {
                let found = recognised(*pid)?;
                is_there(descriptor).ok()?;
                Some(found)
            }
            Connected::Read(found) => found.clone(),
        }
    }
}

/// Which process it was.
#[derive(Debug)]
pub(crate) enum Connected {
    /// Its pid, and a descriptor that stays its own: it can be looked at when somebody asks.
    Held(i32, OwnedFd),
    /// On a kernel before 6.5, where its pid can be another's by then: what it was at once.
    Read(Option<Process>),
}

fn recognised(pid: i32) -> Option<Process> {
    clock::process(pid.try_into().ok()?)
}

/// Fails if the process has gone, so that its pid may be another's.
fn is_there(process: &OwnedFd) -> io::Result<()> {
    let (call, of) = (libc::SYS_pidfd_send_signal, process.as_raw_fd());
    let none = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: signal 0 is none; nothing is written.
    #[expect(unsafe_code, reason = "no library has this call yet")]
    match unsafe { libc::syscall(call, of, 0, none, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// A process in another namespace than the host's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Inside {
    /// The container that its cgroup names. Users may have cgroups of their own, with any name:
    /// it counts only if the container's own processes have this namespace.
    pub(crate) container: ContainerId,
    /// The inode of its namespace of processes.
    pub(crate) namespace: u64,
}

/// Reads who connected.
///
/// # Errors
///
/// If the process is gone, or is in a namespace of which nothing is known: then it is nobody.
pub(crate) fn peer(client: &UnixStream) -> io::Result<Peer> {
    let credentials = getsockopt(client, PeerCredentials)?;
    let pid = credentials.pid();
    let connected = match descriptor(client)? {
        Some(descriptor) => Connected::Held(pid, descriptor),
        None => Connected::Read(recognised(pid)),
    };
    let theirs = namespace(&pid.to_string())?;
    let inside = match theirs == own_namespace()? {
        true => None,
        false => Some(Inside {
            container: container(pid).ok_or(io::ErrorKind::PermissionDenied)?,
            namespace: theirs,
        }),
    };
    // Gone already, its pid could be anybody's by now.
    if let Connected::Held(_, process) = &connected {
        is_there(process)?;
    }
    Ok(Peer {
        uid: credentials.uid(),
        gid: credentials.gid(),
        connected: Some(connected),
        inside,
    })
}

/// The inode of a process's namespace of processes.
pub(crate) fn namespace(pid: &str) -> io::Result<u64> {
    Ok(fs::metadata(format!("/proc/{pid}/ns/pid"))?.ino())
}

/// That of this process, which does not change.
fn own_namespace() -> io::Result<u64> {
    static OWN: OnceLock<u64> = OnceLock::new();
    match OWN.get() {
        Some(own) => Ok(*own),
        None => namespace("self").map(|own| *OWN.get_or_init(|| own)),
    }
}

/// The process that connected, by a descriptor that stays its own; `None` on a kernel before 6.5.
fn descriptor(client: &UnixStream) -> io::Result<Option<OwnedFd>> {
    const SO_PEERPIDFD: libc::c_int = 77;
    let mut descriptor: libc::c_int = -1;
    let mut size = size_of::<libc::c_int>() as libc::socklen_t;
    let (into, of) = ((&raw mut descriptor).cast(), client.as_raw_fd());
    // SAFETY: the kernel writes an int of this size.
    #[expect(unsafe_code, reason = "no library has this option yet")]
    let got = unsafe { libc::getsockopt(of, libc::SOL_SOCKET, SO_PEERPIDFD, into, &raw mut size) };
    if got != 0 {
        let error = io::Error::last_os_error();
        return match error.raw_os_error() {
            Some(libc::ENOPROTOOPT) => Ok(None),
            _ => Err(error),
        };
    }
    // SAFETY: the kernel has just made it for this process.
    #[expect(unsafe_code, reason = "a descriptor arrives as a number")]
    Ok(Some(unsafe { OwnedFd::from_raw_fd(descriptor) }))
}

/// The container whose cgroup a process is in.
fn container(pid: i32) -> Option<ContainerId> {
    id_in(&fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?)
}

/// The id of a container in the text of proc(5)'s cgroup: 64 digits, alone or as `docker-….scope`.
/// Below their own session users make cgroups of any name, and the engine none.
fn id_in(cgroups: &str) -> Option<ContainerId> {
    let of_engine = |line: &&str| !line.split('/').any(|part| part == "user.slice");
    cgroups.lines().filter(of_engine).find_map(id_in_line)
}

fn id_in_line(cgroup: &str) -> Option<ContainerId> {
    let is_id = |word: &&str| word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let mut words = cgroup.split(['/', '-', '.', ':']);
    words.find(is_id).map(|id| ContainerId(id.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_known_by_its_cgroup() {
        let id = "0123456789abcdef".repeat(4);
        let of = |text: &str| id_in(text).map(|id| id.0);
        assert_eq!(of(&format!("12:pids:/docker/{id}\n")), Some(id.clone()));
        let scope = format!("0::/ds01.slice/docker-{id}.scope\n");
        assert_eq!(of(&scope), Some(id.clone()));
        assert_eq!(of("0::/user.slice/user-1001.slice\n"), None);
        let forged =
            format!("0::/user.slice/user-1001.slice/user@1001.service/docker-{id}.scope\n");
        assert_eq!(of(&forged), None);
    }
}
