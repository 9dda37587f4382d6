//! What the tests of commands stand on.
//!
//! [`TestHost`] is a machine of its own: users, home directories, a private engine, simulated GPUs and a
//! configuration, all under one temporary directory and in one mount namespace, gone when it is
//! dropped. [`ScriptedEngine`] is an engine that misbehaves as told.
//!
//! Nothing here uses the code under test. What cannot be set up, or takes too long, fails the test.
//!
//! Needs root, and `cargo build -p nvml-sim -p ds01-runc` beside the commands (`make test` does both).

mod command;
mod engine;
mod gateway;
mod gpus;
mod host;
mod images;
mod ledger;
mod namespace;
mod pty;
mod scripted;
mod users;

use std::fmt::Display;

pub use command::{As, Outcome, Running};
pub use engine::Engine;
pub use gpus::{DevicesGiven, Gpus};
pub use host::TestHost;
pub use ledger::Ledger;
pub use nix::sys::{signal::Signal, termios::Termios};
pub use pty::Pty;
pub use scripted::{Answer, Received, ScriptedEngine};
pub use users::{GROUP, OUTSIDER, USERS};

/// Ends the test with what was being done.
#[track_caller]
#[expect(
    clippy::panic,
    reason = "a test host that does not work fails its test"
)]
fn fail(what: impl Display) -> ! {
    panic!("test host: {what}")
}

trait OrFail<T> {
    /// The value, or the end of the test with what was being done.
    fn or_fail(self, doing: impl Display) -> T;
}

impl<T, E: Display> OrFail<T> for Result<T, E> {
    #[track_caller]
    fn or_fail(self, doing: impl Display) -> T {
        match self {
            Ok(value) => value,
            Err(error) => fail(format_args!("{doing}: {error}")),
        }
    }
}
