//! The `requirements.txt` of a workspace. It is only ever touched by a process of its owner's.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use ds01_core::{
    failure::{Failure, Kind},
    packages::{Package, missing, with},
};
use nix::libc::{O_NOFOLLOW, O_NONBLOCK};

/// A `requirements.txt` as it was read, which may not exist yet.
#[derive(Debug)]
pub struct Requirements {
    path: PathBuf,
    /// Its text and mode.
    found: Option<(String, u32)>,
}

impl Requirements {
    /// Reads that of a workspace.
    ///
    /// # Errors
    ///
    /// If it is no ordinary file in there that the caller can write, or not text.
    pub fn of(workspace: &Path) -> Result<Self, Failure> {
        let shown = workspace.join("requirements.txt");
        let failed = |error: &dyn std::fmt::Display| {
            let message = format!("cannot save packages in {}: {error}", shown.display());
            Failure::new(Kind::Failed, message)
        };
        let folder = fs::canonicalize(workspace).map_err(|error| failed(&error))?;
        let path = folder.join("requirements.txt");
        let path = match fs::canonicalize(&path) {
            Ok(real) if real.starts_with(&folder) => real,
            Ok(real) => {
                let why = format!("it is a link to {}, outside", real.display());
                return Err(failed(&why).with_hint("put a file in its place"));
            }
            // Nothing, and not a link to nothing.
            Err(error)
                if error.kind() == io::ErrorKind::NotFound
                    && fs::symlink_metadata(&path).is_err() =>
            {
                return Ok(Self { path, found: None });
            }
            Err(error) => return Err(failed(&error)),
        };
        let found = read(&path).map_err(|error| failed(&error))?;
        Ok(Self {
            path,
            found: Some(found),
        })
    }

    /// Those of `packages` that it does not name.
    pub fn missing(&self, packages: &[Package]) -> Vec<Package> {
        missing(self.text(), packages)
    }

    /// Adds lines at its end: all of them, or on any failure none.
    ///
    /// # Errors
    ///
    /// If it cannot be written, or is not any more what was read.
    pub fn add(&self, packages: &[Package]) -> Result<(), Failure> {
        let new = self
            .path
            .with_file_name(format!(".requirements.txt.ds01-{}", std::process::id()));
        let written = self.replace(&new, &with(self.text(), packages));
        written.map_err(|error| {
            // It may not have come about.
            let _ = fs::remove_file(&new);
            let message = format!("cannot write {}: {error}", self.path.display());
            Failure::new(Kind::Failed, message)
        })
    }

    fn text(&self) -> &str {
        self.found.as_ref().map_or("", |(text, _)| text)
    }

    fn replace(&self, new: &Path, text: &str) -> io::Result<()> {
        let mut file = File::options().write(true).create_new(true).open(new)?;
        if let Some((_, mode)) = self.found {
            file.set_permissions(Permissions::from_mode(mode))?;
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        let now = match read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            now => Some(now?),
        };
        if now != self.found {
            return Err(io::Error::other("somebody has just changed it"));
        }
        fs::rename(new, &self.path)
    }
}

/// Text and mode of an ordinary file that can be written.
fn read(path: &Path) -> io::Result<(String, u32)> {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    // A pipe would be waited for, a link could have been put there since.
    let mut file = options.custom_flags(O_NOFOLLOW | O_NONBLOCK).open(path)?;
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(io::Error::other("it is no ordinary file"));
    }
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok((text, about.permissions().mode() & 0o7777))
}
