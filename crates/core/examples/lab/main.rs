//! A week of a simulated lab: 40 users, 8 GPUs of which two are divided into MIG devices. What
//! DS01's waiting line makes of it, beside serving who came first.
//!
//! `scripts/simulate`, or `make simulate`; the first argument is how much is asked for (1 is a busy
//! week), the second another week (a number).

mod lab;
mod week;

use std::{
    error::Error,
    io::{self, Write},
    time::Duration,
};

use lab::{Lab, Order, Ran};
use week::{USERS, inventory, jobs};

fn main() -> Result<(), Box<dyn Error>> {
    #[expect(
        clippy::disallowed_methods,
        reason = "an example is a program of its own"
    )]
    let mut args = std::env::args().skip(1);
    let load = args.next().map_or(Ok(1.0), |load| load.parse())?;
    let seed = args.next().map_or(Ok(1), |seed| seed.parse())?;
    let jobs = jobs(seed, load);
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "{} containers of {USERS} users, load {load}, week {seed}",
        jobs.len()
    )?;
    let heads = [
        "", "use", "median", "p95", "longest", "light", "heavy", "large", "fairness",
    ];
    writeln!(out, "{}", row(heads.map(String::from)))?;
    for (name, order) in [("first come", Order::FirstCome), ("DS01", Order::Ds01)] {
        let (ran, used) = Lab::new(order, inventory())?.serve(&jobs)?;
        if ran.len() != jobs.len() {
            return Err(format!("{name}: {} of {} ran", ran.len(), jobs.len()).into());
        }
        writeln!(out, "{}", row(figures(name, &ran, used)))?;
    }
    writeln!(
        out,
        "use: of all compute in the week; median, p95, longest: waits, in minutes; light, heavy: the \
         mean wait of the half that asked for least and of the others; large: of requests for four; \
         fairness: Jain's index of which part of their time users' containers ran, 1 if it is the same for all"
    )?;
    Ok(())
}

fn row(cells: [String; 9]) -> String {
    let [name, cells @ ..] = cells;
    let cells: Vec<_> = cells.iter().map(|cell| format!("{cell:>9}")).collect();
    format!("{name:<11}{}", cells.concat())
}

fn figures(name: &str, ran: &[Ran], used: f64) -> [String; 9] {
    let mut waits: Vec<_> = ran.iter().map(|ran| ran.waited).collect();
    waits.sort();
    let at = |part: f64| waits[((waits.len() - 1) as f64 * part) as usize];
    let asked = |uid: u32| -> f64 {
        let own = ran.iter().filter(|ran| ran.job.uid == uid);
        own.map(|ran| f64::from(ran.job.devices) * ran.job.runs.as_secs_f64())
            .sum()
    };
    let mut users: Vec<u32> = (1..=USERS).collect();
    users.sort_by(|one, other| asked(*one).total_cmp(&asked(*other)));
    let (light, heavy) = users.split_at(users.len() / 2);
    let of = |users: &[u32]| mean(ran.iter().filter(|ran| users.contains(&ran.job.uid)));
    let large = mean(ran.iter().filter(|ran| ran.job.devices == 4));
    [
        name.into(),
        format!("{:.0}%", used * 100.0),
        minutes(at(0.5)),
        minutes(at(0.95)),
        minutes(at(1.0)),
        minutes(of(light)),
        minutes(of(heavy)),
        minutes(large),
        format!("{:.2}", fairness(ran)),
    ]
}

fn minutes(time: Duration) -> String {
    format!("{:.0}", time.as_secs_f64() / 60.0)
}

fn mean<'a>(ran: impl Iterator<Item = &'a Ran>) -> Duration {
    let (count, total) = ran.fold((0, Duration::ZERO), |(count, total), ran| {
        (count + 1, total + ran.waited)
    });
    total / count.max(1)
}

/// Jain's index of the users' satisfaction: the part of the time from asking to the end in which
/// their containers ran. Source: R. Jain and others, "A quantitative measure of fairness", 1984.
fn fairness(ran: &[Ran]) -> f64 {
    let satisfaction = |uid: u32| {
        let own = || ran.iter().filter(|ran| ran.job.uid == uid);
        let runs: Duration = own().map(|ran| ran.job.runs).sum();
        let waited: Duration = own().map(|ran| ran.waited).sum();
        runs.as_secs_f64() / (runs + waited).as_secs_f64().max(1.0)
    };
    let all: Vec<f64> = (1..=USERS).map(satisfaction).collect();
    let (sum, squares): (f64, f64) = (all.iter().sum(), all.iter().map(|x| x * x).sum());
    sum * sum / (all.len() as f64 * squares)
}
