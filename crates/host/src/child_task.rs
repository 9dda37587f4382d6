//! One task in a forked child process, which is killed when its time limit is over.
//!
//! For calls that can hang and that only a kill ends: of a driver, or of a file system whose server
//! has gone. See [`crate::helper_process`] for a child that does many.

use std::{
    fs::File,
    io::{self, Read, Write},
    marker::PhantomData,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    fcntl::OFlag,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        prctl::set_pdeathsig,
        signal::{Signal, killpg},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::{
        ForkResult, Pid, dup2_stderr, dup2_stdin, dup2_stdout, fork, getpid, getppid, pipe2,
        setpgid,
    },
};
use serde::{Serialize, de::DeserializeOwned};

/// This process is to end with the one that started it.
static ENDS_WITH_PARENT: AtomicBool = AtomicBool::new(false);

/// Those that have answered or were killed, and may not have gone yet.
static GOING: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// After an answer, in which it never is: what the process itself has started may keep the pipe
/// open, and hang.
const END: u8 = b'\n';

/// After a kill, a process that can be ended has.
const KILLED: u8 = 100;

/// A task that a forked child does; it sends its result back over a pipe.
pub(crate) struct ChildTask<T> {
    child: Pid,
    answer: File,
    deadline: Instant,
    text: Vec<u8>,
    ended: bool,
    value: PhantomData<T>,
}

impl<T: Serialize + DeserializeOwned> ChildTask<T> {
    /// Forks a child that does `work`. After `limit` it is killed, with all that it started. It closes
    /// the files that this process has open, so that one that cannot be killed keeps no lock of ours.
    ///
    /// Only for a process with one thread: the child runs on with a copy of its memory.
    ///
    /// # Errors
    ///
    /// If there can be no process for it.
    pub(crate) fn begin(limit: Duration, work: impl FnOnce() -> T) -> io::Result<Self> {
        Self::forked(limit, |write| {
            close_all_but(write.as_raw_fd().cast_unsigned());
            work()
        })
    }

    /// As [`ChildTask::begin`], but the child keeps the open files of this process: as long as it hangs
    /// it holds our locks too.
    ///
    /// # Errors
    ///
    /// As [`ChildTask::begin`].
    pub(crate) fn begin_with_locks(limit: Duration, work: impl FnOnce() -> T) -> io::Result<Self> {
        Self::forked(limit, |_| work())
    }

    fn forked(limit: Duration, work: impl FnOnce(&OwnedFd) -> T) -> io::Result<Self> {
        let_go();
        let (read, write) = pipe2(OFlag::O_CLOEXEC)?;
        let child = forked(move || {
            let mut answer = serde_json::to_vec(&work(&write)).unwrap_or_default();
            answer.push(END);
            File::from(write).write_all(&answer).is_ok()
        })?;
        Ok(Self {
            child,
            answer: File::from(read),
            deadline: Instant::now() + limit,
            text: Vec::new(),
            ended: false,
            value: PhantomData,
        })
    }

    /// Waits for the result.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::TimedOut`] when its time is over; [`io::ErrorKind::UnexpectedEof`] if the
    /// process ended without an answer.
    pub(crate) fn finish(mut self) -> io::Result<T> {
        loop {
            if let Some(ended) = self.ended() {
                return ended;
            }
            wait(&[&self]);
        }
    }

    /// The result as [`ChildTask::finish`] gives it, or `None` while the child is at work; never waits.
    pub(crate) fn ended(&mut self) -> Option<io::Result<T>> {
        let mut buffer = [0; 16 * 1024];
        loop {
            let over = Instant::now() >= self.deadline;
            let answer = PollFd::new(self.answer.as_fd(), PollFlags::POLLIN);
            match poll(&mut [answer], 0u8) {
                Ok(0) if over => return Some(Err(io::ErrorKind::TimedOut.into())),
                Ok(0) | Err(Errno::EINTR) => return None,
                Ok(_) => {}
                Err(error) => return Some(Err(error.into())),
            }
            match self.answer.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => self.text.extend_from_slice(&buffer[..count]),
                Err(error) => return Some(Err(error)),
            }
            if self.text.last() == Some(&END) {
                break;
            }
        }
        self.ended = true;
        let told = serde_json::from_slice(&self.text);
        Some(told.map_err(|_| io::ErrorKind::UnexpectedEof.into()))
    }
}

/// Waits until one of these tasks may have ended.
pub(crate) fn wait<T>(all: &[&ChildTask<T>]) {
    let Some(deadline) = all.iter().map(|one| one.deadline).min() else {
        return;
    };
    let left = deadline.saturating_duration_since(Instant::now());
    let left = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
    let answers = all.iter().map(|one| one.answer.as_fd());
    let mut answers: Vec<_> = answers
        .map(|answer| PollFd::new(answer, PollFlags::POLLIN))
        .collect();
    // Whatever keeps it from waiting is seen by who looks at each.
    let _ = poll(&mut answers, left);
}

/// A process that hangs in the kernel may not even die: it is killed, and waited for only if it
/// has gone already. One that has answered takes as long to go as to answer, and nobody waits.
impl<T> Drop for ChildTask<T> {
    fn drop(&mut self) {
        if self.ended {
            return going(self.child);
        }
        let _ = killpg(self.child, Signal::SIGKILL);
        let answer = PollFd::new(self.answer.as_fd(), PollFlags::empty());
        match poll(&mut [answer], KILLED) {
            Ok(1..) => drop(waitpid(self.child, None)),
            _ => going(self.child),
        }
    }
}

/// Is let go of once it has gone.
fn going(child: Pid) {
    let mut going = GOING.lock().unwrap_or_else(PoisonError::into_inner);
    going.push(child);
}

/// Lets go of those that have gone by now. With this process all others go.
fn let_go() {
    let mut going = GOING.lock().unwrap_or_else(PoisonError::into_inner);
    let still = Ok(WaitStatus::StillAlive);
    going.retain(|child| waitpid(*child, Some(WaitPidFlag::WNOHANG)) == still);
}

/// Makes a process in a group of its own that does this `work`, and then ends, as this one does at the
/// latest. Its status is 0 if it worked.
///
/// Only for a process with one thread: the child runs on with a copy of its memory.
///
/// # Errors
///
/// If there can be no process for it.
pub(crate) fn forked(work: impl FnOnce() -> bool) -> io::Result<Pid> {
    let parent = getpid();
    // SAFETY: this process has one thread, so no lock is held by another one that the child lacks.
    #[expect(
        unsafe_code,
        reason = "fork is the cheapest process that can be killed"
    )]
    match unsafe { fork() }? {
        ForkResult::Child => {
            let here = Pid::from_raw(0);
            let _ = setpgid(here, here);
            end_with_parent();
            without_streams();
            // It may have ended before it was said to end with it.
            let worked = getppid() == parent && work();
            // SAFETY: ends this process without running the parent's exit handlers twice.
            unsafe { nix::libc::_exit(i32::from(!worked)) }
        }
        ForkResult::Parent { child } => {
            // Both do it: whoever comes first, it is done for the other.
            let _ = setpgid(child, child);
            Ok(child)
        }
    }
}

/// Makes this process end with the one that started it. Whoever becomes another user has to say
/// so again.
pub(crate) fn end_with_parent() {
    ENDS_WITH_PARENT.store(true, Ordering::Relaxed);
    let _ = set_pdeathsig(Signal::SIGKILL);
}

/// Says so again, where it was said before: the kernel forgets it with every change of the user.
pub(crate) fn end_with_parent_still() {
    if ENDS_WITH_PARENT.load(Ordering::Relaxed) {
        let _ = set_pdeathsig(Signal::SIGKILL);
    }
}

/// Closes what this process has open but for `kept` and its streams.
pub(crate) fn close_all_but(kept: u32) {
    for (first, last) in [(3, kept - 1), (kept + 1, u32::MAX)] {
        if first <= last {
            // SAFETY: nothing that has one of these descriptors is used here any more, or dropped.
            #[expect(unsafe_code, reason = "one call for all there are")]
            unsafe {
                nix::libc::close_range(first, last, 0)
            };
        }
    }
}

/// Keeps none of the command's output open: whoever reads that would wait for what hangs.
fn without_streams() {
    if let Ok(null) = File::options().read(true).write(true).open("/dev/null") {
        let _ = dup2_stdin(&null);
        let _ = dup2_stdout(&null);
        let _ = dup2_stderr(&null);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn what_takes_too_long_is_killed_and_what_ends_without_an_answer_is_told() {
        let answered = ChildTask::begin(Duration::from_secs(60), || vec![1, 2]).unwrap();
        assert_eq!(answered.finish().unwrap(), [1, 2]);
        let endless = ChildTask::begin(Duration::from_millis(20), || {
            loop {
                thread::park()
            }
        });
        let endless: ChildTask<()> = endless.unwrap();
        let pid = endless.child;
        let kind = endless.finish().unwrap_err().kind();
        assert_eq!(kind, io::ErrorKind::TimedOut);
        // Nobody may have waited for its end, which comes.
        let ended = waitpid(pid, None);
        assert!(matches!(ended, Ok(_) | Err(Errno::ECHILD)), "{ended:?}");
        // SAFETY: ends the child alone.
        let mute =
            ChildTask::<()>::begin(Duration::from_secs(60), || unsafe { nix::libc::_exit(0) });
        let kind = mute.unwrap().finish().unwrap_err().kind();
        assert_eq!(kind, io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_lock_of_ours_is_kept_only_by_one_that_is_to_keep_it() {
        let path = std::env::temp_dir().join(format!("child-task-{}", std::process::id()));
        let is_free = || File::open(&path).unwrap().try_lock().is_ok();
        let hangs = || -> () {
            loop {
                thread::park()
            }
        };
        type Begin = fn(Duration, fn()) -> io::Result<ChildTask<()>>;
        let ways: [(Begin, bool); 2] = [
            (ChildTask::begin, false),
            (ChildTask::begin_with_locks, true),
        ];
        for (begin, is_kept) in ways {
            let lock = File::create(&path).unwrap();
            lock.lock().unwrap();
            let child = begin(Duration::from_secs(60), hangs).unwrap();
            drop(lock);
            if is_kept {
                assert!(!is_free());
            } else {
                let until = Instant::now() + Duration::from_secs(60);
                while !is_free() {
                    assert!(Instant::now() < until, "it keeps the lock");
                    thread::yield_now();
                }
            }
            drop(child);
        }
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn what_has_answered_is_let_go_of_by_the_next() {
        let answered = ChildTask::begin(Duration::from_secs(60), || 1).unwrap();
        let pid = answered.child;
        answered.finish().unwrap();
        // SAFETY: asks whether it has ended, and leaves it as it is.
        let mut seen = unsafe { std::mem::zeroed() };
        let (by_pid, ended) = (nix::libc::P_PID, nix::libc::WEXITED | nix::libc::WNOWAIT);
        let id = pid.as_raw().unsigned_abs();
        unsafe { nix::libc::waitid(by_pid, id, &raw mut seen, ended) };
        ChildTask::begin(Duration::from_secs(60), || 2)
            .unwrap()
            .finish()
            .unwrap();
        assert_eq!(
            waitpid(pid, None),
            Err(Errno::ECHILD),
            "it is a zombie still"
        );
    }

    #[test]
    fn the_first_that_ends_is_told_though_what_it_started_hangs() {
        let limit = Duration::from_secs(60);
        let forever = || -> u32 {
            loop {
                thread::park()
            }
        };
        let hangs = ChildTask::begin(limit, forever).unwrap();
        let parent = ChildTask::begin(limit, || {
            std::mem::forget(ChildTask::begin(limit, forever));
            7
        });
        let mut both = [hangs, parent.unwrap()];
        let ended = loop {
            let [hangs, parent] = &mut both;
            assert!(hangs.ended().is_none());
            match parent.ended() {
                Some(ended) => break ended,
                None => wait(&[hangs, parent]),
            }
        };
        assert_eq!(ended.unwrap(), 7);
        drop(both);
        let late = ChildTask::begin(Duration::from_millis(20), forever).unwrap();
        assert_eq!(late.finish().unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
