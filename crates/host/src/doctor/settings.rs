//! What the configuration names that has to be there: the default image, and the command that tells.

use std::{fs, io, os::unix::fs::PermissionsExt};

use ds01_core::{
    catalogue::{NoImage, choose},
    device::Inventory,
};
use nix::unistd::User;

use super::{Finding, docker, quoted};
use crate::{Site, ops::entries, tell::ByCommand};

const IMAGE: &str = "default-image";
const TELL: &str = "tell";

/// The image of whoever names none: the engine has it, or the catalogue.
pub(super) fn default_image(site: &Site, inventory: Option<&Inventory>) -> Option<Finding> {
    let name = site.config().containers.default_image.as_deref()?;
    let shown = format!("containers.default_image = {name:?}");
    let unasked = |failure: String| Finding::unknown(IMAGE, format!("{shown}: {failure}"));
    match site.engine().image(name) {
        Ok(Some(_)) => return Some(Finding::ok(IMAGE, format!("{shown} is here"))),
        Ok(None) => {}
        Err(error) => return Some(unasked(error.to_string())),
    }
    let none = || {
        Finding::wrong(
            IMAGE,
            format!("{shown}, which neither the engine nor the catalogue has"),
        )
        .because("container-create fails wherever no image is named")
        .mend(format!(
            "{} pull {name}, or name another in ds01.toml",
            docker(site.engine())
        ))
    };
    let Ok(wish) = name.parse() else {
        return Some(none());
    };
    let entries = match entries(site) {
        Ok(entries) => entries,
        Err(failure) => return Some(unasked(failure.one_line())),
    };
    let hardware = inventory.map(|all| all.hardware.clone());
    Some(
        match choose(&entries, &wish, &hardware.clone().unwrap_or_default()) {
            Ok(entry) => {
                let what = format!("{shown} is the catalogue's {}", entry.image);
                Finding::ok(IMAGE, what)
            }
            Err(NoImage::Framework { .. }) => none(),
            // What works here is not known without the driver.
            Err(NoImage::Hardware { .. }) if hardware.is_none() => {
                unasked("the driver does not say what works here".into())
            }
            Err(error) => Finding::wrong(IMAGE, format!("{shown}: {error}"))
                .because("container-create fails wherever no image is named")
                .mend("name another in ds01.toml, or add a line to ml_images.repo"),
        },
    )
}

/// The command by which users are told, and whom it runs as.
pub(super) fn told(tell: &ByCommand) -> Option<Finding> {
    let program = tell.command.first()?;
    let wrong = |what: String| {
        Finding::wrong(TELL, what)
            .because("users are told nothing by it")
            .mend("correct [tell] in ds01.toml")
    };
    let shown = quoted(program.as_ref());
    let found = match fs::metadata(program) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let what = format!("cannot look at tell.command {shown}: {error}");
            return Some(Finding::unknown(TELL, what).mend("run ds01-doctor as root"));
        }
        Err(error) => return Some(wrong(format!("tell.command {shown}: {error}"))),
        Ok(found) => found,
    };
    if !found.is_file() || found.permissions().mode() & 0o111 == 0 {
        return Some(wrong(format!("tell.command {shown} is no program")));
    }
    match User::from_name(&tell.user) {
        Ok(Some(user)) if user.uid.is_root() => Some(wrong(format!(
            "tell.user {} is root: the command is not run",
            tell.user
        ))),
        Ok(None) => Some(wrong(format!("tell.user: there is no user {}", tell.user))),
        _ => Some(Finding::ok(TELL, format!("users are told by {shown}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn a_command_that_is_not_there_or_cannot_be_run_is_told() {
        let verdict = |program: &str, user: &str| {
            let tell = ByCommand {
                command: vec![program.into()],
                user: user.into(),
                ..ByCommand::default()
            };
            told(&tell).unwrap().verdict
        };
        assert_eq!(told(&ByCommand::default()), None);
        assert_eq!(verdict("/bin/sh", "nobody"), Verdict::Ok);
        for (program, user) in [
            ("/no/such", "nobody"),
            ("/etc/passwd", "nobody"),
            ("/bin", "nobody"),
            ("/bin/sh", "nosuch"),
            ("/bin/sh", "root"),
        ] {
            assert_eq!(verdict(program, user), Verdict::Wrong, "{program} {user}");
        }
    }
}
