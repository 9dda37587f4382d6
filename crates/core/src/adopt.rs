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
        let has = |key| container.labels.contains_key(key);
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

/// What a container would be as one of ours.
///
/// `claim` are the GPUs that it asks for, `login` that of the uid in its name, `seems` whose it
/// seems to be by its folders.
///
/// # Errors
///
/// What speaks against it.
pub fn candidate(
    container: &Sighting,
    claim: Option<&Claim>,
    login: Option<&str>,
    seems: Option<Owner>,
    inventory: &Inventory,
) -> Result<Candidate, Unfit> {
    let name: EngineName = container.name.parse().map_err(|_| Unfit::Name)?;
    let login = login.ok_or(Unfit::Nobody(name.uid))?;
    for key in ["ds01.user", "aime.mlc.USER", label::AIME] {
        let says = container.labels.get(key);
        if let Some(other) = says.filter(|says| !says.is_empty() && *says != login) {
            return Err(Unfit::Label {
                key,
                login: other.clone(),
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
    Ok(Candidate {
        container: name,
        devices: devices?,
    })
}

/// The device that this uuid names, as a whole.
fn device(name: &str, inventory: &Inventory) -> Result<Held, Unfit> {
    if name.parse::<Slot>().is_ok() {
        return Err(Unfit::Number(name.into()));
    }
    let mut devices = inventory.devices.iter();
    let is_it = |device: &&Device| device.uuid.0 == name;
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
        let pair = |(key, value): &(&str, &str)| (key.to_string(), value.to_string());
        Sighting {
            labels: labels.iter().map(pair).collect(),
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
        candidate(container, claim.as_ref(), Some("alice"), None, &inventory)
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
        let nobody = candidate(&container, None, None, None, &none);
        assert_eq!(nobody, Err(Unfit::Nobody(1001)));
        let seems = |uid, way| {
            let seems = Some(Owner { uid, way });
            candidate(&container, None, Some("alice"), seems, &none).is_ok()
        };
        assert!(seems(1001, Way::Mount));
        assert!(!seems(1002, Way::Mount));
        // A claim against a claim: the name, by which it will be found, is what the admin sees.
        assert!(seems(1002, Way::Compose));
    }
}
