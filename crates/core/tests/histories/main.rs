//! Whatever happens in whatever order, no device is given twice and nothing is lost.
//!
//! [`world`] is a small model of a host: processes that look, decide and act as `ds01-host` does, each
//! at its own pace, and die anywhere; an engine that carries out late what it was asked for; people
//! who go behind DS01's back; a clock that is set back; a ledger that is lost.

#![expect(clippy::unwrap_used, reason = "what a helper cannot do fails its test")]

mod engine;
mod events;
mod notes;
mod process;
mod truth;
mod world;

use proptest::prelude::*;

use engine::Fate;
use world::World;

/// One thing that happens. Numbers choose among what there is at that moment.
#[derive(Debug, Clone)]
enum Step {
    /// A user calls container-create.
    Create { uid: u32, name: u8, devices: u32 },
    /// A user calls container-start, -stop or -remove.
    Use { which: usize, how: u8 },
    /// A process gets one step further.
    Proceed(usize),
    /// A process gets as far as it can, the engine doing what it asks.
    Finish(usize),
    /// A process is killed.
    Kill(usize),
    /// The engine comes to something it was asked for.
    Engine { which: usize, fate: Fate },
    /// Somebody asks the engine for a container, past DS01.
    Stranger { claim: u8 },
    /// Somebody starts, stops or removes a container with docker, or it ends by itself.
    Docker { which: usize, how: u8 },
    /// An admin turns MIG on or off.
    Partition,
    /// Time passes.
    Pass(u64),
    /// The clock is set back. A duty looks soon after.
    SetBack(u64),
    /// The ledger is damaged.
    Lose,
}

fn step() -> impl Strategy<Value = Step> {
    let fate = prop_oneof![
        6 => Just(Fate::Done),
        2 => Just(Fate::DoneUnanswered),
        1 => Just(Fate::Refused),
        1 => Just(Fate::Lost),
    ];
    prop_oneof![
        8 => (1..4u32, 0..3u8, 0..3u32)
            .prop_map(|(uid, name, devices)| Step::Create { uid, name, devices }),
        8 => (any::<usize>(), 0..6u8).prop_map(|(which, how)| Step::Use { which, how }),
        24 => any::<usize>().prop_map(Step::Proceed),
        12 => any::<usize>().prop_map(Step::Finish),
        4 => any::<usize>().prop_map(Step::Kill),
        8 => (any::<usize>(), fate).prop_map(|(which, fate)| Step::Engine { which, fate }),
        2 => (0..5u8).prop_map(|claim| Step::Stranger { claim }),
        4 => (any::<usize>(), 0..4u8).prop_map(|(which, how)| Step::Docker { which, how }),
        1 => Just(Step::Partition),
        6 => prop::sample::select(vec![1, 5, 20, 59, 61, 179, 181, 1000, 5000]).prop_map(Step::Pass),
        1 => prop::sample::select(vec![2, 100, 4000]).prop_map(Step::SetBack),
        1 => Just(Step::Lose),
    ]
}

fn happen(world: &mut World, step: &Step) {
    match *step {
        Step::Create { uid, name, devices } => world.call_create(uid, name, devices),
        Step::Use { which, how } => world.call_other(which, how),
        Step::Proceed(which) => world.proceed(which),
        Step::Finish(which) => world.finish(which),
        Step::Kill(which) => world.kill(which),
        Step::Engine { which, fate } => world.answer(which, fate),
        Step::Stranger { claim } => world.stranger(claim),
        Step::Docker { which, how } => world.docker(which, how),
        Step::Partition => world.partition(),
        Step::Pass(seconds) => world.pass(seconds),
        Step::SetBack(seconds) => world.set_back(seconds),
        Step::Lose => world.lose(),
    }
    world.check();
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// No device is with two holders or given beside a claim, no quota is passed ([`World::check`]
    /// after each step), and in the end everything is free and every name can be used.
    #[test]
    fn nothing_is_given_twice_and_nothing_is_lost(
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut world = World::new();
        for step in &steps {
            happen(&mut world, step);
        }
        world.end();
    }
}
