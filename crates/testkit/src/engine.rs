//! The private engine of a test host.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{OrFail, TestHost};

/// Names a folder in the environment: what it has of [`PROGRAMS`] runs in place of the machine's own.
/// So all tests can be tried with another release.
pub(crate) const CHOSEN: &str = "DS01_TEST_ENGINE";

/// The programs of an engine, where Debian has them.
const PROGRAMS: [&str; 5] = [
    "/usr/bin/containerd",
    "/usr/bin/containerd-shim-runc-v2",
    "/usr/sbin/docker-proxy",
    "/usr/sbin/dockerd",
    "/usr/sbin/runc",
];

/// The programs of the chosen engine, and the ones that they cover.
pub(crate) fn chosen() -> Vec<(PathBuf, &'static str)> {
    let folder = env::var_os(CHOSEN).map(PathBuf::from);
    let found = folder.iter().flat_map(|folder| {
        PROGRAMS.map(|program| {
            let name = Path::new(program).file_name().unwrap_or_default();
            (folder.join(name), program)
        })
    });
    found.filter(|(file, _)| file.exists()).collect()
}

/// The engine, to be disturbed.
pub struct Engine<'h>(pub(crate) &'h TestHost);

impl Engine<'_> {
    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.0.root().join("engine/docker.sock")
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.0.root().join("engine/dockerd.log")).or_fail("read dockerd.log")
    }

    /// The process id of dockerd.
    pub fn pid(&self) -> i32 {
        let file = self.0.root().join("engine/dockerd.pid");
        let text = fs::read_to_string(file).or_fail("read dockerd.pid");
        text.trim().parse().or_fail("a process id")
    }

    /// Sends dockerd a signal: `SIGSTOP` makes it hang, and it does on return; `SIGCONT` lets it go on.
    pub fn signal(&self, signal: Signal) {
        let pid = self.pid();
        kill(Pid::from_raw(pid), signal).or_fail("signal the engine");
        let hangs = || {
            let threads = fs::read_dir(format!("/proc/{pid}/task")).or_fail("list its threads");
            let mut states = threads.filter_map(|thread| {
                let stat = fs::read_to_string(thread.ok()?.path().join("stat")).ok()?;
                stat.rsplit_once(") ")?.1.chars().next()
            });
            states.all(|state| state == 'T')
        };
        while signal == Signal::SIGSTOP && !hangs() {
            std::thread::yield_now();
        }
    }

    /// Kills dockerd, its helpers and all containers at once; their records stay.
    pub fn kill(&self) {
        self.script("kill");
    }

    /// Ends dockerd as a service manager would.
    pub fn stop(&self) {
        self.script("stop");
    }

    /// Starts it again, or makes sure that it answers. What was left of a killed one is ended first.
    pub fn start(&self) {
        self.0.start_engine();
    }

    /// Ends it in order and starts it again: its containers have exited then.
    pub fn restart(&self) {
        self.stop();
        self.start();
    }

    fn script(&self, verb: &str) {
        let engine = self.0.root().join("engine");
        self.0.script("engine", &[verb, &engine.to_string_lossy()]);
    }
}
