//! How long a container may idle and run, by how it was made.

use serde::{Deserialize, Serialize};

use crate::{
    docker::Interface,
    label,
    labels::Labels,
    limits::{ContainerType, ContainerTypes, Limits},
};

/// How a container was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContainerKind {
    /// By our own commands.
    Ds01,
    /// By an editor.
    Devcontainer,
    /// By Docker Compose.
    Compose,
    /// By the docker command.
    Docker,
    /// By the job API.
    Api,
    /// By anything else.
    Unknown,
}

impl ContainerKind {
    /// What `recorded` says, which DS01 noted when it made the container.
    ///
    /// Of one that is `ours` by the ledger without that (an older release made it, or its record was
    /// lost), DS01 wrote the label `ds01.container_type` itself. Of others anybody may have: then
    /// it is what compose and editors set, or nothing.
    pub fn of(recorded: Option<Self>, labels: &Labels, ours: bool) -> Self {
        let noted = labels.get(label::CONTAINER_TYPE).filter(|_| ours);
        match (recorded, noted.unwrap_or_default()) {
            (Some(kind), _) => kind,
            // The last two are the original's words.
            (None, "ds01" | "atomic" | "orchestration") => Self::Ds01,
            (None, "devcontainer") => Self::Devcontainer,
            (None, "compose") => Self::Compose,
            (None, "docker") => Self::Docker,
            (None, "api") => Self::Api,
            (None, _) => match Interface::told_by(labels.keys()) {
                Some(Interface::Compose) => Self::Compose,
                Some(Interface::Devcontainer) => Self::Devcontainer,
                _ => Self::Unknown,
            },
        }
    }

    /// That of a container which turned up after its maker had died: its labels are all there is.
    /// With the docker group somebody else can have made it in that name, so that nothing counts
    /// by which it may stay longer than one of our commands' or of those tools'.
    pub fn of_found(labels: &Labels) -> Self {
        match Self::of(None, labels, true) {
            Self::Ds01 => Self::Ds01,
            _ => Self::of(None, labels, false),
        }
    }

    /// As files and labels write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ds01 => "ds01",
            Self::Devcontainer => "devcontainer",
            Self::Compose => "compose",
            Self::Docker => "docker",
            Self::Api => "api",
            Self::Unknown => "unknown",
        }
    }

    /// What holds for it: the owner's own limits for those of our commands, the kind's for others.
    pub fn rules(self, limits: &Limits, types: &ContainerTypes) -> ContainerType {
        match self {
            Self::Ds01 => ContainerType {
                idle_timeout: limits.idle_timeout,
                max_runtime: limits.max_runtime,
                stop_grace: limits.lifecycle.stop_grace,
            },
            Self::Devcontainer => types.devcontainer,
            Self::Compose => types.compose,
            Self::Docker => types.docker,
            Self::Api => types.api,
            Self::Unknown => types.unknown,
        }
    }
}

impl From<Interface> for ContainerKind {
    fn from(interface: Interface) -> Self {
        match interface {
            Interface::Devcontainer => Self::Devcontainer,
            Interface::Compose => Self::Compose,
            Interface::Docker => Self::Docker,
            Interface::Unknown => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().copied().collect()
    }

    #[test]
    fn the_kind_is_ours_to_note_and_never_the_containers_to_claim() {
        let compose = ("com.docker.compose.project", "x");
        let editor = ("devcontainer.local_folder", "/home/alice/x");
        let noted = |kind| ("ds01.container_type", kind);
        for (pairs, ours, kind) in [
            (&[noted("ds01")][..], true, ContainerKind::Ds01),
            (&[noted("orchestration")], true, ContainerKind::Ds01),
            (&[noted("docker"), compose], true, ContainerKind::Docker),
            (&[noted("api")], true, ContainerKind::Api),
            (&[noted("unknown")], true, ContainerKind::Unknown),
            (&[noted("ds01")], false, ContainerKind::Unknown),
            (&[noted("api"), editor], false, ContainerKind::Devcontainer),
            (&[noted(""), compose], true, ContainerKind::Compose),
            (&[editor, compose], false, ContainerKind::Compose),
            (&[("a", "b")], false, ContainerKind::Unknown),
            (&[], false, ContainerKind::Unknown),
        ] {
            let labels = labels(pairs);
            assert_eq!(
                ContainerKind::of(None, &labels, ours),
                kind,
                "{pairs:?} {ours}"
            );
            // What is on record counts, whatever they say.
            let recorded = ContainerKind::of(Some(ContainerKind::Docker), &labels, ours);
            assert_eq!(recorded, ContainerKind::Docker, "{pairs:?}");
        }
        for (pairs, kind) in [
            (&[noted("ds01")][..], ContainerKind::Ds01),
            (&[noted("api")], ContainerKind::Unknown),
            (&[noted("devcontainer")], ContainerKind::Unknown),
            (&[noted("devcontainer"), compose], ContainerKind::Compose),
        ] {
            assert_eq!(ContainerKind::of_found(&labels(pairs)), kind, "{pairs:?}");
        }
    }

    #[test]
    fn each_kind_has_the_time_of_its_rules() {
        let mut limits = Limits::shipped();
        limits.idle_timeout = Some(Duration::from_secs(7));
        let types = ContainerTypes::shipped();
        for (kind, idle_minutes, run_hours, grace) in [
            (ContainerKind::Devcontainer, Some(30), 168, 30),
            (ContainerKind::Compose, Some(30), 72, 45),
            (ContainerKind::Docker, Some(30), 48, 60),
            (ContainerKind::Api, None, 24, 30),
            (ContainerKind::Unknown, Some(15), 24, 30),
        ] {
            let rules = ContainerType {
                idle_timeout: idle_minutes.map(|minutes| Duration::from_secs(60 * minutes)),
                max_runtime: Some(Duration::from_secs(3600 * run_hours)),
                stop_grace: Duration::from_secs(grace),
            };
            assert_eq!(kind.rules(&limits, &types), rules, "{kind:?}");
        }
        let own = ContainerKind::Ds01.rules(&limits, &types);
        assert_eq!(own.idle_timeout, limits.idle_timeout, "the user's own");
        assert_eq!(own.stop_grace, limits.lifecycle.stop_grace);
    }
}
