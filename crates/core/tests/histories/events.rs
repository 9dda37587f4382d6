//! What happens to the model.

use ds01_core::{
    container::{ContainerId, State},
    device::{Activity, Claim, Device, Held, Inventory, Slot, Uuid},
    ledger::Process,
    share::Share,
    time::Timestamp,
};

use crate::{
    engine::{Container, Fate, Wish},
    process::{Job, Proc, Stage},
    world::{LIMIT, World},
};

impl World {
    pub(crate) fn call_create(&mut self, uid: u32, name: u8, devices: u32) {
        let name = format!("{}._.{uid}", ["a", "b", "c"][usize::from(name)])
            .parse()
            .unwrap();
        self.call(Job::Create(name, devices));
    }

    pub(crate) fn call_other(&mut self, which: usize, how: u8) {
        let entries = self.ledger.iter().flat_map(|ledger| &ledger.allocations);
        let known: Vec<_> = entries
            .filter_map(|e| Some((e.container.clone(), e.id.clone()?)))
            .collect();
        let Some((name, id)) = pick(&known, which).cloned() else {
            return;
        };
        self.call(match how {
            0..3 => Job::Start(name, id),
            3 | 4 => Job::Stop(name, id),
            _ => Job::Remove(name, id),
        });
    }

    fn call(&mut self, job: Job) {
        self.pids += 1;
        let this = Process {
            pid: self.pids,
            started: 0,
            boot: String::new(),
        };
        self.procs.push(Proc {
            this,
            job,
            stage: Stage::Begun,
        });
    }

    pub(crate) fn proceed(&mut self, which: usize) {
        let Some(at) = index(&self.procs, which) else {
            return;
        };
        let mut proc = self.procs[at].clone();
        let pid = proc.this.pid;
        proc.step(self);
        self.story
            .push(format!("{pid}: {:?} is {}", proc.job, proc.stage.name()));
        match proc.stage {
            Stage::Over => drop(self.procs.remove(at)),
            _ => self.procs[at] = proc,
        }
    }

    pub(crate) fn finish(&mut self, which: usize) {
        let Some(at) = index(&self.procs, which) else {
            return;
        };
        let pid = self.procs[at].this.pid;
        while let Some(at) = self.procs.iter().position(|p| p.this.pid == pid) {
            match self.procs[at].stage {
                Stage::Asked { number, .. } => {
                    let ask = self.engine.asks.iter().position(|ask| ask.number == number);
                    self.resolve(ask.unwrap(), Fate::Done);
                }
                _ => self.proceed(at),
            }
            self.check();
        }
    }

    pub(crate) fn kill(&mut self, which: usize) {
        if let Some(at) = index(&self.procs, which) {
            let killed = self.procs.remove(at);
            self.story.push(format!("{} killed", killed.this.pid));
        }
    }

    pub(crate) fn answer(&mut self, which: usize, fate: Fate) {
        if let Some(at) = index(&self.engine.asks, which) {
            self.resolve(at, fate);
        }
    }

    fn resolve(&mut self, at: usize, fate: Fate) {
        let ask = self.engine.take(at);
        let fate = match &ask.wish {
            Wish::Start(id) if !self.can_start(id) => Fate::Refused,
            _ => fate,
        };
        let done = matches!(fate, Fate::Done | Fate::DoneUnanswered);
        self.story
            .push(format!("{}: {fate:?} {:?}", ask.number, ask.wish));
        let id = if done {
            self.engine.carry_out(&ask)
        } else {
            None
        };
        for proc in &mut self.procs {
            if let Stage::Asked {
                number,
                devices,
                before,
            } = &proc.stage
                && *number == ask.number
            {
                let (devices, before) = (devices.clone(), before.clone());
                let unanswered = matches!(fate, Fate::DoneUnanswered | Fate::Lost);
                proc.stage = match id.clone().filter(|_| !unanswered) {
                    Some(id) => Stage::Done { id, devices },
                    None => Stage::Failed { unanswered, before },
                };
            }
        }
    }

    pub(crate) fn stranger(&mut self, claim: u8) {
        let named = |name: &str| Some(Claim::Named(vec![name.into()]));
        let (name, claim) = match claim {
            0 => ("x", named("GPU-0")),
            1 => ("y", named("1:0")),
            2 => ("z", Some(Claim::All)),
            3 => ("w", None),
            // A name that one of ours may want.
            _ => ("a._.1", named("GPU-0")),
        };
        self.ask(Wish::Create {
            name: name.into(),
            devices: None,
            claim,
        });
    }

    pub(crate) fn docker(&mut self, which: usize, how: u8) {
        let now = self.now;
        // Nobody uses a container before the one who makes it is done.
        let making: Vec<_> = self
            .ledger
            .iter()
            .flat_map(|ledger| &ledger.allocations)
            .collect();
        let made = |c: &&mut Container| !making.iter().any(|entry| entry.awaits(&c.sighting));
        let mut containers: Vec<_> = self.engine.containers.iter_mut().filter(made).collect();
        let Some(at) = index(&containers, which) else {
            return;
        };
        let container = &mut containers[at];
        self.story
            .push(format!("docker {how} {}", container.sighting.id));
        match (how, container.is_up()) {
            (0, false) if exist(container, &self.inventory) => {
                container.sighting.state = State::Running;
                container.behind = true;
            }
            (1 | 2, true) => container.stop(now),
            (3, _) => {
                let id = container.sighting.id.clone();
                self.engine.remove(&id);
            }
            _ => {}
        }
    }

    /// Whether NVIDIA's hook lets it start.
    fn can_start(&self, id: &ContainerId) -> bool {
        let container = self.engine.get(id);
        container.is_none_or(|container| exist(container, &self.inventory))
    }

    /// GPU 0 is whole; 1 is whole, or three MIG devices. Few, so that many want the same. The driver
    /// refuses to change what is in use.
    pub(crate) fn partition(&mut self) {
        let on_it = |held: &Held| held.slot.gpu == 1;
        let mut used = self.engine.containers.iter().filter(|c| c.is_up());
        if used.any(|c| c.devices.iter().flatten().any(on_it)) {
            return;
        }
        let device = |gpu: u32, mig: Option<u32>, share| Device {
            uuid: Uuid(
                mig.map_or(format!("GPU-{gpu}"), |mig| format!("MIG-{gpu}-{mig}"))
                    .into(),
            ),
            gpu: Uuid(format!("GPU-{gpu}").into()),
            slot: Slot { gpu, mig },
            share,
            model: String::new(),
            profile: None,
            memory_bytes: 0,
            activity: Activity::default(),
        };
        let whole = |gpu| device(gpu, None, Share::WHOLE);
        let slices = [1, 2, 4].into_iter().zip(0..);
        let migs =
            slices.map(|(slices, mig)| device(1, Some(mig), Share::of_mig(slices, 7).unwrap()));
        let is_mig = self.inventory.devices.len() > 2;
        let second: Vec<_> = if is_mig {
            vec![whole(1)]
        } else {
            migs.collect()
        };
        self.inventory.devices = std::iter::once(whole(0)).chain(second).collect();
    }

    pub(crate) fn pass(&mut self, seconds: u64) {
        while let Some(at) = self
            .engine
            .asks
            .iter()
            .position(|ask| ask.elapsed + LIMIT <= self.elapsed + seconds)
        {
            let lost = self.engine.asks[at].number.is_multiple_of(2);
            self.resolve(
                at,
                if lost {
                    Fate::Lost
                } else {
                    Fate::DoneUnanswered
                },
            );
        }
        self.elapsed += seconds;
        self.story.push(format!("{seconds} s"));
        self.now = self.now + std::time::Duration::from_secs(seconds);
    }

    pub(crate) fn set_back(&mut self, seconds: u64) {
        self.now = Timestamp(self.now.0 - seconds);
        self.story.push(format!("{seconds} s back"));
        let look = self.list(self.read(), None);
        self.change(&look, |_, _| Some(()));
    }

    pub(crate) fn lose(&mut self) {
        self.ledger = None;
        self.story.push("lost".into());
        self.lost = true;
    }
}

/// Whether all devices of a container exist.
fn exist(container: &Container, inventory: &Inventory) -> bool {
    let exists = |held: &Held| {
        inventory
            .devices
            .iter()
            .any(|device| device.uuid == held.uuid)
    };
    container.devices.iter().flatten().all(exists)
}

fn index<T>(all: &[T], which: usize) -> Option<usize> {
    which.checked_rem(all.len())
}

fn pick<T>(all: &[T], which: usize) -> Option<&T> {
    all.get(index(all, which)?)
}
