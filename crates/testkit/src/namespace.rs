//! A mount namespace: the same machine, with some of its files replaced.

use std::{
    ffi::CString,
    fs::{self, File},
    io,
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::{
            fs::{OpenOptionsExt, fchown},
            process::CommandExt,
        },
    },
    path::PathBuf,
    process::Command,
    sync::Arc,
    thread,
};

use nix::{
    libc,
    mount::{MsFlags, mount},
    sched::{CloneFlags, setns, unshare},
    sys::{
        signal::{SigHandler, Signal, signal},
        stat::{Mode, umask},
    },
    unistd::{chdir, setgid, setgroups, setuid},
};

use crate::users::User;

/// Where the directories of [`Replaced::readable`] are mounted.
pub(crate) const MOUNTED: &str = "/mnt";

mod call {
    use nix::libc;

    nix::ioctl_write_ptr_bad!(lock, libc::TIOCSPTLCK, libc::c_int);
    nix::ioctl_write_int_bad!(peer, libc::TIOCGPTPEER);
}

/// What the namespace shows in place of the host's.
pub(crate) struct Replaced {
    /// Sources, and the existing paths that they cover.
    pub(crate) covered: Vec<(PathBuf, &'static str)>,
    /// Directories, read-only, and the names that they get in [`MOUNTED`]. There every user
    /// reaches them, wherever they are.
    pub(crate) readable: Vec<(PathBuf, &'static str)>,
}

/// A namespace that lives as long as this or a process in it.
#[derive(Clone)]
pub(crate) struct Namespace {
    entered: Arc<File>,
    /// Opened anew, it is a terminal that only this namespace knows.
    ptmx: Arc<File>,
}

impl Namespace {
    /// Makes one. The calling process stays outside.
    pub(crate) fn new(replaced: Replaced) -> io::Result<Self> {
        // Each thread has a namespace of its own choice: this one's is left behind with it.
        let thread = thread::spawn(move || -> io::Result<Self> {
            unshare(CloneFlags::CLONE_NEWNS)?;
            let none = None::<&str>;
            mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
            // Opened first: what they are in may be covered.
            let open = |(from, to)| Ok::<_, io::Error>((File::open::<PathBuf>(from)?, to));
            let covered = replaced
                .covered
                .into_iter()
                .map(open)
                .collect::<Result<Vec<_>, _>>()?;
            let readable = replaced
                .readable
                .into_iter()
                .map(open)
                .collect::<Result<Vec<_>, _>>()?;
            mount(
                Some("tmpfs"),
                MOUNTED,
                Some("tmpfs"),
                MsFlags::empty(),
                Some("mode=755"),
            )?;
            for (from, name) in readable {
                let to = PathBuf::from(MOUNTED).join(name);
                fs::create_dir(&to)?;
                mount(
                    Some(&by_descriptor(&from)),
                    &to,
                    none,
                    MsFlags::MS_BIND,
                    none,
                )?;
                let read_only = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
                mount(none, &to, none, read_only, none)?;
            }
            for (from, to) in covered {
                mount(
                    Some(&by_descriptor(&from)),
                    to,
                    none,
                    MsFlags::MS_BIND,
                    none,
                )?;
            }
            // As systemd mounts it: users may write to each other's terminals by way of group tty.
            mount(
                Some("devpts"),
                "/dev/pts",
                Some("devpts"),
                MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC,
                Some("gid=5,mode=620,ptmxmode=666"),
            )?;
            let ptmx = File::options()
                .read(true)
                .custom_flags(libc::O_PATH)
                .open("/dev/pts/ptmx")?;
            Ok(Self {
                entered: Arc::new(File::open("/proc/thread-self/ns/mnt")?),
                ptmx: Arc::new(ptmx),
            })
        });
        let panicked = |_| io::Error::other("its thread panicked");
        thread.join().map_err(panicked).flatten()
    }

    /// Opens a terminal for `user`, as a login does: the end that is held, and theirs.
    pub(crate) fn terminal(&self, user: &User) -> io::Result<(File, OwnedFd)> {
        let held = File::options()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NOCTTY)
            .open(by_descriptor(&self.ptmx))?;
        let unlocked = 0;
        // SAFETY: the descriptor is open, and the call reads the number.
        unsafe { call::lock(held.as_raw_fd(), &unlocked) }?;
        // SAFETY: it returns a new descriptor, which nobody else has.
        let theirs = unsafe {
            let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
            OwnedFd::from_raw_fd(call::peer(held.as_raw_fd(), flags)?)
        };
        fchown(&theirs, Some(user.uid.as_raw()), None)?;
        Ok((held, theirs))
    }

    /// A command that will run in the namespace as `user`, in the directory `cwd`.
    pub(crate) fn command(&self, program: &str, user: &User, cwd: CString) -> Command {
        let mut command = Command::new(program);
        let namespace = Arc::clone(&self.entered);
        let User {
            uid, gid, groups, ..
        } = user.clone();
        // SAFETY: between fork and exec only system calls are made, on values made before.
        unsafe {
            command.pre_exec(move || {
                setns(&*namespace, CloneFlags::CLONE_NEWNS)?;
                setgroups(&groups)?;
                setgid(gid)?;
                setuid(uid)?;
                // Last: entering the namespace leads to its root.
                chdir(cwd.as_c_str())?;
                umask(Mode::from_bits_truncate(0o022));
                // A shell that runs the tests in the background has these ignored, for all below it.
                for ignored in [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGHUP] {
                    signal(ignored, SigHandler::SigDfl)?;
                }
                Ok(())
            });
        }
        command
    }
}

fn by_descriptor(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/thread-self/fd/{}", file.as_raw_fd()))
}
