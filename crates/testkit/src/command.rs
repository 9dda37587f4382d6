//! Commands run on a test host, as one of its users.

use std::{
    ffi::CString,
    io::{Read, Write},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use nix::{
    libc,
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{OrFail, TestHost, fail, pty::Pty, users::User};

/// How long a command may take unless told otherwise: a hung one fails its test, not the whole run.
const LIMIT: Duration = Duration::from_secs(180);

/// How a command ended and what it wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The exit status; `None` if a signal ended it.
    pub status: Option<i32>,
    /// Standard output; bytes that are not UTF-8 are replaced.
    pub stdout: String,
    /// Standard error, likewise.
    pub stderr: String,
}

impl Outcome {
    /// The standard output of a command that must have worked.
    #[track_caller]
    pub fn ok(self) -> String {
        if self.status != Some(0) {
            fail(format_args!("this must have worked: {self:#?}"));
        }
        self.stdout
    }
}

/// A user about to run a command, with a clean environment.
pub struct As<'h> {
    host: &'h TestHost,
    user: User,
    stdin: Vec<u8>,
    env: Vec<(String, String)>,
    cwd: String,
    limit: Duration,
}

impl<'h> As<'h> {
    pub(crate) fn new(host: &'h TestHost, user: User) -> Self {
        let cwd = if user.uid.is_root() {
            "/".into()
        } else {
            user.home.clone()
        };
        Self {
            host,
            user,
            stdin: Vec::new(),
            env: Vec::new(),
            cwd,
            limit: LIMIT,
        }
    }

    /// What the command reads; by default the end of file at once.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Sets a variable besides `PATH`, `HOME`, `USER`, `LOGNAME`, `SHELL`, `LANG` and `DS01_CONFIG`.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Runs it in this directory instead of the user's home.
    #[must_use]
    pub fn in_dir(mut self, path: &str) -> Self {
        self.cwd = path.into();
        self
    }

    /// Fails the test if it takes longer than this instead of a minute.
    #[must_use]
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs a command to its end.
    #[track_caller]
    pub fn run(self, command: &str, args: &[&str]) -> Outcome {
        self.spawn(command, args).wait()
    }

    /// Starts a command in pipes. Its standard input stays open after what [`As::stdin`] gave.
    #[track_caller]
    pub fn spawn(self, command: &str, args: &[&str]) -> Running {
        let mut prepared = self.prepared(command, args);
        prepared
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = prepared.spawn().or_fail(format_args!("start {command}"));
        let stdout = child.stdout.take().map(read_to_end);
        let stderr = child.stderr.take().map(read_to_end);
        let stdin = child.stdin.take();
        let mut running = Running {
            child,
            stdin,
            stdout,
            stderr,
            limit: self.limit,
            name: command.into(),
        };
        running.write(&self.stdin);
        running
    }

    /// Starts a command on a terminal of its own, an xterm unless TERM was set.
    #[track_caller]
    pub fn pty(self, command: &str, args: &[&str]) -> Pty {
        let mut prepared = self.prepared(command, args);
        if !prepared.get_envs().any(|(name, _)| name == "TERM") {
            prepared.env("TERM", "xterm");
        }
        let terminal = self.host.namespace().terminal(&self.user);
        Pty::spawn(prepared, terminal.or_fail("open a terminal"), self.limit)
    }

    /// Does this in a thread of the test that has the user's uid and gid: a library's calls, by
    /// which the gateway knows their caller as it does a command.
    #[track_caller]
    pub fn in_thread<T: Send>(self, work: impl FnOnce() -> T + Send) -> T {
        let (uid, gid) = (self.user.uid.as_raw(), self.user.gid.as_raw());
        let work = || {
            let call = |number, id: u32| {
                // SAFETY: it takes three numbers, and changes this thread alone, unlike libc's own.
                if unsafe { libc::syscall(number, id, id, id) } != 0 {
                    fail("cannot become another user");
                }
            };
            call(libc::SYS_setresgid, gid);
            call(libc::SYS_setresuid, uid);
            work()
        };
        let done = thread::scope(|scope| scope.spawn(work).join());
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    pub(crate) fn prepared(&self, command: &str, args: &[&str]) -> Command {
        let cwd = CString::new(self.cwd.clone()).or_fail("a directory");
        let mut prepared = self.host.namespace().command(command, &self.user, cwd);
        prepared.args(args).env_clear();
        prepared.envs(self.host.environment());
        prepared.envs([("HOME", &self.user.home), ("USER", &self.user.name)]);
        prepared
            .env("LOGNAME", &self.user.name)
            .env("SHELL", "/bin/bash");
        prepared.envs(self.env.iter().cloned());
        prepared
    }
}

/// A command that was started. It is killed when dropped.
pub struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Option<Receiver<Vec<u8>>>,
    stderr: Option<Receiver<Vec<u8>>>,
    limit: Duration,
    name: String,
}

impl Running {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Writes to its standard input; nothing happens if it has stopped reading.
    pub fn write(&mut self, bytes: &[u8]) {
        if let Some(stdin) = &mut self.stdin {
            // A command that ends without reading is not a fault of the test.
            let _ = stdin.write_all(bytes);
        }
    }

    /// Lets it read the end of file.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Sends it a signal.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).or_fail(&self.name);
    }

    /// Closes its standard input and waits for its end.
    #[track_caller]
    pub fn wait(mut self) -> Outcome {
        self.close_stdin();
        let deadline = Instant::now() + self.limit;
        let mut texts = [self.stdout.take(), self.stderr.take()].map(|received| {
            let left = deadline.saturating_duration_since(Instant::now());
            received.and_then(|received| received.recv_timeout(left).ok())
        });
        let [Some(stdout), Some(stderr)] = texts.each_mut().map(Option::take) else {
            fail(format_args!(
                "{} did not end within {:?}",
                self.name, self.limit
            ));
        };
        // Both streams have ended, so it is about to.
        let status = self.child.wait().or_fail(&self.name).code();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Outcome {
            status,
            stdout: text(stdout),
            stderr: text(stderr),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail if it was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_to_end(mut stream: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What came before an error is what there is; nobody may be waiting any more.
        let _ = stream.read_to_end(&mut bytes);
        let _ = sender.send(bytes);
    });
    receiver
}
