//! A lab in simulated time: who asks is served by one order or the other.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    time::Duration,
};

use ds01_core::{
    admit::{Denied, Request, admit},
    container::ContainerId,
    device::{Held, Inventory},
    failure::{Kind, UserError},
    gpu_request::GpuRequest,
    ledger::{Allocation, Holding, Ledger},
    lifecycle,
    limits::Limits,
    name::EngineName,
    policy::{Policy, PolicyFiles, Source},
    queue::{RequestOutcome, Wait},
    share::Share,
    time::Timestamp,
};

use crate::week::{Job, WEEK};

/// When the week begins.
const BEGINNING: Timestamp = Timestamp(1_000_000_000);

/// Every other user may have MIG devices alone; the others up to four GPUs.
const POLICY: &str = "\
defaults: {max_gpu_slots_per_container: 4, max_containers_per_user: null, max_runtime_h: 24}
default_group: researcher
groups:
  researcher: {max_gpu_equivalents: 4}
  student: {max_gpu_equivalents: 1, allow_full_gpu: false, gpu_hold_after_stop_h: 0, members: [MEMBERS]}
";

/// In which order those are served who wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// DS01's line.
    Ds01,
    /// Who came first: nobody else is served while the first waits for others.
    FirstCome,
}

/// What came of a job: when it was asked for, by whom, how long it waited.
#[derive(Debug, Clone)]
pub(crate) struct Ran {
    pub(crate) job: Job,
    pub(crate) waited: Duration,
}

/// A lab in which a week's jobs are served.
pub(crate) struct Lab {
    order: Order,
    inventory: Inventory,
    policy: Policy,
    ledger: Ledger,
    now: Timestamp,
    /// Those who wait: the job's number.
    waiting: VecDeque<usize>,
    ends: BinaryHeap<Reverse<(Timestamp, usize)>>,
    ran: Vec<Ran>,
    /// Compute that was used in the week, in seconds of a GPU.
    used: f64,
}

impl Lab {
    pub(crate) fn new(
        order: Order,
        inventory: Inventory,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let members: Vec<_> = (1..=crate::week::USERS / 2)
            .map(|half| format!("'{}'", 2 * half))
            .collect();
        let limits = Source {
            path: "limits".into(),
            text: POLICY.replace("MEMBERS", &members.join(", ")),
        };
        let files = PolicyFiles {
            limits,
            overrides: None,
            exemptions: None,
            members: Vec::new(),
        };
        Ok(Self {
            order,
            inventory,
            policy: Policy::parse(&files)?.0,
            ledger: Ledger::default(),
            now: BEGINNING,
            waiting: VecDeque::new(),
            ends: BinaryHeap::new(),
            ran: Vec::new(),
            used: 0.0,
        })
    }

    /// Serves them all, the last long after the week if need be: what ran, and which part of all
    /// compute was used in the week.
    pub(crate) fn serve(
        mut self,
        jobs: &[Job],
    ) -> Result<(Vec<Ran>, f64), Box<dyn std::error::Error>> {
        let mut coming = jobs.iter().enumerate().peekable();
        loop {
            let comes = coming
                .peek()
                .map(|(_, job)| BEGINNING + Duration::from_secs(job.comes));
            let ends = self.ends.peek().map(|Reverse((at, _))| *at);
            let Some(next) = comes.into_iter().chain(ends).min() else {
                break;
            };
            self.now = next;
            while let Some(Reverse((_, number))) = self.ends.pop_if_due(self.now) {
                let container = name(&jobs[number], number)?;
                self.change(|ledger, _, _| drop(ledger.remove(&container)));
            }
            while let Some((number, _)) =
                coming.next_if(|(_, job)| BEGINNING + Duration::from_secs(job.comes) <= next)
            {
                self.waiting.push_back(number);
                if self.order == Order::Ds01 {
                    self.ask(jobs, number)?;
                }
            }
            self.serve_those_who_wait(jobs)?;
        }
        let all: f64 = self
            .inventory
            .devices
            .iter()
            .map(|d| d.share.as_gpus())
            .sum();
        let use_of_all = self.used / (all * WEEK as f64);
        Ok((self.ran, use_of_all))
    }

    fn serve_those_who_wait(&mut self, jobs: &[Job]) -> Result<(), Box<dyn std::error::Error>> {
        match self.order {
            Order::FirstCome => self.first_come(jobs),
            Order::Ds01 => loop {
                let survey = self.ledger.survey(&[], self.now);
                let served = |number: &usize| {
                    let job = &jobs[*number];
                    let container = name(job, *number).ok()?;
                    let waiter = self.ledger.line.waits_for(job.uid, &container.name);
                    match waiter {
                        // Too many of theirs waited already.
                        None => Some(*number),
                        Some(waiter) => {
                            let outlook = survey.outlook(job.uid, waiter.ticket)?;
                            outlook.standing.is_served().then_some(*number)
                        }
                    }
                };
                let asks: Vec<_> = self.waiting.iter().filter_map(served).collect();
                let mut given = false;
                for number in asks {
                    given |= self.ask(jobs, number)?;
                }
                if !given {
                    return Ok(());
                }
            },
        }
    }

    /// By the order of DS01. `true` if it was given.
    fn ask(&mut self, jobs: &[Job], number: usize) -> Result<bool, Box<dyn std::error::Error>> {
        let (job, limits) = (&jobs[number], self.limits(jobs[number].uid));
        let request = request(job, number, &limits)?;
        let wait = Wait {
            kind: lifecycle::ContainerKind::Ds01,
            process: None,
            until: self.now + Duration::from_secs(1000 * WEEK),
        };
        let asked = self.change(|ledger, inventory, now| {
            let asked = ledger.request_devices(&request, &limits, inventory, None, Some(wait), now);
            if let Ok(RequestOutcome::Given { devices, .. }) = &asked {
                ledger.put(allocation(&request, devices, &limits, now));
            }
            asked
        });
        match asked {
            Ok(RequestOutcome::Given { devices, .. }) => {
                self.runs(jobs, number, &devices);
                Ok(true)
            }
            Ok(RequestOutcome::Waits(..)) => Ok(false),
            // In both orders they wait until they may.
            Err(Denied::Waiting { .. } | Denied::Quota { .. }) => Ok(false),
            Err(denied) => Err(denied.into()),
        }
    }

    /// Who came first is served first. Only who waits for their own quota keeps nobody waiting.
    fn first_come(&mut self, jobs: &[Job]) -> Result<(), Box<dyn std::error::Error>> {
        for number in self.waiting.clone() {
            let limits = self.limits(jobs[number].uid);
            let request = request(&jobs[number], number, &limits)?;
            let (uid, asked) = (jobs[number].uid, &request.devices);
            match admit(uid, asked, &limits, &self.inventory, &self.ledger, self.now) {
                Err(denied) if denied.kind() == Kind::Denied => continue,
                other => other?,
            }
            let Some(devices) = self.smallest_free(&request, &limits) else {
                return Ok(());
            };
            self.change(|ledger, _, now| ledger.put(allocation(&request, &devices, &limits, now)));
            self.runs(jobs, number, &devices);
        }
        Ok(())
    }

    fn smallest_free(&self, request: &Request, limits: &Limits) -> Option<Vec<Held>> {
        let free = self.inventory.devices.iter().filter(|device| {
            (limits.whole_gpus || device.slot.mig.is_some())
                && self.ledger.holders_of(device, self.now).next().is_none()
        });
        let mut free: Vec<Held> = free.map(Held::from).collect();
        free.sort_by_key(|held| (held.share, held.slot));
        free.truncate(request.devices.count as usize);
        let held = self.ledger.held_by(request.container.uid, self.now);
        let share: Share = free.iter().map(|held| held.share).sum();
        let fits = limits.quota.is_none_or(|quota| held + share <= quota);
        (free.len() == request.devices.count as usize && fits).then_some(free)
    }

    fn runs(&mut self, jobs: &[Job], number: usize, devices: &[Held]) {
        let job = jobs[number].clone();
        let ends = self.now + job.runs;
        let share: Share = devices.iter().map(|held| held.share).sum();
        let over = BEGINNING + Duration::from_secs(WEEK);
        self.used += share.as_gpus() * over.min(ends).since(self.now).as_secs_f64();
        self.waiting.retain(|other| *other != number);
        self.ends.push(Reverse((ends, number)));
        let waited = self.now.since(BEGINNING + Duration::from_secs(job.comes));
        self.ran.push(Ran { job, waited });
    }

    /// As whoever changes the ledger does: those who wait are served under the same lock.
    fn change<T>(&mut self, change: impl FnOnce(&mut Ledger, &Inventory, Timestamp) -> T) -> T {
        let before = self.ledger.clone();
        let changed = change(&mut self.ledger, &self.inventory, self.now);
        let known: Vec<_> = self.inventory.devices.iter().map(Into::into).collect();
        // Who is offered theirs comes at once here.
        self.ledger.serve_line(&known, None, self.now);
        self.ledger.note_use(&before, self.now);
        self.ledger.generation += 1;
        changed
    }

    fn limits(&self, uid: u32) -> Limits {
        self.policy.limits_for(&uid.to_string())
    }
}

/// Of a heap of ends, the next if it is due.
trait Due {
    fn pop_if_due(&mut self, now: Timestamp) -> Option<Reverse<(Timestamp, usize)>>;
}

impl Due for BinaryHeap<Reverse<(Timestamp, usize)>> {
    fn pop_if_due(&mut self, now: Timestamp) -> Option<Reverse<(Timestamp, usize)>> {
        let due = self.peek().is_some_and(|Reverse((at, _))| *at <= now);
        due.then(|| self.pop()).flatten()
    }
}

fn name(job: &Job, number: usize) -> Result<EngineName, Box<dyn std::error::Error>> {
    Ok(format!("job{number}._.{}", job.uid).parse()?)
}

fn request(
    job: &Job,
    number: usize,
    limits: &Limits,
) -> Result<Request, Box<dyn std::error::Error>> {
    Ok(Request {
        container: name(job, number)?,
        devices: GpuRequest::any(job.devices),
        run: limits.max_runtime,
    })
}

fn allocation(request: &Request, devices: &[Held], limits: &Limits, now: Timestamp) -> Allocation {
    Allocation {
        container: request.container.clone(),
        id: Some(ContainerId(request.container.to_string())),
        devices: devices.into(),
        holding: Holding::Live,
        hold: limits.gpu_hold_after_stop,
        group: limits.group.clone(),
        ends: limits.max_runtime.map(|run| now + run),
        passed: None,
        late: Vec::new(),
        changed: 0,
    }
}
