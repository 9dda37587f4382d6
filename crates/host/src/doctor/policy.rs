//! The quotas and policies.

use std::{collections::BTreeSet, fs};

use ds01_core::{
    admit::smallest,
    device::Inventory,
    limits::{ContainerTypes, Exemption, Limits},
    policy::{Policy, Warning},
    share::Share,
    time::Timestamp,
    user::sanitised,
};

use super::Finding;
use crate::{clock, config::Paths, limits_files, users::is_login};

const CHECK: &str = "policy";

pub(super) fn check(paths: &Paths, inventory: Option<&Inventory>) -> Vec<Finding> {
    let dir = &paths.config;
    match limits_files::policy(dir) {
        Ok((policy, warnings)) => {
            let mut findings: Vec<_> = warnings.iter().map(in_vain).collect();
            findings.extend(idle_dev_containers(policy.container_types()));
            findings.extend(strangers(&policy));
            findings.extend(ended(policy.exemptions(), clock::now()));
            findings.extend(
                inventory
                    .into_iter()
                    .flat_map(|all| out_of_reach(&policy, all)),
            );
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

/// Whoever is named and has no login. A list can have the form of a login that slices have, too.
fn strangers(policy: &Policy) -> Vec<Finding> {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let logins = passwd.lines().filter_map(|line| line.split(':').next());
    let forms: BTreeSet<_> = logins.map(sanitised).collect();
    let unknown = |login: &&str| matches!(is_login(login), Ok(false)) && !forms.contains(*login);
    let exempted = policy.exemptions().iter();
    let exempted: BTreeSet<_> = exempted.map(|one| one.login.as_str()).collect();
    let finding = |names: BTreeSet<&str>, what: &str, why: &str| {
        let names: Vec<_> = names.into_iter().filter(unknown).collect();
        (!names.is_empty()).then(|| {
            let names = names.join(", ");
            Finding::warning(CHECK, format!("{what} name who has no login here: {names}"))
                .because(why)
                .mend(
                    "correct the names, as getent passwd has them, or leave those who are to come",
                )
        })
    };
    let limits = finding(
        policy.named(),
        "the limits",
        "whoever is meant has the limits of the default group",
    );
    let exemptions = finding(
        exempted,
        "the exemptions",
        "whoever is meant is stopped as everybody is",
    );
    limits.into_iter().chain(exemptions).collect()
}

/// Exemptions that are over: whoever has one may count on it still.
fn ended(exemptions: &[Exemption], now: Timestamp) -> Vec<Finding> {
    let over = exemptions.iter().filter_map(|one| {
        let until = one.until.filter(|until| *until <= now)?;
        let what = format!("the exemption of {} ended at {until}", one.login);
        let finding = Finding::warning(CHECK, what).because("they are stopped as everybody is");
        Some(finding.mend("set expires_on anew in lifecycle-exemptions.yaml, or remove it"))
    });
    over.collect()
}

/// Groups and users of whom nobody can ever have a GPU, though their limits read as if they could.
fn out_of_reach(policy: &Policy, inventory: &Inventory) -> Vec<Finding> {
    if inventory.devices.is_empty() {
        return Vec::new();
    }
    let finding = |(whose, limits): (String, Limits)| {
        let meant = limits.quota != Some(Share::NONE) && limits.devices_per_container != Some(0);
        let (what, fix) = match (smallest(&limits, inventory), limits.quota) {
            _ if !meant => return None,
            (None, _) => (
                "may have no whole GPU, and there is no MIG device".to_string(),
                "allow_full_gpu: true, or cut a GPU with nvidia-smi mig -cgi".into(),
            ),
            (Some(least), Some(quota)) if quota < least => (
                format!("has a quota of {quota}, and the smallest GPU for it is {least}"),
                format!("max_gpu_equivalents: {least}, or cut a GPU with nvidia-smi mig -cgi"),
            ),
            _ => return None,
        };
        let finding = Finding::warning(CHECK, format!("{whose} {what}"));
        Some(finding.because("no GPU is ever given there").mend(fix))
    };
    policy
        .all_limits()
        .into_iter()
        .filter_map(finding)
        .collect()
}

/// The original system shipped it without a limit.
fn idle_dev_containers(types: &ContainerTypes) -> Option<Finding> {
    types.devcontainer.idle_timeout.is_none().then(|| {
        Finding::warning(CHECK, "container_types.devcontainer.idle_timeout_h is null")
            .because("no dev container is stopped for idling; the default is 30 min")
            .mend("idle_timeout_h: 0.5 in resource-limits.yaml, or leave it if it is meant")
    })
}
