//! A command on a terminal.

use std::{
    fs::File,
    io::{Read, Write},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::process::CommandExt,
    },
    process::{Child, Command},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use nix::{
    libc,
    pty::Winsize,
    sys::{
        signal::{Signal, kill},
        termios::{Termios, tcgetattr},
    },
    unistd::{Pid, setsid},
};

use crate::{OrFail, fail};

mod call {
    use nix::libc;

    nix::ioctl_write_int_bad!(become_controlling_terminal, libc::TIOCSCTTY);
    nix::ioctl_write_ptr_bad!(set_size, libc::TIOCSWINSZ, libc::winsize);
}

const SIZE: Winsize = Winsize {
    ws_row: 24,
    ws_col: 80,
    ws_xpixel: 0,
    ws_ypixel: 0,
};

/// A command whose controlling terminal the test holds: 24 rows of 80 columns. It is killed when
/// dropped.
pub struct Pty {
    child: Child,
    terminal: File,
    written: Arc<Written>,
    /// How much of the output [`Pty::expect`] has passed.
    seen: usize,
    limit: Duration,
}

#[derive(Default)]
struct Written {
    output: Mutex<Output>,
    grown: Condvar,
}

#[derive(Default)]
struct Output {
    bytes: Vec<u8>,
    ended: bool,
}

impl Written {
    fn lock(&self) -> MutexGuard<'_, Output> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, bytes: &[u8]) {
        self.lock().bytes.extend_from_slice(bytes);
        self.grown.notify_all();
    }

    fn end(&self) {
        self.lock().ended = true;
        self.grown.notify_all();
    }
}

impl Pty {
    /// Starts it on a terminal, of which the first end is held here.
    pub(crate) fn spawn(
        mut command: Command,
        (terminal, slave): (File, OwnedFd),
        limit: Duration,
    ) -> Self {
        // SAFETY: the descriptor is open and `SIZE` is what the call reads.
        unsafe { call::set_size(terminal.as_raw_fd(), &SIZE) }.or_fail("set the size");
        let copy = || slave.try_clone().or_fail("copy a descriptor");
        command.stdin(copy()).stdout(copy()).stderr(copy());
        // SAFETY: only system calls are made, and standard input is the terminal by now.
        unsafe {
            command.pre_exec(|| {
                setsid()?;
                call::become_controlling_terminal(libc::STDIN_FILENO, 0)?;
                Ok(())
            });
        }
        let child = command.spawn().or_fail("start a command on a terminal");
        // Ours must be closed, or its end would never be seen.
        drop((command, slave));
        let mut reader = terminal.try_clone().or_fail("copy a descriptor");
        let written = Arc::<Written>::default();
        let shared = Arc::clone(&written);
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            // The kernel reports EIO once nobody has the terminal open any more: once, it may overlook
            // what was written just before, which the next read gets.
            let mut ends = 0;
            while ends < 2 {
                match reader.read(&mut buffer) {
                    Ok(length @ 1..) => shared.add(&buffer[..length]),
                    _ => ends += 1,
                }
            }
            shared.end();
        });
        Self {
            child,
            terminal,
            written,
            seen: 0,
            limit,
        }
    }

    /// Waits until `text` appears after what was expected before; returns the output up to its end.
    /// Fails the test at the time limit, or when the command has ended without it.
    #[track_caller]
    pub fn expect(&mut self, text: &str) -> String {
        let deadline = Instant::now() + self.limit;
        let mut output = self.written.lock();
        loop {
            let new = &output.bytes[self.seen..];
            let found = new
                .windows(text.len())
                .position(|part| part == text.as_bytes());
            if let Some(position) = found {
                let end = position + text.len();
                self.seen += end;
                return String::from_utf8_lossy(&new[..end]).into_owned();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if output.ended || left.is_zero() {
                let all = String::from_utf8_lossy(&output.bytes);
                fail(format_args!(
                    "{text:?} is not in the rest of the terminal's output:\n{all}"
                ));
            }
            let waited = self.written.grown.wait_timeout(output, left);
            output = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Types these bytes: `\x03` is Ctrl-C, `\x04` Ctrl-D.
    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.terminal.write_all(bytes.as_ref()).or_fail("type");
    }

    /// Changes the size of the window; the command gets SIGWINCH.
    #[track_caller]
    pub fn resize(&self, rows: u16, columns: u16) {
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ..SIZE
        };
        // SAFETY: the descriptor is open and `size` is what the call reads.
        unsafe { call::set_size(self.terminal.as_raw_fd(), &size) }.or_fail("resize");
    }

    /// The terminal's modes, to compare those before and after a command.
    #[track_caller]
    pub fn modes(&self) -> Termios {
        tcgetattr(&self.terminal).or_fail("read the terminal's modes")
    }

    /// Everything written so far.
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&self.written.lock().bytes).into_owned()
    }

    /// Waits for the command's end, and for all that it and what it left behind write; that, with
    /// its exit status.
    #[track_caller]
    pub fn rest(&mut self) -> (Option<i32>, String) {
        let status = self.wait();
        let deadline = Instant::now() + self.limit;
        let mut output = self.written.lock();
        while !output.ended {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                fail("something keeps the terminal open");
            }
            let waited = self.written.grown.wait_timeout(output, left);
            output = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        (status, String::from_utf8_lossy(&output.bytes).into_owned())
    }

    /// The process id of the command.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends the command a signal.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).or_fail("signal");
    }

    /// Waits for the command's end: its exit status, or `None` if a signal ended it.
    #[track_caller]
    pub fn wait(&mut self) -> Option<i32> {
        let deadline = Instant::now() + self.limit;
        loop {
            if let Some(status) = self.child.try_wait().or_fail("wait") {
                return status.code();
            }
            if Instant::now() > deadline {
                fail(format_args!(
                    "no end within {:?}; output:\n{}",
                    self.limit,
                    self.output()
                ));
            }
            // A pipe would tell at once, but the terminal may outlive the command.
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        // Both fail if it was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
