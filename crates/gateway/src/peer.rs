//! Who is at the other end of a connection: what the kernel says, and nothing else.

use std::{fs, io, os::unix::fs::MetadataExt};

use ds01_core::container::ContainerId;
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use tokio::net::UnixStream;

/// The process that connected, as it was then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// The container that it is in: whatever uid it has there, it can only be that one's owner.
    pub(crate) container: Option<ContainerId>,
}

/// Reads who connected.
///
/// # Errors
///
/// If the process is gone, or is in a namespace of which nothing is known: then it is nobody.
pub(crate) fn peer(client: &UnixStream) -> io::Result<Peer> {
    let credentials = getsockopt(client, PeerCredentials)?;
    let pid = credentials.pid();
    let namespace =
        |pid: &str| Ok::<_, io::Error>(fs::metadata(format!("/proc/{pid}/ns/pid"))?.ino());
    // Gone already, it could be anybody's pid by now.
    let inside = namespace(&pid.to_string())? != namespace("self")?;
    let container = match inside {
        false => None,
        true => Some(container(pid).ok_or(io::ErrorKind::PermissionDenied)?),
    };
    Ok(Peer {
        uid: credentials.uid(),
        gid: credentials.gid(),
        container,
    })
}

/// The container whose cgroup a process is in.
fn container(pid: i32) -> Option<ContainerId> {
    id_in(&fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?)
}

/// The id of a container in the text of proc(5)'s cgroup: 64 digits, alone or as `docker-….scope`.
fn id_in(cgroups: &str) -> Option<ContainerId> {
    let is_id = |word: &&str| word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let mut words = cgroups.split(['/', '-', '.', '\n', ':']);
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
        assert_eq!(of(&format!("0::/ds01.slice/docker-{id}.scope\n")), Some(id));
        assert_eq!(of("0::/user.slice/user-1001.slice\n"), None);
    }
}
