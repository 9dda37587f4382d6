//! The keys in `~/.ssh`. Only ever touched by a process of their owner's.

use std::{
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    process::Command,
};

use ds01_core::failure::{Failure, Kind};

/// The keys of a home: private ones, and public ones without.
///
/// # Errors
///
/// If `~/.ssh` cannot be read.
pub fn keys(home: &Path) -> Result<Vec<PathBuf>, Failure> {
    let folder = home.join(".ssh");
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|error| {
            let message = format!("cannot read {}: {error}", folder.display());
            Failure::new(Kind::Failed, message)
        })?,
    };
    let paths = entries.flatten().map(|entry| entry.path());
    let is_key = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with("id_"))
    };
    let mut keys: Vec<_> = paths.filter(is_key).collect();
    keys.sort();
    Ok(keys)
}

/// The public half of a key, if it is there to be read.
pub fn public(key: &Path) -> Option<String> {
    let path = match key.extension() {
        Some(extension) if extension == "pub" => key.to_path_buf(),
        _ => key.with_extension("pub"),
    };
    let text = fs::read_to_string(path).ok()?;
    Some(text.trim_end().to_string()).filter(|text| !text.is_empty())
}

/// Makes `~/.ssh/id_ed25519` by `ssh-keygen`, which asks for a passphrase itself if `asks`. Gives
/// the private half's path.
///
/// # Errors
///
/// If there is no `ssh-keygen`, or it fails; 130 if it was interrupted.
pub fn make(home: &Path, comment: &str, asks: bool) -> Result<PathBuf, Failure> {
    let failed = |why: &str| {
        let message = format!("no SSH key was made: {why}");
        Failure::new(Kind::Failed, message)
    };
    let folder = home.join(".ssh");
    if !folder.is_dir() {
        let made = fs::DirBuilder::new().mode(0o700).create(&folder);
        made.map_err(|error| failed(&format!("cannot make {}: {error}", folder.display())))?;
    }
    let key = folder.join("id_ed25519");
    // ssh-keygen would ask whether to overwrite it.
    if fs::symlink_metadata(&key).is_ok() {
        return Err(failed(&format!("{} exists", key.display())));
    }
    let mut command = Command::new("ssh-keygen");
    command
        .args(["-q", "-t", "ed25519", "-C", comment, "-f"])
        .arg(&key);
    if !asks {
        command.args(["-N", ""]);
    }
    let status = command.status().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => failed("ssh-keygen is not installed")
            .with_hint("ask an admin for the package openssh-client"),
        _ => failed(&error.to_string()),
    })?;
    match status.code() {
        Some(0) => Ok(key),
        Some(status) => Err(failed(&format!("ssh-keygen ended with status {status}"))),
        None => Err(Failure::new(Kind::Interrupted, "interrupted")),
    }
}
