//! Whether systemd still has the socket that it made for the engine, which an engine that is
//! started again needs.

use std::{
    collections::BTreeSet,
    fs, io,
    path::Path,
    process::{Command, Stdio},
};

use super::{Finding, gpus};

const CHECK: &str = "activation";

/// What `ds01-takeover` tells systemd of the engine's socket.
const DROP_IN: &str = "/etc/systemd/system/docker.socket.d/ds01.conf";

/// The inodes of sockets.
type Sockets = BTreeSet<u64>;

/// `socket` is the engine's. Nothing is found where it makes its socket itself, or does not run.
pub(super) fn check(socket: &Path) -> Option<Finding> {
    let engine = gpus::pid(socket)?;
    let arguments = fs::read(format!("/proc/{engine}/cmdline")).ok()?;
    if !is_given_its_socket(&arguments) {
        return None;
    }
    let sockets = || {
        let listening = listening(&fs::read_to_string("/proc/net/unix")?);
        let both = |held: Sockets| &held & &listening;
        Ok::<_, io::Error>([both(held(engine)?), both(held(1)?)])
    };
    match sockets() {
        Ok([engines, firsts]) => Some(judge(&engines, &firsts, is_unread())),
        Err(error) => Some(
            Finding::unknown(CHECK, format!("whether systemd has its socket: {error}"))
                .mend("run ds01-doctor as root"),
        ),
    }
}

/// Whether an engine with these arguments listens where it is told by systemd (`-H fd://`).
fn is_given_its_socket(arguments: &[u8]) -> bool {
    let mut arguments = arguments.split(|byte| *byte == 0);
    arguments.any(|argument| {
        let host = argument.strip_prefix(b"--host=").unwrap_or(argument);
        let host = host.strip_prefix(b"-H").unwrap_or(host);
        host.starts_with(b"fd://")
    })
}

/// Those of proc(5)'s net/unix at which somebody may connect.
fn listening(text: &str) -> Sockets {
    const ACCEPTS: &str = "00010000";
    let lines = text.lines().map(|line| line.split_ascii_whitespace());
    lines
        .filter_map(|mut cells| (cells.nth(3)? == ACCEPTS).then(|| cells.nth(2)?.parse().ok())?)
        .collect()
}

/// Those that a process has.
fn held(pid: i32) -> io::Result<Sockets> {
    let mut held = Sockets::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd"))? {
        // It may have been closed since.
        let Ok(target) = fs::read_link(entry?.path()) else {
            continue;
        };
        let target = target.to_string_lossy();
        let inode = target
            .strip_prefix("socket:[")
            .and_then(|rest| rest.strip_suffix(']'));
        held.extend(inode.and_then(|inode| inode.parse::<u64>().ok()));
    }
    Ok(held)
}

/// Whether the gateway has the engine's place, and systemd has not read so yet. Of a unit that had no
/// drop-ins before, it does not say that it needs a reload.
fn is_unread() -> bool {
    if !Path::new(DROP_IN).exists() {
        return false;
    }
    let said = Command::new("systemctl")
        .args(["show", "--property=DropInPaths", "--value", "docker.socket"])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    said.is_ok_and(|said| {
        let mut read = said.stdout.split(u8::is_ascii_whitespace);
        said.status.success() && !read.any(|path| path == DROP_IN.as_bytes())
    })
}

/// `engines` and `firsts` are what the engine and the first process listen at.
fn judge(engines: &Sockets, firsts: &Sockets, unread: bool) -> Finding {
    if engines.is_disjoint(firsts) {
        return Finding::wrong(CHECK, "systemd has lost the engine's socket: docker.socket")
            .because("the engine runs on, and cannot start again: a crash ends every container")
            .mend("systemctl restart docker.socket docker, when all containers may stop");
    }
    if unread {
        return Finding::warning(
            CHECK,
            "systemd has not read yet what ds01-takeover has changed",
        )
        .because(
            "until it does, as at the next boot, a restart of docker.socket, not of docker \
                 alone, puts the engine back in the place of the gateway",
        )
        .mend("nothing; after such a restart: ds01-takeover on");
    }
    Finding::ok(CHECK, "systemd has the engine's socket")
}

#[cfg(test)]
mod tests {
    use super::{super::Verdict, *};

    #[test]
    fn an_engine_is_given_its_socket_by_its_arguments() {
        for (arguments, given) in [
            (
                &b"/usr/sbin/dockerd\0-H\0fd://\0--containerd=/run/c.sock\0"[..],
                true,
            ),
            (b"dockerd\0--host=fd://docker.socket\0", true),
            (b"dockerd\0-Hfd://\0", true),
            (b"dockerd\0-H\0unix:///run/docker.sock\0", false),
            (b"dockerd\0--label=fd://\0", false),
            (b"dockerd\0", false),
            (b"", false),
        ] {
            let shown = String::from_utf8_lossy(arguments);
            assert_eq!(is_given_its_socket(arguments), given, "{shown}");
        }
    }

    #[test]
    fn only_sockets_that_accept_count() {
        let text = "Num       RefCount Protocol Flags    Type St Inode Path\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 4711 /run/docker.sock\n\
            0000000000000000: 00000003 00000000 00000000 0001 03 4712 /run/docker.sock\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 4713\n\
            torn\n";
        assert_eq!(listening(text), Sockets::from([4711, 4713]));
    }

    #[test]
    fn this_process_has_what_it_has() {
        let (one, other) = std::os::unix::net::UnixStream::pair().unwrap();
        let held = held(std::process::id().cast_signed()).unwrap();
        assert!(held.len() >= 2);
        drop((one, other));
    }

    #[test]
    fn systemd_has_one_of_those_that_the_engine_has() {
        let [engines, same, other] = [[1, 2], [2, 3], [3, 4]].map(Sockets::from);
        assert_eq!(judge(&engines, &same, false).verdict, Verdict::Ok);
        assert_eq!(judge(&engines, &same, true).verdict, Verdict::Warning);
        for unread in [false, true] {
            assert_eq!(judge(&engines, &other, unread).verdict, Verdict::Wrong);
        }
    }
}
