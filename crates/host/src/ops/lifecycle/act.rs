//! Carrying out what is due: events, and containers that are stopped.

use ds01_core::{
    container::ContainerId,
    event::Event,
    failure::Failure,
    lifecycle::{Doing, Due, Step, Watch, Watched, suggested},
    time::Now,
};

use super::{Done, Passed, What, runs::Running, words};
use crate::{
    Site, clock,
    engine::{Ended, Ending, EngineError, HookEnd},
    ops::stop::{self, When},
    watch_file::WatchFile,
};

/// A step for one container.
pub(super) struct Plan {
    /// Its number among those that run.
    pub(super) at: usize,
    pub(super) due: Due,
    /// Why it is exempt, if it is.
    exempt: Option<String>,
    /// The devices, as users read them.
    slots: String,
    /// The event of the step, with its figures.
    pub(super) event: Event,
}

impl Plan {
    /// Plans a step for container number `at` with these devices.
    pub(super) fn new(
        at: usize,
        one: &Running,
        due: Due,
        exempt: Option<String>,
        slots: String,
        now: Now,
    ) -> Self {
        let subject = &one.subject;
        let mut event = Event::new(now.wall, due.event_type())
            .of(subject.login())
            .with("container", &subject.name)
            .with("id", &subject.id)
            .with("kind", subject.kind.as_str())
            .with("gpus", &slots)
            .with("reason", exempt.clone().unwrap_or(due.to_string()))
            .with("elapsed_s", due.elapsed.as_secs())
            .with("limit_s", due.limit.as_secs());
        if let Step::Warn { level, left } = due.step {
            event = event.with("percent", level.percent());
            event = event.with("left_s", left.as_secs());
        }
        Self {
            at,
            due,
            exempt,
            slots,
            event,
        }
    }

    /// What its owner is told.
    fn text(&self, site: &Site, one: &Running) -> String {
        let subject = &one.subject;
        let extension = subject.ours.as_ref().and_then(|_| {
            let before = subject.record(site).and_then(|record| record.extension);
            let allowed = subject.owner.limits.lifecycle.max_extension;
            suggested(before, one.run.started, allowed)
        });
        let exempt = self.exempt.as_deref();
        words::of_step(subject, &self.due, &self.slots, exempt, extension)
    }

    /// Notes that this process is about to do it.
    pub(super) fn note(&self, watched: &mut Watched) {
        watched.doing = clock::this_process().map(|by| Doing {
            by,
            rule: Some(self.due.rule),
            stop: self.due.step == Step::Stop,
            logged: false,
            event: self.event.clone(),
        });
    }

    fn why(&self) -> String {
        match self.exempt {
            Some(ref exempt) => format!("{}, {exempt}", self.due),
            None => self.due.to_string(),
        }
    }

    /// What it comes to, done or not.
    pub(super) fn done(&self, all: &[Running]) -> Done {
        let subject = &all[self.at].subject;
        Done {
            name: subject.short().to_string(),
            login: subject.login(),
            what: match self.due.step {
                Step::Exempt => What::Exempt,
                Step::Warn { .. } => What::Warned,
                Step::Stop => What::Stopped,
            },
            why: self.why(),
        }
    }
}

/// Takes over what dead processes have left, and forgets what does not run any more. The stops that
/// they made are for [`left::finish`](super::left::finish).
pub(super) fn begin(watch: &mut Watch, all: &[Running]) -> Vec<(ContainerId, Doing)> {
    let up = |id: &_| all.iter().any(|one| one.subject.id == *id);
    let here = clock::this_process();
    let left = watch.take_over(clock::is_dead, up, here.as_ref());
    watch
        .containers
        .retain(|id, watched| up(id) || watched.doing.is_some());
    left
}

/// Does what is planned: first what is told, then the stops, all at once, of those that are
/// `due_still` when their turn has come.
///
/// # Errors
///
/// If what was done cannot be noted; the next pass goes on from there.
pub(super) fn carry_out(
    site: &Site,
    file: &WatchFile,
    all: &[Running],
    plans: Vec<Plan>,
    due_still: impl FnOnce(&[&Plan]) -> Result<Vec<bool>, Failure>,
) -> Result<Passed, Failure> {
    let mut passed = Passed::default();
    let (stops, told): (Vec<_>, Vec<_>) = plans
        .into_iter()
        .partition(|plan| plan.due.step == Step::Stop);
    let texts = told.iter().map(|plan| {
        let one = &all[plan.at];
        (&one.subject, plan.text(site, one))
    });
    let (mut noted, mut done) = (Ok(()), Vec::new());
    words::tell_owners(site, texts, |number| {
        done.push(number);
        site.log(told[number].event.clone());
        // Each for itself: whoever takes over from a pass that dies tells the others alone.
        let is_noted = note_done(file, all, &[&told[number]]);
        noted = std::mem::replace(&mut noted, Ok(())).and(is_noted);
    });
    done.sort_unstable();
    let done = done.into_iter().map(|number| told[number].done(all));
    passed.done.extend(done);
    noted?;
    if stops.is_empty() {
        return Ok(passed);
    }
    let stops: Vec<_> = stops.iter().collect();
    let due = match due_still(&stops) {
        Ok(due) => due,
        // The notes stay: the next pass decides anew.
        Err(failure) => {
            passed.failed.push(failure);
            return Ok(passed);
        }
    };
    let (stops, spared): (Vec<_>, Vec<_>) = stops.into_iter().zip(due).partition(|(_, due)| *due);
    let spared: Vec<_> = spared.into_iter().map(|(plan, _)| plan).collect();
    note_done(file, all, &spared)?;
    let stops: Vec<_> = stops.into_iter().map(|(plan, _)| plan).collect();
    let endings: Vec<_> = stops.iter().map(|plan| ending(all, plan)).collect();
    let before = site.ledger.read().map_or(0, |stored| stored.generation());
    let ends = site.engine().end(&endings)?;
    let (mut over, mut made) = (Vec::new(), Vec::new());
    for (plan, end) in stops.into_iter().zip(ends) {
        match stopped(site, all, plan, end, before) {
            Ok(Some(text)) => {
                passed.done.push(plan.done(all));
                made.push((plan, text));
            }
            Ok(None) => over.push(plan),
            Err((failure, unanswered)) => {
                let message = format!("{}: {}", all[plan.at].subject.name, failure.message);
                passed.failed.push(Failure { message, ..failure });
                // It may stop yet: the next pass sees whether it has.
                if !unanswered {
                    over.push(plan);
                }
            }
        }
    }
    note_done(file, all, &over)?;
    let (plans, texts): (Vec<_>, Vec<_>) = made.into_iter().unzip();
    note(file, ids(all, &plans), |doing| {
        doing.iter_mut().for_each(|doing| doing.logged = true);
    })?;
    let subjects = plans.iter().map(|plan| &all[plan.at].subject);
    let mut noted = Ok(());
    words::tell_owners(site, subjects.zip(texts), |number| {
        let done = note_done(file, all, &[plans[number]]);
        noted = std::mem::replace(&mut noted, Ok(())).and(done);
    });
    noted.map(|()| passed)
}

fn ending(all: &[Running], plan: &Plan) -> Ending {
    let Running { subject, run, .. } = &all[plan.at];
    let grace = subject.rules.stop_grace;
    Ending {
        id: subject.id.clone(),
        run: run.clone(),
        grace,
        env: vec![
            format!("DS01_REASON={}", plan.due),
            format!("DS01_GRACE_SECONDS={}", grace.as_secs()),
        ],
    }
}

/// Notes what became of a stop: what its owner is to be told, if it was ours; a failure says whether
/// it may have been. `before` is the ledger's generation from before it was begun.
fn stopped(
    site: &Site,
    all: &[Running],
    plan: &Plan,
    end: Result<Ended, EngineError>,
    before: u64,
) -> Result<Option<String>, (Failure, bool)> {
    let one = &all[plan.at];
    let subject = &one.subject;
    let ended = end.map_err(|error| {
        let unanswered = error.is_unanswered();
        (error.into(), unanswered)
    })?;
    if !ended.stopped {
        return Ok(None);
    }
    let grace = subject.rules.stop_grace.as_secs();
    let mut event = plan.event.clone().with("grace_s", grace);
    if let Some(hook) = ended.hook {
        event = event.with(
            "pre_stop",
            match hook {
                HookEnd::Status(status) => format!("status {status}"),
                HookEnd::Late => "did not end in time".into(),
            },
        );
    }
    site.log(event);
    let mut text = plan.text(site, one);
    if let Some(container) = &subject.ours {
        match stop::note(site, container, &subject.id, When::Now(before)) {
            Ok(None) => {}
            Ok(Some((_, hold))) => {
                let kept = subject.owner.limits.container_hold_after_stop;
                text += &words::of_hold(subject.short(), hold, kept);
            }
            // It has stopped all the same, and whoever looks next notes that.
            Err(failure) => site.notice(failure.message),
        }
    }
    Ok(Some(text))
}

/// Notes that steps are done.
fn note_done(file: &WatchFile, all: &[Running], plans: &[&Plan]) -> Result<(), Failure> {
    note(file, ids(all, plans), |doing| *doing = None)
}

fn ids<'a>(all: &'a [Running], plans: &[&Plan]) -> impl ExactSizeIterator<Item = &'a ContainerId> {
    plans.iter().map(|plan| &all[plan.at].subject.id)
}

/// Changes what is noted of steps of this process, for these containers.
pub(super) fn note<'a>(
    file: &WatchFile,
    ids: impl ExactSizeIterator<Item = &'a ContainerId>,
    with: impl Fn(&mut Option<Doing>),
) -> Result<(), Failure> {
    if ids.len() == 0 {
        return Ok(());
    }
    let here = clock::this_process();
    file.change(|watch| {
        for id in ids {
            if let Some(watched) = watch.containers.get_mut(id)
                && watched.doing.as_ref().map(|doing| &doing.by) == here.as_ref()
            {
                with(&mut watched.doing);
            }
        }
    })?;
    Ok(())
}
