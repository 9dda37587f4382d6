//! The projects of a user: the folders of their `~/workspace`.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use ds01_core::{
    failure::{Failure, Kind},
    image,
    name::ContainerName,
    project::DOCKERFILE,
    recipe::Source,
    sources::{self, ENVIRONMENT, PYPROJECT, REQUIREMENTS, Settings, Texts},
    time::Timestamp,
};
use nix::libc::{ENXIO, O_CLOEXEC, O_NONBLOCK};

use crate::{Host, engine::Image, users};

/// Files whose change an image does not have before it is built again.
const SOURCES: [&str; 4] = [DOCKERFILE, REQUIREMENTS, PYPROJECT, ENVIRONMENT];

/// Bytes of a file that is read whole, at most.
const MOST: u64 = 1 << 20;

/// A folder of `~/workspace`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// Its name, which its container and its image have too.
    pub name: ContainerName,
    /// The folder.
    pub folder: PathBuf,
}

impl Host {
    /// The caller's projects: the folders of `~/workspace` whose names a container can have.
    ///
    /// # Errors
    ///
    /// If the caller has no login, or the folder cannot be read.
    pub fn projects(&self) -> Result<Vec<ContainerName>, Failure> {
        let workspace = self.workspace()?;
        let folders = match fs::read_dir(&workspace) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            folders => folders.map_err(|error| unreadable(&workspace, &error))?,
        };
        let folders = folders.flatten().filter(|folder| folder.path().is_dir());
        // A name is read in any case, a folder has it in one.
        let name = |folder: fs::DirEntry| -> Option<ContainerName> {
            let folder = folder.file_name();
            let name: ContainerName = folder.to_str()?.parse().ok()?;
            (folder == name.as_ref()).then_some(name)
        };
        let mut names: Vec<ContainerName> = folders.filter_map(name).collect();
        names.sort();
        Ok(names)
    }

    /// A folder where projects are that somebody may take for this one: its name has capitals, and a
    /// project's has none.
    ///
    /// # Errors
    ///
    /// If the caller has no login.
    pub fn in_capitals(&self, name: &ContainerName) -> Result<Option<PathBuf>, Failure> {
        let folders = fs::read_dir(self.workspace()?).into_iter().flatten();
        let mut folders = folders.flatten().filter(|folder| folder.path().is_dir());
        let is_meant = |folder: &fs::DirEntry| {
            let folder = folder.file_name();
            let text = folder.to_str().unwrap_or_default();
            text != name.as_ref() && text.eq_ignore_ascii_case(name.as_ref())
        };
        Ok(folders.find(is_meant).map(|folder| folder.path()))
    }

    /// The caller's project of this name; `None` if there is no such folder.
    ///
    /// # Errors
    ///
    /// If the caller has no login.
    pub fn project(&self, name: &ContainerName) -> Result<Option<Project>, Failure> {
        let folder = self.workspace()?.join(name.as_ref());
        let project = || Project {
            name: name.clone(),
            folder: folder.clone(),
        };
        Ok(folder.is_dir().then(project))
    }

    /// A project of this name with an empty folder.
    ///
    /// # Errors
    ///
    /// If it cannot be made, or the caller has no login.
    pub fn new_project(&self, name: &ContainerName) -> Result<Project, Failure> {
        let folder = self.workspace()?.join(name.as_ref());
        fs::create_dir_all(&folder).map_err(|error| {
            let message = format!("cannot make {}: {error}", folder.display());
            Failure::new(Kind::Failed, message)
        })?;
        let name = name.clone();
        Ok(Project { name, folder })
    }

    /// The image that was built for a project of the caller's.
    ///
    /// # Errors
    ///
    /// The engine's.
    pub fn image_of(&self, project: &ContainerName) -> Result<Option<Image>, Failure> {
        let name = image::of_project(self.caller().uid, project);
        Ok(self.engine().image(&name)?)
    }

    pub(crate) fn workspace(&self) -> Result<PathBuf, Failure> {
        Ok(users::person(self.caller().uid)?.home.join("workspace"))
    }
}

impl Project {
    /// Whether nothing is in its folder, as a container without a project leaves one.
    pub fn is_empty(&self) -> bool {
        fs::read_dir(&self.folder).is_ok_and(|mut files| files.next().is_none())
    }

    /// Takes its folder away again, if nothing is in it.
    pub fn remove_if_empty(&self) {
        let _ = fs::remove_dir(&self.folder);
    }

    /// Its Dockerfile, if it has one.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn dockerfile(&self) -> Result<Option<String>, Failure> {
        read(&self.folder.join(DOCKERFILE))
    }

    /// What its files say about its image: `[tool.ds01]`, and where packages are listed.
    ///
    /// # Errors
    ///
    /// If one cannot be read, or is wrong.
    pub fn sources(&self) -> Result<(Settings, Vec<Source>), Failure> {
        Ok(sources::read(&self.texts()?)?)
    }

    /// The texts of the files that say so.
    ///
    /// # Errors
    ///
    /// If one cannot be read.
    pub fn texts(&self) -> Result<Texts, Failure> {
        Ok(Texts {
            pyproject: read(&self.folder.join(PYPROJECT))?,
            requirements: read(&self.folder.join(REQUIREMENTS))?,
            environment: read(&self.folder.join(ENVIRONMENT))?,
        })
    }

    /// `[tool.ds01]` of its `pyproject.toml`.
    ///
    /// # Errors
    ///
    /// If that cannot be read, or is wrong.
    pub fn settings(&self) -> Result<Settings, Failure> {
        let text = read(&self.folder.join(PYPROJECT))?.unwrap_or_default();
        Ok(sources::settings(&text)?)
    }

    /// Whether any file of it says what its image has.
    pub fn has_files(&self) -> bool {
        SOURCES.iter().any(|file| self.folder.join(file).exists())
    }

    /// Its files that an image of this age does not know as they are now.
    pub fn newer_than(&self, image: &Image) -> Vec<&'static str> {
        let changed = |file: &&str| {
            let about = fs::metadata(self.folder.join(file)).ok()?;
            about.modified().ok().map(Timestamp::from)
        };
        let newer = |file: &&str| changed(file).is_some_and(|at| Some(at) > image.built);
        SOURCES.into_iter().filter(newer).collect()
    }
}

/// A file's text; `None` if there is none. What is no file, or too long to be one of a project's,
/// is not read: a pipe would be waited for, and a device has no end.
///
/// # Errors
///
/// If it is there, and cannot be read.
pub fn read(path: &Path) -> Result<Option<String>, Failure> {
    match text(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(path, &error)),
    }
}

fn text(path: &Path) -> io::Result<String> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(O_NONBLOCK | O_CLOEXEC);
    let file = match options.open(path) {
        // A socket.
        Err(error) if error.raw_os_error() == Some(ENXIO) => return Err(no_file()),
        file => file?,
    };
    if !file.metadata()?.is_file() {
        return Err(no_file());
    }
    let mut bytes = Vec::new();
    // It may grow while it is read.
    file.take(MOST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST {
        return Err(io::Error::other("it has more than 1 MiB"));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::other("it is not valid UTF-8"))
}

fn no_file() -> io::Error {
    io::Error::other("it is no file")
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let shown = path.display();
    let hint = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            format!("see whose it is with ls -ld {shown}; if it is yours: chmod u+rX {shown}")
        }
        _ => format!("see what is there with ls -ld {shown}, and mend it or move it away"),
    };
    Failure::new(Kind::Failed, format!("cannot read {shown}: {error}")).with_hint(hint)
}
