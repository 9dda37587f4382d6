//! A command of the admin's, which passes on what users are told: by mail, in a chat.

use std::{
    io::{self, Write},
    os::unix::process::CommandExt,
    process::{Command, Stdio},
    time::Duration,
};

use nix::unistd::{Gid, Uid, User, geteuid, setgroups, setresgid, setresuid};
use serde::{Deserialize, Serialize};

use super::Way;
use crate::{
    child_task::{ChildTask, end_with_parent},
    users::Person,
};

/// `[tell]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ByCommand {
    /// The program and its arguments; empty for none. It reads a line from standard input, and
    /// finds the user's login in `DS01_USER`. No shell is between.
    pub command: Vec<String>,
    /// Whom it runs as if root tells: not root. `nobody` by default.
    pub user: String,
    /// Seconds until it is killed, 1 to 60; 10 by default.
    pub timeout_s: u64,
}

impl Default for ByCommand {
    fn default() -> Self {
        Self {
            command: Vec::new(),
            user: "nobody".into(),
            timeout_s: 10,
        }
    }
}

impl ByCommand {
    /// What cannot be, if anything.
    pub(crate) fn fault(&self) -> Option<String> {
        if let Some(program) = self.command.first()
            && !program.starts_with('/')
        {
            return Some(format!("tell.command: {program:?} is not absolute"));
        }
        if self.user == "root" {
            return Some("tell.user: the command must not run as root".into());
        }
        let possible = (1..=60).contains(&self.timeout_s);
        (!possible).then(|| format!("tell.timeout_s: {} is not 1 to 60", self.timeout_s))
    }

    /// Begins to tell `person`; `None` if there is no command.
    pub(super) fn begin(&self, person: &Person, text: &str) -> Option<Way> {
        let (program, args) = self.command.split_first()?;
        let limit = Duration::from_secs(self.timeout_s);
        Some(ChildTask::begin(limit, || {
            self.run(program, args, person, text)
                .map_err(|error| format!("{program}: {error}"))
        }))
    }

    /// In the process that is killed with it.
    fn run(&self, program: &str, args: &[String], person: &Person, text: &str) -> io::Result<()> {
        let mut command = Command::new(program);
        command
            .args(args)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LANG", "C.UTF-8")
            .env("DS01_USER", &person.login)
            .current_dir("/")
            .stdin(Stdio::piped());
        if geteuid().is_root() {
            let (uid, gid) = self.unprivileged()?;
            setgroups(&[])?;
            setresgid(gid, gid, gid)?;
            setresuid(uid, uid, uid)?;
            end_with_parent();
        }
        // SAFETY: one system call.
        #[expect(
            unsafe_code,
            reason = "it is to end with the process that waits for it"
        )]
        unsafe {
            command.pre_exec(|| {
                end_with_parent();
                Ok(())
            })
        };
        let mut child = command.spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            match stdin.write_all(format!("{text}\n").as_bytes()) {
                // What does not want to know may leave it.
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error),
                _ => {}
            }
        }
        let status = child.wait()?;
        match status.success() {
            true => Ok(()),
            false => Err(io::Error::other(status.to_string())),
        }
    }

    fn unprivileged(&self) -> io::Result<(Uid, Gid)> {
        match User::from_name(&self.user)? {
            Some(user) if !user.uid.is_root() => Ok((user.uid, user.gid)),
            Some(_) => Err(io::Error::other(format!("{} is root", self.user))),
            None => Err(io::Error::other(format!("there is no user {}", self.user))),
        }
    }
}
