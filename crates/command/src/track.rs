//! The owner tracker: a look whenever the engine tells that something happened, and each minute.

use std::{
    thread,
    time::{Duration, Instant},
};

use ds01_cli::Ui;
use ds01_core::{
    failure::Failure,
    tracked::{News, Outsider},
};
use ds01_host::{
    Answered, Host,
    engine::Happened,
    nvml::NvmlError,
    ops::{Track, TrackPassed},
    service,
};

/// From one look at everything to the next, whatever the engine tells: what it did not tell is made
/// good, and who uses GPUs it does not know.
const MINUTE: Duration = Duration::from_secs(60);

/// The same at most for a driver that does not answer: each question to one that hangs may leave a
/// process.
const RARELY: Duration = Duration::from_secs(3600);

/// Before the engine is tried again, at first and at most.
const PAUSE: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];

/// Looks for as long as this process lives.
///
/// # Errors
///
/// If nothing can be printed.
pub fn follow(host: &Host, ui: &mut Ui) -> Result<(), Failure> {
    let mut tracking = Tracking {
        host,
        times: Times::from(Instant::now()),
        failure: None,
        notices: Vec::new(),
        silence: None,
    };
    let [shortest, longest] = PAUSE;
    let mut pause = shortest;
    service::notify("READY=1");
    loop {
        match host.happenings() {
            Ok(mut happenings) => loop {
                tracking.pass(ui)?;
                match happenings.next(
                    tracking
                        .times
                        .look
                        .saturating_duration_since(Instant::now()),
                ) {
                    Happened::End => break,
                    Happened::Something | Happened::Nothing => pause = shortest,
                }
            },
            Err(failure) => tracking.failed(ui, failure),
        }
        ui.flush()?;
        thread::sleep(pause);
        pause = (2 * pause).min(longest);
    }
}

/// What is new, a line each.
///
/// # Errors
///
/// If nothing can be printed.
pub fn show(ui: &mut Ui, passed: &TrackPassed) -> Result<(), Failure> {
    let mut lines = passed.news.iter().map(line);
    lines.try_for_each(|line| ui.line(line))
}

/// Why the driver did not tell who uses GPUs, unless there is none.
pub fn silence(passed: &TrackPassed) -> Option<String> {
    match &passed.silence {
        None | Some(NvmlError::Absent(_)) => None,
        Some(error) => Some(error.to_string()),
    }
}

/// When what is done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Times {
    /// Everything is looked at.
    look: Instant,
    /// The driver is asked too.
    ask: Instant,
    interval: Duration,
}

impl Times {
    fn from(now: Instant) -> Self {
        Self {
            look: now,
            ask: now,
            interval: MINUTE,
        }
    }

    /// What is due is done by `now`. If the driver was asked, this came of it.
    fn done(&mut self, now: Instant, asked: Option<Option<&NvmlError>>) {
        self.look = now + MINUTE;
        let Some(silence) = asked else { return };
        self.interval = match silence {
            // Where there is none, nothing hangs.
            None | Some(NvmlError::Absent(_)) => MINUTE,
            Some(_) => (2 * self.interval).min(RARELY),
        };
        self.ask = now + self.interval;
    }
}

/// What was told of before is not told again.
struct Tracking<'a> {
    host: &'a Host,
    times: Times,
    failure: Option<String>,
    notices: Vec<String>,
    silence: Option<String>,
}

impl Tracking<'_> {
    fn pass(&mut self, ui: &mut Ui) -> Result<(), Failure> {
        let now = Instant::now();
        let full = now >= self.times.look;
        let driver = full && now >= self.times.ask;
        let track = Track {
            dry_run: false,
            full,
            driver,
        };
        let asked = self.host.ask(&track);
        if full {
            let silence = asked
                .as_ref()
                .map_or(None, |answered| answered.value.silence.as_ref());
            self.times.done(Instant::now(), driver.then_some(silence));
        }
        let Answered { value, notices } = match asked {
            Ok(answered) => answered,
            Err(failure) => {
                self.failed(ui, failure);
                return Ok(());
            }
        };
        if self.failure.take().is_some() {
            ui.note("the engine and the state can be reached again");
        }
        show(ui, &value)?;
        let new = notices.iter().filter(|text| !self.notices.contains(text));
        new.for_each(|text| ui.warn(text));
        self.notices = notices;
        if driver {
            let silence = silence(&value);
            if silence != self.silence {
                silence.iter().for_each(|text| ui.warn(text));
                self.silence = silence;
            }
        }
        ui.flush()
    }

    fn failed(&mut self, ui: &mut Ui, failure: Failure) {
        if self.failure.as_ref() != Some(&failure.message) {
            ui.failure(&failure);
            self.failure = Some(failure.message);
        }
    }
}

fn line((news, login): &(News, Option<String>)) -> String {
    let login = login.as_deref().unwrap_or("nobody known");
    let process = |outsider: &Outsider| {
        let slots: Vec<_> = outsider.slots.iter().map(ToString::to_string).collect();
        let pid = outsider.process.pid;
        let process = format!("process {pid} ({}) of {login}", outsider.name);
        (process, slots.join(" "))
    };
    match news {
        News::Found(_, foreign) => {
            let by = foreign.owner.map(|owner| format!(" by its {}", owner.way));
            let gpus = foreign.claim.as_ref().map(|_| " with GPUs");
            format!(
                "{} of {login}{} was made past DS01{}",
                foreign.name,
                by.unwrap_or_default(),
                gpus.unwrap_or_default()
            )
        }
        News::Began(outsider) => {
            let (process, slots) = process(outsider);
            format!("{process} uses GPU {slots} outside containers")
        }
        News::Ended(outsider) => {
            let (process, slots) = process(outsider);
            format!("{process} does not use GPU {slots} any more")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_that_hangs_is_asked_rarely_and_the_list_each_minute_still() {
        let now = Instant::now();
        let (hung, absent) = (NvmlError::Hung(15), NvmlError::Absent(String::new()));
        let mut times = Times::from(now);
        let mut after = |asked| {
            times.done(now, asked);
            [times.look, times.ask].map(|at| at.duration_since(now).as_secs() / 60)
        };
        assert_eq!(after(Some(Some(&hung))), [1, 2]);
        assert_eq!(after(None), [1, 2]);
        for minutes in [4, 8, 16, 32, 60, 60] {
            assert_eq!(after(Some(Some(&hung))), [1, minutes]);
        }
        assert_eq!(after(Some(Some(&absent))), [1, 1]);
        assert_eq!(after(Some(Some(&hung))), [1, 2]);
        assert_eq!(after(Some(None)), [1, 1]);
    }
}
