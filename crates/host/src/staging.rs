//! Folders of users, as root hands them to the engine.
//!
//! The engine resolves the path of a bind mount anew at every start, as root: a link that its
//! owner puts there in between would lead it anywhere. So the folder is opened once, with the
//! owner's rights and following no link, and mounted under a name that only root can change.
//! That mount is what the engine is told of; it lasts as long as the container, and is made where
//! the engine sees it.

use std::{
    ffi::CString,
    fs::{self, DirBuilder},
    io,
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::{
            ffi::OsStrExt,
            fs::{DirBuilderExt, MetadataExt},
        },
    },
    path::{Path, PathBuf},
    time::Duration,
};

use nix::{
    errno::Errno,
    fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat2},
    libc,
    mount::{MntFlags, MsFlags, mount, umount2},
    sys::stat::fstat,
};

use crate::engine_namespace;

/// The mounts of all containers.
#[derive(Debug, Clone)]
pub struct Staging {
    dir: PathBuf,
    /// The engine's socket.
    engine: PathBuf,
}

/// A folder or file that was opened with its user's rights.
#[derive(Debug)]
pub struct Opened(OwnedFd);

/// Opens `real`, in whose path no link may be left.
///
/// # Errors
///
/// If there is one, or the caller may not reach it.
pub fn open(real: &Path) -> io::Result<Opened> {
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    Ok(Opened(openat2(AT_FDCWD, real, how)?))
}

impl Staging {
    /// The mounts below the run directory, for the engine at this socket.
    pub fn new(run: &Path, engine: &Path) -> Self {
        Self {
            dir: run.join("mounts"),
            engine: engine.into(),
        }
    }

    /// A new place, for the mounts of one container.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn place() -> io::Result<String> {
        Ok(fs::read_to_string("/proc/sys/kernel/random/uuid")?
            .trim()
            .into())
    }

    /// Where mount `number` of a place is, or will be.
    pub fn path(&self, place: &str, number: usize) -> PathBuf {
        self.dir.join(place).join(number.to_string())
    }

    /// The place and the number of a mount at this path.
    pub(crate) fn of_path(&self, path: &str) -> Option<(String, usize)> {
        let (place, number) = Path::new(path)
            .strip_prefix(&self.dir)
            .ok()?
            .to_str()?
            .split_once('/')?;
        Some((place.into(), number.parse().ok()?))
    }

    /// Mounts what was opened.
    ///
    /// # Errors
    ///
    /// The kernel's; then nothing is mounted.
    pub fn stage(&self, place: &str, number: usize, opened: &Opened) -> io::Result<PathBuf> {
        let path = self.path(place, number);
        let of_container = self.dir.join(place);
        let meant = fstat(&opened.0)?;
        let tree = tree(&opened.0)?;
        engine_namespace::enter(&self.engine, || {
            let mut builder = DirBuilder::new();
            builder.recursive(true).mode(0o700).create(&of_container)?;
            unmount(&path)?;
            match meant.st_mode & libc::S_IFMT {
                libc::S_IFDIR => fs::create_dir(&path)?,
                libc::S_IFREG => drop(fs::File::create_new(&path)?),
                // A socket would let the container speak to a service of the host.
                _ => return Err(io::Error::other("it is neither a folder nor a file")),
            }
            put(&tree, &path)?;
            let (none, private) = (None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE);
            mount(none, &path, none, private, none)?;
            let mounted = fs::metadata(&path)?;
            if (mounted.dev(), mounted.ino()) != (meant.st_dev, meant.st_ino) {
                unmount(&path)?;
                return Err(io::Error::other("another folder was mounted"));
            }
            Ok(path)
        })
    }

    /// Whether mount `number` of a place is there. After a reboot none is.
    ///
    /// # Errors
    ///
    /// If the engine cannot be found.
    pub fn is_staged(&self, place: &str, number: usize) -> io::Result<bool> {
        let device = |path: &Path| fs::metadata(path).map(|file| (file.dev(), file.ino()));
        let path = self.path(place, number);
        // What is mounted on is another file than what it is in lists.
        let there = || mounts().is_some_and(|all| all.contains(&path)) && device(&path).is_ok();
        engine_namespace::enter(&self.engine, || Ok(there()))
    }

    /// Whether what is mounted there was deleted where it came from.
    ///
    /// # Errors
    ///
    /// If the engine cannot be found, or there is no such mount.
    pub fn is_deleted(&self, place: &str, number: usize) -> io::Result<bool> {
        let path = self.path(place, number);
        engine_namespace::enter(&self.engine, || Ok(fs::metadata(&path)?.nlink() == 0))
    }

    /// Takes away the mounts of a place. What was mounted is not touched.
    ///
    /// # Errors
    ///
    /// The kernel's, if one is in use by something that is not a container.
    pub fn unstage(&self, place: &str) -> io::Result<()> {
        let of_container = self.dir.join(place);
        engine_namespace::enter(&self.engine, || {
            let mounts = match fs::read_dir(&of_container) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                mounts => mounts?,
            };
            for path in mounts {
                unmount(&path?.path())?;
            }
            fs::remove_dir(of_container)
        })
    }

    /// The places that have been there for at least `age`.
    pub fn places(&self, age: Duration) -> Vec<String> {
        let folders = fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let is_old = |folder: &fs::DirEntry| {
            let changed = folder.metadata().and_then(|folder| folder.modified());
            changed.is_ok_and(|changed| changed.elapsed().is_ok_and(|since| since >= age))
        };
        folders
            .filter(is_old)
            .filter_map(|folder| folder.file_name().into_string().ok())
            .collect()
    }
}

/// What was opened, with all that is mounted in it, as mounts that are nowhere yet.
fn tree(opened: &OwnedFd) -> io::Result<OwnedFd> {
    let flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC;
    let of_itself = (libc::AT_EMPTY_PATH | libc::AT_RECURSIVE) as libc::c_uint;
    // SAFETY: the path is a C string, and the descriptor is open.
    #[expect(unsafe_code, reason = "no library that is here has this call")]
    let made = unsafe {
        let (call, of) = (libc::SYS_open_tree, opened.as_raw_fd());
        libc::syscall(call, of, c"".as_ptr(), flags | of_itself)
    };
    let made = Errno::result(made)?;
    let made = i32::try_from(made).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made it for this process.
    #[expect(unsafe_code, reason = "a descriptor arrives as a number")]
    Ok(unsafe { OwnedFd::from_raw_fd(made) })
}

/// Mounts it at `path`, which can be in another view of the file system than it comes from.
fn put(tree: &OwnedFd, path: &Path) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: both paths are C strings, and the descriptor is open.
    #[expect(unsafe_code, reason = "no library that is here has this call")]
    let moved = unsafe {
        let (call, of) = (libc::SYS_move_mount, tree.as_raw_fd());
        let from_itself = libc::MOVE_MOUNT_F_EMPTY_PATH;
        libc::syscall(
            call,
            of,
            c"".as_ptr(),
            libc::AT_FDCWD,
            path.as_ptr(),
            from_itself,
        )
    };
    Ok(Errno::result(moved).map(drop)?)
}

/// Takes one mount away, and the empty folder or file that it was on. Neither can be what was
/// mounted: a folder goes only if it is empty, and is busy while anything is mounted on it.
fn unmount(path: &Path) -> io::Result<()> {
    if mounts().is_some_and(|all| all.iter().any(|mounted| mounted == path)) {
        umount2(path, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW)?;
    }
    let file = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file?,
    };
    match file.is_dir() {
        true => fs::remove_dir(path),
        false => fs::remove_file(path),
    }
}

/// The paths of all mounts, from proc(5)'s mountinfo, which writes odd characters in octal.
fn mounts() -> Option<Vec<PathBuf>> {
    let text = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let path = |line: &str| Some(PathBuf::from(line.split(' ').nth(4)?.replace("\\040", " ")));
    Some(text.lines().filter_map(path).collect())
}
