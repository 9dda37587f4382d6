//! The quotas and policies.

use ds01_core::{limits::ContainerTypes, policy::Warning};

use super::Finding;
use crate::{config::Paths, limits_files};

const CHECK: &str = "policy";

pub(super) fn check(paths: &Paths) -> Vec<Finding> {
    let dir = &paths.config;
    match limits_files::policy(dir) {
        Ok((policy, warnings)) => {
            let mut findings: Vec<_> = warnings.iter().map(in_vain).collect();
            findings.extend(idle_dev_containers(policy.container_types()));
            if findings.is_empty() {
                let read = format!("the limits in {} can be read", dir.display());
                findings.push(Finding::ok(CHECK, read));
            }
            findings
        }
        Err(failure) => {
            let why = match limits_files::in_force(paths) {
                Ok(_) => "what was said before goes on, and no change counts",
                Err(_) => "nothing is granted on guessed limits",
            };
            vec![
                Finding::of_failure(CHECK, failure)
                    .because(why)
                    .mend("mend it; README.md shows a short one"),
            ]
        }
    }
}

fn in_vain(warning: &Warning) -> Finding {
    Finding::warning(CHECK, warning.to_string())
        .because("whoever wrote it may think that it limits something")
        .mend("correct or remove that line")
}

/// The original system shipped it without a limit.
fn idle_dev_containers(types: &ContainerTypes) -> Option<Finding> {
    types.devcontainer.idle_timeout.is_none().then(|| {
        Finding::warning(CHECK, "container_types.devcontainer.idle_timeout_h is null")
            .because("no dev container is stopped for idling; the default is 30 min")
            .mend("idle_timeout_h: 0.5 in resource-limits.yaml, or leave it if it is meant")
    })
}
