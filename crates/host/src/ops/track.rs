//! `container-owner-tracker`: whose the containers are that DS01 did not make, and who uses GPUs
//! outside every container.

use std::collections::BTreeMap;

use ds01_core::{
    container::Sighting,
    device::Claim,
    event::Event,
    failure::Failure,
    ledger::Ledger,
    tracked::{News, Outsider, Tracked},
};
use serde::{Deserialize, Serialize};

use super::{for_root, outside::outsiders};
use crate::{
    Operation, Site, clock,
    events::Reader,
    look::{Look, Scope},
    nvml::{NvmlError, Probe},
    tracked_file::TrackedFile,
    users::{Caller, login},
};

/// Asks for a pass of the owner tracker. For root alone, which the gateway never is: it is not one of
/// its operations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Track {
    /// Only say what is new.
    pub dry_run: bool,
    /// Bring the ledger in line with the engine too. When something has just happened, whoever did it
    /// is still at work with the ledger.
    pub full: bool,
    /// Ask the driver who uses GPUs.
    pub driver: bool,
}

/// What a pass found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackPassed {
    /// What is new, each with the login that it is about.
    pub news: Vec<(News, Option<String>)>,
    /// Why the driver could not tell who uses GPUs.
    pub silence: Option<NvmlError>,
}

impl Operation for Track {
    const NAME: &'static str = "track";
    type Answer = TrackPassed;

    fn run(&self, site: &Site, caller: Caller) -> Result<TrackPassed, Failure> {
        for_root(
            caller,
            "only root looks at the containers of all users",
            "see your own with container-list",
        )?;
        // Before the lock is had: a driver that hangs would keep it.
        let probe = self
            .driver
            .then(|| Probe::begin(site.config().gpu.library.as_deref()));
        let file = TrackedFile::new(&site.config().paths.state);
        let alone = (!self.dry_run).then(|| file.lock()).transpose()?;
        let mut tracked = file.read();
        if alone.is_some() {
            take_over(site, &file, &mut tracked)?;
        }
        let look = site.look(&Scope::Everything)?;
        let ledger = match self.full && !self.dry_run {
            true => {
                site.change_reporting(&look, |ledger, _| Ok(ledger.clone()))?
                    .0
            }
            false => site.view(&look)?,
        };
        let before = tracked.clone();
        let mut news = containers(site, &mut tracked, &ledger, &look);
        let mut silence = None;
        match probe.map(|probe| probe.and_then(Probe::finish)) {
            Some(Ok(inventory)) => {
                let now = outsiders(site, &inventory.devices, &look.seen.containers)?;
                let silent = inventory
                    .devices
                    .iter()
                    .filter(|device| device.activity.processes.is_none());
                let silent: Vec<_> = silent.map(|device| device.slot).collect();
                let is_silent = |slot| silent.contains(&slot);
                news.extend(tracked.outsiders(now, is_silent, clock::is_dead));
            }
            Some(Err(error)) => silence = Some(error),
            None => {}
        }
        if alone.is_some() && tracked != before {
            tracked.untold = news.iter().map(event).collect();
            file.write(&tracked)?;
            tell(site, &file, &mut tracked)?;
        }
        let news = news.into_iter().map(|one| {
            let login = user(&one);
            (one, login)
        });
        Ok(TrackPassed {
            news: news.collect(),
            silence,
        })
    }
}

/// Finds out whose those are that are not known yet.
fn containers(site: &Site, tracked: &mut Tracked, ledger: &Ledger, look: &Look) -> Vec<News> {
    let is_ours = |seen: &Sighting| {
        let mut entries = ledger.entries();
        entries.any(|entry| entry.id.as_ref() == Some(&seen.id) || entry.awaits(seen))
    };
    let all = look.seen.containers.iter();
    let foreign: Vec<_> = all.filter(|seen| !is_ours(seen)).collect();
    let is_new = |seen: &&&Sighting| !tracked.containers.contains_key(&seen.id);
    let new: Vec<_> = foreign.iter().filter(is_new).copied().collect();
    let owners = site.owners.borrow_mut().of(&new).unwrap_or_else(|error| {
        let count = new.len();
        site.notice(format!(
            "whose {count} containers are that DS01 did not make, cannot be told now: {error}"
        ));
        Vec::new()
    });
    let owners: BTreeMap<_, _> = new.iter().map(|seen| seen.id.clone()).zip(owners).collect();
    tracked.containers(&foreign, ledger, &owners)
}

/// The login of whoever it is about.
fn user(news: &News) -> Option<String> {
    Some(login(match news {
        News::Found(_, foreign) => foreign.owner?.uid,
        News::Began(outsider) | News::Ended(outsider) => outsider.uid,
    }))
}

fn event(news: &News) -> Event {
    let now = clock::now();
    let of_process = |kind, outsider: &Outsider| {
        let slots: Vec<_> = outsider.slots.iter().map(ToString::to_string).collect();
        Event::new(now, kind)
            .with("pid", outsider.process.pid)
            .with("command", &outsider.name)
            .with("gpus", slots.join(" "))
    };
    let mut event = match news {
        News::Found(id, foreign) => {
            let mut event = Event::new(now, "detection.container_discovered")
                .with("container", &foreign.name)
                .with("id", id);
            if let Some(owner) = foreign.owner {
                event = event.with("owner_by", owner.way);
            }
            match &foreign.claim {
                Some(Claim::All) => event.with("gpus", "all"),
                Some(Claim::Named(names)) => event.with("gpus", names.join(" ")),
                None => event,
            }
        }
        News::Began(one) => of_process("detection.host_gpu_process_discovered", one),
        News::Ended(one) => of_process("detection.host_gpu_process_exited", one),
    };
    event.user = user(news);
    event
}

/// Logs what is untold, and notes that.
fn tell(site: &Site, file: &TrackedFile, tracked: &mut Tracked) -> Result<(), Failure> {
    let untold = std::mem::take(&mut tracked.untold);
    if untold.is_empty() {
        return Ok(());
    }
    untold.into_iter().for_each(|event| site.log(event));
    Ok(file.write(tracked)?)
}

/// Logs what a process that died left untold, but for what it had logged already.
fn take_over(site: &Site, file: &TrackedFile, tracked: &mut Tracked) -> Result<(), Failure> {
    let Some(since) = tracked.untold.iter().map(|event| event.timestamp).min() else {
        return Ok(());
    };
    let mut logged = Logged {
        wanted: std::mem::take(&mut tracked.untold),
        found: Vec::new(),
    };
    let mut place = None;
    loop {
        // One that cannot be read tells nothing.
        let read = site.events.read(place.as_ref(), Some(since), &mut logged);
        match read {
            Ok((next, false)) => place = Some(next),
            _ => break,
        }
    }
    let Logged { mut wanted, found } = logged;
    wanted.retain(|event| !found.contains(event));
    tracked.untold = wanted;
    match tracked.untold.is_empty() {
        true => Ok(file.write(tracked)?),
        false => tell(site, file, tracked),
    }
}

/// Events that are looked for in the log, whoever wrote them.
struct Logged {
    wanted: Vec<Event>,
    found: Vec<Event>,
}

impl Reader for Logged {
    fn line(&mut self, line: &[u8]) -> bool {
        let read = Event::read(&String::from_utf8_lossy(line)).event;
        let event = read.map(|event| Event {
            source: None,
            ..event
        });
        let found = event.filter(|event| self.wanted.contains(event));
        self.found.extend(found);
        true
    }
}
