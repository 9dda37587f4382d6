use super::*;
use crate::{
    device::{Activity, Uuid},
    lifecycle::{DeviceSample, Level, Step},
    limits::Limits,
};

/// Grace half an hour, window 3 checks, keep-alive a day.
fn policy() -> Lifecycle {
    Limits::shipped().lifecycle
}

const MINUTE: Duration = Duration::from_secs(60);
const HALF_AN_HOUR: Duration = Duration::from_secs(1800);
const LONG_AGO: Uptime = Uptime(0);
/// Where the time begins: a day after the boot.
const BEGIN: u64 = 86_400;

/// A container that is watched.
struct Host {
    idle: Idle,
    policy: Lifecycle,
    limit: Option<Duration>,
    touched: Option<Timestamp>,
    exempt: bool,
    /// Seconds since the boot, and what the clock on the wall is ahead of that.
    uptime: u64,
    ahead: i64,
}

#[derive(Clone, Copy)]
enum Use {
    Busy,
    Idle,
    Unreadable,
}

impl Host {
    fn new() -> Self {
        Self {
            idle: Idle::default(),
            policy: policy(),
            limit: Some(HALF_AN_HOUR),
            touched: None,
            exempt: false,
            uptime: BEGIN,
            ahead: 1_000_000,
        }
    }

    fn now(&self) -> Now {
        Now {
            wall: Timestamp(self.uptime.checked_add_signed(self.ahead).unwrap()),
            uptime: Uptime(self.uptime * 1000),
        }
    }

    /// A pass that finds it so.
    fn pass(&mut self, found: Use) -> Option<Step> {
        let activity = match found {
            Use::Busy => activity(90),
            Use::Idle => activity(0),
            Use::Unreadable => Activity::default(),
        };
        let sample = Sample {
            at: Uptime(self.uptime * 1000),
            paused: false,
            cpu_ns: Some(0),
            network_bytes: Some(0),
            devices: vec![DeviceSample {
                uuid: Uuid("GPU-0".into()),
                slot: "0".parse().unwrap(),
                activity,
                shared: None,
            }],
            lost: false,
        };
        self.idle.observe(&sample, LONG_AGO, &self.policy);
        let (touched, exempt, now) = (self.touched, self.exempt, self.now());
        let step = self
            .idle
            .next(self.limit, touched, exempt, &self.policy, now);
        // What is known survives being written and read.
        let text = serde_json::to_string(&self.idle).unwrap();
        self.idle = serde_json::from_str(&text).unwrap();
        step.map(|due| due.step)
    }

    /// Passes each minute for so many; the steps with the minute that each came in.
    fn minutes(&mut self, count: u64, found: Use) -> Vec<(u64, Step)> {
        let mut steps = Vec::new();
        for minute in 1..=count {
            self.uptime += 60;
            steps.extend(self.pass(found).map(|step| (minute, step)));
        }
        steps
    }
}

fn activity(percent: u32) -> Activity {
    Activity {
        memory_used_bytes: Some(0),
        utilisation: Some(percent),
        processes: Some(Vec::new()),
    }
}

fn warn(level: Level, left: Duration) -> Step {
    Step::Warn { level, left }
}

#[test]
fn idle_for_its_limit_it_is_warned_twice_and_stopped() {
    let mut host = Host::new();
    host.pass(Use::Busy);
    let steps = host.minutes(32, Use::Idle);
    // Idle from the first check that found it so, a minute after the last use.
    let expected = [
        (24, warn(Level::First, 7 * MINUTE)),
        (28, warn(Level::Final, 3 * MINUTE)),
        (31, Step::Stop),
        (32, Step::Stop),
    ];
    assert_eq!(steps, expected);
}

#[test]
fn use_begins_all_of_it_anew() {
    let mut host = Host::new();
    host.pass(Use::Busy);
    assert_eq!(host.minutes(30, Use::Idle).len(), 2);
    assert_eq!(host.minutes(1, Use::Busy), []);
    assert_eq!(host.idle.length(), Duration::ZERO);
    let steps = host.minutes(31, Use::Idle);
    let minutes: Vec<_> = steps.iter().map(|(minute, _)| *minute).collect();
    assert_eq!(minutes, [24, 28, 31]);
}

#[test]
fn nothing_is_done_before_the_window_of_checks_is_full() {
    for (checks, at) in [(3, 3), (4, 4), (1, 1)] {
        let mut host = Host::new();
        host.policy.idle_checks = checks;
        host.limit = Some(Duration::from_millis(1));
        host.pass(Use::Busy);
        let first = host.minutes(6, Use::Idle).first().copied();
        // The first idle check is the begin of the idle time, of which there is none yet.
        let at = at.max(2);
        assert_eq!(first.map(|(minute, _)| minute), Some(at), "{checks}");
    }
    let mut host = Host::new();
    host.limit = Some(Duration::from_millis(1));
    for found in [Use::Idle, Use::Idle, Use::Busy, Use::Idle, Use::Idle] {
        assert_eq!(host.minutes(1, found), [], "no three in a row");
    }
}

#[test]
fn what_could_not_be_read_counts_neither_way() {
    let mut host = Host::new();
    host.pass(Use::Busy);
    host.minutes(21, Use::Idle);
    assert_eq!(host.idle.length(), 20 * MINUTE);
    assert_eq!(host.minutes(600, Use::Unreadable), []);
    assert_eq!(host.idle.length(), 20 * MINUTE);
    host.minutes(1, Use::Idle);
    assert_eq!(host.idle.length(), 20 * MINUTE, "who knows what was before");
    host.minutes(1, Use::Idle);
    assert_eq!(host.idle.length(), 21 * MINUTE);
    let mut host = Host::new();
    assert_eq!(host.minutes(6000, Use::Unreadable), []);
}

#[test]
fn after_a_start_there_is_a_time_of_grace() {
    let mut host = Host::new();
    host.uptime = 0;
    assert_eq!(host.minutes(29, Use::Idle), []);
    assert_eq!(host.idle, {
        let before = host.idle.before.clone();
        Idle {
            before,
            ..Idle::default()
        }
    });
    let steps = host.minutes(31, Use::Idle);
    assert_eq!(
        steps.last(),
        Some(&(31, Step::Stop)),
        "half an hour after the grace"
    );
}

#[test]
fn a_pause_in_which_nobody_watched_counts_for_ten_minutes_at_most() {
    let mut host = Host::new();
    host.pass(Use::Busy);
    let mut steps = Vec::new();
    for _ in 0..5 {
        host.uptime += 3600;
        steps.push(host.pass(Use::Idle));
    }
    let expected = [
        None,
        None,
        None,
        Some(warn(Level::Final, 3 * MINUTE)),
        Some(Step::Stop),
    ];
    assert_eq!(steps, expected, "hourly, as the original's cron");
}

#[test]
fn a_clock_that_is_set_changes_nothing() {
    let year = 365 * 86_400;
    for (begin, jump) in [(2 * year, year), (2 * year, -year), (1_000_000, -1_000_000)] {
        let mut host = Host::new();
        host.ahead = begin;
        host.pass(Use::Busy);
        let first = host.minutes(29, Use::Idle);
        assert_eq!(first.len(), 2, "the two warnings");
        host.ahead += jump;
        assert_eq!(host.minutes(1, Use::Idle), []);
        assert_eq!(host.minutes(1, Use::Idle), [(1, Step::Stop)]);
    }
}

#[test]
fn a_keep_alive_keeps_until_the_policy_says() {
    let mut host = Host::new();
    host.pass(Use::Busy);
    host.touched = Some(host.now().wall);
    let steps = host.minutes(1442, Use::Idle);
    let minutes: Vec<_> = steps.iter().map(|(minute, _)| *minute).collect();
    // Of the day since it was touched, which is a minute less of idle time.
    assert_eq!(minutes, [1081, 1297, 1440, 1441, 1442]);
    assert_eq!(steps[1].1, warn(Level::Final, 143 * MINUTE));
    assert_eq!(steps[2].1, Step::Stop);
}

#[test]
fn a_keep_alive_that_is_touched_again_and_again_does_not_keep_for_ever() {
    let mut host = Host::new();
    host.pass(Use::Busy);
    let mut steps = Vec::new();
    for hour in 0..30 {
        host.touched = Some(host.now().wall);
        let of_hour = host.minutes(60, Use::Idle);
        steps.extend(
            of_hour
                .into_iter()
                .map(|(minute, step)| (60 * hour + minute, step)),
        );
    }
    let stop = steps.iter().find(|(_, step)| *step == Step::Stop);
    assert_eq!(
        stop,
        Some(&(1441, Step::Stop)),
        "a day after it became idle"
    );
    // In use for a moment, it may be kept for another day.
    host.minutes(1, Use::Busy);
    host.touched = Some(host.now().wall);
    assert_eq!(host.minutes(60, Use::Idle), []);
}

#[test]
fn a_keep_alive_that_was_forgotten_keeps_nothing() {
    let mut host = Host::new();
    host.pass(Use::Busy);
    host.touched = Some(host.now().wall - Duration::from_secs(86_400));
    assert_eq!(host.minutes(31, Use::Idle).last(), Some(&(31, Step::Stop)));
}

#[test]
fn without_its_keep_alive_a_container_is_warned_before_it_is_stopped() {
    let mut host = Host::new();
    host.pass(Use::Busy);
    host.touched = Some(host.now().wall);
    assert_eq!(host.minutes(600, Use::Idle), []);
    host.touched = None;
    let steps = host.minutes(4, Use::Idle);
    assert_eq!(
        steps,
        [(1, warn(Level::Final, 3 * MINUTE)), (4, Step::Stop)]
    );
}

#[test]
fn a_keep_alive_is_as_old_as_when_it_was_first_seen_whatever_the_clock_says_later() {
    for jump in [365 * 86_400, -80_000] {
        let mut host = Host::new();
        host.pass(Use::Busy);
        host.touched = Some(host.now().wall);
        assert_eq!(host.minutes(40, Use::Idle), []);
        host.ahead += jump;
        let steps = host.minutes(1442, Use::Idle);
        let stop = steps.iter().find(|(_, step)| *step == Step::Stop);
        assert_eq!(stop, Some(&(1400, Step::Stop)), "{jump}");
    }
}

#[test]
fn without_a_limit_nothing_is_stopped() {
    let mut host = Host::new();
    host.limit = None;
    assert_eq!(host.minutes(6000, Use::Idle), []);
    let mut host = Host::new();
    host.policy.keep_alive = None;
    host.touched = Some(Timestamp(0));
    assert_eq!(host.minutes(6000, Use::Idle), [], "a keep-alive for ever");
}

#[test]
fn who_is_exempt_is_told_once_and_never_stopped() {
    let mut host = Host::new();
    host.exempt = true;
    host.pass(Use::Busy);
    assert_eq!(host.minutes(6000, Use::Idle), [(24, Step::Exempt)]);
    host.minutes(1, Use::Busy);
    assert_eq!(host.minutes(6000, Use::Idle), [], "once for a run");
    host.exempt = false;
    let steps = host.minutes(4, Use::Idle);
    assert_eq!(
        steps,
        [(1, warn(Level::Final, 3 * MINUTE)), (4, Step::Stop)]
    );
}

#[test]
fn high_demand_is_counted_in_shares_and_shortens_the_limit() {
    let sevenths = |count: u32| Share::of_mig(count, 7).unwrap();
    let gpus = |count: usize| {
        [Share::WHOLE]
            .into_iter()
            .cycle()
            .take(count)
            .sum::<Share>()
    };
    let half = Some(HALF_AN_HOUR / 2);
    let whole = Some(HALF_AN_HOUR);
    for (used, total, limit, why) in [
        (gpus(8), gpus(10), half, "exactly 0.8"),
        (gpus(7), gpus(10), whole, "0.7"),
        (
            gpus(1) + sevenths(3),
            gpus(2),
            whole,
            "ten MIG devices, 0.71 of two GPUs",
        ),
        (gpus(1) + sevenths(5), gpus(2), half, "0.86 of two GPUs"),
        (Share::NONE, Share::NONE, whole, "no device at all"),
    ] {
        let demand = Some(Demand { used, total });
        assert_eq!(idle_limit(whole, &policy(), demand), limit, "{why}");
    }
    assert_eq!(idle_limit(whole, &policy(), None), whole, "nobody knows");
    let all = Some(Demand {
        used: gpus(1),
        total: gpus(1),
    });
    assert_eq!(idle_limit(None, &policy(), all), None);
}

#[test]
fn a_limit_that_shrinks_under_high_demand_is_warned_of_first() {
    let mut host = Host::new();
    host.pass(Use::Busy);
    assert_eq!(host.minutes(21, Use::Idle), []);
    host.limit = Some(HALF_AN_HOUR / 2);
    let left = Duration::from_secs(90);
    let steps = host.minutes(3, Use::Idle);
    assert_eq!(steps, [(1, warn(Level::Final, left)), (3, Step::Stop)]);
}
