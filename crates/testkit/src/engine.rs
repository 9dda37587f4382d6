//! The private engine of a test host.

use std::{fs, path::PathBuf};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{OrFail, TestHost};

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

    /// Sends dockerd a signal: `SIGSTOP` makes it hang, `SIGCONT` lets it go on.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).or_fail("signal the engine");
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
