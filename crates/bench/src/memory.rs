//! The most memory that each command has at any time.

use std::process::{Command, Stdio};

use ds01_testkit::TestHost;
use nix::sys::resource::{UsageWho, getrusage};

use crate::{
    ALL, FEW, Result,
    figure::{Goal, figure, pass_on},
};

const COMMANDS: [(&str, &[&str]); 15] = [
    (FEW, &["container-list", "--all"]),
    (ALL, &["container-list", "--all"]),
    ("root", &["container-list", "--all", "--all-users"]),
    (FEW, &["container-create", "bench", "--image=ds01-base"]),
    (FEW, &["container-start", "bench"]),
    (FEW, &["container-attach", "bench"]),
    (FEW, &["container-pause", "bench"]),
    (FEW, &["container-unpause", "bench"]),
    (FEW, &["container-stop", "bench", "--force"]),
    (FEW, &["container-run", "bench"]),
    (FEW, &["container-remove", "bench", "--stop", "--force"]),
    (ALL, &["container-create", "bench", "--image=ds01-base"]),
    (ALL, &["container-remove", "bench"]),
    (FEW, &["gpu-status"]),
    (FEW, &["check-limits"]),
];

pub(crate) fn measure(host: &TestHost) -> Result<()> {
    for (user, command) in COMMANDS {
        let args = [&["peak"], command].concat();
        let outcome = host.as_user(user).run("ds01-bench", &args);
        let peak: f64 = outcome
            .stdout
            .trim()
            .parse()
            .map_err(|_| format!("{command:?}: {outcome:?}"))?;
        pass_on("", &outcome.stderr)?;
        figure(
            format_args!("peak memory of {} of {user}, MiB", command.join(" ")),
            peak,
            Goal::AtMost(12.0),
        )?;
    }
    Ok(())
}

/// Runs a command and prints its peak, and that of its own children if it is higher.
///
/// A process begins as a copy of the one that starts it, so this one has to be small.
pub(crate) fn peak(command: &str, args: &[&str]) -> Result<()> {
    let status = Command::new(command)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()?;
    if !status.success() {
        return Err(format!("{command}: {status}").into());
    }
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    crate::figure::pass_on(&format!("{}\n", usage.max_rss() as f64 / 1024.0), "")?;
    Ok(())
}
