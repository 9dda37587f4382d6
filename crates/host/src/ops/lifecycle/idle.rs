//! `ds01-idle`: containers with devices that nobody uses.

use std::collections::BTreeMap;

use ds01_core::{
    container::ContainerId,
    device::Inventory,
    event::Event,
    failure::Failure,
    ledger::Ledger,
    lifecycle::{Demand, Idle, Judged, Rule, Sample, Verdict, Watch, idle_limit},
    time::Now,
};
use serde::{Deserialize, Serialize};

use super::{
    Passed,
    act::{self, Plan},
    for_root,
    keep_alive::{self, KeepAlive},
    left,
    runs::{Running, running},
    samples::samples,
    subject::Scene,
};
use crate::{
    Operation, Site, clock, lock::lock_if_free, nvml, users::Caller, watch_file::WatchFile,
};

/// One pass at a time asks the driver: one that hangs keeps one process, not one for each minute.
const LOCK: &str = "ds01-idle.lock";

/// Asks for a check of which containers idle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdleCheck {
    /// Only say what would be done.
    pub dry_run: bool,
}

impl Operation for IdleCheck {
    const NAME: &'static str = "idle-check";
    type Answer = Passed;

    fn run(&self, site: &Site, caller: Caller) -> Result<Passed, Failure> {
        for_root(caller)?;
        let state = &site.config().paths.state;
        // To look, nobody need be alone, nor anything be made.
        let alone = match self.dry_run {
            true => None,
            false => lock_if_free(&state.join(LOCK))?,
        };
        if alone.is_none() && !self.dry_run {
            site.notice("another pass is at work, and nothing was done by this one".into());
            return Ok(Passed::default());
        }
        let file = WatchFile::new(state)?;
        let scene = Scene::of(site)?;
        let pass = Pass::of(site, scene, &file)?;
        if self.dry_run {
            let (plans, _) = pass.decide(&mut file.read());
            let done = plans.iter().map(|plan| plan.done(&pass.all)).collect();
            return Ok(Passed {
                done,
                ..Passed::default()
            });
        }
        let (left, (plans, before)) = file.change(|watch| {
            let left = act::begin(watch, &pass.all);
            pass.note_demand(site, watch);
            (left, pass.decide(watch))
        })?;
        left::finish(site, &file, left)?;
        act::carry_out(site, &file, &pass.all, plans, |stops| {
            let still = pass.idle_still(site, &file, stops, &before);
            // A stop takes as long as its grace. What this pass is about to do stands in the file,
            // so that another one leaves it alone.
            drop(alone);
            still
        })
    }
}

/// What a pass has gathered.
struct Pass {
    scene: Scene,
    inventory: Inventory,
    demand: Demand,
    all: Vec<Running>,
    samples: Vec<Sample>,
    now: Now,
    keep_alive: BTreeMap<ContainerId, KeepAlive>,
}

impl Pass {
    fn of(site: &Site, mut scene: Scene, file: &WatchFile) -> Result<Self, Failure> {
        let subjects = std::mem::take(&mut scene.subjects);
        let watch = file.read();
        let inventory = match subjects.is_empty() {
            // A host may well have no driver.
            true => Inventory::default(),
            false => nvml::ask_or_end(site.config().gpu.library.as_deref())?,
        };
        let now = clock::both();
        let all = running(site, subjects, &watch, now)?;
        let samples = samples(&all, &inventory, now);
        let mut pass = Self {
            demand: demand(&scene.ledger, &inventory, now),
            scene,
            inventory,
            all,
            samples,
            now,
            keep_alive: BTreeMap::new(),
        };
        pass.keep_alive = pass.keep_alives(site, watch);
        Ok(pass)
    }

    /// The `.keep-alive` files of those that are idle for long enough that it matters.
    fn keep_alives(&self, site: &Site, mut watch: Watch) -> BTreeMap<ContainerId, KeepAlive> {
        let mut is_near = |(one, sample): &(&Running, &Sample)| {
            let policy = &one.subject.owner.limits.lifecycle;
            let idle = &mut watch.of(&one.subject.id, &one.run).idle;
            idle.observe(sample, one.run.began, policy);
            idle.is_near(self.limit(one), policy)
        };
        let all = self.all.iter().zip(&self.samples);
        let near = all.filter(|pair| is_near(pair));
        let near: Vec<_> = near.map(|(one, _)| &one.subject).collect();
        let files = keep_alive::of_all(site, near.iter().copied());
        near.iter()
            .map(|subject| subject.id.clone())
            .zip(files)
            .collect()
    }

    /// How long a container may idle now.
    fn limit(&self, one: &Running) -> Option<std::time::Duration> {
        let policy = &one.subject.owner.limits.lifecycle;
        idle_limit(one.subject.rules.idle_timeout, policy, Some(self.demand))
    }

    /// What is next for each container; and of those that are to be stopped, what was known before.
    fn decide(&self, watch: &mut Watch) -> (Vec<Plan>, BTreeMap<ContainerId, Idle>) {
        let mut plans = Vec::new();
        let mut before = BTreeMap::new();
        for (at, (one, sample)) in self.all.iter().zip(&self.samples).enumerate() {
            let id = &one.subject.id;
            let policy = &one.subject.owner.limits.lifecycle;
            let watched = watch.of(id, &one.run);
            let known = watched.idle.clone();
            let judged = watched.idle.observe(sample, one.run.began, policy);
            if watched.doing.is_some() {
                continue;
            }
            let limit = self.limit(one);
            let touched = match self.keep_alive.get(id) {
                Some(KeepAlive::Unknown) if watched.idle.may_be_kept(policy) => continue,
                // Nobody looked for the file: another pass has seen more than this one knew.
                None if watched.idle.is_near(limit, policy) => continue,
                Some(KeepAlive::Touched(at)) => Some(*at),
                Some(KeepAlive::Absent | KeepAlive::Unknown) | None => None,
            };
            let exempt = one
                .subject
                .exemption(&self.scene.policy, Rule::Idle, self.now.wall);
            let next = watched
                .idle
                .next(limit, touched, exempt.is_some(), policy, self.now);
            let Some(due) = next else { continue };
            let slots = one.subject.device_names(Some(&self.inventory));
            let mut plan = Plan::new(at, one, due, exempt, slots, self.now);
            plan.event = with_figures(plan.event, &judged);
            plan.note(watched);
            plans.push(plan);
            before.insert(id.clone(), known);
        }
        (plans, before)
    }

    /// Looks once more at those that are to be stopped: who is in use by now is spared.
    fn idle_still(
        &self,
        site: &Site,
        file: &WatchFile,
        stops: &[&Plan],
        before: &BTreeMap<ContainerId, Idle>,
    ) -> Result<Vec<bool>, Failure> {
        let inventory = nvml::ask_or_end(site.config().gpu.library.as_deref())?;
        let samples = samples(&self.all, &inventory, clock::both());
        let subjects = stops.iter().map(|plan| &self.all[plan.at].subject);
        let files = keep_alive::of_all(site, subjects);
        let mut still = Vec::new();
        let mut used = Vec::new();
        for (plan, file) in stops.iter().zip(files) {
            let (one, sample) = (&self.all[plan.at], &samples[plan.at]);
            let policy = &one.subject.owner.limits.lifecycle;
            // Since the pass before: over milliseconds there is no rate.
            let mut idle = before.get(&one.subject.id).cloned().unwrap_or_default();
            let judged = idle.observe(sample, one.run.began, policy);
            let same_file = self.keep_alive.get(&one.subject.id) == Some(&file);
            still.push(judged.verdict == Verdict::Idle && same_file);
            if judged.verdict == Verdict::Active {
                used.push((one, idle));
            }
        }
        if !used.is_empty() {
            file.change(|watch| {
                for (one, idle) in used {
                    watch.of(&one.subject.id, &one.run).idle = idle;
                }
            })?;
        }
        Ok(still)
    }

    /// Logs that demand has become high.
    fn note_demand(&self, site: &Site, watch: &mut Watch) {
        let policy = self.scene.policy.limits_for("").lifecycle;
        let high = self.demand.is_high(&policy);
        if high && !watch.high_demand {
            let event = Event::new(self.now.wall, "system.high_demand");
            let event = event.with("used_gpueq", self.demand.used);
            site.log(event.with("gpueq", self.demand.total));
        }
        watch.high_demand = high;
    }
}

/// The compute that containers hold, of all that can be given.
fn demand(ledger: &Ledger, inventory: &Inventory, now: Now) -> Demand {
    let devices = inventory.devices.iter();
    let held = devices
        .clone()
        .filter(|device| ledger.holders_of(device, now.wall).next().is_some());
    Demand {
        used: held.map(|device| device.share).sum(),
        total: devices.map(|device| device.share).sum(),
    }
}

/// The figures that a container was judged by.
fn with_figures(event: Event, judged: &Judged) -> Event {
    let device = |(slot, percent): &(_, Option<u32>)| match percent {
        Some(percent) => format!("{slot}={percent}%"),
        None => format!("{slot}=-"),
    };
    let devices: Vec<_> = judged.devices.iter().map(device).collect();
    let number = |number: Option<f64>| number.map_or("-".into(), |number| format!("{number:.1}"));
    event
        .with("gpu_percent", devices.join(" "))
        .with("cpu_percent", number(judged.cpu_percent))
        .with(
            "network_bytes_per_minute",
            number(judged.network_per_minute),
        )
}
