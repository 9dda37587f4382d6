//! `container-create`: devices from the caller's quota, and a container that has them.

use std::{path::PathBuf, time::Duration};

use ds01_core::{
    container::ContainerId,
    device::{Held, slot_list},
    event::Event,
    failure::{Failure, Kind, UserError},
    gpu_request::GpuRequest,
    label::Interface,
    ledger::{Allocation, Holding},
    line::{PATIENCE, Turn},
    name::ContainerName,
    record::{self, Bind, Record},
    share::Share,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use super::{
    draft::{Draft, Order},
    grant::{GrantRequest, Granted, give_back, grant},
    make::{Unmade, make, unname_image},
};
use crate::{Operation, Site, clock, look::Scope, nvml::Probe, site::fail, users::Caller};

/// Asks for a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Create {
    /// Its name.
    pub name: ContainerName,
    /// The image; without one the project's own, then the host's default.
    pub image: Option<String>,
    /// The project whose workspace is mounted; without one that of the container's name.
    pub project: Option<ContainerName>,
    /// Another folder to mount at `/workspace`.
    pub workspace: Option<PathBuf>,
    /// A folder to mount at `/data`.
    pub data: Option<PathBuf>,
    /// GPUs or MIG devices.
    pub gpus: GpuRequest,
    /// Decide, and change nothing.
    pub dry_run: bool,
    /// By which kind of command it is asked for.
    #[serde(default)]
    pub interface: Interface,
    /// How to wait in line if no device is free; `None` is not at all.
    #[serde(default)]
    pub wait: Option<WaitUntil>,
}

/// How a request waits in line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitUntil {
    /// Until when.
    pub at: Timestamp,
    /// The ticket with which it waits already.
    pub ticket: Option<u64>,
}

/// What comes of asking for a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Creation<T> {
    /// It is made.
    Made(T),
    /// The request waits in line, with this ticket. It is to be made again when its turn has come,
    /// or at last without a wait.
    Waits(u64),
}

/// A container that was made, or with `dry_run` would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Created {
    /// Its name.
    pub name: ContainerName,
    /// The engine's id; none if it was a dry run.
    pub id: Option<ContainerId>,
    /// Its devices.
    pub devices: Vec<Held>,
    /// Why these; empty without any.
    #[serde(default)]
    pub reason: String,
    /// Its image as the user named it.
    pub image: String,
    /// The folder on the host that is its `/workspace`.
    pub workspace: PathBuf,
    /// That folder was not there before.
    #[serde(default)]
    pub is_new: bool,
}

impl Operation for Create {
    const NAME: &'static str = "create";
    type Answer = Creation<Created>;

    fn run(&self, site: &Site, caller: Caller) -> Result<Creation<Created>, Failure> {
        self.wait.map_or(Ok(()), |wait| may_wait(site, wait))?;
        // Before what needs memory: the probe is a copy of this process, which is small now.
        let library = site.config().gpu.library.as_deref();
        let probe = (self.gpus.count > 0)
            .then(|| Probe::begin(library))
            .transpose()?;
        let draft = Draft::of(self, site, caller)?;
        let look = site.look(&Scope::Of(caller.uid))?;
        let inventory = probe.map(Probe::finish).transpose()?.unwrap_or_default();

        let wanted = GrantRequest {
            gpus: &self.gpus,
            dry_run: self.dry_run,
            wait: self.wait,
        };
        let granted = match grant(site, &draft.order, wanted, &look, &inventory)? {
            Creation::Made(granted) => granted,
            Creation::Waits(ticket) => return Ok(Creation::Waits(ticket)),
        };
        let (devices, reason) = (granted.devices.clone(), granted.reason.clone());
        let created = |id| Created {
            name: self.name.clone(),
            id,
            devices: devices.clone(),
            reason: reason.clone(),
            image: draft.order.image.clone(),
            workspace: draft.order.workspace.clone(),
            is_new: draft.is_new,
        };
        if self.dry_run {
            return Ok(Creation::Made(created(None)));
        }
        let made = make(site, &draft, &granted);
        let id = finish(site, &draft.order, granted, made)?;
        Ok(Creation::Made(created(Some(id))))
    }
}

/// Whether a command may wait in line as long as it wants to.
fn may_wait(site: &Site, wait: WaitUntil) -> Result<(), Failure> {
    // What a command waits without being told to is never refused.
    let longest = site.config().containers.longest_wait().max(PATIENCE);
    // What the ledger is told is a little more than what was asked for.
    if wait.at.since(clock::now()) <= longest + Duration::from_secs(5) {
        return Ok(());
    }
    let longest = humantime::format_duration(longest);
    Err(fail(
        Kind::Usage,
        format!("a command may wait in line for {longest} at most on this host"),
        "wait beyond your terminal, for as long as it takes: gpu-queue join".into(),
    ))
}

/// What came of asking the engine for a container.
pub(super) struct Made {
    pub(super) id: ContainerId,
    pub(super) binds: Vec<Bind>,
    /// See [`Record::mounts`].
    pub(super) mounts: Option<String>,
    pub(super) as_owner: bool,
}

/// Records what the engine made, or gives back what was granted for it.
///
/// # Errors
///
/// Why there is no container; or why it went again, since it could not be recorded.
pub(super) fn finish(
    site: &Site,
    order: &Order,
    granted: Granted,
    made: Result<Made, Unmade>,
) -> Result<ContainerId, Failure> {
    let Granted {
        devices,
        reason,
        used,
        orphan,
        ..
    } = granted;
    match made {
        Ok(made) => {
            confirm(site, order, &made, (&devices, &reason), used)?;
            Ok(made.id)
        }
        Err(unmade) => {
            give_back(
                site,
                &order.container,
                unmade.unanswered,
                orphan.as_ref(),
                used,
            )?;
            Err(match orphan {
                Some(orphan) if unmade.name_taken => turned_up(&orphan),
                _ => unmade.failure,
            })
        }
    }
}

/// The container exists: its record, then the ledger, then the events.
fn confirm(
    site: &Site,
    order: &Order,
    made: &Made,
    (devices, reason): (&[Held], &str),
    used: Vec<Turn>,
) -> Result<(), Failure> {
    let (container, id) = (&order.container, &made.id);
    let record = Record {
        version: record::VERSION,
        container: container.to_string(),
        id: id.clone(),
        login: order.person.login.clone(),
        group: order.limits.group.clone(),
        slice: order.slice.clone(),
        project: order.project.clone(),
        image: order.image.clone(),
        workspace: order.workspace.display().to_string(),
        binds: made.binds.clone(),
        mounts: made.mounts.clone(),
        as_owner: made.as_owner,
        devices: devices.to_vec(),
        hold: order.limits.gpu_hold_after_stop,
        extension: None,
        adopted: false,
        found: false,
        kind: Some(order.kind),
        created: clock::now(),
        node: crate::system::name(),
    };
    let confirmed = site.look(&Scope::Nothing).and_then(|look| {
        site.change(&look, |ledger, now| {
            let ours = ledger.entry(container).filter(|entry| entry.holds(now));
            // After a lapse the name may have gone to another process.
            let is_other = |entry: &Allocation| {
                entry.devices != devices || entry.id.as_ref().is_some_and(|known| known != id)
            };
            if ours.is_none_or(is_other) {
                return Err(fail(
                    Kind::Busy,
                    format!(
                        "the engine was too slow: the GPU of {container} was given up meanwhile"
                    ),
                    "try again".into(),
                ));
            }
            // Under the lock: the name is ours until it is let go.
            site.metadata.write(container, &record)?;
            ledger.change(container, |entry| {
                entry.id = Some(id.clone());
                entry.holding = Holding::Live;
                // Nothing else turns up under a name that is taken.
                entry.late.clear();
            });
            Ok(())
        })
    });
    if let Err(failure) = confirmed {
        // Not on record, it could not be used: it goes, and its entry with it.
        // Whether it goes or has gone, the first failure is what the user should know.
        let removed = site.engine().remove(id, true);
        site.forget_name(container, id);
        if removed.is_ok() || removed.is_err_and(|error| error.kind() == Kind::NotFound) {
            // No record tells of these.
            made.mounts.iter().for_each(|place| site.unstage(place));
            unname_image(site, container, Some(id));
            if let Err(second) = give_back(site, container, false, None, used) {
                site.notice(second.one_line());
            }
        }
        return Err(failure);
    }
    let event = |kind: &str| {
        Event::new(clock::now(), kind)
            .of(&order.person.login)
            .with("container", container)
    };
    if !devices.is_empty() {
        site.log(allocated(event("gpu.allocate"), devices, reason));
    }
    site.log(event("container.create").with("image", &order.image));
    Ok(())
}

/// The event with what somebody was given, and why that.
pub(super) fn allocated(event: Event, devices: &[Held], reason: &str) -> Event {
    let share: Share = devices.iter().map(|held| held.share).sum();
    let event = event.with("gpus", slot_list(devices)).with("gpueq", share);
    event.with("reason", reason)
}

/// Status 4: the engine was asked for this container by a process that was killed meanwhile.
fn turned_up(orphan: &Allocation) -> Failure {
    let name = &orphan.container.name;
    fail(
        Kind::State,
        format!("container {name} exists already: a container-create that was killed made it"),
        format!("use it with container-run {name}, or remove it with container-retire {name}"),
    )
}
