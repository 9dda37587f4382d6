//! What a lab asks for in a week: the same for every order in which it is served.

use std::time::Duration;

use ds01_core::{
    device::{Activity, Device, Inventory, Slot, Uuid},
    share::Share,
};

const HOUR: u64 = 3600;

/// A week, in seconds.
pub(crate) const WEEK: u64 = 7 * 24 * HOUR;

/// How many users there are: the first few ask for much.
pub(crate) const USERS: u32 = 40;

/// One container that somebody wants.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) uid: u32,
    pub(crate) devices: u32,
    /// When it is asked for, in seconds.
    pub(crate) comes: u64,
    /// How long it runs then.
    pub(crate) runs: Duration,
}

/// Numbers that are the same in every run. Source: G. Marsaglia, "Xorshift RNGs", 2003.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// From 0 to 1.
    fn part(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Six whole GPUs, and two that are divided into MIG devices: 3g, 2g, 1g and 1g each.
pub(crate) fn inventory() -> Inventory {
    let device = |gpu: u32, mig: Option<u32>, share: Share| Device {
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
    let migs = (6..8).flat_map(|gpu| {
        let slices = [3, 2, 1, 1].into_iter().zip(0..);
        slices.filter_map(move |(slices, mig)| Some((gpu, mig, Share::of_mig(slices, 7)?)))
    });
    let migs = migs.map(|(gpu, mig, share)| device(gpu, Some(mig), share));
    let whole = (0..6).map(|gpu| device(gpu, None, Share::WHOLE));
    Inventory {
        devices: whole.chain(migs).collect(),
        ..Inventory::default()
    }
}

/// What everybody asks for, in the order in which they do. `load` is how much of it there is: with
/// 1 the GPUs rest for a third of the time, at night for the most part.
pub(crate) fn jobs(seed: u64, load: f64) -> Vec<Job> {
    let mut dice = Dice(seed.max(1));
    let mut jobs = Vec::new();
    for uid in 1..=USERS {
        // Five users ask for six times as much as the others.
        let each_day = load * if uid <= 5 { 24.0 } else { 4.0 };
        let mut at = 0.0;
        loop {
            // Between two, exponentially distributed; at night a fifth as many come.
            let hour = (at / HOUR as f64) % 24.0;
            let rate = each_day / 16.0
                * if (8.0..22.0).contains(&hour) {
                    1.0
                } else {
                    0.2
                };
            at += -(1.0 - dice.part()).ln() / rate * HOUR as f64;
            if at >= WEEK as f64 {
                break;
            }
            let devices = match dice.part() {
                part if part < 0.8 => 1,
                part if part < 0.95 => 2,
                _ => 4,
            };
            // From ten minutes to a day, many short and few long: log-uniform.
            let runs = 600.0 * (144.0_f64).powf(dice.part() * dice.part());
            // Who may have MIG devices alone has at most two of them.
            let devices = if uid % 2 == 0 {
                devices.min(2)
            } else {
                devices
            };
            jobs.push(Job {
                uid,
                devices,
                comes: at as u64,
                runs: Duration::from_secs(runs as u64),
            });
        }
    }
    jobs.sort_by_key(|job| (job.comes, job.uid));
    jobs
}
