//! A text file of a project that is changed as a whole, or not at all. It is only ever touched by a
//! process of its owner's.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use ds01_core::failure::{Failure, Kind};
use nix::libc::{O_NOFOLLOW, O_NONBLOCK};

/// A file as it was read, which may not exist yet.
#[derive(Debug)]
pub struct TextFile {
    path: PathBuf,
    /// As people call it.
    shown: PathBuf,
    /// Its text and mode.
    found: Option<(String, u32)>,
}

impl TextFile {
    /// Reads the file of this name in a folder.
    ///
    /// # Errors
    ///
    /// If it is no ordinary file in there that the caller can write, or not text.
    pub fn of(folder: &Path, name: &str) -> Result<Self, Failure> {
        let shown = folder.join(name);
        let failed = |error: &dyn std::fmt::Display| {
            let message = format!("cannot change {}: {error}", shown.display());
            Failure::new(Kind::Failed, message)
        };
        let folder = fs::canonicalize(folder).map_err(|error| failed(&error))?;
        let path = folder.join(name);
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
                let found = None;
                return Ok(Self { path, shown, found });
            }
            Err(error) => return Err(failed(&error)),
        };
        let found = Some(read(&path).map_err(|error| failed(&error))?);
        Ok(Self { path, shown, found })
    }

    /// Its text; empty if it does not exist.
    pub fn text(&self) -> &str {
        self.found.as_ref().map_or("", |(text, _)| text)
    }

    /// Whether it exists.
    pub fn exists(&self) -> bool {
        self.found.is_some()
    }

    /// Gives it another text: all of it, or on any failure none.
    ///
    /// # Errors
    ///
    /// If it cannot be written, or is not any more what was read.
    pub fn replace(&self, text: &str) -> Result<(), Failure> {
        let new = self.beside();
        let written = self.write(&new, text).and_then(|()| {
            let now = match read(&self.path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                now => Some(now?),
            };
            if now != self.found {
                return Err(io::Error::other("somebody has just changed it"));
            }
            fs::rename(&new, &self.path)
        });
        written.map_err(|error| {
            // It may not have come about.
            let _ = fs::remove_file(&new);
            let message = format!("cannot write {}: {error}", self.shown.display());
            Failure::new(Kind::Failed, message)
        })
    }

    /// Where another text is written first.
    fn beside(&self) -> PathBuf {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let new = format!(".{name}.ds01-{}", std::process::id());
        self.path.with_file_name(new)
    }

    /// Keeps it, as it is, under the first name of `<name>.old`, `<name>.old-2` and so on that is
    /// free; that name.
    ///
    /// # Errors
    ///
    /// The file system's.
    pub fn keep_old(&self) -> Result<String, Failure> {
        let name = self.shown.file_name().unwrap_or_default().to_string_lossy();
        let mut old = format!("{name}.old");
        let mut number = 1;
        loop {
            match fs::hard_link(&self.path, self.path.with_file_name(&old)) {
                Ok(()) => return Ok(old),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    number += 1;
                    old = format!("{name}.old-{number}");
                }
                Err(error) => {
                    let message = format!("cannot keep {} as {old}: {error}", self.shown.display());
                    return Err(Failure::new(Kind::Failed, message));
                }
            }
        }
    }

    /// As it was, as far as that is possible.
    fn restore(&self) {
        let new = self.beside();
        let _ = match &self.found {
            Some((text, _)) => self
                .write(&new, text)
                .and_then(|()| fs::rename(&new, &self.path)),
            None => fs::remove_file(&self.path),
        };
    }

    fn write(&self, new: &Path, text: &str) -> io::Result<()> {
        let mut file = File::options().write(true).create_new(true).open(new)?;
        if let Some((_, mode)) = self.found {
            file.set_permissions(Permissions::from_mode(mode))?;
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()
    }
}

/// Gives files other texts: all of them, or on any failure none.
///
/// # Errors
///
/// As [`TextFile::replace`].
pub fn replace_all(changes: &[(&TextFile, &str)]) -> Result<(), Failure> {
    for (index, (file, text)) in changes.iter().enumerate() {
        if let Err(failure) = file.replace(text) {
            changes[..index].iter().for_each(|(file, _)| file.restore());
            return Err(failure);
        }
    }
    Ok(())
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
