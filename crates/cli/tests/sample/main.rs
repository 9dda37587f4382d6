//! The sample command as a script and as a person meet it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what a helper cannot do fails its test"
)]

mod pipe;
mod terminal;

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

/// The sample, which cargo builds beside this test, as a user with no settings calls it.
pub(crate) fn sample(args: &[&str]) -> Command {
    let mut path: PathBuf = std::env::current_exe().unwrap();
    path.pop();
    path.set_file_name("examples");
    let mut command = Command::new(path.join("sample"));
    command
        .args(args)
        .env_clear()
        .env("TERM", "xterm")
        .stdin(Stdio::null());
    command
}
