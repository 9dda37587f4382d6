//! What waits for a user's next login: a file for each in the state directory.

use std::{
    fs::{self, Permissions},
    io::{self, Read},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use ds01_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{ledger_file::StateError, lock::lock, users::in_group};

/// Their directory.
pub(crate) const DIR: &str = "notices";

/// What another process may take that writes to the file, or reads it.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// Something that a user was told, and has not read yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginNotice {
    /// When.
    pub at: Timestamp,
    /// What.
    pub text: String,
}

/// Keeps a line, which is a time and a text, until the user reads it. Another process may take until
/// `deadline`.
///
/// # Errors
///
/// If it cannot be written.
pub(super) fn keep(
    state: &Path,
    uid: u32,
    line: &str,
    deadline: Instant,
) -> Result<(), StateError> {
    let path = path(state, uid);
    let unwritable = |source| StateError::Unwritable {
        path: path.clone(),
        source,
    };
    directory(state).map_err(unwritable)?;
    let file = lock(&path, deadline)?;
    super::append(&file, "", line).map_err(unwritable)
}

/// What waits for this user; from now on nothing does.
///
/// # Errors
///
/// If it cannot be read, or would have to be shown again.
pub(crate) fn take(state: &Path, uid: u32) -> Result<Vec<LoginNotice>, StateError> {
    let path = path(state, uid);
    let unusable = |source| StateError::Unusable {
        path: path.clone(),
        source,
    };
    match fs::metadata(&path) {
        Ok(about) if about.len() > 0 => {}
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unusable(error)),
        _ => return Ok(Vec::new()),
    }
    let mut file = lock(&path, Instant::now() + PATIENCE)?;
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(unusable)?;
    file.set_len(0).map_err(unusable)?;
    let kept = |line: &str| {
        let (at, text) = line.split_once(' ')?;
        let text = text.into();
        Some(LoginNotice {
            at: Timestamp::parse(at)?,
            text,
        })
    };
    Ok(text.lines().filter_map(kept).collect())
}

fn path(state: &Path, uid: u32) -> PathBuf {
    state.join(DIR).join(uid.to_string())
}

/// Makes their directory if there is none, for those who may use the state.
fn directory(state: &Path) -> io::Result<()> {
    let dir = state.join(DIR);
    match fs::create_dir(&dir) {
        Ok(()) => {
            let state = fs::metadata(state)?;
            let mode = Permissions::from_mode(state.mode() & 0o7777);
            in_group(Some(state.gid()), || fs::set_permissions(&dir, mode))
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}
