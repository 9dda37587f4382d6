//! Which containers that DS01 did not make become its own when an admin says so.
//!
//! Those of the original system and of AIME's MLC say on themselves whose they are, and what they
//! say can be anybody's: the admin's word makes it count, so whatever speaks against it is a reason
//! not to.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    container::Sighting,
    device::{Claim, Device, Held, Inventory, Slot},
    label,
    name::EngineName,
    owner::{Owner, Way},
};

/// What made a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The original DS01.
    Original,
    /// AIME's MLC.
    Mlc,
}

impl Origin {
    /// As its labels say; `None` for a container of neither.
    pub fn of(container: &Sighting) -> Option<Self> {
        let has = |key| container.labels.get(key).is_some();
        match (has(label::MANAGED), has(label::AIME)) {
            (true, _) => Some(Self::Original),
            (false, true) => Some(Self::Mlc),
            (false, false) => None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Original => "ds01",
            Self::Mlc => "mlc",
        })
    }
}

/// A container that can be adopted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its engine's name, which has the owner.
    pub container: EngineName,
    /// Its devices.
    pub devices: Vec<Held>,
}

/// Why a container cannot be adopted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Our commands find containers by their name.
    #[error("its name is not <name>._.<uid>")]
    Name,
    /// The uid in its name is nobody's.
    #[error("its name has the uid {0}, which no user of this host has")]
    Nobody(u32),
    /// Its name is on record for another one.
    #[error(
        "DS01 has a record of another container of this name, which ds01-holds takes away if that one is gone"
    )]
    Recorded,
    /// A label names another user than its name.
    #[error("its label {key} says {login}, and its name says {owner}")]
    Label {
        /// The label.
        key: &'static str,
        /// Whom it names.
        login: String,
        /// The login of the uid in its name.
        owner: String,
    },
    /// It has folders of somebody else.
    #[error("it has folders from the home of the user {uid}, and its name says {owner}")]
    Folders {
        /// Whose they are.
        uid: u32,
        /// The login of the uid in its name.
        owner: String,
    },
    /// It may what none of DS01's own may, such as become root on the host.
    #[error("it {} (--as-is adopts it all the same: its owner can use that)", .0.join(", "))]
    Beyond(Vec<String>),
    /// Which devices it has is not said.
    #[error("it has every GPU of this host, or as many as the engine chose")]
    AnyGpu,
    /// It has them by a number, which can be another GPU's after the next boot.
    #[error("it has GPU {0} by its number, which can be another one's after a reboot")]
    Number(String),
    /// The driver does not show it.
    #[error("it has the GPU {0}, which does not exist")]
    NoDevice(String),
}

/// What is known of a container beside the engine's list.
#[derive(Debug, Clone, Copy, Default)]
pub struct Facts<'a> {
    /// The GPUs that it asks for.
    pub claim: Option<&'a Claim>,
    /// The login of the uid in its name.
    pub login: Option<&'a str>,
    /// Whose it seems to be.
    pub seems: Option<Owner>,
    /// As whom its processes run, in Docker's words.
    pub user: &'a str,
    /// What it may that no container of DS01's may.
    pub beyond: &'a [&'static str],
    /// The admin takes it as it is.
    pub as_is: bool,
}

/// What a container would be as one of ours.
///
/// # Errors
///
/// What speaks against it.
pub fn candidate(
    container: &Sighting,
    facts: &Facts<'_>,
    inventory: &Inventory,
) -> Result<Candidate, Unfit> {
    let Facts {
        claim,
        login,
        seems,
        ..
    } = *facts;
    let name: EngineName = container.name.parse().map_err(|_| Unfit::Name)?;
    let login = login.ok_or(Unfit::Nobody(name.uid))?;
    for key in [label::USER, label::AIME_USER, label::AIME] {
        let says = container.labels.get(key);
        if let Some(other) = says.filter(|says| !says.is_empty() && *says != login) {
            return Err(Unfit::Label {
                key,
                login: other.into(),
                owner: login.into(),
            });
        }
    }
    if let Some(other) = seems.filter(|seems| seems.way == Way::Mount && seems.uid != name.uid) {
        return Err(Unfit::Folders {
            uid: other.uid,
            owner: login.into(),
        });
    }
    let named = match claim {
        None => &[][..],
        Some(Claim::All) => return Err(Unfit::AnyGpu),
        Some(Claim::Named(names)) => names,
    };
    let devices: Result<Vec<_>, _> = named.iter().map(|name| device(name, inventory)).collect();
    let devices = devices?;
    // Last: it advises what goes on from here, and nothing else may be in the way of that.
    let beyond = beyond(container, facts, name.uid);
    if !facts.as_is && !beyond.is_empty() {
        return Err(Unfit::Beyond(beyond));
    }
    Ok(Candidate {
        container: name,
        devices,
    })
}

/// What its owner could do with it that they cannot with one of DS01's.
///
/// The engine finds its folders anew at each start, as root, wherever a link of the owner's leads by
/// then: what runs in it as somebody else than the owner could do there what the owner may not.
fn beyond(container: &Sighting, facts: &Facts<'_>, owner: u32) -> Vec<String> {
    let mut beyond: Vec<_> = facts.beyond.iter().map(|words| words.to_string()).collect();
    let user = facts.user.split(':').next().unwrap_or_default();
    let is_owner = owner != 0 && user == owner.to_string();
    let theirs = Owner {
        uid: owner,
        way: Way::Mount,
    };
    if !container.binds.is_empty() && !is_owner {
        beyond.push("has folders of the host and runs as somebody else than its owner".into());
    } else if !container.binds.is_empty() && facts.seems != Some(theirs) {
        beyond.push("has folders that are not in its owner's home".into());
    }
    beyond
}

/// The device that this uuid names, as a whole.
fn device(name: &str, inventory: &Inventory) -> Result<Held, Unfit> {
    if name.parse::<Slot>().is_ok() {
        return Err(Unfit::Number(name.into()));
    }
    let mut devices = inventory.devices.iter();
    let is_it = |device: &&Device| *device.uuid.0 == *name;
    let device = devices.find(is_it);
    device
        .map(Held::from)
        .ok_or_else(|| Unfit::NoDevice(name.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        container::State,
        device::tests::{mig, whole},
        ledger::tests::foreign,
    };

    fn labelled(name: &str, labels: &[(&str, &str)]) -> Sighting {
        Sighting {
            labels: labels.iter().copied().collect(),
            ..foreign(name, State::Running)
        }
    }

    fn named(names: &[&str]) -> Option<Claim> {
        Some(Claim::Named(
            names.iter().map(|name| name.to_string()).collect(),
        ))
    }

    fn of_alice(container: &Sighting, claim: Option<Claim>) -> Result<Candidate, Unfit> {
        let inventory = Inventory {
            devices: vec![whole(0), mig(1, 0, 1)],
            ..Inventory::default()
        };
        let facts = Facts {
            claim: claim.as_ref(),
            login: Some("alice"),
            ..Facts::default()
        };
        candidate(container, &facts, &inventory)
    }

    #[test]
    fn the_original_and_mlc_are_known_by_their_labels() {
        for (labels, origin) in [
            (
                &[("ds01.managed", "true"), ("aime.mlc", "alice")][..],
                Some(Origin::Original),
            ),
            (&[("aime.mlc", "alice")], Some(Origin::Mlc)),
            (&[("ds01.user", "alice")], None),
            (&[], None),
        ] {
            assert_eq!(Origin::of(&labelled("x._.1001", labels)), origin);
        }
    }

    #[test]
    fn uuids_become_devices_and_what_could_move_does_not() {
        let container = labelled("x._.1001", &[("aime.mlc", "alice")]);
        let devices = |claim| of_alice(&container, claim).map(|found| found.devices);
        assert_eq!(devices(None), Ok(vec![]));
        let both = named(&["GPU-0", "MIG-1-0"]);
        let held = vec![Held::from(&whole(0)), Held::from(&mig(1, 0, 1))];
        assert_eq!(devices(both), Ok(held));
        assert_eq!(devices(Some(Claim::All)), Err(Unfit::AnyGpu));
        for number in ["0", "1:0", "1.0"] {
            assert_eq!(devices(named(&[number])), Err(Unfit::Number(number.into())));
        }
        // The GPU of a MIG device is not a device by itself, nor is a beginning of one's uuid.
        for none in ["GPU-1", "MIG-1", "GPU-7"] {
            assert_eq!(devices(named(&[none])), Err(Unfit::NoDevice(none.into())));
        }
    }

    #[test]
    fn what_speaks_against_its_owner_is_a_reason_not_to() {
        let claimed = |name: &str, labels: &[(&str, &str)]| {
            of_alice(&labelled(name, labels), None).map(|_| ())
        };
        assert_eq!(claimed("x._.1001", &[("aime.mlc.USER", "")]), Ok(()));
        assert_eq!(claimed("x", &[]), Err(Unfit::Name));
        for key in ["ds01.user", "aime.mlc.USER", "aime.mlc"] {
            let other = Unfit::Label {
                key,
                login: "bob".into(),
                owner: "alice".into(),
            };
            assert_eq!(claimed("x._.1001", &[(key, "bob")]), Err(other));
        }
        let container = foreign("x._.1001", State::Running);
        let none = Inventory::default();
        let nobody = candidate(&container, &Facts::default(), &none);
        assert_eq!(nobody, Err(Unfit::Nobody(1001)));
        let seems = |uid, way| {
            let facts = Facts {
                login: Some("alice"),
                seems: Some(Owner { uid, way }),
                ..Facts::default()
            };
            candidate(&container, &facts, &none).is_ok()
        };
        assert!(seems(1001, Way::Mount));
        assert!(!seems(1002, Way::Mount));
        // A claim against a claim: the name, by which it will be found, is what the admin sees.
        assert!(seems(1002, Way::Compose));
    }

    #[test]
    fn nobody_is_told_to_take_as_it_is_what_is_refused_then() {
        let container = labelled("x._.1001", &[]);
        let unfit = |claim| {
            let facts = Facts {
                claim: Some(&claim),
                login: Some("alice"),
                beyond: &["is privileged"],
                ..Facts::default()
            };
            candidate(&container, &facts, &Inventory::default())
        };
        assert_eq!(unfit(Claim::All), Err(Unfit::AnyGpu));
        let number = Claim::Named(["0".to_string()].into());
        assert_eq!(unfit(number), Err(Unfit::Number("0".into())));
        let none = Claim::Named([].into());
        let beyond = vec!["is privileged".to_string()];
        assert_eq!(unfit(none), Err(Unfit::Beyond(beyond)));
    }

    #[test]
    fn what_could_make_its_owner_root_is_taken_only_as_it_is() {
        let adopted = |binds: &[&str], user, beyond: &[&'static str], seems, as_is| {
            let container = Sighting {
                binds: binds.iter().map(|bind| bind.to_string()).collect(),
                ..foreign("x._.1001", State::Running)
            };
            let seems = Some(Owner {
                uid: seems,
                way: Way::Mount,
            });
            let facts = Facts {
                login: Some("alice"),
                seems: seems.filter(|_| !binds.is_empty()),
                user,
                beyond,
                as_is,
                ..Facts::default()
            };
            candidate(&container, &facts, &Inventory::default()).is_ok()
        };
        let home = &["/home/alice/w"][..];
        assert!(adopted(&[], "", &[], 1001, false));
        assert!(adopted(home, "1001:100", &[], 1001, false));
        for (binds, user, beyond) in [
            (home, "", &[][..]),
            (home, "0:1001", &[]),
            (home, "alice", &[]),
            (&[], "1001", &["is privileged"]),
        ] {
            assert!(!adopted(binds, user, beyond, 1001, false), "{user}");
            assert!(adopted(binds, user, beyond, 1001, true), "{user}");
        }
        // Those of somebody else it is not given at all.
        assert!(!adopted(&["/home/bob/w"], "1001", &[], 1002, true));
    }
}
