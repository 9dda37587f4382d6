//! The files of volumes that are being removed.
//!
//! The engine removes a volume's files as root and by their paths, and before Go 1.24 it follows a link
//! that is put in a folder's place meanwhile ([golang/go#52745]). Whoever has a folder of the volume open
//! could lead it anywhere. So root takes the files away first, to a folder that is nobody else's, and the
//! engine finds none.
//!
//! [golang/go#52745]: https://github.com/golang/go/issues/52745

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io,
    os::{
        fd::AsRawFd,
        unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
};

use nix::libc::{O_DIRECTORY, O_NOFOLLOW};

/// In the engine's root.
const GOING: &str = "ds01-going";

/// What the names of places end with whose volume is gone.
const GONE: &str = "gone";

/// How often folders are emptied that somebody fills meanwhile.
const AGAIN: usize = 10_000;

/// The files of one volume, taken away.
#[derive(Debug)]
pub(crate) struct Going {
    /// Where the volume has them.
    data: PathBuf,
    /// Where they are, in a folder with the volume's name.
    place: Place,
    volume: String,
}

/// A place for the files of one volume. Whoever has it, has it alone.
#[derive(Debug)]
struct Place {
    path: PathBuf,
    _alone: File,
}

/// The files of a volume that is gone.
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
        let going = root.join(GOING);
        make_folder(&going)?;
        let word = fs::read_to_string("/proc/sys/kernel/random/uuid")?;
        let taken = Self {
            data,
            place: Place::make(going.join(format!("{uid}-{}", word.trim_end())))?,
            volume: volume.into(),
        };
        fs::rename(&taken.data, taken.files()).inspect_err(|_| {
            let _ = fs::remove_dir(&taken.place.path);
        })?;
        let empty = DirBuilder::new().mode(0o700).create(&taken.data);
        empty.inspect_err(|_| {
            let _ = taken.put_back();
        })?;
        Ok(Some(taken))
    }

    fn files(&self) -> PathBuf {
        self.place.path.join(&self.volume)
    }

    /// Puts them back, as the engine has not removed the volume.
    ///
    /// # Errors
    ///
    /// If there are others by now: then they stay where they are.
    pub(crate) fn put_back(&self) -> io::Result<()> {
        fs::rename(self.files(), &self.data)?;
        fs::remove_dir(&self.place.path)
    }

    /// The volume is gone.
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
    fn make(path: PathBuf) -> io::Result<Self> {
        DirBuilder::new().mode(0o700).create(&path)?;
        let busy = || io::Error::from(io::ErrorKind::ResourceBusy);
        Self::take(path)?.ok_or_else(busy)
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

    /// Those that nobody has, of volumes that are gone or of the others.
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

/// Finds what those have left who ended meanwhile, and puts back what belongs to a volume that is
/// there. The rest is for [`gone`] to find.
///
/// # Errors
///
/// If the places cannot be read.
pub fn put_back_left(root: &Path) -> io::Result<()> {
    for place in Place::left(root, false)? {
        let Some(volume) = fs::read_dir(&place.path)?.next().transpose()? else {
            let _ = fs::remove_dir(&place.path);
            continue;
        };
        let volume = volume.file_name().to_string_lossy().into_owned();
        let own = root.join("volumes").join(&volume);
        let going = Going {
            data: own.join("_data"),
            place,
            volume,
        };
        match fs::symlink_metadata(&own) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => drop(going.gone()?),
            // Where there are others by now, nobody knows better than an admin.
            _ => drop(going.put_back()),
        }
    }
    Ok(())
}

/// The files of volumes that are gone, which nobody deletes yet.
///
/// # Errors
///
/// If the places cannot be read.
pub fn gone(root: &Path) -> io::Result<Vec<Gone>> {
    let left = Place::left(root, true)?;
    Ok(left.into_iter().map(Gone).collect())
}

impl Gone {
    /// Whose the volume was.
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

/// A folder in it is emptied by its descriptor, and what is in that goes to the place itself, where
/// nobody else comes.
fn delete(place: &Path) -> io::Result<()> {
    let (mut number, mut again) = (0_u64, 0);
    while again < AGAIN {
        let mut empty = true;
        for entry in fs::read_dir(place)? {
            empty = false;
            let path = entry?.path();
            if !fs::symlink_metadata(&path)?.is_dir() {
                fs::remove_file(&path)?;
                continue;
            }
            hollow(&path, || {
                number += 1;
                place.join(number.to_string())
            })?;
            // Somebody may have put something into it meanwhile.
            match fs::remove_dir(&path) {
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => again += 1,
                other => other?,
            }
        }
        if empty {
            return fs::remove_dir(place);
        }
    }
    Err(io::Error::other("somebody goes on putting files there"))
}

/// Takes everything out of a folder: files are deleted, folders go to where `next` says.
fn hollow(path: &Path, mut next: impl FnMut() -> PathBuf) -> io::Result<()> {
    let folder: File = OpenOptions::new()
        .read(true)
        .custom_flags(O_DIRECTORY | O_NOFOLLOW)
        .open(path)?;
    // The folder itself, whatever has its name.
    let folder = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()));
    for entry in fs::read_dir(&folder)? {
        let path = folder.join(entry?.file_name());
        // What was a file may be a folder by now, and gone a moment later.
        let deleted = match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => fs::rename(&path, next()),
            other => other,
        };
        match deleted {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn is_folder(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path)?.is_dir() {
        true => Ok(()),
        false => Err(io::ErrorKind::NotADirectory.into()),
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
mod tests {
    use nix::unistd::{geteuid, mkdtemp};

    use super::*;

    fn root() -> PathBuf {
        let root = mkdtemp(&std::env::temp_dir().join("ds01-going-XXXXXX")).unwrap();
        let data = root.join("volumes/data/_data");
        fs::create_dir_all(data.join("a/b")).unwrap();
        fs::write(data.join("a/file"), "x").unwrap();
        root
    }

    #[test]
    fn files_are_put_back_or_deleted_and_links_in_them_lead_nowhere() {
        if !geteuid().is_root() {
            return;
        }
        let root = root();
        let (data, kept) = (root.join("volumes/data/_data"), root.join("kept"));
        fs::create_dir(&kept).unwrap();
        fs::write(kept.join("file"), "kept").unwrap();
        std::os::unix::fs::symlink(&kept, data.join("a/link")).unwrap();
        let take = || Going::take(&root, (7, "data"), &data).unwrap().unwrap();
        let empty = |path: &Path| fs::read_dir(path).unwrap().next().is_none();
        let taken = take();
        assert!(empty(&data));
        taken.put_back().unwrap();
        assert!(data.join("a/file").exists() && empty(&root.join(GOING)));
        // Of one who is there yet, and of one who left it there.
        let taken = take();
        put_back_left(&root).unwrap();
        assert!(empty(&data));
        drop(taken);
        assert!(gone(&root).unwrap().is_empty());
        put_back_left(&root).unwrap();
        assert!(data.join("a/file").exists() && empty(&root.join(GOING)));
        drop(take());
        fs::remove_dir_all(root.join("volumes/data")).unwrap();
        put_back_left(&root).unwrap();
        let mut left = gone(&root).unwrap();
        assert_eq!((left.len(), left[0].uid()), (1, Some(7)));
        assert!(gone(&root).unwrap().is_empty(), "it is being deleted");
        left.remove(0).delete().unwrap();
        assert!(empty(&root.join(GOING)) && kept.join("file").exists());
        // In another place, or by a link.
        fs::create_dir_all(root.join("volumes/other")).unwrap();
        let other = root.join("volumes/other/_data");
        std::os::unix::fs::symlink(&kept, &other).unwrap();
        Going::take(&root, (7, "other"), &other).unwrap_err();
        Going::take(&root, (7, "other"), &kept).unwrap_err();
        assert!(empty(&root.join(GOING)) && kept.join("file").exists());
        fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn however_deep_it_is_it_goes() {
        let root = root();
        let place = root.join("volumes/data");
        // As deep as no path is long.
        let (data, new) = (place.join("_data"), place.join("new"));
        for _ in 0..20 {
            let bottom = new.join("d/".repeat(500));
            fs::create_dir_all(&bottom).unwrap();
            fs::rename(&data, bottom.join("d")).unwrap();
            fs::rename(&new, &data).unwrap();
        }
        delete(&place).unwrap();
        assert!(!place.exists());
        fs::remove_dir_all(&root).unwrap();
    }
}
