//! The folder of a project, as it is made. Only ever by a process of its owner's.

use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use ds01_core::{
    failure::{Failure, Kind},
    name::ContainerName,
    project::File,
};

use crate::{Host, projects::Project};

/// Keeps a folder in git; of no use where the folder was there before.
const KEEPER: &str = ".gitkeep";

/// What is where a project's folder is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Nothing, or an empty folder.
    Free,
    /// A folder with something in it.
    Used(Project),
}

/// What was made, and what was not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Made {
    /// Files that were there already, and stay as they were.
    pub kept: Vec<&'static str>,
    /// Why there is no git repository, though one was asked for.
    pub no_git: Option<String>,
}

impl Host {
    /// What is where a project of this name would be, and its folder.
    ///
    /// # Errors
    ///
    /// Status 4 if it is no folder; if it cannot be read, or the caller has no login.
    pub fn place(&self, name: &ContainerName) -> Result<(PathBuf, Place), Failure> {
        let folder = self.workspace()?.join(name.as_ref());
        if let Some(project) = self.project(name)? {
            let entries = fs::read_dir(&folder).map_err(|error| {
                let message = format!("cannot read {}: {error}", folder.display());
                Failure::new(Kind::Failed, message)
            })?;
            let place = match entries.count() {
                0 => Place::Free,
                _ => Place::Used(project),
            };
            return Ok((folder, place));
        }
        if fs::symlink_metadata(&folder).is_ok() {
            let message = format!("{} is in the way, and is no folder", folder.display());
            return Err(Failure::new(Kind::State, message).with_hint("choose another name"));
        }
        Ok((folder, Place::Free))
    }
}

/// Makes the files in a folder, and a git repository if `git` says so. Nothing that is there is
/// changed, and no link is followed. `go_on` is asked between two steps: if it fails, or a step does,
/// everything that was made is gone again.
///
/// # Errors
///
/// That of `go_on`; the file system's. A repository that could not be made is none.
pub fn make(
    folder: &Path,
    files: &[File],
    git: bool,
    go_on: &mut dyn FnMut() -> Result<(), Failure>,
) -> Result<Made, Failure> {
    let mut begun = Begun::default();
    let mut made = Made::default();
    let done = (|| {
        begun.folder(folder)?;
        for file in files {
            go_on()?;
            begun.file(folder, file, &mut made)?;
        }
        if git {
            let repository = folder.join(".git");
            // Before it is there: a failure may leave half of one.
            begun.repository = Some(repository);
            made.no_git = init(folder).err();
        }
        go_on()
    })();
    if done.is_err() {
        begun.undo();
    }
    done.map(|()| made)
}

/// Whether git keeps large files apart here.
pub fn has_lfs() -> bool {
    git(Path::new("/"), &["lfs", "version"]).is_ok()
}

/// What was made so far.
#[derive(Default)]
struct Begun {
    /// Files and folders, in order.
    paths: Vec<PathBuf>,
    repository: Option<PathBuf>,
}

impl Begun {
    /// Makes a folder with those above it that are missing; `false` if it was there.
    fn folder(&mut self, path: &Path) -> Result<bool, Failure> {
        if path.is_dir() {
            return Ok(false);
        }
        if let Some(above) = path.parent() {
            self.folder(above)?;
        }
        fs::create_dir(path).map_err(|error| cannot_make(path, &error))?;
        self.paths.push(path.into());
        Ok(true)
    }

    fn file(&mut self, folder: &Path, file: &File, made: &mut Made) -> Result<(), Failure> {
        let path = folder.join(file.path);
        if let Some(above) = path.parent().filter(|above| *above != folder) {
            let is_link = fs::symlink_metadata(above).is_ok_and(|about| !about.is_dir());
            let is_new = !is_link && self.folder(above)?;
            match (path.ends_with(KEEPER), is_new, is_link) {
                (true, false, _) => return Ok(()),
                (false, _, true) => {
                    made.kept.push(file.path);
                    return Ok(());
                }
                _ => {}
            }
        }
        let opened = fs::File::options().write(true).create_new(true).open(&path);
        let mut opened = match opened {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                made.kept.push(file.path);
                return Ok(());
            }
            opened => opened.map_err(|error| cannot_make(&path, &error))?,
        };
        self.paths.push(path.clone());
        let written = opened.write_all(file.text.as_bytes());
        written.map_err(|error| cannot_make(&path, &error))
    }

    /// The last first. What somebody put into a folder meanwhile keeps it.
    fn undo(self) {
        if let Some(repository) = self.repository {
            let _ = fs::remove_dir_all(repository);
        }
        for path in self.paths.iter().rev() {
            let _ = fs::remove_dir(path).or_else(|_| fs::remove_file(path));
        }
    }
}

/// Makes a git repository, which takes large files from those rules if git can.
fn init(folder: &Path) -> Result<(), String> {
    git(folder, &["init", "--quiet"])?;
    match folder.join(".gitattributes").exists() && has_lfs() {
        true => git(folder, &["lfs", "install", "--local"]),
        false => Ok(()),
    }
}

/// Runs git in a folder, with what it says in case it fails.
fn git(folder: &Path, args: &[&str]) -> Result<(), String> {
    let mut command = Command::new("git");
    command.current_dir(folder).args(args).stdin(Stdio::null());
    // The caller may be in another repository's hook.
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        command.env_remove(variable);
    }
    let output = command.output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "git is not installed".to_string(),
        _ => error.to_string(),
    })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(said.lines().next().unwrap_or("git failed").into())
}

fn cannot_make(path: &Path, error: &io::Error) -> Failure {
    let message = format!("cannot make {}: {error}", path.display());
    Failure::new(Kind::Failed, message)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A folder that is gone with the test.
    struct Temporary(PathBuf);

    impl Temporary {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("ds01-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Temporary {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn files() -> Vec<File> {
        let file = |path, text: &str| File {
            path,
            text: text.into(),
        };
        vec![
            file("a", "1"),
            file("sub/b", "2"),
            file("sub/.gitkeep", ""),
            file("other/.gitkeep", ""),
        ]
    }

    #[test]
    fn what_is_there_stays_and_no_link_is_followed() {
        let root = Temporary::new("kept");
        let folder = root.0.join("workspace/thesis");
        fs::create_dir_all(root.0.join("outside")).unwrap();
        fs::create_dir_all(folder.join("other")).unwrap();
        symlink(root.0.join("outside/a"), folder.join("a")).unwrap();
        symlink(root.0.join("outside"), folder.join("sub")).unwrap();
        let made = make(&folder, &files(), false, &mut || Ok(())).unwrap();
        assert_eq!(made.kept, ["a", "sub/b"]);
        assert_eq!(fs::read_dir(root.0.join("outside")).unwrap().count(), 0);
        assert_eq!(
            fs::read_dir(folder.join("other")).unwrap().count(),
            0,
            "it was there before"
        );
    }

    #[test]
    fn an_interruption_at_any_step_leaves_what_was_there() {
        for steps in 0..5 {
            let root = Temporary::new("undone");
            let folder = root.0.join("workspace/thesis");
            fs::create_dir_all(folder.join("sub")).unwrap();
            fs::write(folder.join("sub/mine"), "x").unwrap();
            let mut left = steps;
            let made = make(&folder, &files(), steps == 4, &mut || {
                left -= 1;
                match left < 0 {
                    true => Err(Failure::new(Kind::Interrupted, "interrupted")),
                    false => Ok(()),
                }
            });
            assert_eq!(made.unwrap_err().kind, Kind::Interrupted, "{steps}");
            let names = |folder: &Path| -> Vec<_> {
                let entries = fs::read_dir(folder).unwrap();
                entries.map(|entry| entry.unwrap().file_name()).collect()
            };
            assert_eq!(
                (names(&folder), names(&folder.join("sub"))),
                (vec!["sub".into()], vec!["mine".into()]),
                "{steps}"
            );
        }
        let root = Temporary::new("none");
        let folder = root.0.join("workspace/thesis");
        let interrupted = || Err(Failure::new(Kind::Interrupted, "interrupted"));
        make(&folder, &files(), false, &mut { interrupted }).unwrap_err();
        assert!(!root.0.join("workspace").exists());
    }
}
