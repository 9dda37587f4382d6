//! What somebody who looks at the host should know first.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{device::Slot, owner::Way, share::Share, time::Timestamp};

/// Above this the engine is slow: it lists a thousand containers in a tenth of it.
const SLOW: Duration = Duration::from_secs(1);

/// From here on a disk, or the memory, is nearly full, in percent.
const FULL: u64 = 90;

/// What an alert is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// Who holds what.
    Ledger,
    /// The driver or a device.
    Gpu,
    /// Somebody's limits.
    Limits,
    /// The Docker Engine.
    Engine,
    /// Memory or a disk.
    System,
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ledger => "ledger",
            Self::Gpu => "gpu",
            Self::Limits => "limits",
            Self::Engine => "engine",
            Self::System => "system",
        })
    }
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// What it is about.
    pub about: About,
    /// What is so, on one line.
    pub message: String,
}

/// What a user has, against what they may have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserUse {
    /// The login; `None` for all others together, whose limits are their own business.
    pub login: Option<String>,
    /// The policy group.
    pub group: Option<String>,
    /// Compute that their containers hold.
    pub held: Share,
    /// The most that they may; `None` is no limit.
    pub quota: Option<Share>,
    /// Their containers, stopped ones too.
    pub containers: usize,
    /// The most that they may have; `None` is no limit.
    pub containers_limit: Option<u32>,
}

/// How full something is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filled {
    /// What is in use.
    pub used_bytes: u64,
    /// What there is.
    pub bytes: u64,
}

/// Who keeps a device, as far as alerts go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keepers {
    /// The device.
    pub slot: Slot,
    /// How many keep it.
    pub count: usize,
    /// Containers among them that DS01 did not make, and who seems to own them.
    pub unmanaged: Vec<(String, Option<(String, Way)>)>,
    /// It is in use, and no container holds it.
    pub outside: bool,
    /// Processes that use it outside every container, and whose they are.
    pub outsiders: Vec<(u32, String)>,
}

/// What alerts are made from.
#[derive(Debug, Clone, Default)]
pub struct Facts<'a> {
    /// Why the ledger cannot be trusted.
    pub damage: Option<&'a str>,
    /// Nothing is granted before.
    pub grants_after: Option<Timestamp>,
    /// Why the driver does not answer.
    pub driver: Option<&'a str>,
    /// What it says of GPUs that cannot be given.
    pub problems: &'a [String],
    /// The devices.
    pub devices: &'a [Keepers],
    /// Containers that hold devices which do not exist any more.
    pub stranded: &'a [String],
    /// Whoever is shown.
    pub users: &'a [UserUse],
    /// What the engine took to answer.
    pub engine_took: Duration,
    /// The memory of the host.
    pub memory: Option<&'a Filled>,
    /// The disk that the engine keeps its files on.
    pub disk: Option<&'a Filled>,
}

/// What is not as it should be, gravest first.
pub fn alerts(facts: &Facts<'_>, now: Timestamp) -> Vec<Alert> {
    let mut alerts = Vec::new();
    let mut add = |about, message| alerts.push(Alert { about, message });
    if let Some(damage) = facts.damage {
        add(About::Ledger, format!("it cannot be trusted: {damage}"));
    }
    if let Some(until) = facts.grants_after.filter(|until| *until > now) {
        add(
            About::Ledger,
            format!("it was rebuilt, and nothing is granted before {until}"),
        );
    }
    if let Some(silence) = facts.driver {
        add(About::Gpu, silence.into());
    }
    facts
        .problems
        .iter()
        .for_each(|problem| add(About::Gpu, problem.clone()));
    for device in facts.devices {
        let slot = device.slot;
        if device.count > 1 {
            add(
                About::Gpu,
                format!("GPU {slot} is held by {} containers", device.count),
            );
        }
        for (container, owner) in &device.unmanaged {
            let owner = match owner {
                Some((login, way)) => format!("of {login}, by its {way}"),
                None => "of nobody known".into(),
            };
            add(
                About::Gpu,
                format!(
                    "GPU {slot} is held by a container that DS01 did not make: {container} {owner}"
                ),
            );
        }
        for (pid, login) in &device.outsiders {
            add(
                About::Gpu,
                format!("GPU {slot} is used outside containers: by process {pid} of {login}"),
            );
        }
        if device.outside && device.outsiders.is_empty() {
            add(
                About::Gpu,
                format!("GPU {slot} is in use outside containers: nobody is given it"),
            );
        }
    }
    for container in facts.stranded {
        add(
            About::Gpu,
            format!("{container} holds a GPU that does not exist any more"),
        );
    }
    for user in facts.users {
        let Some(login) = &user.login else { continue };
        if let Some(quota) = user.quota.filter(|quota| user.held > *quota) {
            add(
                About::Limits,
                format!(
                    "{login} is above the limit of GPUs: {} of {quota}",
                    user.held
                ),
            );
        }
        let most = user
            .containers_limit
            .filter(|most| user.containers > *most as usize);
        if let Some(most) = most {
            add(
                About::Limits,
                format!(
                    "{login} is above the limit of containers: {} of {most}",
                    user.containers
                ),
            );
        }
    }
    if facts.engine_took > SLOW {
        let took = facts.engine_took.as_secs_f64();
        add(
            About::Engine,
            format!("it took {took:.1} s to list containers"),
        );
    }
    for (what, filled) in [
        ("the memory", facts.memory),
        ("the engine's disk", facts.disk),
    ] {
        if let Some(percent) = filled
            .and_then(Filled::percent)
            .filter(|part| *part >= FULL)
        {
            add(About::System, format!("{what} is {percent}% full"));
        }
    }
    alerts
}

impl Filled {
    /// The part in use, in whole percent; `None` of nothing.
    pub fn percent(&self) -> Option<u64> {
        let percent = (u128::from(self.used_bytes) * 100).checked_div(self.bytes.into())?;
        u64::try_from(percent).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1000);

    fn said(facts: &Facts<'_>) -> Vec<String> {
        let alerts = alerts(facts, NOW).into_iter();
        alerts
            .map(|alert| format!("{}: {}", alert.about, alert.message))
            .collect()
    }

    fn user(login: Option<&str>, held: Share, containers: usize) -> UserUse {
        UserUse {
            login: login.map(str::to_string),
            group: None,
            held,
            quota: Some(Share::WHOLE),
            containers,
            containers_limit: Some(3),
        }
    }

    #[test]
    fn a_host_that_is_well_has_none() {
        let users = [user(Some("alice"), Share::WHOLE, 3)];
        let filled = Filled {
            used_bytes: 89,
            bytes: 100,
        };
        let facts = Facts {
            grants_after: Some(NOW),
            users: &users,
            engine_took: SLOW,
            memory: Some(&filled),
            disk: Some(&filled),
            ..Facts::default()
        };
        assert_eq!(said(&facts), [] as [&str; 0]);
    }

    #[test]
    fn each_fault_is_told_with_its_figures() {
        let slot = Slot { gpu: 2, mig: None };
        let device = Keepers {
            slot,
            count: 2,
            unmanaged: vec![
                ("stray".into(), None),
                ("odd".into(), Some(("bob".into(), Way::Mount))),
            ],
            outside: true,
            outsiders: vec![(42, "carol".into())],
        };
        let unknown = Keepers {
            slot: Slot { gpu: 3, mig: None },
            count: 0,
            unmanaged: Vec::new(),
            outside: true,
            outsiders: Vec::new(),
        };
        let two = Share::WHOLE + Share::WHOLE;
        let users = [user(Some("alice"), two, 4), user(None, two, 9)];
        let filled = Filled {
            used_bytes: 90,
            bytes: 100,
        };
        let nothing = Filled {
            used_bytes: 0,
            bytes: 0,
        };
        let facts = Facts {
            damage: Some("it is empty"),
            grants_after: Some(Timestamp(1001)),
            driver: Some("no NVIDIA driver answers"),
            problems: &["GPU 1: lost".into()],
            devices: &[device, unknown],
            stranded: &["thesis".into()],
            users: &users,
            engine_took: Duration::from_millis(2500),
            memory: Some(&nothing),
            disk: Some(&filled),
        };
        assert_eq!(
            said(&facts),
            [
                "ledger: it cannot be trusted: it is empty",
                "ledger: it was rebuilt, and nothing is granted before 1970-01-01T00:16:41Z",
                "gpu: no NVIDIA driver answers",
                "gpu: GPU 1: lost",
                "gpu: GPU 2 is held by 2 containers",
                "gpu: GPU 2 is held by a container that DS01 did not make: stray of nobody known",
                "gpu: GPU 2 is held by a container that DS01 did not make: odd of bob, by its mount",
                "gpu: GPU 2 is used outside containers: by process 42 of carol",
                "gpu: GPU 3 is in use outside containers: nobody is given it",
                "gpu: thesis holds a GPU that does not exist any more",
                "limits: alice is above the limit of GPUs: 2 of 1",
                "limits: alice is above the limit of containers: 4 of 3",
                "engine: it took 2.5 s to list containers",
                "system: the engine's disk is 90% full",
            ]
        );
    }
}
