//! The waiting line for devices: who waits, for whom devices are kept, what is reserved.
//!
//! It lives in the ledger and nowhere else: whoever changes the ledger changes both at once, so
//! that a device is never free for everybody between its holder and the first in line.

mod lately;
mod turn;

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    device::{Device, Held},
    gpu_request::GpuRequest,
    ledger::{Ledger, Process},
    lifecycle::ContainerKind,
    limits::Limits,
    name::ContainerName,
    recent::Recent,
    reservation::Reservation,
    share::Share,
    time::Timestamp,
};

pub use lately::{Gone, JOINS, Joins, TakenOut};
pub use turn::{KEPT, Passed, Turn};

/// How long somebody who waits at a terminal or on a connection has to take what is free for
/// them. They need milliseconds where all is well; but whoever asks at once may be answered late, as
/// the driver has 15 s, a file system 15 s, and the ledger's lock 10 s. One who has not come by then
/// is suspended, or hangs, and leaves the line, or nobody behind would ever be served.
pub const OFFER: Duration = Duration::from_secs(40);

/// How long somebody waits who does not say.
///
/// Source: SPEC.md section 5, "wait up to 3 minutes".
pub const PATIENCE: Duration = Duration::from_secs(180);

/// After this time without a change of the ledger, who waits first looks at what it cannot know.
pub const LOOK: Duration = Duration::from_secs(5);

/// Requests of one user that may wait at a time: as each costs everybody who looks at the line.
pub const WAITING: usize = 16;

/// How long a reservation is remembered that is over: by a clock that was ahead for a while, none that
/// is to come is lost.
pub const REMEMBERED: Duration = Duration::from_secs(30 * 24 * 3600);

/// The waiting line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Line {
    /// What everybody used lately: who used less goes first.
    pub recent: Recent,
    /// Who waits, in the order in which they came.
    pub waiters: Vec<Waiter>,
    /// Devices that are kept for somebody whose turn has come.
    pub turns: Vec<Turn>,
    /// Devices that an admin has set aside, or had lately: see [`Line::reserved`].
    pub reservations: Vec<Reservation>,
    /// Who was taken out by its owner lately.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub taken_out: Vec<TakenOut>,
    /// How often users have joined lately.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub joins: BTreeMap<u32, Joins>,
    /// The devices as they were when somebody last asked for some; none while nobody waits. By
    /// them, who waits finds out from the ledger alone whether to ask again.
    pub devices: Vec<Known>,
}

/// Somebody who waits for devices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiter {
    /// Its number: who came later has a higher one.
    pub ticket: u64,
    /// The user.
    pub uid: u32,
    /// The container that they are for; `None` for whatever the user makes of them.
    pub container: Option<ContainerName>,
    /// How many devices, and of which type.
    pub devices: GpuRequest,
    /// What kind of container they are for.
    #[serde(default = "made_by_ds01")]
    pub kind: ContainerKind,
    /// What the owner's limits were when somebody last looked.
    pub terms: Terms,
    /// When they came.
    pub since: Timestamp,
    /// That they came is an event, and so is that they leave: see [`JOINS`].
    #[serde(default = "yes")]
    pub logged: bool,
    /// How they wait.
    pub stay: Stay,
}

/// How somebody waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stay {
    /// At a terminal or on a connection: they take what is free themselves.
    Present {
        /// Who waits: it leaves the line by ending.
        process: Option<Process>,
        /// When they give up.
        until: Timestamp,
        /// Since when somebody knows that they could take their devices, and they have not.
        offered: Option<Timestamp>,
    },
    /// Beyond any terminal: what is free is kept for them, for [`KEPT`].
    Away {
        /// The project whose container is then started.
        launch: Option<ContainerName>,
    },
}

/// What of a user's limits decides about devices. See [`Limits`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// The policy group.
    pub group: String,
    /// 1 to 100, higher first.
    pub priority: u8,
    /// Compute across all containers.
    pub quota: Option<Share>,
    /// Whole GPUs may be had, not only MIG devices.
    pub whole_gpus: bool,
    /// How long the devices may be held at most, the hold after the end included; `None` is for ever.
    pub longest: Option<Duration>,
}

impl Terms {
    /// Those of a user with `limits`, for a container that may run for `run`.
    ///
    /// It may be left uncreated, unstarted, run, and be stopped: the times of all of them add up.
    pub fn of(limits: &Limits, run: Option<Duration>) -> Self {
        let parts = [
            limits.lifecycle.created_timeout,
            run,
            limits.gpu_hold_after_stop,
        ];
        Self {
            group: limits.group.clone(),
            priority: limits.priority,
            quota: limits.quota,
            whole_gpus: limits.whole_gpus,
            longest: parts.into_iter().sum(),
        }
    }
}

fn made_by_ds01() -> ContainerKind {
    ContainerKind::Ds01
}

fn yes() -> bool {
    true
}

/// A device as it was when somebody last asked the driver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// The device.
    pub device: Held,
    /// See [`Device::profile`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Processes computed on it.
    pub busy: bool,
}

impl From<&Device> for Known {
    fn from(device: &Device) -> Self {
        Self {
            device: device.into(),
            profile: device.profile.clone(),
            busy: device.is_in_use(),
        }
    }
}

impl Waiter {
    /// How long they may hold devices at most, the time included for which they are kept until
    /// somebody who waits beyond a terminal makes a container.
    pub(crate) fn longest(&self) -> Option<Duration> {
        let kept = match self.stay {
            Stay::Present { .. } => Duration::ZERO,
            Stay::Away { .. } => KEPT,
        };
        Some(self.terms.longest? + kept)
    }

    /// Whether they may be given devices at `now`, and are there to take them.
    pub(crate) fn is_there(&self, now: Timestamp) -> bool {
        match self.stay {
            Stay::Present { until, offered, .. } => {
                now < until && offered.is_none_or(|at| now < at + OFFER)
            }
            Stay::Away { .. } => true,
        }
    }

    /// The process that waits, if one does.
    pub fn process(&self) -> Option<&Process> {
        match &self.stay {
            Stay::Present { process, .. } => process.as_ref(),
            Stay::Away { .. } => None,
        }
    }
}

impl Line {
    /// The waiter with this ticket, if it is this user's.
    pub fn waiter(&self, uid: u32, ticket: u64) -> Option<&Waiter> {
        let mut waiters = self.waiters.iter();
        waiters.find(|w| w.ticket == ticket && w.uid == uid)
    }

    /// Whoever waits with this ticket.
    pub(crate) fn ticket(&self, ticket: u64) -> Option<&Waiter> {
        self.waiters.iter().find(|waiter| waiter.ticket == ticket)
    }

    /// The request for this container that waits.
    pub fn waits_for(&self, uid: u32, container: &ContainerName) -> Option<&Waiter> {
        let mut waiters = self.waiters.iter();
        waiters.find(|w| w.uid == uid && w.container.as_ref() == Some(container))
    }

    /// Lets those who wait do so by what their limits are today. `terms` are by ticket; who has
    /// none there keeps theirs.
    pub fn renew(&mut self, terms: &BTreeMap<u64, Terms>) {
        for waiter in &mut self.waiters {
            if let Some(today) = terms.get(&waiter.ticket) {
                waiter.terms = today.clone();
            }
        }
    }

    /// What is reserved at `now` or for later.
    pub fn reserved(&self, now: Timestamp) -> impl Iterator<Item = &Reservation> {
        let all = self.reservations.iter();
        all.filter(move |reserved| now < reserved.until)
    }

    /// Takes somebody out of the line.
    pub fn leave(&mut self, uid: u32, ticket: u64) -> Option<Waiter> {
        let mut waiters = self.waiters.iter();
        let at = waiters.position(|w| w.ticket == ticket && w.uid == uid)?;
        let left = self.waiters.remove(at);
        self.forget_devices();
        Some(left)
    }

    /// Without anybody who waits, nobody needs to know what there is.
    pub(crate) fn forget_devices(&mut self) {
        if self.waiters.is_empty() {
            self.devices.clear();
        }
    }
}

/// The beginning of what is said of devices that somebody had: `GPU 0 is`, `GPU 1:0 1:1 are`.
///
/// ```
/// # use ds01_core::line::gpu_is;
/// assert_eq!(gpu_is("1:0 1:1") + " free", "GPU 1:0 1:1 are free");
/// ```
pub fn gpu_is(slots: &str) -> String {
    let verb = match slots.contains(' ') {
        true => "are",
        false => "is",
    };
    format!("GPU {slots} {verb}")
}

impl Ledger {
    /// Takes everybody out of the line who does not wait any more, ends turns whose time is over, and
    /// forgets old reservations. `dead` are processes that have ended.
    ///
    /// The waiters who went, and why; the turns that nobody used.
    pub fn tidy_line(
        &mut self,
        dead: &[Process],
        now: Timestamp,
    ) -> (Vec<(Waiter, Gone)>, Vec<Turn>) {
        let line = &mut self.line;
        let why = |waiter: &Waiter| match &waiter.stay {
            Stay::Present {
                process: Some(process),
                ..
            } if dead.contains(process) => Some(Gone::Ended),
            Stay::Present { until, .. } if *until <= now => Some(Gone::GaveUp),
            Stay::Present { .. } if !waiter.is_there(now) => Some(Gone::Absent),
            _ => None,
        };
        let mut gone = Vec::new();
        for waiter in std::mem::take(&mut line.waiters) {
            match why(&waiter) {
                Some(why) => gone.push((waiter, why)),
                None => line.waiters.push(waiter),
            }
        }
        let turns = std::mem::take(&mut line.turns).into_iter();
        let (turns, mut over): (_, Vec<_>) = turns.partition(|turn| self.lasts(turn, now));
        over.retain(|turn| !turn.is_used());
        let line = &mut self.line;
        line.turns = turns;
        let shares = line.devices.iter().map(|known| known.device.share);
        let least = shares.min().unwrap_or(Share::WHOLE);
        for (waiter, _) in gone.iter().filter(|(_, why)| *why == Gone::Absent) {
            let time = KEPT.saturating_mul(waiter.devices.count);
            line.recent.charge(waiter.uid, least, time);
        }
        // Who was never told could not use it.
        let unused = over
            .iter()
            .filter(|turn| turn.told)
            .flat_map(|turn: &Turn| turn.devices.iter().map(|held| (turn.uid, held.share)));
        for (uid, share) in unused {
            line.recent.charge(uid, share, KEPT);
        }
        line.reservations
            .retain(|reserved| now < reserved.until + REMEMBERED);
        line.forget_old(now);
        line.forget_devices();
        (gone, over)
    }

    /// Nothing of the line is later than `now` allows: the clock was set back.
    pub(crate) fn line_not_later_than(&mut self, now: Timestamp) {
        let line = &mut self.line;
        for waiter in &mut line.waiters {
            waiter.since = waiter.since.min(now);
            if let Stay::Present {
                offered: Some(at), ..
            } = &mut waiter.stay
            {
                *at = (*at).min(now);
            }
        }
        for turn in &mut line.turns {
            turn.until = turn.until.min(now + KEPT);
        }
        line.lately_not_later_than(now);
        line.recent.at = line.recent.at.min(now);
    }
}
