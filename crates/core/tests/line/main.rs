//! Whatever happens in whatever order: nobody passes the line, nobody is forgotten in it.
//!
//! [`world`] is a small model of a host with people who wait, each in a process of their own that
//! may be killed or suspended; it looks at the ledger as `ds01-host` does, and at nothing else.

#![expect(clippy::unwrap_used, reason = "what a helper cannot do fails its test")]

mod ends;
mod launches;
mod oracle;
mod reserved;
mod world;

use ds01_core::gpu_request::{GpuRequest, GpuType};
use proptest::prelude::*;

use launches::Launch;
use reserved::Wanted;
use world::{PROFILE, World};

/// One thing that happens. Numbers choose among what there is at that moment.
#[derive(Debug, Clone)]
enum Step {
    /// Somebody asks for a container, and waits if need be.
    Ask {
        uid: u32,
        devices: GpuRequest,
        waits: bool,
    },
    /// Somebody joins the line beyond any terminal.
    Join {
        uid: u32,
        devices: GpuRequest,
        launch: bool,
    },
    /// The duty starts the container of one whose turn has come.
    Launch(usize, Launch),
    /// A process that waits looks at the ledger.
    Look(usize),
    /// A process that waits is killed, suspended, or goes on.
    Kill(usize),
    Suspend(usize),
    Resume(usize),
    /// A container is removed, or stopped.
    Remove(usize),
    Stop(usize),
    /// A container is started again.
    Start(usize),
    /// Somebody makes a container with a device past DS01, or removes it.
    Stranger(usize),
    /// An admin reserves something, or takes a reservation back.
    Reserve(Wanted),
    Cancel(usize),
    /// The duty that serves those who wait beyond a terminal.
    Duty,
    /// Time passes.
    Pass(u64),
    /// The ledger is lost.
    Lose,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (1..5u32, devices(3), prop::bool::weighted(0.8))
            .prop_map(|(uid, devices, waits)| Step::Ask { uid, devices, waits }),
        3 => (1..5u32, devices(2), any::<bool>())
            .prop_map(|(uid, devices, launch)| Step::Join { uid, devices, launch }),
        3 => (any::<usize>(), launch()).prop_map(|(which, how)| Step::Launch(which, how)),
        12 => any::<usize>().prop_map(Step::Look),
        2 => any::<usize>().prop_map(Step::Kill),
        1 => any::<usize>().prop_map(Step::Suspend),
        1 => any::<usize>().prop_map(Step::Resume),
        6 => any::<usize>().prop_map(Step::Remove),
        4 => any::<usize>().prop_map(Step::Stop),
        3 => any::<usize>().prop_map(Step::Start),
        1 => any::<usize>().prop_map(Step::Stranger),
        3 => wanted().prop_map(Step::Reserve),
        1 => any::<usize>().prop_map(Step::Cancel),
        2 => Just(Step::Duty),
        6 => prop::sample::select(vec![1, 5, 11, 60, 600, 901, 5000]).prop_map(Step::Pass),
        1 => Just(Step::Lose),
    ]
}

/// So many at most, of any type or one alone.
fn devices(most: u32) -> impl Strategy<Value = GpuRequest> {
    let types = vec![GpuType::Full, GpuType::Mig(PROFILE.into())];
    let gpu_type = prop_oneof![5 => Just(GpuType::Any), 2 => prop::sample::select(types)];
    (1..=most, gpu_type).prop_map(|(count, gpu_type)| GpuRequest { count, gpu_type })
}

fn launch() -> impl Strategy<Value = Launch> {
    prop::sample::select(vec![Launch::Dies, Launch::Untold, Launch::Told])
}

fn wanted() -> impl Strategy<Value = Wanted> {
    let begins = prop::sample::select(vec![0, 60, 900, 5000, 20_000]);
    let lasts = prop::sample::select(vec![60, 901, 5000, 20_000]);
    let lead = prop::sample::select(vec![0, 60, 5000, 86_400]);
    let times = (begins, lasts, lead);
    (0..6u32, 0..8usize, times).prop_map(|(whom, what, times)| Wanted { whom, what, times })
}

fn happen(world: &mut World, step: &Step) {
    match step.clone() {
        Step::Ask {
            uid,
            devices,
            waits,
        } => world.comes(uid, devices, waits),
        Step::Join {
            uid,
            devices,
            launch,
        } => world.joins(uid, devices, launch),
        Step::Launch(which, how) => world.launch(which, how),
        Step::Look(which) => world.looks(which),
        Step::Kill(which) => world.kill(which),
        Step::Suspend(which) => world.suspend(which, true),
        Step::Resume(which) => world.suspend(which, false),
        Step::Remove(which) => world.remove(which),
        Step::Stop(which) => world.stop(which),
        Step::Start(which) => world.start(which),
        Step::Stranger(which) => world.stranger(which),
        Step::Reserve(wanted) => world.reserve(&wanted),
        Step::Cancel(which) => world.cancel(which),
        Step::Duty => world.duty(),
        Step::Pass(seconds) => world.pass(seconds),
        Step::Lose => world.lose(),
    }
    world.check();
}

fn config(share: u32) -> ProptestConfig {
    let all = ProptestConfig::default();
    ProptestConfig {
        failure_persistence: None,
        cases: all.cases / share,
        ..all
    }
}

proptest! {
    #![proptest_config(config(1))]

    /// No device is with two or kept for one and with another, no quota is passed
    /// ([`World::check`] after each step); at each grant nobody before has to wait longer for it
    /// ([`oracle`]), and what is reserved is for those alone for whom it is ([`reserved`]); and in the
    /// end everybody who still waits is served, though they look only when the ledger or a time that
    /// it names tells them to.
    #[test]
    fn nobody_passes_the_line_and_nobody_is_forgotten_in_it(
        steps in prop::collection::vec(step(), 1..100),
    ) {
        let mut world = World::new();
        for step in &steps {
            happen(&mut world, step);
        }
        world.everybody_is_served();
    }
}

proptest! {
    #![proptest_config(config(8))]

    /// A request for much is served while small ones keep coming, each of somebody new: once all
    /// that was held when it came has been given back.
    #[test]
    fn a_large_request_is_not_starved_by_small_ones(
        holds in prop::collection::vec(1..40u64, 3),
        stays in prop::collection::vec(1..40u64, 20),
    ) {
        let mut world = World::new();
        let served = world.large_among_small(&holds, &stays);
        let last = holds.iter().max().unwrap();
        prop_assert!(served <= last + 1, "served after {served} s, holders until {last}");
    }
}
