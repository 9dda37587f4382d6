//! The editor of a user's choice, which has the terminal while it runs.

use std::{env, path::Path, process::Command};

use ds01_core::failure::{Failure, Kind};

/// What opens a file where the user has no choice of their own: Debian's, and what every Unix has.
const USUAL: &str = "$(command -v editor || command -v nano || echo vi)";

/// Lets the user edit a file, with `VISUAL`, else `EDITOR`, which may be a command with arguments.
///
/// # Errors
///
/// If there is no editor, or it failed.
pub fn edit(file: &Path) -> Result<(), Failure> {
    let set = |name| env::var(name).ok().filter(|value| !value.trim().is_empty());
    let editor = set("VISUAL").or_else(|| set("EDITOR"));
    let command = editor.as_deref().unwrap_or(USUAL);
    let failed = |why: String| {
        Failure::new(Kind::Failed, format!("the editor failed: {why}"))
            .with_hint("choose another: EDITOR=nano")
    };
    // As git does: the shell reads the choice, and the file's name is no part of that.
    let mut shell = Command::new("sh");
    let shell = shell
        .arg("-c")
        .arg(format!("{command} \"$@\""))
        .arg(command);
    match shell.arg(file).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(failed(status.to_string())),
        Err(error) => Err(failed(error.to_string())),
    }
}
