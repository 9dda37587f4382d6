//! Ports of the host that a container may have.

use super::{
    body::{Set, text},
    host_config::HostConfig,
    refused::Refused,
};

/// Ports of one container: the engine runs a process of root's for each that is published.
const MOST: usize = 256;

const TOO_MANY: &str = "more than 256 ports";
const FEWER: &str = "publish those that are used, as in -p 8080:80";

/// Refuses ports of the host itself, and more than a container may have.
pub(super) fn check(exposed: &Option<Set>, host: &HostConfig) -> Result<(), Refused> {
    let mut count = 0;
    for key in exposed.iter().flat_map(Set::keys) {
        count += size("ExposedPorts", key)?;
    }
    few("ExposedPorts", count)?;
    let mut count = 0;
    for (key, bindings) in host.port_bindings.iter().flatten() {
        let bindings = bindings.as_deref().unwrap_or_default();
        count += size("PortBindings", key)? * bindings.len().max(1);
        for binding in bindings {
            is_free(text(&binding.host_port))?;
        }
    }
    few("PortBindings", count)
}

/// Whether a container may have so many ports.
pub(super) fn few(field: &'static str, count: usize) -> Result<(), Refused> {
    match count > MOST {
        true => Err(Refused::forbidden(
            field,
            count.to_string(),
            TOO_MANY,
            FEWER,
        )),
        false => Ok(()),
    }
}

/// How many ports are meant by `80`, `80/tcp` or `80-90/udp`.
fn size(field: &'static str, key: &str) -> Result<usize, Refused> {
    let wrong = || Refused::value(field, key, "not a port");
    let (ports, protocol) = key.split_once('/').unwrap_or((key, "tcp"));
    if !["tcp", "udp", "sctp"].contains(&protocol) {
        return Err(wrong());
    }
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let (first, last) = (
        number(first).ok_or_else(wrong)?,
        number(last).ok_or_else(wrong)?,
    );
    let after = last.checked_sub(first).ok_or_else(wrong)?;
    Ok(usize::from(after) + 1)
}

fn number(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

/// Whether anyone may have this port of the host.
fn is_free(port: &str) -> Result<(), Refused> {
    if port.is_empty() {
        return Ok(());
    }
    let (first, last) = port.split_once('-').unwrap_or((port, port));
    for end in [first, last] {
        match number(end) {
            // The engine chooses one.
            Some(0) if first == last => {}
            Some(1024..) => {}
            Some(_) => {
                let why = "below 1024, a port of the host itself";
                let instead = "publish it on a port from 1024 up, as in -p 8080:80";
                return Err(Refused::forbidden("HostPort", port, why, instead));
            }
            None => return Err(Refused::value("HostPort", port, "not a port")),
        }
    }
    Ok(())
}
