//! A container that is asked for in line: who waits sees where they stand, and leaves when they like.

use std::{
    os::fd::AsFd,
    time::{Duration, Instant},
};

use ds01_cli::{Interruptions, Ui, human};
use ds01_core::{
    failure::{Failure, Kind},
    line::PATIENCE,
    queue::Standing,
    time::{Patience, Timestamp},
};
use ds01_host::{
    Host, clock,
    line_watch::{Await, Awaited},
    ops::{Create, Created, Creation, Leave, WaitUntil},
};

use crate::{ask, exclude_each_other};

/// How long `--wait` and `--no-wait` let a request wait in line; `None` is not at all.
///
/// # Errors
///
/// Status 2 if they contradict each other.
pub fn patience(wait: Option<Patience>, no_wait: bool) -> Result<Option<Duration>, Failure> {
    match (wait, no_wait) {
        (Some(_), true) => Err(exclude_each_other("--wait", "--no-wait")),
        (None, true) => Ok(None),
        (wait, false) => {
            let length = wait.map_or(PATIENCE, |Patience(length)| length);
            Ok(Some(length).filter(|length| !length.is_zero()))
        }
    }
}

/// How long a command that waits in line waits for a gateway that does not answer any more, as
/// while it is restarted.
const GATEWAY: Duration = Duration::from_secs(60);

/// How often it is asked then.
const AGAIN: Duration = Duration::from_millis(500);

/// Asks for a container, and waits in line for its devices as long as `patience` says.
///
/// # Errors
///
/// Those of [`Create`]; status 6 if there were none in this time, 130 if the user left.
pub(crate) fn create_in_line(
    host: &Host,
    ui: &mut Ui,
    create: &Create,
    patience: Option<Duration>,
) -> Result<Created, Failure> {
    let asks = Instant::now();
    let last = Create {
        wait: None,
        ..create.clone()
    };
    let first = Create {
        wait: patience.map(|length| wait_until(length, None)),
        ..create.clone()
    };
    let ticket = match ask(host, ui, &first)? {
        Creation::Made(made) => return Ok(made),
        Creation::Waits(ticket) => ticket,
    };
    let patience = patience.unwrap_or_default();
    let mut line = InLine {
        host,
        ui,
        ticket,
        known: None,
        silent: None,
        shown: String::new(),
        patience,
    };
    let interruptions = Interruptions::held()?;
    line.ui.explain(
        "no device is free for you yet: you wait in line, by priority, then by who has used less lately, then by who came first",
    );
    let made = loop {
        let left = patience.saturating_sub(asks.elapsed());
        let asks_again = match line.turn(&interruptions, left) {
            Ok(true) => {
                let left = patience.saturating_sub(asks.elapsed());
                line.ask(&Create {
                    wait: Some(wait_until(left, Some(line.ticket))),
                    ..create.clone()
                })
            }
            Ok(false) => line.ask(&last),
            Err(failure) => Err(failure),
        };
        match asks_again {
            Ok(Creation::Waits(ticket)) => line.ticket = ticket,
            Ok(Creation::Made(made)) => break Ok(made),
            Err(failure) => break Err(failure),
        }
    };
    line.ui.progress_ends();
    made.map_err(|failure| {
        // Who is not in the line any more need not leave it, and what went wrong is known already.
        let _ = host.ask(&Leave {
            ticket: line.ticket,
            present: true,
        });
        match failure.kind {
            Kind::Busy => in_vain(failure, patience),
            _ => failure,
        }
    })
}

/// What the ledger is told of a wait for so much longer. Anew with each question: the clock may have
/// been set since, and by it the wait would be over long before, or after, it is.
fn wait_until(left: Duration, ticket: Option<u64>) -> WaitUntil {
    // The ledger knows whole seconds, and is not to be the first to give up.
    let at = clock::now() + left + Duration::from_secs(1);
    WaitUntil { at, ticket }
}

/// Somebody who waits.
struct InLine<'a> {
    host: &'a Host,
    ui: &'a mut Ui,
    ticket: u64,
    /// Where they stood last.
    known: Option<Standing>,
    /// Since when the gateway has not answered.
    silent: Option<Instant>,
    /// What was shown of it.
    shown: String,
    patience: Duration,
}

impl InLine<'_> {
    /// Waits until it is time to ask again, `left` at most; `false` if that has passed.
    fn turn(&mut self, interruptions: &Interruptions, left: Duration) -> Result<bool, Failure> {
        let begun = Instant::now();
        loop {
            interruptions.check()?;
            let within = left.saturating_sub(begun.elapsed());
            if within.is_zero() {
                return Ok(false);
            }
            let asked = Await {
                ticket: self.ticket,
                known: self.known.clone(),
                within,
            };
            match self.host.wait(asked, interruptions.as_fd()) {
                Ok(awaited) => {
                    self.silent = None;
                    match awaited {
                        Some(Awaited::Ask) => return Ok(true),
                        Some(Awaited::Stands(standing)) => self.show(standing),
                        None => {}
                    }
                }
                Err(failure) => self.bear(failure, interruptions)?,
            }
        }
    }

    /// The place in line is in the ledger, and stays as long as this process does, unless its turn
    /// comes and it does not take what is offered: a gateway that does not answer is asked again
    /// for a while.
    fn bear(&mut self, failure: Failure, interruptions: &Interruptions) -> Result<(), Failure> {
        if failure.kind != Kind::Unreachable || !self.host.is_by_gateway() {
            return Err(failure);
        }
        if self.silent.is_none() {
            let patience = human::duration(GATEWAY);
            self.ui.progress_ends();
            self.ui.note(format_args!(
                "the gateway does not answer: it is asked again for up to {patience}, and your place is kept unless it is your turn meanwhile"
            ));
            self.shown.clear();
        }
        let since = self.silent.get_or_insert_with(Instant::now);
        if since.elapsed() >= GATEWAY {
            return Err(failure);
        }
        interruptions.pause(AGAIN)
    }

    fn ask(&mut self, create: &Create) -> Result<Creation<Created>, Failure> {
        // It may have told why it takes long, in the place of what was shown.
        let answered = self.host.ask(create).inspect_err(|_| self.shown.clear())?;
        self.shown.clear();
        for notice in &answered.notices {
            self.ui.progress_ends();
            self.ui.warn(notice);
            self.shown.clear();
        }
        Ok(answered.value)
    }

    /// On a terminal in place of what was shown before; elsewhere once.
    fn show(&mut self, standing: Standing) {
        let text = place(&standing, clock::now());
        let in_place = self.ui.shows_progress();
        if self.known.is_none() {
            let patience = human::duration(self.patience);
            self.ui.note(match in_place {
                true => format!("waiting in line for up to {patience}; Ctrl-C leaves it"),
                false => format!("waiting in line for up to {patience}, {text}"),
            });
        }
        if in_place && text != self.shown {
            self.ui.progress(&text);
        }
        (self.known, self.shown) = (Some(standing), text);
    }
}

/// Where somebody stands, for people: the place, when their turn comes, what they wait for.
pub fn place(standing: &Standing, now: Timestamp) -> String {
    let Standing { place, of, .. } = standing;
    let expected = match expected(standing, now) {
        Some(left) => format!("in {left} at the latest"),
        None => "no end known".into(),
    };
    match &standing.why {
        Some(why) => format!("place {place} of {of}, {expected}: {why}"),
        None => format!("place {place} of {of}: it is your turn"),
    }
}

/// After which time somebody is served at the latest, if that is known: without the seconds of a
/// longer one, which are of no use and change all the time.
pub fn expected(standing: &Standing, now: Timestamp) -> Option<String> {
    let left = standing.expected?.since(now).as_secs().max(1);
    let left = if left > 120 { left / 60 * 60 } else { left };
    Some(human::duration(Duration::from_secs(left)))
}

/// Nothing came of the wait.
fn in_vain(failure: Failure, patience: Duration) -> Failure {
    let message = format!(
        "{}; waited for {}",
        failure.message,
        human::duration(patience)
    );
    let hint = "wait longer with --wait=1h, or beyond this terminal with gpu-queue join";
    Failure { message, ..failure }.with_hint(hint)
}
