//! Ctrl-C in the middle of several steps.

use std::{
    os::fd::{AsFd, BorrowedFd},
    time::Duration,
};

use ds01_core::failure::{Failure, Kind};
use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::{SigSet, SigmaskHow, Signal},
        signalfd::{SfdFlags, SignalFd},
    },
};

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
