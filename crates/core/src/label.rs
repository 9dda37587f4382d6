//! Labels of a managed container: a copy for people and other tools, never proof of anything.
//!
//! No value holds a comma: AIME MLC version 2 fails on one for all of that user's containers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    device::Held,
    failure::{Failure, Kind},
    name::EngineName,
    time::Timestamp,
};

/// `true` on every container that DS01 made.
pub const MANAGED: &str = "ds01.managed";
/// The owner's uid, by which the engine filters lists.
pub const UID: &str = "ds01.uid";
/// The owner's uid, on volumes without a name that DS01 removes once no container has them.
pub const UNNAMED: &str = "ds01.unnamed";
/// `true` on a container that DS01 removes when it has ended, as of `docker run --rm`.
pub const AUTO_REMOVE: &str = "ds01.auto_remove";
/// Uuids of its devices, separated by spaces; the original's commas are read.
pub const GPU_UUIDS: &str = "ds01.gpu.uuids";
/// Its devices as users read them (`0:1`), separated by spaces.
pub const GPU_SLOTS: &str = "ds01.gpu.slots";
/// How it was made, as `resource-limits.yaml` names kinds.
pub const CONTAINER_TYPE: &str = "ds01.container_type";
/// The image as the user named it.
pub const IMAGE: &str = "ds01.image";
/// The owner's login, by which AIME's commands find their containers.
pub const AIME: &str = "aime.mlc";
/// What its image is made for, as AIME's commands show it.
pub const FRAMEWORK: &str = "aime.mlc.FRAMEWORK";
/// The owner's name for the container.
pub const NAME: &str = "ds01.name";
/// The owner's login.
pub const USER: &str = "ds01.user";
/// The owner's policy group.
pub const GROUP: &str = "ds01.group";
/// The owner's slice, which the container is in where the engine's cgroups are systemd's.
pub const SLICE: &str = "ds01.slice";
/// The project whose workspace is mounted.
pub const PROJECT: &str = "ds01.project";
/// The folder of the host at its `/workspace`.
pub const WORK_MOUNT: &str = "ds01.work_mount";
/// The owner's login, once more.
pub const AIME_USER: &str = "aime.mlc.USER";
/// [`WORK_MOUNT`], as AIME's commands know it.
pub const AIME_WORK_MOUNT: &str = "aime.mlc.WORK_MOUNT";
/// The folder of the host at its `/data`, if it has one.
pub const DATA_MOUNT: &str = "aime.mlc.DATA_MOUNT";

/// By which of our commands a container is asked for: the value of `ds01.interface`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interface {
    /// One that takes a single step.
    #[default]
    Atomic,
    /// One that takes several: it starts the container too.
    Orchestration,
}

impl Interface {
    /// The value of the label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Atomic => "atomic",
            Self::Orchestration => "orchestration",
        }
    }
}

/// What the labels of one container say.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The container and its owner.
    pub container: &'a EngineName,
    /// The owner's login.
    pub login: &'a str,
    /// The owner's policy group.
    pub group: &'a str,
    /// The owner's slice.
    pub slice: &'a str,
    /// The project whose workspace is mounted.
    pub project: &'a str,
    /// The image as the user named it.
    pub image: &'a str,
    /// What the image is made for, where the catalogue has it: `Pytorch-2.8.0`.
    pub framework: Option<&'a str>,
    /// The folder on the host that is mounted at `/workspace`.
    pub workspace: &'a str,
    /// The folder on the host that is mounted at `/data`, if any.
    pub data: Option<&'a str>,
    /// Its devices.
    pub devices: &'a [Held],
    /// By what it was asked for, and of which kind that makes it: the values of `ds01.interface`
    /// and `ds01.container_type`.
    pub interface: (&'a str, &'a str),
    /// When it was made.
    pub created: Timestamp,
}

/// The labels of SPEC.md section 8.
pub fn labels(facts: &Facts<'_>) -> BTreeMap<String, String> {
    let join = |words: Vec<String>| words.join(" ");
    let uuids = join(
        facts
            .devices
            .iter()
            .map(|held| held.uuid.to_string())
            .collect(),
    );
    let slots = join(
        facts
            .devices
            .iter()
            .map(|held| held.slot.to_string())
            .collect(),
    );
    let framework = facts
        .framework
        .map_or_else(|| framework(facts.image), String::from);
    let uid = facts.container.uid.to_string();
    let name = facts.container.name.as_ref();
    let created = facts.created.to_string();
    let gpus = facts.devices.len().to_string();
    [
        (MANAGED, "true"),
        (UID, &uid),
        (GPU_UUIDS, &uuids),
        (GPU_SLOTS, &slots),
        (IMAGE, facts.image),
        (NAME, name),
        (USER, facts.login),
        ("ds01.interface", facts.interface.0),
        (CONTAINER_TYPE, facts.interface.1),
        (PROJECT, facts.project),
        ("ds01.created", &created),
        (GROUP, facts.group),
        (SLICE, facts.slice),
        ("ds01.framework", &framework),
        (WORK_MOUNT, facts.workspace),
        (AIME, facts.login),
        ("aime.mlc.NAME", name),
        (AIME_USER, facts.login),
        // The version of AIME's contract that these labels follow, not ours.
        ("aime.mlc.VERSION", "3"),
        (FRAMEWORK, &framework),
        (AIME_WORK_MOUNT, facts.workspace),
        (DATA_MOUNT, facts.data.unwrap_or_default()),
        ("aime.mlc.GPUS", &gpus),
    ]
    .map(|(key, value)| (key.to_string(), without_comma(value)))
    .into()
}

/// Bytes of the labels of a request, or of an image, names included: every list of containers carries
/// them, for everybody. Those of a dev container have some 10 KiB.
const MOST: usize = 64 << 10;

/// Whether labels are more than that, in all.
pub fn are_too_long<'a>(labels: impl IntoIterator<Item = (&'a String, &'a String)>) -> bool {
    let lengths = labels
        .into_iter()
        .map(|(key, value)| key.len() + value.len());
    lengths.sum::<usize>() > MOST
}

/// Refuses an image whose labels are too long for the containers made from it.
///
/// # Errors
///
/// Status 2.
pub fn check_image<'a>(
    image: &str,
    labels: impl IntoIterator<Item = (&'a String, &'a String)>,
) -> Result<(), Failure> {
    if !are_too_long(labels) {
        return Ok(());
    }
    let message =
        format!("the labels of {image} have more than 64 KiB: every list would carry them");
    let hint = "choose another image, or build it with fewer";
    Err(Failure::new(Kind::Usage, message).with_hint(hint))
}

/// What must be set beside `ours` so that an image's own labels on the container mislead nobody:
/// managed ones that are not set are emptied, and those with a comma are written without.
pub fn overriding(
    of_image: impl IntoIterator<Item = (String, String)>,
    ours: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let managed = |key: &str| {
        let key = key.to_ascii_lowercase();
        key.starts_with("ds01.") || key == AIME || key.starts_with("aime.mlc.")
    };
    let others = of_image
        .into_iter()
        .filter(|(key, _)| !ours.contains_key(key));
    let odd = others.filter(|(key, value)| managed(key) || value.contains(','));
    odd.map(|(key, value)| match managed(&key) {
        true => (key, String::new()),
        false => (key, without_comma(&value)),
    })
    .collect()
}

/// A value as a label may have it.
pub fn without_comma(value: &str) -> String {
    value.replace(',', "%2C")
}

/// `pytorch-2.8.0` of `aime/pytorch:2.8.0`, near to how AIME writes frameworks.
fn framework(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or(image);
    last.split('@').next().unwrap_or(last).replace(':', "-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::tests::mig;

    #[test]
    fn an_images_own_labels_mislead_nobody() {
        let pair = |key: &str, value: &str| (key.to_string(), value.to_string());
        let of_image = ["ds01.user", "ds01.odd", "DS01.x", "plain"].map(|key| pair(key, "a"));
        let of_image = of_image.into_iter().chain([pair("list", "a,b")]);
        let ours = BTreeMap::from([pair("ds01.user", "alice")]);
        let set = overriding(of_image, &ours);
        let expected = [("DS01.x", ""), ("ds01.odd", ""), ("list", "a%2Cb")];
        assert_eq!(set, expected.map(|(key, value)| pair(key, value)).into());
    }

    #[test]
    fn no_value_holds_a_comma_and_lists_are_spaced() {
        let devices = [Held::from(&mig(0, 1, 1)), Held::from(&mig(0, 2, 1))];
        let labels = labels(&Facts {
            container: &"thesis._.1001".parse().unwrap(),
            login: "a.b@dom",
            group: "student",
            slice: "ds01-student-a_b.slice",
            project: "thesis",
            image: "host:5000/aime/pytorch:2.8.0",
            framework: None,
            workspace: "/home/a,b/workspace/thesis",
            data: None,
            devices: &devices,
            interface: ("atomic", "ds01"),
            created: Timestamp(0),
        });
        assert!(
            labels.values().all(|value| !value.contains(',')),
            "{labels:?}"
        );
        assert_eq!(labels[GPU_SLOTS], "0:1 0:2");
        assert_eq!(labels["aime.mlc.FRAMEWORK"], "pytorch-2.8.0");
        assert_eq!(labels["ds01.framework"], labels["aime.mlc.FRAMEWORK"]);
        assert_eq!(labels["ds01.created"], "1970-01-01T00:00:00Z");
        assert_eq!(labels.len(), 23);
    }
}
