//! Measures what `make bench` prints: a line per figure, with its name, value and goal, and
//! whether it `holds` or is `short`. Nothing is asserted; medians go to standard error.
//!
//! Everything runs on a test host. What a user would run is measured in a process of that
//! user's, which is this program again with the name of a part.

mod allocate;
mod build;
mod create;
mod figure;
mod gateway;
mod list;
mod memory;
mod pass;
mod present;
mod race;
mod raw;
mod size;
mod start;

use std::{error::Error, process::ExitCode, time::Duration};

use ds01_testkit::TestHost;

/// What went wrong, for whoever reads standard error.
type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// How many containers are there while it is measured.
const PRESENT: [usize; 3] = [0, 100, 1000];

/// Owns a few of them, and all others.
const FEW: &str = "alice";
const ALL: &str = "bob";

/// As many containers and devices as a benchmark needs.
const LIMITS: &str = "\
defaults:
  max_gpu_equivalents: null
  max_gpu_slots_per_container: null
  allow_full_gpu: true
  max_containers_per_user: null
  max_cpus: 1
  memory: 256m
  memory_swap: 256m
  shm_size: 64m
  pids_limit: 256
  gpu_hold_after_stop_h: 0.25
default_group: student
groups:
  student: {}
";

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    let done = match args.as_slice() {
        [] => everything(),
        ["list", present] => list::measure(present),
        ["start", present] => start::measure(present),
        ["create", present] => create::measure(present),
        ["allocate", present, copy] => allocate::measure(present, copy),
        ["allocate-once", name] => allocate::once(name),
        ["race", marks] => race::measure(marks),
        ["race-one", number, marks] => race::run(number, marks),
        ["gateway"] => gateway::measure(),
        ["build"] => build::everything(),
        ["build", "measure"] => build::measure(),
        ["pass"] => pass::everything(),
        ["pass", "measure"] => pass::measure(),
        ["gateway", direct, gateway] => gateway::part(direct, gateway),
        ["peak", command, args @ ..] => memory::peak(command, args),
        _ => Err(format!("no such part: {args:?}").into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            figure::note(format_args!("bench: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn everything() -> Result<()> {
    size::measure()?;
    let host = TestHost::with_topology("a100-mig");
    host.limits_yaml(LIMITS);
    figure::note(host.docker(&["--version"]).ok().trim());
    for present in PRESENT {
        present::fill(&host, present)?;
        let number = present.to_string();
        part(&host, FEW, &["start", &number])?;
        part(&host, FEW, &["list", &number])?;
        if present > 0 {
            part(&host, ALL, &["list", &number])?;
        }
        let copy = present::copy_of_state(&host)?;
        part(&host, FEW, &["allocate", &number, &copy])?;
        part(&host, FEW, &["create", &number])?;
        if present == 100 {
            part(&host, FEW, &["race", &present::marks(&host)?])?;
        }
    }
    memory::measure(&host)?;
    build::everything()?;
    gateway::measure()?;
    pass::everything()
}

/// Runs a part as a user, and passes on what it says.
pub(crate) fn part(host: &TestHost, user: &str, args: &[&str]) -> Result<()> {
    let user = host.as_user(user).within(Duration::from_secs(600));
    let outcome = user.run("ds01-bench", args);
    figure::pass_on(&outcome.stdout, &outcome.stderr)?;
    match outcome.status {
        Some(0) => Ok(()),
        status => Err(format!("{args:?} ended with {status:?}").into()),
    }
}
