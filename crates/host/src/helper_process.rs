//! A forked child process that answers one question after the other, and is killed when one takes too
//! long.
//!
//! For a daemon, which would otherwise fork for each question: see [`crate::child_task`].

use std::{
    io::{self, BufRead, BufReader, Write},
    os::{
        fd::{AsFd, AsRawFd},
        unix::net::UnixStream,
    },
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::{Signal, killpg},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};
use serde::{Serialize, de::DeserializeOwned};

use crate::child_task::{close_all_but, forked};

/// The helper. Its process is forked at the first question.
#[derive(Debug)]
pub(crate) struct HelperProcess<Q, A> {
    work: fn(Q) -> A,
    running: Option<Running>,
    /// A process that was killed, and may hang in the kernel: none is forked until it is gone.
    killed: Option<Pid>,
}

#[derive(Debug)]
struct Running {
    child: Pid,
    channel: BufReader<UnixStream>,
}

impl<Q: Serialize + DeserializeOwned, A: Serialize + DeserializeOwned> HelperProcess<Q, A> {
    /// A helper that answers questions with `work`; no process is forked yet.
    pub(crate) fn new(work: fn(Q) -> A) -> Self {
        Self {
            work,
            running: None,
            killed: None,
        }
    }

    /// Asks, and waits for the answer.
    ///
    /// Only for a process with one thread: the other one runs on with a copy of its memory.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::TimedOut`] after `limit`, or at once while the one before hangs still; the
    /// next question may be answered.
    pub(crate) fn ask(&mut self, question: &Q, limit: Duration) -> io::Result<A> {
        if let Some(pid) = self.killed {
            let state = waitpid(pid, Some(WaitPidFlag::WNOHANG));
            if state == Ok(WaitStatus::StillAlive) {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.killed = None;
        }
        let mut running = match self.running.take() {
            Some(running) => running,
            None => Running::begin(self.work)?,
        };
        match running.ask(question, limit) {
            Ok(answer) => {
                self.running = Some(running);
                Ok(answer)
            }
            Err(error) => {
                let _ = killpg(running.child, Signal::SIGKILL);
                self.killed = Some(running.child);
                Err(error)
            }
        }
    }
}

impl Running {
    fn begin<Q: DeserializeOwned, A: Serialize>(work: fn(Q) -> A) -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        let child = forked(move || answer_all(theirs, work).is_ok())?;
        Ok(Self {
            child,
            channel: BufReader::new(ours),
        })
    }

    fn ask<A: DeserializeOwned>(
        &mut self,
        question: &impl Serialize,
        limit: Duration,
    ) -> io::Result<A> {
        let deadline = Instant::now() + limit;
        let mut line = serde_json::to_vec(question)?;
        line.push(b'\n');
        // It reads all of a question before it does anything.
        self.channel.get_mut().write_all(&line)?;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let wait = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            let answer = PollFd::new(self.channel.get_ref().as_fd(), PollFlags::POLLIN);
            match poll(&mut [answer], wait) {
                Ok(0) if left.is_zero() => return Err(io::ErrorKind::TimedOut.into()),
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => break,
                Err(error) => return Err(error.into()),
            }
        }
        // It writes all of an answer once it has it.
        line.clear();
        self.channel.read_until(b'\n', &mut line)?;
        serde_json::from_slice(&line).map_err(|_| io::ErrorKind::UnexpectedEof.into())
    }
}

/// Answers until nobody asks any more.
fn answer_all<Q: DeserializeOwned, A: Serialize>(
    channel: UnixStream,
    work: fn(Q) -> A,
) -> io::Result<()> {
    close_all_but(channel.as_raw_fd().cast_unsigned());
    for question in BufReader::new(&channel).lines() {
        let mut answer = serde_json::to_vec(&work(serde_json::from_str(&question?)?))?;
        answer.push(b'\n');
        (&channel).write_all(&answer)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// Answers with the number and its own pid; hangs at 0, ends at 1.
    fn work(number: u32) -> (u32, u32) {
        match number {
            0 => loop {
                thread::park();
            },
            // SAFETY: ends the child alone.
            1 => unsafe { nix::libc::_exit(1) },
            number => (number, std::process::id()),
        }
    }

    #[test]
    fn one_process_answers_all_and_another_takes_the_place_of_one_that_hangs_or_ends() {
        let long = Duration::from_secs(60);
        let mut helper = HelperProcess::new(work);
        let (two, first) = helper.ask(&2, long).unwrap();
        assert_eq!((two, helper.ask(&3, long).unwrap()), (2, (3, first)));
        assert_ne!(first, std::process::id());
        // It has its streams and the channel, and no lock of ours.
        let open = std::fs::read_dir(format!("/proc/{first}/fd")).unwrap();
        assert_eq!(open.count(), 4);
        let hung = helper.ask(&0, Duration::from_millis(20)).unwrap_err();
        assert_eq!(hung.kind(), io::ErrorKind::TimedOut);
        // Once it is gone.
        let second = loop {
            match helper.ask(&4, long) {
                Ok((4, pid)) => break pid,
                other => assert_eq!(other.unwrap_err().kind(), io::ErrorKind::TimedOut),
            }
        };
        assert_ne!(second, first);
        let ended = helper.ask(&1, long).unwrap_err();
        assert_eq!(ended.kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(
            waitpid(Pid::from_raw(first.cast_signed()), None),
            Err(Errno::ECHILD)
        );
    }
}
