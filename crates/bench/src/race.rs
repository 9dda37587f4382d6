//! Processes that allocate and release without a pause: how much they lose by waiting for each
//! other, and whether all get their turn.

use std::{
    fs::{self, OpenOptions},
    io::{Read, Write},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use ds01_core::{
    admit::Request,
    allocate::allocate,
    device::{Activity, Device, Inventory, Slot, Uuid},
    gpu_request::GpuRequest,
    ledger::{Allocation, Holding, Ledger, PENDING},
    share::Share,
    time::Timestamp,
};
use ds01_host::{Site, clock, config::Config, look::Scope, users};

use crate::{
    Result,
    allocate::{of_caller, release, told},
    figure::{Goal, figure, note},
};

const PROCESSES: usize = 64;
/// One for each process at least: a refusal is no turn.
const GPUS: u32 = 64;
const ROUNDS: usize = 5;
const TIME: Duration = Duration::from_secs(2);

pub(crate) fn measure(marks: &str) -> Result<()> {
    let (mut alone, mut together, mut unluckiest) = (Vec::new(), Vec::new(), Vec::new());
    let mut doubled = 0;
    for _ in 0..ROUNDS {
        let (turns, _) = race(1, marks)?;
        alone.push(turns.iter().sum::<u64>() as f64);
        let (turns, twice) = race(PROCESSES, marks)?;
        let sum = turns.iter().sum::<u64>() as f64;
        together.push(sum);
        let least = turns.iter().min().copied().unwrap_or_default() as f64;
        unluckiest.push(least * PROCESSES as f64 / sum);
        doubled += twice;
    }
    let [alone, together, unluckiest] = [alone, together, unluckiest].map(median);
    let rate = |turns: f64| turns / TIME.as_secs_f64();
    note(format_args!(
        "  one process {:.0}/s, {PROCESSES} {:.0}/s (medians of {ROUNDS}), {doubled} doubled",
        rate(alone),
        rate(together)
    ));
    let name = format!("{PROCESSES} processes that allocate and release");
    figure(
        format_args!("{name}: rate against one alone"),
        together / alone,
        Goal::AtLeast(0.7),
    )?;
    figure(
        format_args!("{name}: turns of the unluckiest against the mean"),
        unluckiest,
        Goal::AtLeast(0.33),
    )?;
    figure(
        format_args!("{name}: devices given twice"),
        doubled as f64,
        Goal::AtMost(0.0),
    )
}

/// The turns of each process, and how many devices were given twice.
fn race(processes: usize, marks: &str) -> Result<(Vec<u64>, u64)> {
    let mut children = Vec::new();
    for number in 0..processes {
        let mut child = Command::new("ds01-bench");
        child.args(["race-one", &number.to_string(), marks]);
        children.push(child.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?);
    }
    // All are ready before any begins.
    for child in &mut children {
        child
            .stdout
            .as_mut()
            .ok_or("no pipe")?
            .read_exact(&mut [0])?;
    }
    children
        .iter_mut()
        .for_each(|child| drop(child.stdin.take()));
    let ends = children
        .into_iter()
        .map(Child::wait_with_output)
        .collect::<std::io::Result<Vec<_>>>()?;
    let (mut turns, mut doubled) = (Vec::new(), 0);
    for end in ends {
        let text = String::from_utf8(end.stdout)?;
        let (count, twice) = text.trim().split_once(' ').ok_or("a racing process died")?;
        turns.push(count.parse()?);
        doubled += twice.parse::<u64>()?;
    }
    Ok((turns, doubled))
}

/// One of the processes. What it holds, it marks with a file that can only be made once.
pub(crate) fn run(number: &str, marks: &str) -> Result<()> {
    let site = Site::new(Config::load()?, "bench").map_err(told)?;
    let container = of_caller(&format!("race{number}"))?;
    let limits = site
        .policy()
        .map_err(told)?
        .limits_for(&users::login(container.uid));
    let inventory = Inventory {
        devices: (0..GPUS).map(whole).collect(),
        ..Inventory::default()
    };
    let request = Request {
        container,
        devices: GpuRequest::any(1),
        run: None,
    };
    let creator = clock::this_process();

    std::io::stdout().write_all(b".")?;
    std::io::stdout().flush()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    let (mut turns, mut doubled) = (0_u64, 0_u64);
    let end = Instant::now() + TIME;
    while Instant::now() < end {
        let look = site.look(&Scope::Nothing).map_err(told)?;
        let grant = |ledger: &mut Ledger, now: Timestamp| {
            let devices = allocate(&request, &limits, &inventory, ledger, now)?.devices;
            ledger.put(Allocation {
                container: request.container.clone(),
                id: None,
                devices: devices.clone(),
                holding: Holding::Pending {
                    creator: creator.clone(),
                    lapses: now + PENDING,
                },
                hold: limits.gpu_hold_after_stop,
                group: String::new(),
                ends: None,
                passed: None,
                late: Vec::new(),
                changed: 0,
            });
            Ok(devices)
        };
        for held in site.change(&look, grant).map_err(told)? {
            let mark = Path::new(marks).join(&*held.uuid.0);
            match OpenOptions::new().write(true).create_new(true).open(&mark) {
                Ok(_) => fs::remove_file(mark)?,
                Err(_) => doubled += 1,
            }
        }
        release(&site, &request.container)?;
        turns += 1;
    }
    writeln!(std::io::stdout(), "{turns} {doubled}")?;
    Ok(())
}

fn whole(gpu: u32) -> Device {
    let uuid = Uuid(format!("GPU-{gpu}").into());
    Device {
        gpu: uuid.clone(),
        uuid,
        slot: Slot { gpu, mig: None },
        share: Share::WHOLE,
        model: "a GPU".into(),
        profile: None,
        memory_bytes: 1 << 30,
        activity: Activity::default(),
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
