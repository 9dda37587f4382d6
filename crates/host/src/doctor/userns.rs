//! The user namespaces of containers, without which users walk into them.

use std::{env, fmt::Write, fs, path::PathBuf};

use ds01_core::container::{ContainerId, Sighting};

use super::Finding;
use crate::engine::{About, DS01_RUNC, Inspected};

const CHECK: &str = "userns";

/// Where the kernel says how many user namespaces there may be.
const MOST_NAMESPACES: &str = "/proc/sys/user/max_user_namespaces";

/// What keeps users from walking into containers, in which they may have root.
pub(super) fn check(about: &About) -> Finding {
    if about.remaps_users {
        let what = "root in a container is nobody outside (userns-remap)";
        return Finding::ok(CHECK, what);
    }
    if about.runtime == DS01_RUNC {
        let most = fs::read_to_string(MOST_NAMESPACES).unwrap_or_default();
        if most.trim() == "0" {
            return Finding::wrong(CHECK, "this host allows no user namespace")
                .because("no container can be started with ds01-runc, which gives each one")
                .mend("sysctl -w user.max_user_namespaces=100000, and in /etc/sysctl.d for good");
        }
        let what = "a container that is made gets a user namespace of its own (ds01-runc)";
        return Finding::ok(CHECK, what);
    }
    let command = env::current_exe().unwrap_or_default();
    let path = command
        .parent()
        .map(|bin| bin.join("../libexec/ds01/ds01-runc"));
    let path = path.and_then(|path| path.canonicalize().ok());
    let path = path.unwrap_or_else(|| PathBuf::from("/usr/libexec/ds01/ds01-runc"));
    let path = path.display();
    Finding::wrong(CHECK, "containers have no user namespace of their own")
        .because(
            "whoever has a process in one can walk into it from outside: with root beside it, or a \
             device in its image, they become root here",
        )
        .mend(format!(
            r#"{{"runtimes": {{"ds01-runc": {{"path": "{path}"}}}}, "default-runtime": "ds01-runc"}} in /etc/docker/daemon.json, then systemctl reload docker; containers that exist keep theirs until they are made anew"#
        ))
}

/// Containers that were made before this host's came to have user namespaces: the engine starts each
/// with the runtime that it was made with.
pub(super) fn of_before(
    about: &About,
    containers: &[Sighting],
    inspected: &[Inspected],
) -> Option<Finding> {
    /// Names that one line has room for.
    const SHOWN: usize = 5;
    if about.runtime != DS01_RUNC {
        return None;
    }
    let is_of_before = |id: &ContainerId| {
        let mut all = inspected.iter();
        all.any(|one| one.id == *id && one.runtime != DS01_RUNC)
    };
    let of_before = containers.iter().filter(|one| is_of_before(&one.id));
    let names: Vec<_> = of_before.map(|one| one.name.as_str()).collect();
    if names.is_empty() {
        return None;
    }
    let mut what = format!(
        "containers without a user namespace, made before ds01-runc was the default: {}",
        names[..names.len().min(SHOWN)].join(" ")
    );
    if names.len() > SHOWN {
        let _ = write!(what, " and {} more", names.len() - SHOWN);
    }
    let finding = Finding::wrong(CHECK, what)
        .because("whoever has a process in one can become root here, as long as it exists")
        .mend("have them removed and made anew, each by whose it is: container-list --all-users");
    Some(finding)
}
