//! What a container can be given: whole GPUs and MIG devices, and which exist.

use std::{fmt, num::ParseIntError, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{catalogue::Hardware, share::Share};

/// NVIDIA's name of a GPU or MIG device, `GPU-…` or `MIG-…`: the only one that does not move.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Uuid(pub Arc<str>);

impl Uuid {
    /// Whether NVIDIA's tools take `name` for this uuid: its beginning is enough, in any case.
    fn is_short(&self, name: &str) -> bool {
        let start = self.0.get(..name.len());
        name.len() > "GPU-".len() && start.is_some_and(|start| start.eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A device as users read it: `0` is the whole GPU 0, `0:1` MIG device 1 on GPU 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Slot {
    /// The GPU's index in NVML.
    pub gpu: u32,
    /// The MIG device's index on that GPU.
    pub mig: Option<u32>,
}

impl FromStr for Slot {
    type Err = ParseIntError;

    /// Reads `0`, `0:1`, and the original's `0.1`.
    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        Ok(match text.split_once([':', '.']) {
            Some((gpu, mig)) => Self {
                gpu: gpu.parse()?,
                mig: Some(mig.parse()?),
            },
            None => Self {
                gpu: text.parse()?,
                mig: None,
            },
        })
    }
}

impl TryFrom<String> for Slot {
    type Error = ParseIntError;

    fn try_from(text: String) -> Result<Self, ParseIntError> {
        text.parse()
    }
}

impl From<Slot> for String {
    fn from(slot: Slot) -> Self {
        slot.to_string()
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mig {
            Some(mig) => write!(f, "{}:{mig}", self.gpu),
            None => write!(f, "{}", self.gpu),
        }
    }
}

/// A whole GPU or a MIG device that exists now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Its own uuid.
    pub uuid: Uuid,
    /// The uuid of its GPU: the same for a whole GPU.
    pub gpu: Uuid,
    /// Where users see it.
    pub slot: Slot,
    /// Its part of the GPU's compute.
    pub share: Share,
    /// The GPU's model, such as `NVIDIA A100-SXM4-40GB`.
    pub model: String,
    /// The MIG profile, such as `2g.10gb`; `None` for a whole GPU.
    pub profile: Option<String>,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// What it does right now.
    pub activity: Activity,
}

impl Device {
    /// Whether a holder of `held` keeps this device from others: a MIG device and
    /// its whole GPU are never both out.
    pub fn overlaps(&self, held: &Held) -> bool {
        self.uuid == held.uuid || self.gpu == held.uuid || self.uuid == held.gpu
    }

    /// Whether processes compute on it, as far as the driver tells.
    pub fn is_in_use(&self) -> bool {
        let processes = self.activity.processes.as_ref();
        processes.is_some_and(|all| !all.is_empty())
    }
}

/// What a device does at the moment it was asked. `None` is "cannot be read", never "idle".
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// Bytes of memory in use.
    pub memory_used_bytes: Option<u64>,
    /// Percent of time in which a kernel ran; MIG devices have none.
    pub utilisation: Option<u32>,
    /// Process ids that compute on it, as the host numbers them.
    pub processes: Option<Vec<u32>>,
}

/// A device in somebody's hands, as the ledger keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The device.
    pub uuid: Uuid,
    /// The GPU that it is or is part of.
    pub gpu: Uuid,
    /// Where it was when it was given.
    pub slot: Slot,
    /// What it counts against the owner's quota.
    pub share: Share,
}

impl Held {
    /// Whether the two cannot be out at once, as [`Device::overlaps`].
    pub fn overlaps(&self, other: &Self) -> bool {
        self.uuid == other.uuid || self.gpu == other.uuid || self.uuid == other.gpu
    }
}

impl From<&Device> for Held {
    fn from(device: &Device) -> Self {
        Self {
            uuid: device.uuid.clone(),
            gpu: device.gpu.clone(),
            slot: device.slot,
            share: device.share,
        }
    }
}

/// The slots of devices as users read them: `0 1:3`.
pub fn slot_list(devices: &[Held]) -> String {
    let slots: Vec<_> = devices.iter().map(|held| held.slot.to_string()).collect();
    slots.join(" ")
}

/// The devices of this host, in numeric order of their slots.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    /// The driver's version.
    pub driver: String,
    /// Devices that can be given.
    pub devices: Vec<Device>,
    /// What images have to fit.
    #[serde(default)]
    pub hardware: Hardware,
    /// Why some GPUs are not among them, one line each.
    pub problems: Vec<String>,
}

/// What an engine's device request, or an image's environment, asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Claim {
    /// Every device of the host, or a number of them that the engine chooses.
    All,
    /// The named ones, verbatim: uuids, or indices in NVML's or our form.
    Named(Vec<String>),
}

impl Claim {
    /// Whether a container with this claim keeps `device` from others.
    ///
    /// A name that no device has claims none: that device is gone.
    pub fn covers(&self, device: &Device) -> bool {
        self.names(&device.uuid, &device.gpu, device.slot)
    }

    /// As [`Claim::covers`], of a device in somebody's hands.
    pub fn covers_held(&self, held: &Held) -> bool {
        self.names(&held.uuid, &held.gpu, held.slot)
    }

    fn names(&self, uuid: &Uuid, gpu: &Uuid, slot: Slot) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.iter().any(|name| {
                uuid.is_short(name)
                    || gpu.is_short(name)
                    || name.parse::<Slot>().is_ok_and(|named| {
                        named == slot || (named.gpu == slot.gpu && named.mig.is_none())
                    })
            }),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// GPU `gpu` whole.
    pub(crate) fn whole(gpu: u32) -> Device {
        Device {
            uuid: Uuid(format!("GPU-{gpu}").into()),
            gpu: Uuid(format!("GPU-{gpu}").into()),
            slot: Slot { gpu, mig: None },
            share: Share::WHOLE,
            model: "NVIDIA A100-SXM4-40GB".into(),
            profile: None,
            memory_bytes: 40 << 30,
            activity: Activity {
                processes: Some(vec![]),
                ..Activity::default()
            },
        }
    }

    /// MIG device `mig` of GPU `gpu` with `slices` of 7.
    pub(crate) fn mig(gpu: u32, mig: u32, slices: u32) -> Device {
        Device {
            uuid: Uuid(format!("MIG-{gpu}-{mig}").into()),
            slot: Slot {
                gpu,
                mig: Some(mig),
            },
            share: Share::of_mig(slices, 7).unwrap(),
            profile: Some(format!("{slices}g.{}gb", slices * 5)),
            ..whole(gpu)
        }
    }

    #[test]
    fn slots_read_and_print_as_users_write_them() {
        for (text, printed) in [
            ("0", "0"),
            ("0:1", "0:1"),
            ("3.2", "3:2"),
            ("12:10", "12:10"),
        ] {
            assert_eq!(text.parse::<Slot>().unwrap().to_string(), printed);
        }
        for odd in ["", "a", "0:", ":1", "-1", "0:1:2"] {
            assert!(odd.parse::<Slot>().is_err(), "{odd}");
        }
    }

    #[test]
    fn a_mig_device_and_its_whole_gpu_overlap() {
        let (gpu, first, second) = (whole(1), mig(1, 0, 1), mig(1, 1, 1));
        assert!(gpu.overlaps(&Held::from(&first)));
        assert!(first.overlaps(&Held::from(&gpu)));
        assert!(!first.overlaps(&Held::from(&second)));
        assert!(!gpu.overlaps(&Held::from(&whole(2))));
    }

    #[test]
    fn a_claim_covers_what_it_names_in_every_form() {
        let named = |name: &str| Claim::Named(vec![name.into()]);
        assert!(Claim::All.covers(&whole(0)));
        assert!(named("GPU-0").covers(&whole(0)));
        assert!(named("GPU-0").covers(&mig(0, 3, 1)));
        assert!(named("gpu-0").covers(&mig(0, 3, 1)));
        assert!(named("MIG-0").covers(&mig(0, 3, 1)));
        assert!(named("0").covers(&mig(0, 3, 1)));
        assert!(named("0.3").covers(&mig(0, 3, 1)));
        assert!(named("0:3").covers(&mig(0, 3, 1)));
        assert!(!named("0:2").covers(&mig(0, 3, 1)));
        assert!(!named("MIG-0-3").covers(&whole(0)));
        assert!(!named("GPU-9").covers(&whole(0)));
        assert!(!named("GPU-").covers(&whole(0)));
        assert!(named("0:3").covers_held(&Held::from(&mig(0, 3, 1))));
    }
}
