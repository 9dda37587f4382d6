//! All that a build prints, in a file of its owner's: on the terminal most of it passes by.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use ds01_core::{
    failure::{Failure, Kind},
    name::ContainerName,
};

use crate::{Host, users};

/// The output of a project's last build.
pub struct BuildLog {
    path: PathBuf,
    file: BufWriter<File>,
    is_empty: bool,
    /// Why it is not whole.
    broken: Option<io::Error>,
}

impl Host {
    /// Begins that of a project, `~/.cache/ds01/<project>.build.log`, in place of the one before.
    ///
    /// # Errors
    ///
    /// If it cannot be made, or the caller has no login.
    pub fn build_log(&self, project: &ContainerName) -> Result<BuildLog, Failure> {
        let folder = users::person(self.caller().uid)?.home.join(".cache/ds01");
        let path = folder.join(format!("{project}.build.log"));
        let begin = || {
            let mut builder = fs::DirBuilder::new();
            builder.recursive(true).mode(0o700).create(&folder)?;
            // Another build of it may be writing to the one that is there.
            if let Err(error) = fs::remove_file(&path)
                && error.kind() != io::ErrorKind::NotFound
            {
                return Err(error);
            }
            let mut options = File::options();
            options.write(true).create_new(true).mode(0o600).open(&path)
        };
        let file = begin().map_err(|error| not_kept(&path, &error))?;
        Ok(BuildLog {
            file: BufWriter::new(file),
            path,
            is_empty: true,
            broken: None,
        })
    }
}

impl BuildLog {
    /// Adds a line. That it cannot be written is told at the end.
    pub fn line(&mut self, line: &str) {
        self.is_empty = false;
        if self.broken.is_none() {
            self.broken = writeln!(self.file, "{line}").err();
        }
    }

    /// Where it is, now that it is whole; `None` if nothing is in it.
    ///
    /// # Errors
    ///
    /// If it is not whole.
    pub fn end(mut self) -> Result<Option<PathBuf>, Failure> {
        match self.broken.take().map_or_else(|| self.file.flush(), Err) {
            Ok(()) => Ok((!self.is_empty).then_some(self.path)),
            Err(error) => Err(not_kept(&self.path, &error)),
        }
    }
}

fn not_kept(path: &Path, error: &io::Error) -> Failure {
    let message = format!("cannot write {}: {error}", path.display());
    Failure::new(Kind::Failed, message)
}
