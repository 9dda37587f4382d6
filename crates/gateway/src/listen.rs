//! The gateway's socket, and what systemd is told.

use std::{
    env, fs, io,
    os::{
        fd::{FromRawFd, OwnedFd},
        unix::{fs::PermissionsExt, net::UnixDatagram, net::UnixListener},
    },
    path::Path,
};

use ds01_core::failure::{Failure, Kind};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};

/// The first descriptor that systemd passes (sd_listen_fds(3)).
const FIRST: i32 = 3;

/// The socket that systemd passes, or one of our own at `path`, which replaces what a gateway
/// that was killed left there.
///
/// # Errors
///
/// If it cannot be made, or another gateway answers at it.
pub(crate) fn listener(path: &Path) -> Result<UnixListener, Failure> {
    let listener = match passed() {
        Some(listener) => Ok(listener),
        None => own(path),
    };
    let listener = listener.and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    listener.map_err(|error| {
        let mut failure = Failure::new(
            Kind::Unreachable,
            format!("cannot listen at {}", path.display()),
        );
        failure.causes = vec![error.to_string()];
        failure
    })
}

fn passed() -> Option<UnixListener> {
    let number = |name| env::var(name).ok()?.parse::<u32>().ok();
    let ours = number("LISTEN_PID") == Some(std::process::id());
    if !ours || number("LISTEN_FDS") != Some(1) {
        return None;
    }
    // SAFETY: systemd passes this descriptor to this process, and nothing else here has it.
    #[expect(unsafe_code, reason = "a passed descriptor is a number")]
    let listener = UnixListener::from(unsafe { OwnedFd::from_raw_fd(FIRST) });
    // It was to stay open over the start of this program, and of no other.
    fcntl(&listener, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).ok()?;
    Some(listener)
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

/// Tells systemd how this service is (sd_notify(3)); without systemd there is nobody to tell.
pub(crate) fn notify(state: &str) {
    let told = env::var_os("NOTIFY_SOCKET").map(|path| {
        let socket = UnixDatagram::unbound()?;
        match path.to_string_lossy().strip_prefix('@') {
            Some(name) => {
                use std::os::linux::net::SocketAddrExt;
                let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
                socket.send_to_addr(state.as_bytes(), &address)
            }
            None => socket.send_to(state.as_bytes(), &path),
        }
    });
    // It would wait, and say so in its own log.
    drop(told);
}
