//! Figures, and the times that they are made of.

use std::{
    fmt::Display,
    io::{self, Write},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::Result;

/// What a figure should be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    AtMost(f64),
    AtLeast(f64),
}

/// Prints a figure.
pub(crate) fn figure(name: impl Display, value: f64, goal: Goal) -> Result<()> {
    let (sign, goal, holds) = match goal {
        Goal::AtMost(goal) => ("<=", goal, value <= goal),
        Goal::AtLeast(goal) => (">=", goal, value >= goal),
    };
    let verdict = if holds { "holds" } else { "short" };
    writeln!(io::stdout(), "{name}\t{value:.2}\t{sign} {goal}\t{verdict}")?;
    Ok(())
}

/// Says something beside the figures.
pub(crate) fn note(text: impl Display) {
    // Nobody may be listening.
    let _ = writeln!(io::stderr(), "{text}");
}

/// Prints what a part printed.
pub(crate) fn pass_on(stdout: &str, stderr: &str) -> io::Result<()> {
    io::stderr().write_all(stderr.as_bytes())?;
    io::stdout().write_all(stdout.as_bytes())?;
    io::stdout().flush()
}

/// Something whose time counts: it says itself how much of it.
pub(crate) type Case<'a> = (&'a str, &'a mut dyn FnMut() -> Result<Duration>);

/// Does all cases in turn, again and again, so that whatever else the machine does falls on all
/// of them alike. The median of each in milliseconds, after a round that does not count.
pub(crate) fn medians<const N: usize>(rounds: usize, cases: [Case<'_>; N]) -> Result<[f64; N]> {
    let mut times = [const { Vec::new() }; N];
    let mut cases = cases;
    for round in 0..=rounds {
        for ((_, case), times) in cases.iter_mut().zip(&mut times) {
            let time = case()?;
            if round > 0 {
                times.push(time);
            }
        }
    }
    let medians = times.map(|mut times| {
        times.sort();
        times[times.len() / 2].as_secs_f64() * 1000.0
    });
    let told = cases
        .iter()
        .zip(medians)
        .map(|((name, _), ms)| format!("{name} {ms:.2} ms"));
    note(format_args!(
        "  {} (medians of {rounds})",
        told.collect::<Vec<_>>().join(", ")
    ));
    Ok(medians)
}

/// The time that something takes.
pub(crate) fn time<T>(what: impl FnOnce() -> Result<T>) -> Result<Duration> {
    let begin = Instant::now();
    what()?;
    Ok(begin.elapsed())
}

/// Runs a command to its good end, without input; what it prints nobody reads.
pub(crate) fn run(command: &str, args: &[&str]) -> Result<()> {
    let mut child = Command::new(command);
    let end = child
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .output()?;
    if end.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&end.stderr);
    Err(format!("{command} {args:?}: {}: {}", end.status, said.trim()).into())
}
