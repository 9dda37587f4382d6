//! Ctrl-C in the middle of several steps, or of a question.

use std::{
    ffi::c_int,
    os::fd::{AsFd, BorrowedFd},
    time::Duration,
};

use ds01_core::failure::{Failure, Kind};
use nix::{
    libc,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, sigaction},
        signalfd::{SfdFlags, SignalFd},
    },
};

use crate::ask::failed;

/// While this lives, Ctrl-C and what else ends a command do not end this process: it asks for
/// them between two steps, so that it can undo the first.
///
/// To be made while there is one thread: those that follow leave the signals to this.
pub struct Interruptions {
    signals: SignalFd,
    before: SigSet,
}

impl Interruptions {
    /// From now on.
    ///
    /// # Errors
    ///
    /// If the process has no descriptor left.
    pub fn held() -> Result<Self, Failure> {
        let failed =
            |errno: nix::Error| Failure::new(Kind::Failed, format!("cannot take signals: {errno}"));
        let mut mask = SigSet::empty();
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            mask.add(signal);
        }
        let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
            .map_err(failed)?;
        let before = mask
            .thread_swap_mask(SigmaskHow::SIG_BLOCK)
            .map_err(failed)?;
        Ok(Self { signals, before })
    }

    /// Whether to go on.
    ///
    /// # Errors
    ///
    /// [`Kind::Interrupted`] if the user, or whoever ends processes, wants it to end.
    pub fn check(&self) -> Result<(), Failure> {
        match self.signals.read_signal() {
            Ok(Some(_)) => Err(Failure::new(Kind::Interrupted, "interrupted")),
            _ => Ok(()),
        }
    }

    /// Does nothing for a time, unless it is to end.
    ///
    /// # Errors
    ///
    /// As [`Interruptions::check`].
    pub fn pause(&self, time: Duration) -> Result<(), Failure> {
        let mut signals = [PollFd::new(self.as_fd(), PollFlags::POLLIN)];
        // Interrupted by another signal it is shorter, which does no harm.
        let _ = poll(
            &mut signals,
            PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX),
        );
        self.check()
    }
}

impl AsFd for Interruptions {
    /// It can be read when [`Interruptions::check`] has something to tell.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.signals.as_fd()
    }
}

impl Drop for Interruptions {
    fn drop(&mut self) {
        // What came since the last check ends the process now. It cannot fail for a valid mask.
        let _ = self.before.thread_set_mask();
    }
}

/// While this lives, Ctrl-C ends the read of an answer instead of the process, so that the terminal can be
/// restored. A program that is started meanwhile is ended by it as ever.
pub(crate) struct Interruptible(SigAction);

impl Interruptible {
    pub(crate) fn new() -> Result<Self, Failure> {
        // Without SA_RESTART: the read must end.
        let action = SigAction::new(
            SigHandler::Handler(ignore),
            SaFlags::empty(),
            SigSet::empty(),
        );
        // SAFETY: the handler does nothing, so it may run at any point of the program.
        let before = unsafe { sigaction(Signal::SIGINT, &action) };
        before.map(Self).map_err(|errno| failed(&errno.into()))
    }
}

impl Drop for Interruptible {
    fn drop(&mut self) {
        // SAFETY: this is the action that was in place before; it cannot fail for a valid signal.
        let _ = unsafe { sigaction(Signal::SIGINT, &self.0) };
    }
}

extern "C" fn ignore(_signal: c_int) {}

/// As [`Interruptible`], for a menu: Ctrl-C ends the next read too, as it may come while the menu is
/// drawn.
pub(crate) struct Insistent([(Signal, SigAction); 2]);

impl Insistent {
    pub(crate) fn new() -> Result<Self, Failure> {
        let set = |signal, handler| {
            let action = SigAction::new(
                SigHandler::Handler(handler),
                SaFlags::empty(),
                SigSet::empty(),
            );
            // SAFETY: the handlers do nothing but a system call.
            let before = unsafe { sigaction(signal, &action) };
            before.map(|before| (signal, before))
        };
        let both = set(Signal::SIGALRM, ignore)
            .and_then(|alarm| Ok([alarm, set(Signal::SIGINT, ring_on)?]));
        both.map(Self).map_err(|errno| failed(&errno.into()))
    }

    /// Ends the next read, as Ctrl-C does.
    pub(crate) fn end(&self) {
        ring_on(0);
    }
}

impl Drop for Insistent {
    fn drop(&mut self) {
        let restore = |(signal, before): &(Signal, SigAction)| {
            // SAFETY: this is the action that was in place before; it cannot fail for a valid signal.
            let _ = unsafe { sigaction(*signal, before) };
        };
        let [alarm, interrupt] = &self.0;
        // In this order: no Ctrl-C begins the ringing again, which would end the process by then.
        restore(interrupt);
        ring(0);
        restore(alarm);
    }
}

extern "C" fn ring_on(_signal: c_int) {
    const PERIOD_US: libc::suseconds_t = 10_000;
    ring(PERIOD_US);
}

/// Has SIGALRM come again and again; with 0, no more.
fn ring(period_us: libc::suseconds_t) {
    let period = libc::timeval {
        tv_sec: 0,
        tv_usec: period_us,
    };
    let timer = libc::itimerval {
        it_interval: period,
        it_value: period,
    };
    // SAFETY: a system call that reads the timer.
    unsafe { libc::setitimer(libc::ITIMER_REAL, &timer, std::ptr::null_mut()) };
}
