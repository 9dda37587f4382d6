//! `container-start`: the same devices again, or none.

mod explain;

use std::collections::BTreeSet;

use ds01_core::{
    admit::Denied,
    allocate::run_again,
    container::State,
    device::{Device, slot_list},
    event::Event,
    failure::{Failure, Kind},
    ledger::{Allocation, Holding, Ledger},
    limits::Limits,
    line::Known,
    name::{ContainerArg, ContainerName},
    reconcile::is_free,
    reservation::{Reservation, What},
    slice::{self, SliceLimits},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use super::{
    folders, inside,
    intent::{Intent, is_of_another, pending},
    owner::{Terms, terms},
    target::{self, Target},
};
use crate::{
    Operation, Site, clock,
    first_process::is_inside_any,
    ledger_file::Stored,
    look::{Look, Scope},
    nvml::Probe,
    reading::Starting,
    site::fail,
    slices,
    users::{Caller, login},
};

pub(super) use explain::anew;
use explain::explained;

/// Asks for a container to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// Which.
    pub name: ContainerArg,
}

/// A container that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// Its name.
    pub name: ContainerName,
    /// It ran already, and was left alone.
    pub already: bool,
}

impl Operation for Start {
    const NAME: &'static str = "start";
    type Answer = Started;

    fn container(&self) -> Option<&ContainerArg> {
        Some(&self.name)
    }

    fn run(&self, site: &Site, caller: Caller) -> Result<Started, Failure> {
        let target = target::find(site, caller, &self.name)?;
        let name = target.container.name.clone();
        let Some(Taken { intent, terms }) = take_devices(site, &target)? else {
            return Ok(Started {
                name,
                already: true,
            });
        };
        // For which nobody has to wait: what is not known is no end.
        let run = terms.as_ref().map_or(None, |terms| terms.run);
        let starting = Starting::begin(site, &target.id, &name);
        let restored = restore(site, &target, terms);
        if let Err(failure) = starting.as_ref().map_err(Failure::clone).and(restored) {
            intent.put_back(site)?;
            return Err(failure);
        }
        intent.renew(site)?;
        if let Err(error) = site.engine().start(&target.id) {
            // It did not start: as it was before. Without an answer it may start yet.
            let unanswered = error.is_unanswered();
            let failure = explained(site, &intent.before, error.into());
            // The answer is the engine's, not this.
            let _ = match unanswered {
                true => {
                    intent.log_anew(site);
                    intent.leave(site)
                }
                false => intent.put_back(site),
            };
            return Err(failure);
        }
        intent.log_anew(site);
        let ends = run.map(|run| clock::now() + run);
        intent.confirm(site, |entry| {
            (entry.holding, entry.ends) = (Holding::Live, ends);
        })?;
        let event = Event::new(clock::now(), "container.start").of(login(caller.uid));
        site.log(event.with("container", &target.container));
        Ok(Started {
            name,
            already: false,
        })
    }
}

/// Devices that are held again for a start, and what their owner may have, if that is known.
struct Taken {
    intent: Intent,
    terms: Result<Terms, Failure>,
}

/// Has the container's own devices held again in the ledger. `None` if it runs already.
fn take_devices(site: &Site, target: &Target) -> Result<Option<Taken>, Failure> {
    // What is kept for it is not to be given: nobody else's containers matter.
    let mut scope = match target.holds {
        true => Scope::Only(target.id.clone()),
        false => Scope::Of(target.container.uid),
    };
    loop {
        let look = site.look(&scope)?;
        let seen = look.seen.containers.iter().find(|c| c.id == target.id);
        let state = match seen {
            Some(sighting) => sighting.state,
            None => target::sight(site, target)?.state,
        };
        if is_up(state, &target.container.name)? {
            return Ok(None);
        }
        let record = site.metadata.of(&target.container, &target.id);
        let terms = terms(site, target.container.uid, record.as_ref(), seen);
        let limits = terms.as_ref().map(|terms| &terms.limits);
        let limits = limits.ok().filter(|_| has_stopped(target, state, &look));
        let is_kept = matches!(scope, Scope::Only(_));
        let told = limits.and_then(|limits| told(site, target, &look, limits, is_kept));
        let intent = site.change(&look, |ledger, now| {
            take(site, ledger, target, &terms, (&look, &told), now)
        })?;
        match intent {
            Some(intent) => return Ok(Some(Taken { intent, terms })),
            None => scope = Scope::Of(target.container.uid),
        }
    }
}

/// Has what the container needs to run, beside its devices: its slice limited, its folders mounted, and
/// nothing inside that the engine would hang on.
fn restore(site: &Site, target: &Target, terms: Result<Terms, Failure>) -> Result<(), Failure> {
    let name = &target.container.name;
    match site.metadata.of(&target.container, &target.id) {
        Some(record) => {
            limit(site, &record.slice, terms)?;
            folders::restore(site, &record)?;
        }
        // It has just turned up, or is being renamed: what it may is not known, or not yet.
        None if site.is_for_others() => {
            return Err(fail(
                Kind::Busy,
                format!("container {name} is not recorded yet"),
                format!(
                    "try again: container-start {name}; if that is no better, make it anew: \
                     container-remove {name}"
                ),
            ));
        }
        None => {}
    }
    inside::before_start(site, target)
}

/// Whether it runs already.
///
/// # Errors
///
/// Status 4 in a state from which it cannot be started.
fn is_up(state: State, name: &ContainerName) -> Result<bool, Failure> {
    let (what, hint) = match state {
        State::Running | State::Restarting => return Ok(true),
        State::Created | State::Exited => return Ok(false),
        State::Paused => ("let it go on", "container-unpause"),
        State::Removing | State::Dead => ("remove it", "container-remove"),
    };
    Err(fail(
        Kind::State,
        format!("container {name} is {state}"),
        format!("{what} with {hint} {name}"),
    ))
}

/// Limits what it may use together with its owner's other containers. While nobody can tell the
/// limits, those stay that its slice has.
fn limit(site: &Site, slice: &str, terms: Result<Terms, Failure>) -> Result<(), Failure> {
    if !slice::is_ours(slice) || !site.has_slices()? {
        return Ok(());
    }
    match terms {
        Ok(Terms { limits, .. }) => slices::limit(slice, &SliceLimits::of(&limits)),
        Err(_) if slices::is_limited(slice) => Ok(()),
        Err(failure) => Err(failure),
    }
}

/// What the driver tells of this host's devices, if it matters to a container with devices: they are
/// not kept for it, and may be in use outside containers; or an amount is reserved for others, and it
/// matters which are free.
pub(super) fn told(
    site: &Site,
    target: &Target,
    look: &Look,
    limits: &Limits,
    is_kept: bool,
) -> Option<Result<Vec<Known>, Failure>> {
    let Stored::Whole(ledger) = &look.before else {
        return None;
    };
    let (uid, group) = (target.container.uid, &limits.group);
    let matters = |reserved: &Reservation| {
        matches!(reserved.what, What::Amount(_)) && !reserved.is_for(uid, group)
    };
    let matters = !is_kept || ledger.line.reserved(look.seen.asked_at).any(matters);
    let has_devices = !ledger.entry(&target.container)?.devices.is_empty();
    // What it computes itself ends with its run.
    let own = BTreeSet::from([&target.id]);
    let is_other = |pid: &u32| is_inside_any(*pid, &own) != Some(true);
    let known = |device: &Device| Known {
        busy: device.activity.processes.iter().flatten().any(is_other),
        ..Known::from(device)
    };
    (has_devices && matters).then(|| {
        let asked = Probe::begin(site.config().gpu.library.as_deref()).and_then(Probe::finish);
        let known = asked.map(|inventory| inventory.devices.iter().map(known).collect());
        known.map_err(Failure::from)
    })
}

/// Whether it had devices that are not its own any more, or only for a while: the engine shows it
/// in this state.
fn has_stopped(target: &Target, state: State, look: &Look) -> bool {
    let released = |ledger: &Ledger| {
        let entry = ledger.entry(&target.container);
        entry.is_some_and(|entry| entry.holding == Holding::Released)
    };
    state == State::Exited || matches!(&look.before, Stored::Whole(ledger) if released(ledger))
}

/// Holds the container's own devices again before it runs. `None` if they are not kept for it, and
/// more has to be looked at. Of the others it needs to know what the driver `told`, or the line.
///
/// # Errors
///
/// Status 6 if they are promised to others before another run would be over. Once its hold has
/// ended: if they went to another container, never others in their place; or if its owner may not
/// have them now.
fn take(
    site: &Site,
    ledger: &mut Ledger,
    target: &Target,
    terms: &Result<Terms, Failure>,
    (look, told): (&Look, &Option<Result<Vec<Known>, Failure>>),
    now: Timestamp,
) -> Result<Option<Intent>, Failure> {
    let container = &target.container;
    let name = &container.name;
    let ours =
        |entry: &Allocation| entry.container == *container && entry.id.as_ref() == Some(&target.id);
    let Some(at) = ledger.entries().position(ours) else {
        let (state, hint) = match ledger.entry(container) {
            Some(_) => ("being created", "try again when it is there".to_string()),
            None => (
                "in no ledger: its devices are not its own",
                format!("remove it with container-remove {name}"),
            ),
        };
        return Err(fail(
            Kind::State,
            format!("container {name} is {state}"),
            hint,
        ));
    };
    let before = Allocation::clone(&ledger.allocations[at]);
    if !is_free(ledger, at, now) {
        let slots = slot_list(&before.devices);
        return Err(fail(
            Kind::Busy,
            format!("GPU {slots} of {name} went to another container after the hold had ended"),
            anew(site, &before),
        ));
    }
    // What the driver did not tell might have made the difference.
    let refused = |denied: Denied| match (told, &denied) {
        (Some(Err(unknown)), Denied::Promised { .. }) => unknown.clone(),
        (_, Denied::Promised { .. }) => Failure::from(denied).with_hint(anew(site, &before)),
        // No container has them, as was looked at before.
        (_, Denied::NoneFree { .. }) => {
            let slots = slot_list(&before.devices);
            let message = format!("GPU {slots} of {name} is in use outside containers");
            fail(Kind::Busy, message, anew(site, &before))
        }
        _ => denied.into(),
    };
    let (mut used, mut passed) = (Vec::new(), before.passed);
    let is_anew = !before.holds(now) && !before.devices.is_empty();
    if is_anew {
        if look.seen.news.is_none() {
            return Ok(None);
        }
        look.tells_all_devices()?;
        let Terms { limits, run, .. } = terms.as_ref().map_err(Failure::clone)?;
        let Some(told) = told else {
            return Ok(None);
        };
        let known = told.as_ref().map_err(Failure::clone)?;
        (used, passed) = ledger
            .request_same_devices(&before, limits, *run, known, now)
            .map_err(refused)?;
    } else if matches!(before.holding, Holding::Stopped { .. })
        && !before.devices.is_empty()
        && (before.passed.is_some() || ledger.line.reserved(now).next().is_some())
    {
        let Terms { limits, run, .. } = terms.as_ref().map_err(Failure::clone)?;
        let known = match told {
            Some(Ok(known)) => known,
            _ => &ledger.line.devices,
        };
        run_again(&before, limits, *run, known, ledger, now).map_err(refused)?;
    }
    // What another one has taken for it is that one's to give back, with the turn that it used.
    if !is_of_another(&before, now) {
        ledger.change(container, |entry| {
            entry.passed = passed;
            entry.holding = pending(now);
        });
    }
    Ok(Some(Intent {
        before,
        is_anew,
        used,
    }))
}
