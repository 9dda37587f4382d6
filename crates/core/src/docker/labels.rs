//! Labels that users set, and what they tell of the client.

use crate::label::{MANAGED, UID, are_too_long};

use super::{body::Texts, refused::Refused};

/// How a container was asked for: the values of `ds01.container_type` and `ds01.interface`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interface {
    /// An editor.
    Devcontainer,
    /// Docker Compose.
    Compose,
    /// The docker command.
    Docker,
    /// Anything else.
    Unknown,
}

impl Interface {
    /// The value of the labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Devcontainer => "devcontainer",
            Self::Compose => "compose",
            Self::Docker => "docker",
            Self::Unknown => "unknown",
        }
    }

    /// What the labels of a request say; `docker` if the client is the docker command.
    pub(super) fn of(labels: &Option<Texts>, docker: bool) -> Self {
        let otherwise = if docker { Self::Docker } else { Self::Unknown };
        Self::told_by(labels.iter().flat_map(Texts::keys).map(String::as_str)).unwrap_or(otherwise)
    }

    /// The client that sets labels of these names, if it is one that does.
    pub(crate) fn told_by<'a>(keys: impl Iterator<Item = &'a str> + Clone) -> Option<Self> {
        let editor = |key: &str| {
            ["devcontainer.", "vsch.", "com.microsoft.devcontainer"]
                .iter()
                .any(|start| key.starts_with(start))
        };
        if keys.clone().any(|key| key == "com.docker.compose.project") {
            Some(Self::Compose)
        } else if keys.clone().any(editor) {
            Some(Self::Devcontainer)
        } else {
            None
        }
    }
}

/// Refuses labels that only DS01 may set, and more than a list of containers can carry.
pub(super) fn check(labels: &Option<Texts>) -> Result<(), Refused> {
    let managed = |key: &&String| {
        let key = key.to_ascii_lowercase();
        key.starts_with("ds01.") || key == "aime.mlc" || key.starts_with("aime.mlc.")
    };
    if are_too_long(labels.iter().flatten()) {
        let why = "more than 64 KiB in all, which every list would carry";
        return Err(Refused::value("Labels", "…", why));
    }
    match labels.iter().flat_map(Texts::keys).find(managed) {
        Some(key) => Err(Refused::forbidden(
            "Labels",
            key,
            "only DS01 sets labels that begin with ds01. or aime.mlc",
            "choose another name for the label",
        )),
        None => Ok(()),
    }
}

/// Bytes of the labels of a volume or network: the gateway reads all of everybody's to find those of
/// one.
const MOST_OWNED: usize = 4 << 10;

/// The labels of a volume or network of this user.
pub(super) fn owned(labels: Option<Texts>, uid: u32) -> Result<Option<Texts>, Refused> {
    check(&labels)?;
    let lengths = labels
        .iter()
        .flatten()
        .map(|(key, value)| key.len() + value.len());
    if lengths.sum::<usize>() > MOST_OWNED {
        return Err(Refused::value("Labels", "…", "more than 4 KiB in all"));
    }
    let mut labels = labels.unwrap_or_default();
    labels.insert(UID.into(), uid.to_string());
    labels.insert(MANAGED.into(), "true".into());
    Ok(Some(labels))
}
