//! Whether a request is within its owner's limits, no matter which devices are free.

mod again;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    device::{Device, Inventory},
    failure::{Kind, UserError},
    gpu_request::{GpuRequest, GpuType},
    ledger::Ledger,
    limits::Limits,
    line::gpu_is,
    name::{ContainerName, EngineName},
    share::Share,
    time::Timestamp,
};

pub use again::admit_again;

/// A container that somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Its name and owner.
    pub container: EngineName,
    /// How many GPUs or MIG devices, and of which type.
    pub devices: GpuRequest,
    /// The longest run of its kind; `None` is for ever.
    pub run: Option<Duration>,
}

/// Why a [`Request`] was not granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Denied {
    /// The ledger was lost: intents of others may still be carried out.
    #[error("the ledger was rebuilt: nothing is granted before {until}")]
    Rebuilt {
        /// When granting begins again.
        until: Timestamp,
    },
    /// The owner has as many containers as allowed.
    #[error("container limit reached: {count} of {limit}, stopped ones count too")]
    Containers {
        /// Containers that exist or are being made.
        count: u32,
        /// The limit.
        limit: u32,
    },
    /// More devices than one container may have.
    #[error("more devices asked for ({asked}) than one container may have ({limit})")]
    TooMany {
        /// Devices asked for.
        asked: u32,
        /// The limit.
        limit: u32,
    },
    /// A container that has stopped had more devices than one may have by now.
    #[error("container {name} has {has} devices, and one may have {limit} by now")]
    HadMore {
        /// The owner's name of it.
        name: ContainerName,
        /// Devices that it had.
        has: u32,
        /// The limit.
        limit: u32,
    },
    /// A container that has stopped had whole GPUs, which its owner may not have any more.
    #[error("container {name} has GPU {slots} whole, and you may have MIG devices only by now")]
    HadWhole {
        /// The owner's name of it.
        name: ContainerName,
        /// Those GPUs, as users read them.
        slots: String,
    },
    /// The host does not have that many devices that the owner may use.
    #[error("more devices asked for ({asked}) than this host has for you ({exist})")]
    TooFew {
        /// Devices asked for.
        asked: u32,
        /// Devices that exist for this owner.
        exist: u32,
    },
    /// The same, of the type asked for.
    #[error("more GPUs of type {} asked for ({}) than this host has for you ({exist})", .asked.gpu_type, .asked.count)]
    TooFewOfType {
        /// What is asked for.
        asked: GpuRequest,
        /// Devices of that type that exist for this owner.
        exist: u32,
    },
    /// The owner's quota is less than any device that they may use.
    #[error("your GPU quota of {quota} is smaller than the smallest GPU here, {smallest}")]
    TooSmall {
        /// The least share of a device.
        smallest: Share,
        /// The quota.
        quota: Share,
    },
    /// The owner's quota would be passed.
    #[error("GPU quota reached: {held} of {quota} in use, {asked} more asked for")]
    Quota {
        /// Compute already held.
        held: Share,
        /// The least that the request would add.
        asked: Share,
        /// The quota.
        quota: Share,
    },
    /// The devices are with others.
    #[error("no GPU free: {asked} asked for, {free} of {exist} free")]
    NoneFree {
        /// Devices asked for.
        asked: u32,
        /// Devices free for this owner.
        free: u32,
        /// Devices that exist for this owner.
        exist: u32,
    },
    /// The devices of the type asked for are with others.
    #[error("no GPU of type {} free: {} asked for, {free} of {exist} free", .asked.gpu_type, .asked.count)]
    NoneFreeOfType {
        /// What is asked for.
        asked: GpuRequest,
        /// Devices of that type free for this owner.
        free: u32,
        /// Devices of that type that exist for this owner.
        exist: u32,
    },
    /// Devices are free, but all are larger than what is left of the quota.
    #[error("no GPU free that fits: {held} of {quota} in use, the smallest free needs {asked}")]
    NoneFits {
        /// Compute already held.
        held: Share,
        /// The least that free devices would add.
        asked: Share,
        /// The quota.
        quota: Share,
    },
    /// The owner has as many requests in the waiting line as anybody may.
    #[error("{limit} requests of yours wait in line already")]
    Waiting {
        /// The limit.
        limit: usize,
    },
    /// The engine cannot tell the devices of a container yet: it is being made past DS01, or somebody
    /// copies files to or from it.
    #[error(
        "docker does not tell which GPUs {name} has: it is being made, or somebody copies its files"
    )]
    Unclear {
        /// The engine's name of it.
        name: String,
    },
    /// Devices are free, but for those who came first.
    #[error(
        "no GPU free for you yet: {asked} asked for, {free} free, and {ahead} ahead of you in line"
    )]
    Behind {
        /// Devices asked for.
        asked: u32,
        /// Devices free.
        free: u32,
        /// Requests before this one.
        ahead: u32,
    },
    /// A container that has stopped keeps its devices, but not for another run: others are to have
    /// them before it would be over.
    #[error("{} promised to {whom} from {from}, and another run {}", gpu_is(.slots), may_last(*.until))]
    Promised {
        /// The devices, as users read them.
        slots: String,
        /// To whom.
        whom: String,
        /// From when on.
        from: Timestamp,
        /// How long the run could last, the hold after it included; `None` is for ever.
        until: Option<Timestamp>,
    },
    /// Devices are free, but an admin has reserved them.
    #[error(
        "no GPU free for you yet: {asked} asked for, {free} free, but reserved for {whom} until {until}"
    )]
    Reserved {
        /// Devices asked for.
        asked: u32,
        /// Devices free.
        free: u32,
        /// For whom.
        whom: String,
        /// Until when.
        until: Timestamp,
    },
}

fn may_last(until: Option<Timestamp>) -> String {
    until.map_or("has no end".into(), |until| {
        format!("could hold it until {until}")
    })
}

impl UserError for Denied {
    fn kind(&self) -> Kind {
        match self {
            Self::Rebuilt { .. } => Kind::Unreachable,
            Self::NoneFree { .. }
            | Self::NoneFreeOfType { .. }
            | Self::NoneFits { .. }
            | Self::Unclear { .. }
            | Self::Behind { .. }
            | Self::Promised { .. }
            | Self::Reserved { .. } => Kind::Busy,
            _ => Kind::Denied,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Rebuilt { .. } => "try again then; containers that exist can be used".into(),
            Self::Containers { .. } => "remove one with container-retire".into(),
            Self::TooMany { limit, .. } => format!("ask for fewer, with --gpu={limit}"),
            Self::HadMore { name, .. } | Self::HadWhole { name, .. } => format!(
                "make it anew within your limits: container-retire {name}, then container-create {name}"
            ),
            Self::TooFew { exist: 0, .. } => {
                "a container without GPU can be made: container-create <name> --cpu-only".into()
            }
            Self::TooFew { exist, .. } => format!("ask for fewer, with --gpu={exist}"),
            Self::TooFewOfType { exist: 0, .. } => {
                "see which types there are with gpu-status, and what you may have with check-limits"
                    .into()
            }
            Self::TooFewOfType { asked, exist } => {
                format!("ask for fewer, with --gpu={}", asked.with_count(*exist))
            }
            Self::TooSmall { .. } => "ask an admin for a larger one".into(),
            Self::Quota { held, .. } if *held == Share::NONE => {
                "ask for fewer, or an admin for more".into()
            }
            Self::Quota { .. } => "free a GPU with container-retire".into(),
            Self::NoneFree { .. }
            | Self::NoneFreeOfType { .. }
            | Self::NoneFits { .. }
            | Self::Reserved { .. } => "see who holds what with gpu-status".into(),
            Self::Unclear { .. } => "try again in a moment".into(),
            Self::Promised { .. } => "see for whom GPUs are kept with gpu-queue list".into(),
            Self::Behind { .. } | Self::Waiting { .. } => {
                "see who waits with gpu-queue list".into()
            }
        })
    }
}

impl Denied {
    fn too_few(asked: &GpuRequest, exist: u32) -> Self {
        match asked.gpu_type {
            GpuType::Any => Self::TooFew {
                asked: asked.count,
                exist,
            },
            _ => Self::TooFewOfType {
                asked: asked.clone(),
                exist,
            },
        }
    }

    /// That too few of the devices that will do are `free`; so many `exist`.
    pub(crate) fn none_free(asked: &GpuRequest, free: u32, exist: u32) -> Self {
        match asked.gpu_type {
            GpuType::Any => Self::NoneFree {
                asked: asked.count,
                free,
                exist,
            },
            _ => Self::NoneFreeOfType {
                asked: asked.clone(),
                free,
                exist,
            },
        }
    }
}

/// Whether `limits` allow `uid` one more container, with so many devices, once enough are free.
///
/// # Errors
///
/// The first limit that it would pass; [`Denied::Rebuilt`] before all.
pub fn admit(
    uid: u32,
    devices: &GpuRequest,
    limits: &Limits,
    inventory: &Inventory,
    ledger: &Ledger,
    now: Timestamp,
) -> Result<(), Denied> {
    let asked = devices.count;
    grants_now(ledger, now)?;
    let count = ledger.count_of(uid) as u32;
    if let Some(limit) = limits.containers.filter(|limit| count >= *limit) {
        return Err(Denied::Containers { count, limit });
    }
    if let Some(limit) = limits.devices_per_container.filter(|limit| asked > *limit) {
        return Err(Denied::TooMany { asked, limit });
    }
    let gpu_type = &devices.gpu_type;
    let of_type = usable(limits, inventory)
        .filter(|device| gpu_type.includes(device.slot, device.profile.as_deref()));
    let mut shares: Vec<_> = of_type.map(|device| device.share).collect();
    if shares.len() < asked as usize {
        return Err(Denied::too_few(devices, shares.len() as u32));
    }
    shares.sort();
    if let (Some(quota), Some(&smallest)) = (limits.quota, shares.first())
        && asked > 0
        && quota < smallest
    {
        return Err(Denied::TooSmall { smallest, quota });
    }
    let held = ledger.held_by(uid, now);
    within(limits, held, shares.into_iter().take(asked as usize).sum())
}

fn grants_now(ledger: &Ledger, now: Timestamp) -> Result<(), Denied> {
    match ledger.grants_after.filter(|until| now < *until) {
        Some(until) => Err(Denied::Rebuilt { until }),
        None => Ok(()),
    }
}

fn within(limits: &Limits, held: Share, asked: Share) -> Result<(), Denied> {
    let passed = |quota: &Share| asked > Share::NONE && held + asked > *quota;
    match limits.quota.filter(passed) {
        Some(quota) => Err(Denied::Quota { held, asked, quota }),
        None => Ok(()),
    }
}

/// The share of the smallest device that somebody with `limits` may be given at all.
pub fn smallest(limits: &Limits, inventory: &Inventory) -> Option<Share> {
    usable(limits, inventory).map(|device| device.share).min()
}

/// The devices that somebody with `limits` may be given at all.
pub(crate) fn usable<'a>(
    limits: &Limits,
    inventory: &'a Inventory,
) -> impl Iterator<Item = &'a Device> {
    may_use(limits, inventory.devices.iter())
}

fn may_use<'a>(
    limits: &Limits,
    devices: impl Iterator<Item = &'a Device>,
) -> impl Iterator<Item = &'a Device> {
    let whole = limits.whole_gpus;
    devices.filter(move |device| whole || device.slot.mig.is_some())
}

/// How many of a host's devices one container may have of somebody with `limits` who has none yet.
pub fn most<'a>(limits: &Limits, devices: impl Iterator<Item = &'a Device>) -> u32 {
    let mut shares: Vec<_> = may_use(limits, devices)
        .map(|device| device.share)
        .collect();
    shares.sort();
    let mut held = Share::NONE;
    let fits = shares.into_iter().take_while(|share| {
        held = held + *share;
        limits.quota.is_none_or(|quota| held <= quota)
    });
    let most = u32::try_from(fits.count()).unwrap_or(u32::MAX);
    limits
        .devices_per_container
        .map_or(most, |limit| limit.min(most))
}

#[cfg(test)]
mod tests;
