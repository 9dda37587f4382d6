//! What the duties of the lifecycle print.

use ds01_cli::{ExitStatus, Ui};
use ds01_core::failure::Failure;
use ds01_host::ops::{Passed, What};

/// A line for each thing that a pass did, or would do, and its failures; the exit status.
///
/// # Errors
///
/// If nothing can be printed.
pub fn passed(ui: &mut Ui, passed: Passed, dry_run: bool) -> Result<ExitStatus, Failure> {
    for done in passed.done {
        let what = match (done.what, dry_run) {
            (What::Warned, false) => "warned",
            (What::Warned, true) => "would be warned",
            (What::Stopped, false) => "stopped",
            (What::Stopped, true) => "would be stopped",
            (What::Exempt, false) => "left alone",
            (What::Exempt, true) => "would be left alone",
        };
        let (name, login, why) = (done.name, done.login, done.why);
        ui.line(format_args!("{name} of {login} {what}: {why}"))?;
    }
    Ok(ui.each(passed.failed, |failure, _| Err(failure)))
}
