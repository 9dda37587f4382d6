//! What the engine would do with a container as root, before it does: once it has begun, nobody can
//! stop it.

use ds01_core::failure::Failure;
use nix::unistd::geteuid;

use super::{intent::gone, target::Target};
use crate::{Site, passwd};

/// Looks at a container that is to be started; what the engine would do by itself it does no more.
///
/// # Errors
///
/// Status 4 if the engine would hang, or read for ever.
pub(super) fn before_start(site: &Site, target: &Target) -> Result<(), Failure> {
    let name = &target.container.name;
    let Some(closely) = site.engine().inspect_one(&target.id)? else {
        return Err(gone(name));
    };
    // Made before this was looked at, or changed by an admin: at the engine's own start nobody looks.
    if closely.restarts {
        site.engine().never_restart(&target.id)?;
    }
    // Who is not root has the engine as root anyway, and nobody to keep it from.
    let Some(upper) = closely.upper.filter(|_| geteuid().is_root()) else {
        return Ok(());
    };
    match passwd::of_stopped(&upper) {
        Ok(None) => Ok(()),
        Ok(Some(unfit)) => Err(unfit.failure(name, &format!("container {name} is not started"))),
        Err(error) => Err(passwd::unseen(name, &error)),
    }
}
