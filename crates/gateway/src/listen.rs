//! The gateway's socket.

use std::{
    env, fs, io,
    os::{
        fd::{FromRawFd, OwnedFd},
        unix::{fs::PermissionsExt, net::UnixListener},
    },
    path::{Path, PathBuf},
};

use ds01_core::failure::{Failure, Kind};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};

/// The first descriptor that systemd passes (sd_listen_fds(3)).
const FIRST: i32 = 3;

/// The sockets that systemd passes, and ones of our own at those of `paths` that are not among
/// them, which replace what a gateway that was killed left there.
///
/// # Errors
///
/// If one cannot be made.
pub(crate) fn listeners(paths: &[PathBuf]) -> Result<Vec<UnixListener>, Failure> {
    let passed = passed();
    let served: Vec<_> = passed.iter().filter_map(path_of).collect();
    let missing = paths.iter().filter(|path| !served.contains(path));
    let made = missing.map(|path| own(path).map_err(|error| (path, error)));
    let listeners = passed.into_iter().map(Ok).chain(made);
    let watched = listeners.map(|listener| {
        let listener = listener.map_err(|(path, error)| {
            let message = format!("cannot listen at {}: {error}", path.display());
            Failure::new(Kind::Unreachable, message)
        })?;
        let unwatched = listener.set_nonblocking(true);
        unwatched.map_err(|error| Failure::new(Kind::Unreachable, error.to_string()))?;
        Ok(listener)
    });
    watched.collect()
}

/// Where clients find it.
pub(crate) fn path_of(listener: &UnixListener) -> Option<PathBuf> {
    Some(listener.local_addr().ok()?.as_pathname()?.to_owned())
}

fn passed() -> Vec<UnixListener> {
    let number = |name| env::var(name).ok()?.parse::<i32>().ok();
    let ours = number("LISTEN_PID").is_some_and(|pid| pid.unsigned_abs() == std::process::id());
    let count = number("LISTEN_FDS").filter(|_| ours).unwrap_or(0);
    // SAFETY: systemd passes these descriptors to this process, and nothing else here has them.
    #[expect(unsafe_code, reason = "a passed descriptor is a number")]
    let listener = |fd| UnixListener::from(unsafe { OwnedFd::from_raw_fd(fd) });
    let listeners = (FIRST..FIRST + count).map(listener);
    // They were to stay open over the start of this program, and of no other.
    let closed =
        |listener: &UnixListener| fcntl(listener, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).is_ok();
    listeners.filter(closed).collect()
}

fn own(path: &Path) -> io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    // Everybody may ask: who asks is read from the kernel.
    fs::set_permissions(path, fs::Permissions::from_mode(0o666))?;
    Ok(listener)
}
