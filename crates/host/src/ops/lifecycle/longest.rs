//! `ds01-runtime`: containers with devices that have run as long as they may.

use std::time::Duration;

use ds01_core::{
    failure::Failure,
    ledger::Holding,
    lifecycle::{FirstSeen, Rule, Watch, longest, of_run},
    time::{Now, Timestamp},
};
use serde::{Deserialize, Serialize};

use super::{
    Passed,
    act::{self, Plan},
    for_root, left,
    runs::{Running, running},
    subject::Scene,
};
use crate::{Operation, Site, clock, look::Scope, users::Caller, watch_file::WatchFile};

/// Ends as far apart are the same: the engine takes its time to start a container.
const NEAR: Duration = Duration::from_secs(60);

/// Asks for a check of how long containers have run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LongestRun {
    /// Only say what would be done.
    pub dry_run: bool,
}

impl Operation for LongestRun {
    const NAME: &'static str = "longest-run";
    type Answer = Passed;

    fn run(&self, site: &Site, caller: Caller) -> Result<Passed, Failure> {
        for_root(caller)?;
        let file = WatchFile::new(&site.config().paths.state)?;
        let mut scene = Scene::of(site)?;
        let subjects = std::mem::take(&mut scene.subjects);
        // Whoever the engine does not tell of in time is there all the same.
        let others = subjects.iter().filter(|subject| subject.made_elsewhere);
        let others: Vec<_> = others.map(|subject| subject.id.clone()).collect();
        let now = clock::both();
        let all = running(site, subjects, &file.read(), now)?;
        if self.dry_run {
            let mut seen = file.seen();
            seen.see(&others, now.uptime);
            let plans = decide(site, &scene, &all, &mut file.read(), &seen, now);
            let done = plans.iter().map(|plan| plan.done(&all)).collect();
            return Ok(Passed {
                done,
                ..Passed::default()
            });
        }
        let seen = file.see(&others, now.uptime)?;
        let (left, plans) = file.change(|watch| {
            let left = act::begin(watch, &all);
            (left, decide(site, &scene, &all, watch, &seen, now))
        })?;
        left::finish(site, &file, left)?;
        note_ends(site, &scene, &all, &seen, now)?;
        act::carry_out(site, &file, &all, plans, |stops| {
            // Somebody may have extended it meanwhile.
            let still = |plan: &&Plan| {
                let one = &all[plan.at];
                limit(site, one).is_some_and(|limit| plan.due.elapsed >= limit)
            };
            Ok(stops.iter().map(still).collect())
        })
    }
}

/// How long a run may last.
fn limit(site: &Site, one: &Running) -> Option<Duration> {
    let limit = one.subject.rules.max_runtime?;
    let extension = one.subject.record(site).and_then(|record| record.extension);
    Some(limit.saturating_add(of_run(extension, one.run.started)))
}

/// Notes when the runs are over, where the ledger has it otherwise: a limit or an exemption is another
/// by now, or nobody had noted it. Those who wait in line are told by it.
fn note_ends(
    site: &Site,
    scene: &Scene,
    all: &[Running],
    seen: &FirstSeen,
    now: Now,
) -> Result<(), Failure> {
    let wrong = all.iter().filter_map(|one| {
        let entry = scene.ledger.entry(one.subject.ours.as_ref()?)?;
        let ends = ends(site, scene, one, seen, now);
        let is_so = match (entry.ends, ends) {
            (Some(noted), Some(ends)) => noted.since(ends).max(ends.since(noted)) <= NEAR,
            (noted, ends) => noted == ends,
        };
        (entry.holding == Holding::Live && !is_so).then_some((entry, ends))
    });
    let wrong: Vec<_> = wrong.collect();
    if wrong.is_empty() {
        return Ok(());
    }
    site.change(&site.look(&Scope::Nothing)?, |ledger, _| {
        for (known, ends) in wrong {
            if ledger.entry(&known.container) == Some(known) {
                ledger.change(&known.container, |entry| entry.ends = ends);
            }
        }
        Ok(())
    })
}

/// When the run of a container is over; `None` if never.
fn ends(
    site: &Site,
    scene: &Scene,
    one: &Running,
    seen: &FirstSeen,
    now: Now,
) -> Option<Timestamp> {
    let subject = &one.subject;
    let elapsed = now
        .uptime
        .since(seen.counts_from(&subject.id, one.run.began));
    let begun = now.wall - elapsed;
    let ends = begun + limit(site, one)?;
    let login = subject
        .owner
        .person
        .as_ref()
        .map_or("", |person| &person.login);
    match scene.policy.exemption(login, Rule::Longest, now.wall) {
        None => Some(ends),
        Some(exemption) => Some(ends.max(exemption.until?)),
    }
}

fn decide(
    site: &Site,
    scene: &Scene,
    all: &[Running],
    watch: &mut Watch,
    seen: &FirstSeen,
    now: Now,
) -> Vec<Plan> {
    let plan = |(at, one): (usize, &Running)| {
        let watched = watch.of(&one.subject.id, &one.run);
        if watched.doing.is_some() {
            return None;
        }
        let from = seen.counts_from(&one.subject.id, one.run.began);
        let elapsed = now.uptime.since(from);
        let exempt = one
            .subject
            .exemption(&scene.policy, Rule::Longest, now.wall);
        let (limit, is_exempt) = (limit(site, one), exempt.is_some());
        let due = longest(&mut watched.longest, elapsed, limit, is_exempt, now)?;
        let plan = Plan::new(at, one, due, exempt, one.subject.device_names(None), now);
        plan.note(watched);
        Some(plan)
    };
    all.iter().enumerate().filter_map(plan).collect()
}
