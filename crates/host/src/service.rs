//! What systemd is told by a service.

use std::{
    env,
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixDatagram},
    },
};

/// Tells systemd how this service is (sd_notify(3)); without systemd there is nobody to tell.
pub fn notify(state: &str) {
    let told = env::var_os("NOTIFY_SOCKET").map(|path| {
        let socket = UnixDatagram::unbound()?;
        match path.to_string_lossy().strip_prefix('@') {
            Some(name) => {
                let address = SocketAddr::from_abstract_name(name)?;
                socket.send_to_addr(state.as_bytes(), &address)
            }
            None => socket.send_to(state.as_bytes(), &path),
        }
    });
    // It would wait, and say so in its own log.
    drop(told);
}
