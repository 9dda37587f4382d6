//! The files of volumes and containers that are being removed.
//!
//! The engine removes them as root and by their paths, and before Go 1.24 it follows a link that is put
//! in a folder's place meanwhile ([golang/go#52745]). Whoever has a folder of the volume open, or the root
//! of the container, which outlives it then, could lead it anywhere. So root takes the files away first,
//! to a folder that is nobody else's, and the engine finds none.
//!
//! [golang/go#52745]: https://github.com/golang/go/issues/52745

mod delete;

use std::{
    fs::{self, DirBuilder, File, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, lchown},
    path::{Path, PathBuf},
};

use delete::delete;

/// In the engine's root.
const GOING: &str = "ds01-going";

/// What the names of places end with whose volume or container is gone.
const GONE: &str = "gone";

/// Where the engine's driver of that name has the files of containers.
pub(crate) const OVERLAY2: &str = "overlay2";

/// What the name of a container's files begins with in its place: no volume's name has the colon.
const LAYER: &str = "layer:";

/// The files of one volume or container, taken away.
#[derive(Debug)]
pub(crate) struct Going {
    /// Where it has them.
    data: PathBuf,
    /// Where they are, in a folder of this name.
    place: Place,
    name: String,
    /// The folder of a container's files, of which one at a time takes them: what one puts back is not
    /// for the engine to find that another has asked.
    _alone: Option<File>,
}

/// A place for the files of one volume or container. Whoever has it, has it alone.
#[derive(Debug)]
struct Place {
    path: PathBuf,
    _alone: File,
}

/// The files of a volume or container that is gone.
#[derive(Debug)]
pub struct Gone(Place);

impl Going {
    /// Takes the files of a volume that no container has away. `None` if it has none.
    ///
    /// # Errors
    ///
    /// If they are not where the engine of this root has them, or cannot be moved: they stay then.
    pub(crate) fn take(
        root: &Path,
        (uid, volume): (u32, &str),
        mountpoint: &Path,
    ) -> io::Result<Option<Self>> {
        let (all, own) = (root.join("volumes"), root.join("volumes").join(volume));
        let data = own.join("_data");
        if mountpoint != data {
            return Err(io::Error::other("the engine has it in another place"));
        }
        is_folder(&all)?;
        match is_folder(&own).and_then(|()| is_folder(&data)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        }
        Self::take_away(root, uid, volume.into(), data, None).map(Some)
    }

    /// Takes the files of a container that has ended away, which it has beyond its image. An empty folder
    /// is there in their stead, of the same owner. `None` if it has none.
    ///
    /// # Errors
    ///
    /// If they are not where the engine of this root has them, or cannot be moved: they stay then.
    /// [`io::ErrorKind::WouldBlock`] while another takes them.
    pub(crate) fn take_layer(
        root: &Path,
        (uid, container): (u32, &str),
        upper: &Path,
    ) -> io::Result<Option<Self>> {
        let all = root.join(OVERLAY2);
        let layer = upper.strip_prefix(&all).ok().and_then(Path::parent);
        let layer = layer.and_then(Path::to_str).unwrap_or_default();
        let is_plain = !layer.is_empty() && layer.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let (own, data) = (all.join(layer), all.join(layer).join("diff"));
        if !is_plain || upper != data {
            return Err(io::Error::other("the engine has them in another place"));
        }
        is_roots(&all)?;
        let find = || {
            is_roots(&own)?;
            let alone = File::open(&own)?;
            alone.try_lock()?;
            is_folder(&data).map(|()| alone)
        };
        let alone = match find() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            alone => alone?,
        };
        let name = format!("{LAYER}{layer}:{container}");
        let taken = Self::take_away(root, uid, name, data, Some(alone))?;
        let is = fs::symlink_metadata(taken.files());
        let alike = is.and_then(|is| {
            lchown(&taken.data, Some(is.uid()), Some(is.gid()))?;
            fs::set_permissions(&taken.data, is.permissions())
        });
        alike.inspect_err(|_| {
            let _ = taken.put_back();
        })?;
        Ok(Some(taken))
    }

    fn take_away(
        root: &Path,
        uid: u32,
        name: String,
        data: PathBuf,
        alone: Option<File>,
    ) -> io::Result<Self> {
        let going = root.join(GOING);
        make_folder(&going)?;
        let taken = Self {
            data,
            place: Place::make(&going, uid)?,
            name,
            _alone: alone,
        };
        fs::rename(&taken.data, taken.files()).inspect_err(|_| {
            let _ = fs::remove_dir(&taken.place.path);
        })?;
        let empty = DirBuilder::new().mode(0o700).create(&taken.data);
        empty.inspect_err(|_| {
            let _ = taken.put_back();
        })?;
        Ok(taken)
    }

    /// What was left in its place; `None` if that is nothing.
    fn left(root: &Path, place: Place) -> io::Result<Option<Self>> {
        let Some(file) = fs::read_dir(&place.path)?.next().transpose()? else {
            let _ = fs::remove_dir(&place.path);
            return Ok(None);
        };
        let name = file.file_name().to_string_lossy().into_owned();
        let data = match layer_of(&name) {
            Some((layer, _)) => root.join(OVERLAY2).join(layer).join("diff"),
            None => root.join("volumes").join(&name).join("_data"),
        };
        Ok(Some(Self {
            data,
            place,
            name,
            _alone: None,
        }))
    }

    fn files(&self) -> PathBuf {
        self.place.path.join(&self.name)
    }

    /// Puts them back, as the engine has not removed what has them.
    ///
    /// # Errors
    ///
    /// If there are others by now: then they stay where they are.
    pub(crate) fn put_back(&self) -> io::Result<()> {
        fs::rename(self.files(), &self.data)?;
        fs::remove_dir(&self.place.path)
    }

    /// What had them is gone.
    ///
    /// # Errors
    ///
    /// If that cannot be noted.
    pub(crate) fn gone(self) -> io::Result<Gone> {
        let path = self.place.path.with_added_extension(GONE);
        fs::rename(&self.place.path, &path)?;
        Ok(Gone(Place { path, ..self.place }))
    }
}

impl Place {
    /// A new one. Whoever looks for what was left may have found it, and taken it away, before it is had.
    fn make(going: &Path, uid: u32) -> io::Result<Self> {
        loop {
            let word = fs::read_to_string("/proc/sys/kernel/random/uuid")?;
            let path = going.join(format!("{uid}-{}", word.trim_end()));
            DirBuilder::new().mode(0o700).create(&path)?;
            match Self::take(path) {
                Ok(Some(place)) if place.path.exists() => return Ok(place),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// One that is there; `None` if somebody has it.
    fn take(path: PathBuf) -> io::Result<Option<Self>> {
        let alone = File::open(&path)?;
        match alone.try_lock() {
            Ok(()) => Ok(Some(Self {
                path,
                _alone: alone,
            })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Those that nobody has, of what is gone or of the others.
    fn left(root: &Path, of_gone: bool) -> io::Result<Vec<Self>> {
        let all = match fs::read_dir(root.join(GOING)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            all => all?,
        };
        let mut left = Vec::new();
        for path in all {
            let path = path?.path();
            if path.extension().is_some_and(|is| is == GONE) != of_gone {
                continue;
            }
            match Self::take(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                place => left.extend(place?),
            }
        }
        Ok(left)
    }
}

/// Finds what those have left who ended meanwhile, or had no answer, and puts back what belongs to a
/// volume or container that is there, where `is_due` says so of its place and of the container's id. The
/// rest is for [`gone`] to find.
///
/// # Errors
///
/// If the places cannot be read.
pub fn put_back_left(
    root: &Path,
    mut is_due: impl FnMut(&Path, Option<&str>) -> bool,
) -> io::Result<()> {
    for place in Place::left(root, false)? {
        let Some(going) = Going::left(root, place)? else {
            continue;
        };
        let own = going.data.parent().unwrap_or(root);
        match fs::symlink_metadata(own) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => drop(going.gone()?),
            // Where there are others by now, nobody knows better than an admin.
            _ if is_due(&going.place.path, layer_of(&going.name).map(|(_, id)| id)) => {
                let _ = going.put_back();
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether files were taken away that nobody puts back or deletes yet.
///
/// # Errors
///
/// If the places cannot be read.
pub fn is_any_left(root: &Path) -> io::Result<bool> {
    Ok(!Place::left(root, false)?.is_empty() || !Place::left(root, true)?.is_empty())
}

/// The layer that is a container's own, and the container's id, of the name of its files.
fn layer_of(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix(LAYER)?.split_once(':')
}

/// The files of what is gone, which nobody deletes yet.
///
/// # Errors
///
/// If the places cannot be read.
pub fn gone(root: &Path) -> io::Result<Vec<Gone>> {
    let left = Place::left(root, true)?;
    Ok(left.into_iter().map(Gone).collect())
}

impl Gone {
    /// Whose it was.
    pub fn uid(&self) -> Option<u32> {
        let name = self.0.path.file_name()?.to_str()?;
        name.split_once('-')?.0.parse().ok()
    }

    /// Deletes them all, however deep, while others may still change what they have open of them.
    ///
    /// # Errors
    ///
    /// If something cannot be deleted. The rest may be gone then.
    pub fn delete(self) -> io::Result<()> {
        delete(&self.0.path)
    }
}

fn is_folder(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path)?.is_dir() {
        true => Ok(()),
        false => Err(io::ErrorKind::NotADirectory.into()),
    }
}

/// One that others change nothing in.
fn is_roots(path: &Path) -> io::Result<()> {
    is_folder(path)?;
    match fs::symlink_metadata(path)?.mode() & 0o022 {
        0 => Ok(()),
        _ => Err(io::Error::other(format!(
            "others may change {}",
            path.display()
        ))),
    }
}

/// Makes a folder of root's alone, or finds it.
fn make_folder(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let is = fs::symlink_metadata(path)?;
    match is.is_dir() && is.uid() == 0 && is.mode() & 0o077 == 0 {
        true => Ok(()),
        false => Err(io::Error::other(format!(
            "{} is not root's alone",
            path.display()
        ))),
    }
}

#[cfg(test)]
mod tests;
