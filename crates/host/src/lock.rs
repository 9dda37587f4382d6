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

/// How long the next in line sleeps before it insists: as long as ten holders of a short ledger need.
const YIELDS: Duration = Duration::from_millis(1);

/// How long it then looks again and again, before it sleeps for good.
const INSISTS: Duration = Duration::from_millis(1);

/// Locks a file within the deadline. It is made if need be, and never removed.
///
/// # Errors
///
/// [`StateError::Locked`] if somebody else keeps it.
pub(crate) fn lock(path: &Path, deadline: Instant) -> Result<File, StateError> {
    lock_or(path, |file| wait_for(file, deadline))?.ok_or_else(|| kept(path))
}

/// The same, if nobody has it. Those who wait are not asked.
///
/// # Errors
///
/// As [`lock`], but never [`StateError::Locked`].
pub(crate) fn lock_if_free(path: &Path) -> Result<Option<File>, StateError> {
    lock_or(path, |_| Ok(false))
}

/// The same for a file that only one process at a time waits for, while others take it if it is free:
/// who runs already goes on without a switch of processes, but not for long. Before it insists, it
/// does something `meanwhile`.
///
/// # Errors
///
/// As [`lock`].
pub(crate) fn lock_as_next(
    path: &Path,
    deadline: Instant,
    meanwhile: impl Fn(),
) -> Result<File, StateError> {
    let wait = |file: &File| {
        thread::sleep(YIELDS);
        meanwhile();
        let asleep = Instant::now() + INSISTS;
        while Instant::now() < asleep {
            if try_lock(file)? {
                return Ok(true);
            }
            thread::yield_now();
        }
        wait_for(file, deadline)
    };
    lock_or(path, wait)?.ok_or_else(|| kept(path))
}

fn kept(path: &Path) -> StateError {
    StateError::Locked { path: path.into() }
}

/// Locks a file. If somebody has it, `wait` says whether it is ours in the end.
fn lock_or(
    path: &Path,
    wait: impl Fn(&File) -> io::Result<bool>,
) -> Result<Option<File>, StateError> {
    let unusable = |source| StateError::Unusable {
        path: path.into(),
        source,
    };
    loop {
        let file = open(path).map_err(unusable)?;
        let here = file.metadata().map_err(unusable)?;
        if !(try_lock(&file).map_err(unusable)? || wait(&file).map_err(unusable)?) {
            return Ok(None);
        }
        // Somebody may have replaced the file while we waited: that lock holds nobody.
        match fs::metadata(path) {
            Ok(there) if there.ino() == here.ino() && there.dev() == here.dev() => {
                return Ok(Some(file));
            }
            _ => {}
        }
    }
}

/// Opens a file that is there to be locked. It is made if need be.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o660)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)?;
    let here = file.metadata()?;
    // Just made: the others must get in, whatever the caller's umask.
    if here.mode() & 0o777 != 0o660 && here.uid() == geteuid().as_raw() {
        file.set_permissions(Permissions::from_mode(0o660))?;
    }
    Ok(file)
}

fn try_lock(file: &File) -> io::Result<bool> {
    match fs2::FileExt::try_lock_exclusive(file) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}

/// Waits in the kernel's line. Only a signal ends that in time: a timer's, to this thread alone.
fn wait_for(file: &File, deadline: Instant) -> io::Result<bool> {
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
        .max(Duration::from_micros(1));
    let rings = Expiration::IntervalDelayed(left.into(), AGAIN.into());
    timer.set(rings, TimerSetTimeFlags::empty())?;
    loop {
        match fs2::FileExt::lock_exclusive(file) {
            Ok(()) => return Ok(true),
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            Err(_) if Instant::now() < deadline => {}
            Err(_) => return Ok(false),
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
