//! A result that is shown again and again: in place on a terminal, one after the other elsewhere.

use std::{
    ffi::c_int,
    io::{self, BufRead, IsTerminal},
    os::fd::AsFd,
    str::FromStr,
    sync::OnceLock,
    time::{Duration, Instant},
};

use console::Term;
use ds01_core::failure::{Failure, Kind};
use nix::{
    errno::Errno,
    libc,
    poll::{PollFd, PollFlags, ppoll},
    sys::{
        signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, sigaction},
        termios::{self, LocalFlags, SetArg},
        time::TimeSpec,
    },
};

use crate::{ExitStatus, Ui, ui::is_dumb};

/// To the terminal's other screen, whose lines are cut and not wrapped; the cursor is hidden.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";

/// Back, with everything as it was.
const LEAVE: &[u8] = b"\x1b[?7h\x1b[?25h\x1b[?1049l";

/// Lines of a terminal that does not tell.
const HEIGHT: u16 = 24;

/// Seconds without an answer after which a person wonders.
const LONG: u32 = 3;

/// In the place of the first line, until the next frame.
const NO_ANSWER: &[u8] = b"\x1b[Hno answer yet; Ctrl-C leaves\x1b[K";

/// The modes that the terminal had.
static BEFORE: OnceLock<libc::termios> = OnceLock::new();

/// The value of `--interval`: from one sample to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval(Duration);

impl Interval {
    /// For what is asked for as it happens.
    pub const SECOND: Self = Self(Duration::from_secs(1));
}

impl Default for Interval {
    fn default() -> Self {
        Self(Duration::from_secs(2))
    }
}

impl FromStr for Interval {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let seconds = text.parse().ok().filter(|s| (0.1..=86_400.0).contains(s));
        let seconds = seconds.ok_or("expected seconds, from 0.1 to 86400")?;
        Ok(Self(Duration::from_secs_f64(seconds)))
    }
}

/// Whether a view has, or had, the terminal.
pub(crate) fn is_drawn() -> bool {
    BEFORE.get().is_some()
}

/// Why a wait was over.
enum Waited {
    Enough,
    Resized,
    Left,
}

impl Ui {
    /// Whether [`Ui::watch`] can draw in place.
    pub fn can_redraw(&self) -> bool {
        self.stdout_is_terminal && !is_dumb()
    }

    /// Gathers and draws at each interval, until somebody has seen enough.
    ///
    /// `in_place`, the result fills the terminal and is cut to its height; `q` and Ctrl-C leave, and
    /// the terminal is as it was. Otherwise each result follows the one before, without control
    /// codes, until nobody reads them any more.
    ///
    /// # Errors
    ///
    /// Those of `draw`, and of the first `gather`, the terminal restored. If something cannot be
    /// reached later, that is told, and it goes on until it can.
    pub fn watch<T>(
        &mut self,
        interval: Interval,
        in_place: bool,
        mut gather: impl FnMut(&mut Self) -> Result<T, Failure>,
        mut draw: impl FnMut(&mut Self, &T) -> Result<(), Failure>,
    ) -> Result<ExitStatus, Failure> {
        if in_place {
            self.flush()?;
            let _view = View::enter()?;
            self.captured = true;
            let left = self.redraw(interval, gather, draw);
            self.captured = false;
            self.buffer.clear();
            return left.map(|()| ExitStatus(0));
        }
        let mut seen = false;
        let mut lost = false;
        loop {
            match gather(self) {
                Ok(value) => {
                    (seen, lost) = (true, false);
                    draw(self, &value)?;
                    self.flush()?;
                }
                Err(failure) if is_passing(&failure, seen) => {
                    if !std::mem::replace(&mut lost, true) {
                        self.failure(&failure);
                    }
                }
                Err(failure) => return Err(failure),
            }
            if self.closed() || is_closed_within(interval.0) {
                return Ok(ExitStatus(0));
            }
        }
    }

    fn redraw<T>(
        &mut self,
        interval: Interval,
        mut gather: impl FnMut(&mut Self) -> Result<T, Failure>,
        mut draw: impl FnMut(&mut Self, &T) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut last = None;
        loop {
            match noticed(|| gather(self)) {
                Ok(value) => last = Some(value),
                Err(failure) if is_passing(&failure, last.is_some()) => {
                    self.failure(&failure);
                    self.note("what follows was seen before; it is asked for again and again");
                }
                Err(failure) => return Err(failure),
            }
            let told = std::mem::take(&mut self.buffer);
            let until = Instant::now() + interval.0;
            loop {
                self.buffer.clone_from(&told);
                if let Some(value) = &last {
                    draw(self, value)?;
                }
                let drawn = std::mem::take(&mut self.buffer);
                self.put(frame(&String::from_utf8_lossy(&drawn), height()).as_bytes())?;
                match wait(until)? {
                    Waited::Enough => break,
                    Waited::Resized => {}
                    Waited::Left => return Ok(()),
                }
            }
        }
    }
}

/// Whether a watch that has `seen` something goes on: what cannot be reached may be back.
fn is_passing(failure: &Failure, seen: bool) -> bool {
    seen && failure.kind == Kind::Unreachable
}

/// Gathers, and says on the screen that nothing has come yet if that takes long. A signal says it:
/// what gathers may need this process to have one thread.
fn noticed<T>(gather: impl FnOnce() -> T) -> T {
    // SAFETY: two system calls, which take a number.
    unsafe { libc::alarm(LONG) };
    let gathered = gather();
    unsafe { libc::alarm(0) };
    gathered
}

/// What makes the screen show these lines and nothing else, or as many as fit and how many do not.
fn frame(text: &str, height: usize) -> String {
    let lines: Vec<_> = text.lines().collect();
    let (shown, more) = match lines.len() > height {
        true => lines.split_at(height.saturating_sub(1)),
        false => (&lines[..], &[][..]),
    };
    let more = (!more.is_empty()).then(|| format!("… {} more lines", more.len()));
    let lines = shown.iter().copied().chain(more.as_deref());
    let lines: Vec<_> = lines.map(|line| format!("{line}\x1b[K")).collect();
    format!("\x1b[H{}\x1b[J", lines.join("\n"))
}

fn height() -> usize {
    let size = Term::stdout().size_checked();
    size.map_or(HEIGHT, |(rows, _)| rows).into()
}

/// Waits for the next sample, a new size, or a key that leaves.
fn wait(until: Instant) -> Result<Waited, Failure> {
    let stdin = io::stdin();
    let mut keys = stdin.is_terminal();
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(Waited::Enough);
        }
        let mut fds = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
        let fds = if keys { &mut fds[..] } else { &mut [] };
        // A new size is let through only here, so that it is never missed.
        match ppoll(fds, Some(TimeSpec::from(left)), Some(SigSet::empty())) {
            Ok(0) => continue,
            Ok(_) => {}
            Err(Errno::EINTR) => return Ok(Waited::Resized),
            Err(error) => return Err(failed("wait", error)),
        }
        let mut input = stdin.lock();
        let typed = input.fill_buf().unwrap_or_default();
        let (length, quits) = (typed.len(), typed.iter().any(|key| b"qQ\x04".contains(key)));
        input.consume(length);
        if quits {
            return Ok(Waited::Left);
        }
        keys = length > 0;
    }
}

/// Waits. `true` as soon as nobody reads standard output any more.
fn is_closed_within(time: Duration) -> bool {
    let until = Instant::now() + time;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let stdout = io::stdout();
        // Nothing but its end is waited for.
        let mut out = [PollFd::new(stdout.as_fd(), PollFlags::empty())];
        match ppoll(&mut out, Some(TimeSpec::from(left)), None) {
            Err(Errno::EINTR) => {}
            Ok(0) | Err(_) => return false,
            Ok(_) => return true,
        }
    }
}

/// While this lives, the terminal is ours, and is given back whatever ends the process.
struct View([(Signal, SigAction); 6]);

impl View {
    fn enter() -> Result<Self, Failure> {
        if io::stdin().is_terminal() {
            let modes = termios::tcgetattr(io::stdin());
            let modes = modes.map_err(|error| failed("use the terminal", error))?;
            // A second view of this process begins with the same.
            let _ = BEFORE.set(modes.into());
        }
        let handlers = [
            (Signal::SIGINT, SigHandler::Handler(end)),
            (Signal::SIGTERM, SigHandler::Handler(end)),
            (Signal::SIGHUP, SigHandler::Handler(end)),
            (Signal::SIGTSTP, SigHandler::Handler(stop)),
            (Signal::SIGWINCH, SigHandler::Handler(wake)),
            (Signal::SIGALRM, SigHandler::Handler(wonder)),
        ];
        let mut size = SigSet::empty();
        size.add(Signal::SIGWINCH);
        let blocked = size.thread_swap_mask(SigmaskHow::SIG_BLOCK);
        blocked.map_err(|error| failed("take signals", error))?;
        // What is asked goes on after the one that only tells.
        let flags = |signal| match signal {
            Signal::SIGALRM => SaFlags::SA_RESTART,
            _ => SaFlags::empty(),
        };
        let set = |(signal, handler)| {
            let action = SigAction::new(handler, flags(signal), SigSet::all());
            // SAFETY: the handlers make system calls only, on values that never change.
            let before = unsafe { sigaction(signal, &action) };
            before.map(|before| (signal, before))
        };
        let [a, b, c, d, e, f] = handlers.map(set);
        let all = (|| Ok([a?, b?, c?, d?, e?, f?]))();
        let view = Self(all.map_err(|error| failed("take signals", error))?);
        enter();
        Ok(view)
    }
}

impl Drop for View {
    fn drop(&mut self) {
        leave();
        for (signal, before) in &self.0 {
            // SAFETY: this is the action that was in place before.
            let _ = unsafe { sigaction(*signal, before) };
        }
        let mut size = SigSet::empty();
        size.add(Signal::SIGWINCH);
        let _ = size.thread_unblock();
    }
}

/// Takes the terminal. As the next one, for signal handlers too: system calls alone.
fn enter() {
    if let Some(before) = BEFORE.get() {
        let mut modes = *before;
        // Keys come one by one and unseen; Ctrl-C and Ctrl-Z stay signals.
        modes.c_lflag &= !(LocalFlags::ICANON | LocalFlags::ECHO).bits();
        set_modes(&modes);
    }
    write(ENTER.as_bytes());
}

/// Gives the terminal back.
fn leave() {
    write(LEAVE);
    if let Some(before) = BEFORE.get() {
        set_modes(before);
    }
}

fn set_modes(modes: &libc::termios) {
    // SAFETY: a system call that reads the modes. A terminal that is gone needs none.
    unsafe { libc::tcsetattr(libc::STDIN_FILENO, SetArg::TCSANOW as c_int, modes) };
}

fn write(bytes: &[u8]) {
    // SAFETY: a system call that reads the bytes. If it fails there is nobody left to see it.
    unsafe { libc::write(libc::STDOUT_FILENO, bytes.as_ptr().cast(), bytes.len()) };
}

extern "C" fn end(signal: c_int) {
    leave();
    // SAFETY: ends this process without running what is in the middle of its work.
    unsafe { libc::_exit(128 + signal) }
}

/// Gives the terminal back while the process is stopped.
extern "C" fn stop(_: c_int) {
    leave();
    // SAFETY: two system calls.
    unsafe { libc::kill(libc::getpid(), libc::SIGSTOP) };
    enter();
}

extern "C" fn wake(_: c_int) {}

extern "C" fn wonder(_: c_int) {
    write(NO_ANSWER);
}

fn failed(what: &str, error: Errno) -> Failure {
    Failure::new(Kind::Failed, format!("cannot {what}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_fills_the_screen_and_no_more() {
        assert_eq!(frame("a\nb\n", 2), "\x1b[Ha\x1b[K\nb\x1b[K\x1b[J");
        assert_eq!(
            frame("a\nb\nc\n", 2),
            "\x1b[Ha\x1b[K\n… 2 more lines\x1b[K\x1b[J"
        );
        assert_eq!(frame("", 2), "\x1b[H\x1b[J");
        assert_eq!(frame("a\nb\n", 1), "\x1b[H… 2 more lines\x1b[K\x1b[J");
    }

    #[test]
    fn an_interval_is_a_number_of_seconds() {
        let of = |text: &str| text.parse::<Interval>().map(|interval| interval.0);
        assert_eq!(of("2"), Ok(Duration::from_secs(2)));
        assert_eq!(of("0.5"), Ok(Duration::from_millis(500)));
        for odd in ["", "0", "-1", "x", "NaN", "inf", "1e9"] {
            assert!(of(odd).is_err(), "{odd}");
        }
    }
}
