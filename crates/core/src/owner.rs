//! Whose a container is that DS01 did not make, as far as its traces say.
//!
//! That is for accounting, for flags and for the lifecycle. It gives nobody a right: rights come
//! from DS01's own records by the engine's id alone.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

use crate::{container::Sighting, label, name::EngineName};

/// How an owner was found, best first: folders that the container really has, folders that its
/// labels name, then plain claims in the original's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// It has a folder from the user's home, which belongs to them.
    Mount,
    /// An editor's label names such a folder.
    Devcontainer,
    /// Docker Compose's label names such a folder.
    Compose,
    /// The label `ds01.user`, as the original system wrote it.
    Label,
    /// AIME MLC's labels.
    AimeLabel,
    /// Its name ends in a uid: `x._.1001`.
    Name,
}

impl Way {
    /// Whether it is only what somebody wrote on the container.
    pub fn is_claim(self) -> bool {
        self != Self::Mount
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Mount => "mount",
            Self::Devcontainer => "devcontainer",
            Self::Compose => "compose",
            Self::Label => "label",
            Self::AimeLabel => "aime_label",
            Self::Name => "name",
        })
    }
}

/// Who seems to own a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The user.
    pub uid: u32,
    /// What says so.
    pub way: Way,
}

/// What this host knows of the users that traces lead to.
pub trait Users {
    /// The uid of a login.
    fn uid_of(&self, login: &str) -> Option<u32>;
    /// Whether a uid has a login.
    fn has_login(&self, uid: u32) -> bool;
    /// Whose home the folder is in, if it belongs to them as well.
    fn at_home(&self, folder: &str) -> Option<u32>;
}

/// Who seems to own a container: the first [`Way`] that leads to one user.
///
/// Source: the ways of the original system, but that claims come last.
pub fn owner(container: &Sighting, users: &impl Users) -> Option<Owner> {
    let value = |key: &str| container.labels.get(key).filter(|value| !value.is_empty());
    let at_home = |key| users.at_home(value(key)?);
    let named = |key| users.uid_of(value(key)?);
    let by_name = || {
        let name: EngineName = container.name.parse().ok()?;
        users.has_login(name.uid).then_some(name.uid)
    };
    let find = |way| match way {
        Way::Mount => mounted(&container.binds, users),
        Way::Devcontainer => at_home("devcontainer.local_folder"),
        Way::Compose => at_home("com.docker.compose.project.working_dir"),
        Way::Label => named(label::USER),
        Way::AimeLabel => named(label::AIME_USER).or_else(|| named(label::AIME)),
        Way::Name => by_name(),
    };
    let ways = [
        Way::Mount,
        Way::Devcontainer,
        Way::Compose,
        Way::Label,
        Way::AimeLabel,
        Way::Name,
    ];
    let found = |way| find(way).map(|uid| Owner { uid, way });
    ways.into_iter().find_map(found)
}

/// The one user whose folders these are. Those of several say nothing.
fn mounted(binds: &[String], users: &impl Users) -> Option<u32> {
    let owners: BTreeSet<_> = binds
        .iter()
        .filter_map(|bind| users.at_home(bind))
        .collect();
    let mut owners = owners.into_iter();
    owners.next().filter(|_| owners.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{container::State, ledger::tests::foreign};

    /// Alice is 1001, bob 1002; what is below /home/<login> is theirs but for `shared`.
    struct Lab;

    impl Users for Lab {
        fn uid_of(&self, login: &str) -> Option<u32> {
            match login {
                "alice" => Some(1001),
                "bob" => Some(1002),
                _ => None,
            }
        }

        fn has_login(&self, uid: u32) -> bool {
            [1001, 1002].contains(&uid)
        }

        fn at_home(&self, folder: &str) -> Option<u32> {
            let (login, rest) = folder.strip_prefix("/home/")?.split_once('/')?;
            self.uid_of(login).filter(|_| rest != "shared")
        }
    }

    fn found(name: &str, labels: &[(&str, &str)], binds: &[&str]) -> Option<(u32, Way)> {
        let container = Sighting {
            labels: labels.iter().copied().collect(),
            binds: binds.iter().map(|bind| bind.to_string()).collect(),
            ..foreign(name, State::Running)
        };
        owner(&container, &Lab).map(|owner| (owner.uid, owner.way))
    }

    #[test]
    fn there_are_six_ways_to_an_owner_and_claims_come_last() {
        let all = [
            ("devcontainer.local_folder", "/home/bob/code"),
            ("com.docker.compose.project.working_dir", "/home/alice/app"),
            ("ds01.user", "bob"),
            ("aime.mlc.USER", "alice"),
        ];
        let of = |labels, binds: &[&str]| found("x._.1002", labels, binds);
        assert_eq!(of(&all, &["/home/alice/w"]), Some((1001, Way::Mount)));
        assert_eq!(of(&all, &[]), Some((1002, Way::Devcontainer)));
        assert_eq!(of(&all[1..], &[]), Some((1001, Way::Compose)));
        assert_eq!(of(&all[2..], &[]), Some((1002, Way::Label)));
        assert_eq!(of(&all[3..], &[]), Some((1001, Way::AimeLabel)));
        assert_eq!(of(&[], &[]), Some((1002, Way::Name)));
        assert_eq!(
            found("x", &[("aime.mlc", "bob")], &[]),
            Some((1002, Way::AimeLabel))
        );
        assert_eq!(found("x", &[], &[]), None);
        assert!(Way::Devcontainer.is_claim() && !Way::Mount.is_claim());
    }

    #[test]
    fn what_leads_to_nobody_or_to_several_says_nothing() {
        for (labels, binds) in [
            (&[][..], &["/home/alice/w", "/home/bob/w"][..]),
            (&[], &["/data", "/home/alice/shared", "/home/alice"]),
            (&[("ds01.user", "nobody-here")], &[]),
            (&[("ds01.user", ""), ("aime.mlc", "")], &[]),
            (&[("devcontainer.local_folder", "/home/alice/shared")], &[]),
            (&[("devcontainer.local_folder", "")], &[]),
        ] {
            let owner = found("x._.9999", labels, binds);
            assert_eq!(owner, None, "{labels:?} {binds:?}");
        }
        let twice = ["/home/alice/w", "/home/alice/data", "/data"];
        assert_eq!(found("x", &[], &twice), Some((1001, Way::Mount)));
        let several = ["/home/alice/w", "/home/bob/w"];
        assert_eq!(found("x._.1001", &[], &several), Some((1001, Way::Name)));
    }
}
