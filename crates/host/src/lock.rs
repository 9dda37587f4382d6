//! Locks on files that the kernel keeps: they end with the process that has them.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use nix::{
    libc,
    sys::{
        signal::{
            SaFlags, SigAction, SigEvent, SigHandler, SigSet, SigevNotify, Signal, sigaction,
        },
        timer::{Expiration, Timer, TimerSetTimeFlags},
    },
    time::ClockId,
    unistd::{geteuid, gettid},
};

use crate::ledger_file::StateError;

/// Between two signals to a wait that is over.
const AGAIN: Duration = Duration::from_millis(10);

/// How long the next in line looks again and again before it sleeps: longer than a holder needs.
const AWAKE: Duration = Duration::from_millis(1);

/// Locks a file within the deadline. It is made if need be, and never removed.
///
/// # Errors
///
/// [`StateError::Locked`] if somebody else keeps it.
pub(crate) fn lock(path: &Path, deadline: Instant) -> Result<File, StateError> {
    lock_after(path, deadline, Duration::ZERO)
}

/// The same for a file that only one process at a time waits for: it stays awake for a moment, since
/// to be woken takes about as long as what a holder does.
///
/// # Errors
///
/// As [`lock`].
pub(crate) fn lock_as_next(path: &Path, deadline: Instant) -> Result<File, StateError> {
    lock_after(path, deadline, AWAKE)
}

fn lock_after(path: &Path, deadline: Instant, awake: Duration) -> Result<File, StateError> {
    let unusable = |source| StateError::Unusable {
        path: path.into(),
        source,
    };
    loop {
        let open = || {
            OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o660)
                .custom_flags(libc::O_NOFOLLOW)
                .open(path)
        };
        let file = open().map_err(unusable)?;
        let here = file.metadata().map_err(unusable)?;
        // Just made: the others must get in, whatever the caller's umask.
        if here.mode() & 0o777 != 0o660 && here.uid() == geteuid().as_raw() {
            let open_to_all = Permissions::from_mode(0o660);
            file.set_permissions(open_to_all).map_err(unusable)?;
        }
        let asleep = Instant::now() + awake;
        let tried = loop {
            match fs2::FileExt::try_lock_exclusive(&file) {
                Err(error) if is_held(&error) && Instant::now() < asleep => thread::yield_now(),
                other => break other,
            }
        };
        let file = match tried {
            Ok(()) => file,
            Err(error) if is_held(&error) => wait_for(file, deadline)
                .map_err(unusable)?
                .ok_or_else(|| StateError::Locked { path: path.into() })?,
            Err(error) => return Err(unusable(error)),
        };
        // Somebody may have replaced the file while we waited: that lock holds nobody.
        match fs::metadata(path) {
            Ok(there) if there.ino() == here.ino() && there.dev() == here.dev() => return Ok(file),
            _ => {}
        }
    }
}

fn is_held(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

/// Waits in the kernel's line. Only a signal ends that in time: a timer's, to this thread alone.
fn wait_for(file: File, deadline: Instant) -> io::Result<Option<File>> {
    extern "C" fn nothing(_: libc::c_int) {}
    let handled = SigAction::new(
        SigHandler::Handler(nothing),
        SaFlags::empty(),
        SigSet::empty(),
    );
    // SAFETY: the handler does nothing.
    #[expect(
        unsafe_code,
        reason = "a signal that nobody handles interrupts nothing"
    )]
    unsafe { sigaction(Signal::SIGALRM, &handled) }?;
    // Whoever started us may have blocked it.
    SigSet::from(Signal::SIGALRM).thread_unblock()?;
    let mut timer = Timer::new(
        ClockId::CLOCK_MONOTONIC,
        SigEvent::new(SigevNotify::SigevThreadId {
            signal: Signal::SIGALRM,
            thread_id: gettid().as_raw(),
            si_value: 0,
        }),
    )?;
    // Again and again: one signal could come before the wait has begun.
    let left = deadline
        .saturating_duration_since(Instant::now())
        .max(AGAIN);
    let rings = Expiration::IntervalDelayed(left.into(), AGAIN.into());
    timer.set(rings, TimerSetTimeFlags::empty())?;
    loop {
        match fs2::FileExt::lock_exclusive(&file) {
            Ok(()) => return Ok(Some(file)),
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            Err(_) if Instant::now() < deadline => {}
            Err(_) => return Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_kept_is_an_error_at_the_deadline_and_one_that_is_let_go_is_had() {
        let path = std::env::temp_dir().join(format!("ds01-lock-{}", std::process::id()));
        let soon = || Instant::now() + Duration::from_millis(50);
        let held = lock(&path, soon()).unwrap();
        let refused = lock(&path, soon());
        assert!(
            matches!(refused, Err(StateError::Locked { .. })),
            "{refused:?}"
        );
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| lock(&path, Instant::now() + Duration::from_secs(60)));
            drop(held);
            waiter.join().unwrap().unwrap();
        });
        fs::remove_file(path).unwrap();
    }
}
