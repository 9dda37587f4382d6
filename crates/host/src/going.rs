//! The files of volumes that are being removed.
//!
//! The engine removes a volume's files as root and by their paths, and before Go 1.24 it follows a link
//! that is put in a folder's place meanwhile ([golang/go#52745]). Whoever has a folder of the volume open
//! could lead it anywhere. So root takes the files away first, to a folder that is nobody else's, and the
//! engine finds none.
//!
//! [golang/go#52745]: https://github.com/golang/go/issues/52745

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
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
pub struct Going {
    /// Where the volume has them.
    data: PathBuf,
    /// Where they are, in a folder with the volume's name.
    place: PathBuf,
    volume: String,
}

impl Going {
    /// Takes the files of a volume that no container has away, to a place of this name. `None` if it
    /// has none.
    ///
    /// # Errors
    ///
    /// If they are not where the engine of this root has them, or cannot be moved: they stay then.
    pub fn take(
        root: &Path,
        volume: &str,
        mountpoint: &Path,
        place: &str,
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
        let place = going.join(place);
        DirBuilder::new().mode(0o700).create(&place)?;
        let taken = Self {
            data,
            place,
            volume: volume.into(),
        };
        fs::rename(&taken.data, taken.files()).inspect_err(|_| {
            let _ = fs::remove_dir(&taken.place);
        })?;
        let empty = DirBuilder::new().mode(0o700).create(&taken.data);
        empty.inspect_err(|_| {
            let _ = taken.put_back();
        })?;
        Ok(Some(taken))
    }

    fn files(&self) -> PathBuf {
        self.place.join(&self.volume)
    }

    /// Puts them back, as the engine has not removed the volume.
    ///
    /// # Errors
    ///
    /// If there are others by now: then they stay where they are.
    pub fn put_back(&self) -> io::Result<()> {
        fs::rename(self.files(), &self.data)?;
        fs::remove_dir(&self.place)
    }

    /// The volume is gone: what is returned is to be given to [`delete`].
    ///
    /// # Errors
    ///
    /// If that cannot be noted.
    pub fn gone(self) -> io::Result<PathBuf> {
        gone(&self.place)
    }
}

fn gone(place: &Path) -> io::Result<PathBuf> {
    let gone = place.with_added_extension(GONE);
    fs::rename(place, &gone)?;
    Ok(gone)
}

/// Finds what gateways have left that ended meanwhile, and puts back what belongs to a volume that is
/// there. The rest is returned, for [`delete`].
///
/// # Errors
///
/// If the places cannot be read.
pub fn left_over(root: &Path, ours: &str) -> io::Result<Vec<PathBuf>> {
    let all = match fs::read_dir(root.join(GOING)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        all => all?,
    };
    let mut deleted = Vec::new();
    for place in all {
        let place = place?.path();
        let name = place.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(ours) {
            continue;
        }
        if place.extension().is_some_and(|is| is == GONE) {
            deleted.push(place);
            continue;
        }
        let Some(volume) = fs::read_dir(&place)?.next().transpose()? else {
            let _ = fs::remove_dir(&place);
            continue;
        };
        let volume = volume.file_name().to_string_lossy().into_owned();
        let own = root.join("volumes").join(&volume);
        let data = own.join("_data");
        match fs::symlink_metadata(&own) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => deleted.push(gone(&place)?),
            // Where there are others by now, nobody knows better than an admin.
            _ => {
                let going = Going {
                    data,
                    place,
                    volume,
                };
                let _ = going.put_back();
            }
        }
    }
    Ok(deleted)
}

/// Deletes a place and all that is in it, however deep, while others may still change what they have
/// open of it: a folder in it is emptied by its descriptor, and what is in that goes to the place
/// itself, where nobody else comes.
///
/// # Errors
///
/// If something cannot be deleted. The rest may be gone then.
pub fn delete(place: &Path) -> io::Result<()> {
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
        let take = |place: &str| Going::take(&root, "data", &data, place).unwrap().unwrap();
        let empty = |path: &Path| fs::read_dir(path).unwrap().next().is_none();
        let taken = take("1-1");
        assert!(empty(&data));
        taken.put_back().unwrap();
        assert!(data.join("a/file").exists() && empty(&root.join(GOING)));
        // One who left it there.
        take("1-2");
        assert_eq!(left_over(&root, "1-").unwrap(), [] as [PathBuf; 0]);
        assert!(empty(&data));
        assert_eq!(left_over(&root, "2-").unwrap(), [] as [PathBuf; 0]);
        assert!(data.join("a/file").exists() && empty(&root.join(GOING)));
        take("1-3");
        fs::remove_dir_all(root.join("volumes/data")).unwrap();
        let left = left_over(&root, "2-").unwrap();
        assert_eq!(left, [root.join(GOING).join("1-3.gone")]);
        assert_eq!(left_over(&root, "2-").unwrap(), left);
        delete(&left[0]).unwrap();
        assert!(empty(&root.join(GOING)) && kept.join("file").exists());
        // In another place, or by a link.
        fs::create_dir_all(root.join("volumes/other")).unwrap();
        let other = root.join("volumes/other/_data");
        std::os::unix::fs::symlink(&kept, &other).unwrap();
        Going::take(&root, "other", &other, "1-4").unwrap_err();
        Going::take(&root, "other", &kept, "1-4").unwrap_err();
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
