//! `container-extend`: a longer run, as far as the owner's policy allows.

use std::time::Duration;

use ds01_core::{
    allocate::run_longer,
    container::ContainerId,
    event::Event,
    failure::{Failure, Kind},
    lifecycle::{extend, of_run, words},
    name::{ContainerArg, ContainerName},
    record::Record,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::{
    Operation, Site, clock,
    look::Scope,
    ops::{
        owner::{Terms, terms},
        start::told,
        target,
    },
    site::fail,
    users::{Caller, login},
    watch_file::WatchFile,
};

/// Asks for a longer run of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extend {
    /// Which.
    pub name: ContainerArg,
    /// By how much, beyond what it has been extended by already.
    pub by: Duration,
}

/// A run that may last longer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extended {
    /// The container's name.
    pub name: ContainerName,
    /// When its run is over now.
    pub until: Timestamp,
    /// By how much it has been extended in all.
    pub by: Duration,
    /// By how much it may be; `None` is without limit.
    pub allowed: Option<Duration>,
}

impl Operation for Extend {
    const NAME: &'static str = "extend";
    type Answer = Extended;

    fn container(&self) -> Option<&ContainerArg> {
        Some(&self.name)
    }

    fn run(&self, site: &Site, caller: Caller) -> Result<Extended, Failure> {
        let target = target::find(site, caller, &self.name)?;
        let name = target.container.name.clone();
        let state = |message: String, hint: String| fail(Kind::State, message, hint);
        if self.by.is_zero() {
            let hint = format!("say by how much: container-extend {name} 12h");
            return Err(fail(
                Kind::Usage,
                "an extension of nothing is none".into(),
                hint,
            ));
        }
        let seen = target::sight(site, &target)?;
        let inspected = site.engine().inspect_one(&target.id)?;
        let started = inspected
            .filter(|_| seen.state.is_up())
            .and_then(|inspected| inspected.started)
            .ok_or_else(|| {
                state(
                    format!(
                        "container {name} is {}: a start begins a new run",
                        seen.state
                    ),
                    format!("start it with container-start {name}"),
                )
            })?;
        let record = site.metadata.of(&target.container, &target.id);
        let Terms { limits, run, rule } =
            terms(site, target.container.uid, record.as_ref(), Some(&seen))?;
        let for_ever = |why: &str| {
            let message = format!("container {name} {why}: it runs until you stop it");
            state(message, format!("stop it with container-stop {name}"))
        };
        // Who is exempt until a day may need more after it.
        let limit = run.and(rule);
        let limit = limit.ok_or_else(|| for_ever("has no longest run"))?;
        let allowed = limits.lifecycle.max_extension;
        let from = counts_from(site, &target.id, record.as_ref(), started)?;
        let look = site.look(&Scope::Only(target.id.clone()))?;
        let told = told(site, &target, &look, &limits, true).transpose()?;
        let by = site.change(&look, |ledger, now| {
            let entry = ledger.entry(&target.container);
            let entry = entry.filter(|entry| entry.id.as_ref() == Some(&target.id));
            let record = site.metadata.of(&target.container, &target.id);
            let (Some(entry), Some(mut record)) = (entry, record) else {
                return Err(target::no_such(&self.name));
            };
            if entry.devices.is_empty() {
                return Err(for_ever("has no GPU"));
            }
            let until = |by: Duration| from + limit.saturating_add(by);
            let ends = until(of_run(record.extension, started));
            let extension = extend(record.extension, started, self.by, allowed)?;
            let later = until(extension.by);
            let known = told.as_ref().unwrap_or(&ledger.line.devices);
            run_longer(entry, &limits, (ends, later), known, ledger, now)?;
            record.extension = Some(extension);
            // Under the lock: two at once count both.
            site.metadata.write(&target.container, &record)?;
            // Who waits in line is told so.
            ledger.change(&target.container, |entry| entry.ends = Some(later));
            Ok(extension.by)
        })?;
        let until = from + limit.saturating_add(by);
        let event = Event::new(clock::now(), "container.extend").of(login(caller.uid));
        site.log(
            event
                .with("container", &target.container)
                .with("by", words(self.by))
                .with("in_all", words(by))
                .with("until", until),
        );
        Ok(Extended {
            name,
            until,
            by,
            allowed,
        })
    }
}

/// From when a run counts that was `started` then: one that was adopted, from when `ds01-runtime` first
/// saw it, which may be yet to come.
fn counts_from(
    site: &Site,
    id: &ContainerId,
    record: Option<&Record>,
    started: Timestamp,
) -> Result<Timestamp, Failure> {
    if !record.is_some_and(|record| record.adopted) {
        return Ok(started);
    }
    let now = clock::both();
    let seen = WatchFile::new(&site.config().paths.state)?.seen();
    let first = seen.first(id).unwrap_or(now.uptime);
    Ok(started.max(now.wall - now.uptime.since(first)))
}
