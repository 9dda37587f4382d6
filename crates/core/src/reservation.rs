//! Devices that an admin has set aside for a user or a group, for a time.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    device::{Held, slot_list},
    line::Waiter,
    share::Share,
    time::Timestamp,
};

/// Devices, or an amount of them, for somebody in a window of time.
///
/// Others are given none of it in that time, nor before it what they might still hold as it
/// begins: by the longest run that their group allows, and from [`Reservation::lead`] before it on.
/// What they hold as it begins stays theirs: nothing is taken away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// Its number, by which it is cancelled.
    pub id: u64,
    /// The login of the admin who made it.
    pub by: String,
    /// For whom.
    pub whom: Whom,
    /// What.
    pub what: What,
    /// When it begins.
    pub from: Timestamp,
    /// When it ends.
    pub until: Timestamp,
    /// How long before its beginning others have to mind it.
    #[serde(rename = "lead_s", with = "crate::time::seconds")]
    pub lead: Duration,
}

/// Who may use what is reserved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whom {
    /// One user.
    User {
        /// The uid, which decides.
        uid: u32,
        /// The login, for people.
        login: String,
    },
    /// Everybody whose limits come from this policy group.
    Group(String),
}

/// What is reserved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// These devices.
    Devices(Vec<Held>),
    /// So much compute, on whichever devices: others are given only what leaves this much to those
    /// for whom it is reserved, what they hold already included.
    Amount(Share),
}

impl fmt::Display for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User { login, .. } => f.write_str(login),
            Self::Group(group) => write!(f, "group {group}"),
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Amount(Share::WHOLE) => f.write_str("1 GPU"),
            Self::Amount(share) => write!(f, "{share} GPUs"),
            Self::Devices(devices) => write!(f, "GPU {}", slot_list(devices)),
        }
    }
}

impl What {
    /// How much compute that is.
    pub fn share(&self) -> Share {
        match self {
            Self::Amount(amount) => *amount,
            Self::Devices(devices) => devices.iter().map(|held| held.share).sum(),
        }
    }
}

impl Reservation {
    /// Whether it is for this user.
    pub fn is_for(&self, uid: u32, group: &str) -> bool {
        match &self.whom {
            Whom::User { uid: of, .. } => *of == uid,
            Whom::Group(of) => of == group,
        }
    }

    /// Whether it keeps `waiter` from what is reserved at `now`: it is for others, and they might
    /// hold devices still when it begins.
    pub(crate) fn holds_off(&self, waiter: &Waiter, now: Timestamp) -> bool {
        let begun = now >= self.from;
        let longest = waiter.longest();
        let reaches = || longest.is_none_or(|longest| now + longest > self.from);
        !self.is_for(waiter.uid, &waiter.terms.group)
            && now < self.until
            && (begun || now + self.lead >= self.from && reaches())
    }

    /// Whether it has begun at `now`, and is not over.
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        self.from <= now && now < self.until
    }

    /// Whether `device` is one of those that are reserved.
    pub fn covers(&self, device: &Held) -> bool {
        match &self.what {
            What::Devices(devices) => devices.iter().any(|reserved| reserved.overlaps(device)),
            What::Amount(_) => false,
        }
    }
}
