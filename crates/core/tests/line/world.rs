//! The model: a ledger, its devices, people who wait.

use std::time::Duration;

use ds01_core::{
    admit::{Request, admit},
    container::ContainerId,
    device::{Activity, Claim, Device, Held, Inventory, Slot, Uuid},
    gpu_request::GpuRequest,
    ledger::{Allocation, Holding, Ledger, Process, Unmanaged},
    lifecycle::ContainerKind,
    limits::Limits,
    line::{Known, Stay, Terms, Waiter},
    name::EngineName,
    policy::{Policy, PolicyFiles, Source},
    queue::{Join, RequestOutcome, Wait},
    reconcile::{EngineSnapshot, is_free, reconcile},
    share::Share,
    time::Timestamp,
};

use crate::oracle;

/// User 3 may have MIG devices alone, user 4 goes first.
const POLICY: &str = "\
defaults: {max_gpu_equivalents: 2, max_gpu_slots_per_container: 3, max_containers_per_user: null}
default_group: some
groups:
  some: {gpu_hold_after_stop_h: 0.25, max_runtime_h: 1}
  small: {members: ['3'], allow_full_gpu: false, gpu_hold_after_stop_h: 0}
  first: {members: ['4'], priority: 50, max_runtime_h: null}
";

pub(crate) const PROFILE: &str = "3g.20gb";
/// Longer than anybody waits here.
const PATIENCE: Duration = Duration::from_secs(1_000_000);

/// A process that waits.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    process: Process,
    container: EngineName,
    devices: GpuRequest,
    ticket: u64,
    pub(crate) suspended: bool,
}

pub(crate) struct World {
    pub(crate) ledger: Ledger,
    pub(crate) inventory: Inventory,
    policy: Policy,
    pub(crate) clients: Vec<Client>,
    pub(crate) dead: Vec<Process>,
    number: u32,
    pub(crate) now: Timestamp,
    pub(crate) story: Vec<String>,
}

pub(crate) fn known(inventory: &Inventory) -> Vec<Known> {
    inventory.devices.iter().map(Known::from).collect()
}

fn inventory() -> Inventory {
    let device = |gpu: u32, mig: Option<u32>, share: Share| Device {
        uuid: Uuid(
            mig.map_or(format!("GPU-{gpu}"), |mig| format!("MIG-{gpu}-{mig}"))
                .into(),
        ),
        gpu: Uuid(format!("GPU-{gpu}").into()),
        slot: Slot { gpu, mig },
        share,
        model: String::new(),
        profile: mig.map(|mig| format!("{}g.20gb", mig + 3)),
        memory_bytes: 0,
        activity: Activity::default(),
    };
    let migs = [3, 4].into_iter().zip(0..);
    let migs = migs.map(|(n, mig)| device(2, Some(mig), Share::of_mig(n, 7).unwrap()));
    let whole = (0..2).map(|gpu| device(gpu, None, Share::WHOLE));
    Inventory {
        devices: whole.chain(migs).collect(),
        ..Inventory::default()
    }
}

impl World {
    pub(crate) fn new() -> Self {
        let limits = Source {
            path: "limits".into(),
            text: POLICY.into(),
        };
        let files = PolicyFiles {
            limits,
            overrides: None,
            exemptions: None,
            members: Vec::new(),
        };
        Self {
            ledger: Ledger::default(),
            inventory: inventory(),
            policy: Policy::parse(&files).unwrap().0,
            clients: Vec::new(),
            dead: Vec::new(),
            number: 0,
            now: Timestamp(1_000_000),
            story: Vec::new(),
        }
    }

    pub(crate) fn limits(&self, uid: u32) -> Limits {
        self.policy.limits_for(&uid.to_string())
    }

    /// The place in the line that a user's policy gives.
    pub(crate) fn priority(&self, uid: u32) -> u8 {
        self.limits(uid).priority
    }

    pub(crate) fn number(&mut self) -> u32 {
        self.number += 1;
        self.number
    }

    /// Changes the ledger as `Site::change` does. The engine has what the ledger says.
    pub(crate) fn change<T>(&mut self, decide: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.ledger.clone();
        let seen = EngineSnapshot {
            generation: self.ledger.generation,
            asked_at: self.now,
            asked: Some(Default::default()),
            dead: self.dead.clone(),
            ..EngineSnapshot::default()
        };
        reconcile(&mut self.ledger, &seen, self.now);
        let decided = decide(self);
        if self.ledger != before {
            self.ledger.note_use(&before, self.now);
            self.ledger.generation += 1;
        }
        decided
    }

    /// Asks as `container-create` does. `true` if that is the end of it.
    fn ask(&mut self, client: &mut Client, waits: bool) -> bool {
        let limits = self.limits(client.container.uid);
        let request = Request {
            container: client.container.clone(),
            devices: client.devices.clone(),
            run: limits.max_runtime,
        };
        let wait = waits.then(|| Wait {
            kind: ContainerKind::Ds01,
            process: Some(client.process.clone()),
            until: self.now + PATIENCE,
        });
        let (now, inventory) = (self.now, self.inventory.clone());
        let asked = self.change(|world| {
            let before = world.ledger.clone();
            let asked = world
                .ledger
                .request_devices(&request, &limits, &inventory, None, wait, now);
            if let Ok(RequestOutcome::Given { devices, .. }) = &asked {
                let (uid, ticket) = (request.container.uid, client.ticket);
                oracle::may_be_given(&before, world, ticket, &request.container, devices);
                world.put(&request.container, devices, &limits);
                world.nothing_reserved_is_given(&before, uid, ticket, devices);
            }
            let ticket = match &asked {
                Ok(RequestOutcome::Waits(ticket, why)) => {
                    let uid = request.container.uid;
                    world.what_is_reserved_is_had(uid, *ticket, &request.devices, why);
                    Some(*ticket)
                }
                _ => None,
            };
            world.serve(ticket);
            asked
        });
        self.story.push(format!("{client:?}: {asked:?}"));
        match asked {
            Ok(RequestOutcome::Waits(ticket, _)) => {
                client.ticket = ticket;
                false
            }
            _ => true,
        }
    }

    fn serve(&mut self, asks: Option<u64>) {
        let before = self.ledger.clone();
        let turns = self
            .ledger
            .serve_line(&known(&self.inventory), asks, self.now);
        for turn in &turns {
            let waiter = before.line.waiters.iter().find(|w| w.ticket == turn.ticket);
            let name = format!("turn._.{}", waiter.unwrap().uid).parse().unwrap();
            oracle::may_be_given(&before, self, turn.ticket, &name, &turn.devices);
            self.nothing_reserved_is_given(&before, turn.uid, turn.ticket, &turn.devices);
        }
    }

    fn put(&mut self, container: &EngineName, devices: &[Held], limits: &Limits) {
        self.ledger.put(Allocation {
            container: container.clone(),
            id: Some(ContainerId(container.to_string())),
            devices: devices.into(),
            holding: Holding::Live,
            hold: limits.gpu_hold_after_stop,
            group: limits.group.clone(),
            ends: limits.max_runtime.map(|run| self.now + run),
            passed: None,
            late: Vec::new(),
            changed: 0,
        });
    }

    pub(crate) fn comes(&mut self, uid: u32, devices: GpuRequest, waits: bool) {
        let number = self.number();
        let mut client = Client {
            process: Process {
                pid: number,
                started: 0,
                boot: String::new(),
            },
            container: format!("c{number}._.{uid}").parse().unwrap(),
            devices,
            ticket: 0,
            suspended: false,
        };
        if !self.ask(&mut client, waits) {
            self.clients.push(client);
        }
    }

    pub(crate) fn joins(&mut self, uid: u32, devices: GpuRequest, launch: bool) {
        let limits = self.limits(uid);
        let line = &self.ledger.line;
        let waits = |w: &Waiter| w.uid == uid && w.container.is_none();
        let has = line.turns.iter().any(|turn| turn.uid == uid) || line.waiters.iter().any(waits);
        let (inventory, ledger) = (&self.inventory, &self.ledger);
        if has || admit(uid, &devices, &limits, inventory, ledger, self.now).is_err() {
            return;
        }
        self.story.push(format!("{uid} joins for {devices}"));
        let join = Join {
            uid,
            container: None,
            devices,
            kind: ContainerKind::Ds01,
            terms: Terms::of(&limits, limits.max_runtime),
            stay: Stay::Away {
                launch: launch.then(|| "launched".parse().unwrap()),
            },
        };
        let now = self.now;
        self.change(|world| {
            world.ledger.join(join, now);
            world.serve(None);
        });
    }

    /// A process that waits reads the ledger, and asks if that tells it to.
    pub(crate) fn looks(&mut self, which: usize) {
        if let Some(at) = which.checked_rem(self.clients.len()) {
            self.look(at, false);
        }
    }

    /// `true` if it asked. `quiet`: nothing has changed for a while.
    pub(crate) fn look(&mut self, at: usize, quiet: bool) -> bool {
        let client = self.clients[at].clone();
        if client.suspended {
            return false;
        }
        let survey = self.ledger.survey(&self.dead, self.now);
        let asks = match survey.outlook(client.container.uid, client.ticket) {
            None => true,
            Some(outlook) => outlook.asks(quiet),
        };
        if asks {
            let mut client = client;
            match self.ask(&mut client, true) {
                true => drop(self.clients.remove(at)),
                false => self.clients[at] = client,
            }
        }
        asks
    }

    pub(crate) fn kill(&mut self, which: usize) {
        if let Some(at) = which.checked_rem(self.clients.len()) {
            let killed = self.clients.remove(at);
            self.story.push(format!("{} killed", killed.container));
            self.dead.push(killed.process);
        }
    }

    pub(crate) fn suspend(&mut self, which: usize, suspended: bool) {
        if let Some(at) = which.checked_rem(self.clients.len()) {
            self.clients[at].suspended = suspended;
            self.story.push(format!("{:?}", self.clients[at]));
        }
    }

    fn pick(&self, which: usize, is: impl Fn(&Allocation) -> bool) -> Option<EngineName> {
        let all: Vec<_> = self.ledger.allocations.iter().filter(|a| is(a)).collect();
        let at = which.checked_rem(all.len())?;
        Some(all[at].container.clone())
    }

    pub(crate) fn remove(&mut self, which: usize) {
        if let Some(name) = self.pick(which, |_| true) {
            self.story.push(format!("{name} removed"));
            self.change(|world| world.ledger.remove(&name));
        }
    }

    pub(crate) fn stop(&mut self, which: usize) {
        let since = self.now;
        if let Some(name) = self.pick(which, |entry| entry.holding == Holding::Live) {
            self.story.push(format!("{name} stopped"));
            self.change(|world| {
                world
                    .ledger
                    .change(&name, |entry| entry.holding = Holding::Stopped { since })
            });
        }
    }

    pub(crate) fn start(&mut self, which: usize) {
        let Some(name) = self.pick(which, |entry| entry.holding == Holding::Released) else {
            return;
        };
        let (limits, now) = (self.limits(name.uid), self.now);
        let started = self.change(|world| {
            let ledger = &mut world.ledger;
            let at = ledger
                .allocations
                .iter()
                .position(|a| a.container == name)?;
            let entry = ledger.allocations[at].clone();
            if !is_free(ledger, at, now) {
                return None;
            }
            let before = ledger.clone();
            let (known, run) = (&before.line.devices, limits.max_runtime);
            ledger
                .request_same_devices(&entry, &limits, run, known, now)
                .ok()?;
            oracle::may_be_given(&before, world, 0, &name, &entry.devices);
            world
                .ledger
                .change(&name, |entry| entry.holding = Holding::Live);
            world.nothing_reserved_is_given(&before, name.uid, 0, &entry.devices);
            Some(())
        });
        self.story
            .push(format!("{name} started again: {started:?}"));
    }

    pub(crate) fn stranger(&mut self, which: usize) {
        let (now, number) = (self.now, self.number());
        if self.ledger.unmanaged.pop().is_some() {
            return;
        }
        let devices = &self.inventory.devices;
        let device = devices[which % devices.len()].clone();
        if self.ledger.holders_of(&device, now).next().is_none() {
            self.story.push(format!("a stranger has {}", device.slot));
            self.ledger.generation += 1;
            self.ledger.unmanaged.push(Unmanaged {
                id: ContainerId(number.to_string()),
                name: number.to_string(),
                claim: Claim::Named(vec![device.uuid.to_string()]),
                changed: 0,
            });
        }
    }

    pub(crate) fn duty(&mut self) {
        self.change(|world| world.serve(None));
        self.story.push("duty".into());
    }

    pub(crate) fn pass(&mut self, seconds: u64) {
        self.now = self.now + Duration::from_secs(seconds);
        self.story.push(format!("{seconds} s"));
    }

    pub(crate) fn lose(&mut self) {
        self.story.push("lost".into());
        *self.ledger.line = Default::default();
        self.ledger.generation += 1 << 20;
    }

    #[track_caller]
    pub(crate) fn must(&self, holds: bool, or: impl FnOnce() -> String) {
        assert!(holds, "{}\nafter {:#?}", or(), self.story);
    }
}
