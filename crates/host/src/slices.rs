//! The slices of users: what all containers of one user may use together.
//!
//! `systemctl set-property --runtime` is one call over D-Bus: the kernel has the limits at once,
//! and drop-ins in `/run` keep them, whenever something runs in the slice, until the next boot.
//! It does not reload systemd, in which running containers can lose their GPUs. A D-Bus library
//! would be more than all else that the commands are made of, for one call a user and boot.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use ds01_core::{
    failure::{Failure, Kind},
    slice::SliceLimits,
};
use nix::unistd::geteuid;

use crate::Site;

/// Where systemd keeps what it has been told so, until the next boot.
const TOLD: &str = "/run/systemd/system.control";

impl Site {
    /// Whether containers are in slices, and this process may limit them. Who is not root may not:
    /// where members of a group use the engine, all limits are advice.
    ///
    /// # Errors
    ///
    /// If the engine does not say.
    pub(crate) fn has_slices(&self) -> Result<bool, Failure> {
        Ok(geteuid().is_root() && self.abilities()?.slices)
    }
}

/// Whether systemd has been told these limits of the slice, and nothing else since.
pub(crate) fn is_told(slice: &str, limits: &SliceLimits) -> bool {
    limits.properties().iter().all(|property| {
        let name = property.split('=').next().unwrap_or_default();
        let file = drop_ins(slice).join(format!("50-{name}.conf"));
        fs::read_to_string(file).is_ok_and(|text| text.lines().last() == Some(property))
    })
}

/// Whether the slice has been limited since systemd started.
pub(crate) fn is_limited(slice: &str) -> bool {
    drop_ins(slice).exists()
}

/// Limits a slice before a container in it starts.
///
/// # Errors
///
/// As [`tell`]: nothing starts without limits.
pub(crate) fn limit(slice: &str, limits: &SliceLimits) -> Result<(), Failure> {
    match is_told(slice, limits) {
        true => Ok(()),
        false => tell(slice, limits),
    }
}

fn drop_ins(slice: &str) -> PathBuf {
    Path::new(TOLD).join(format!("{slice}.d"))
}

/// Tells systemd the limits of a slice.
///
/// # Errors
///
/// If it cannot be told, or refuses.
pub(crate) fn tell(slice: &str, limits: &SliceLimits) -> Result<(), Failure> {
    let failed = |reason: String| {
        let message = format!("cannot limit {slice}: {reason}");
        Failure::new(Kind::Unreachable, message).with_hint(
            "ask an admin: nothing starts without its limits; systemctl status tells more",
        )
    };
    let told = Command::new("systemctl")
        .args([
            "--no-ask-password",
            "set-property",
            "--runtime",
            "--",
            slice,
        ])
        .args(limits.properties())
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::null())
        .output();
    let told = told.map_err(|error: io::Error| failed(format!("systemctl: {error}")))?;
    match told.status.success() {
        true => Ok(()),
        false => Err(failed(
            String::from_utf8_lossy(&told.stderr)
                .trim()
                .replace('\n', "; "),
        )),
    }
}
