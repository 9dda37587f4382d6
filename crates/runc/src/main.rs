//! `ds01-runc`: what the Docker Engine runs in place of runc. Each container that is created gets a
//! user namespace of its own; then runc does what was asked for.
//!
//! On a host that users log in to, a container needs one. Without it root in a container is the
//! host's root, and a process that has its owner's uid there is that user's own outside: through
//! `/proc/<pid>/root` they walk into the container from outside, hand an open folder of the host to
//! root in it over a socket, or open a device that an image brought with it. No capability is needed
//! for either. In another user namespace the kernel lets nobody in who is not root outside
//! (`ptrace(2)`, "Ptrace access mode checking"), and gives no capability over the host itself
//! (`user_namespaces(7)`).
//!
//! All ids mean the same inside as outside, so that images, volumes and workspaces stay as they are.
//! That is what `userns-remap` of the engine cannot do, which moves them all.
//!
//! Device nodes that an image or a volume brings are dead in it, and runc makes it on a host on which it
//! can write nothing else ([`mounts::close`]).

mod arguments;
mod files;
mod kernel;
mod mounts;
mod spec;
mod stdio;

use std::{
    env,
    ffi::{OsStr, OsString},
    fs::{self, DirBuilder, File},
    io::{self, Write},
    os::{
        fd::AsFd,
        unix::{
            fs::{DirBuilderExt, MetadataExt},
            process::{CommandExt, ExitStatusExt, parent_id},
        },
    },
    path::{Path, PathBuf},
    process::{Command, ExitCode, ExitStatus},
};

use mounts::{KEPT, named};
use nix::{
    errno::Errno,
    fcntl::{OFlag, openat, renameat},
    mount::{MntFlags, umount2},
    sched::{CloneFlags, setns},
    sys::{prctl::set_pdeathsig, signal::Signal, stat::Mode, statvfs::statvfs},
    unistd::{UnlinkatFlags, unlinkat},
};
use serde_json::{Value, json};

/// How the folder of a container's state ends while it is made.
const MAKING: &str = "ds01-making";

/// What a shell says of a command that a signal has ended.
const KILLED: i32 = 128;

fn main() -> ExitCode {
    let args: Vec<_> = env::args_os().skip(1).collect();
    if let [word, namespace, path, args @ ..] = &args[..]
        && word == spec::HOOK
    {
        tell(
            None,
            &format!("ds01-runc: {}", call_outside(namespace, path, args)),
        );
        return ExitCode::FAILURE;
    }
    // Open before the host is closed.
    let log = arguments::log(&args).map(|log| File::options().append(true).create(true).open(log));
    let mut log = log.and_then(Result::ok);
    begin(&args, log.as_mut()).unwrap_or_else(|error| {
        tell(log, &format!("ds01-runc: {error}"));
        ExitCode::FAILURE
    })
}

/// Does what was asked for; a process that is begun has nothing of the host's that it could change.
fn begin(args: &[OsString], log: Option<&mut File>) -> io::Result<ExitCode> {
    if arguments::begins(args) {
        let what = "cannot close the host's devices";
        stdio::close().map_err(|error| io::Error::new(error.kind(), format!("{what}: {error}")))?;
    }
    if let Some(process) = arguments::process(args) {
        join(args, &process)?;
    }
    match arguments::bundle(args) {
        None => Err(run_in_place(args)),
        Some(bundle) => create(args, &bundle, log),
    }
}

/// Has a process that joins a container open no more files than the container's first may.
fn join(args: &[OsString], process: &Path) -> io::Result<()> {
    let read = |file: &Path| -> io::Result<Value> {
        let read = || Ok(serde_json::from_slice(&fs::read(file)?)?);
        read().map_err(|error: io::Error| named(file, &error))
    };
    let id = arguments::id(args).ok_or(io::ErrorKind::InvalidInput)?;
    let state = arguments::state(args).join(id).join("state.json");
    let state = match read(&state) {
        // runc says so in its own words.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        state => state?,
    };
    match files::inherits(&read(process)?, &state) {
        true => files::raise()?.inherit(),
        false => Ok(()),
    }
}

/// Runs a hook, with its own name before its arguments, in a mount namespace that is not closed; returns
/// only if it cannot.
fn call_outside(namespace: &OsStr, path: &OsStr, args: &[OsString]) -> io::Error {
    let enter = || {
        let folder = env::current_dir()?;
        setns(File::open(namespace)?, CloneFlags::CLONE_NEWNS)?;
        env::set_current_dir(folder)
    };
    match (enter(), args) {
        (Err(error), _) => error,
        (Ok(()), []) => Command::new(path).exec(),
        (Ok(()), [name, args @ ..]) => Command::new(path).arg0(name).args(args).exec(),
    }
}

/// Runs runc in place of this process; returns only if it cannot.
fn run_in_place(args: &[OsString]) -> io::Error {
    cannot_run(&Command::new("runc").args(args).exec())
}

fn cannot_run(error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot run runc: {error}"))
}

/// Says why nothing was done: to the engine in the file that it names, as runc does, and to whoever
/// reads standard error.
fn tell(log: Option<File>, message: &str) {
    let line = json!({ "level": "error", "msg": message });
    if let Some(mut log) = log {
        // There is no other way to tell.
        let _ = writeln!(log, "{line}");
    }
    let _ = writeln!(io::stderr(), "{message}");
}

/// Has runc create a container by a specification that is written anew, on a host that is closed to it.
fn create(args: &[OsString], bundle: &Path, log: Option<&mut File>) -> io::Result<ExitCode> {
    let bundle = fs::canonicalize(bundle).map_err(|error| named(bundle, &error))?;
    let file = bundle.join("config.json");
    let read = || {
        let mut spec: Value = serde_json::from_slice(&fs::read(&file)?)?;
        let called_by = (parent_id(), &*env::current_exe()?);
        let needs = spec::put_apart(&mut spec, &bundle, called_by, &Host)?;
        Ok(needs.map(|needs| (needs, spec)))
    };
    let Some((needs, mut spec)) = read().map_err(|error| named(&file, &error))? else {
        return Err(run_in_place(args));
    };
    files::raise()?.put(&mut spec);
    let written = serde_json::to_vec(&spec)?;
    let outside = File::open(&bundle)?;
    let state = State::begin(args)?;
    let closed = mounts::close(&bundle, &state.making, &needs, &written)
        .map_err(|error| io::Error::new(error.kind(), format!("cannot close the host: {error}")));
    let ended = closed.and_then(|()| run(&arguments::with_state(args, &state.making)));
    state.end()?;
    let status = ended?;
    take_over(args, &bundle, &outside, log)?;
    let code = status
        .code()
        .or(status.signal().map(|signal| KILLED + signal));
    Ok(ExitCode::from(
        code.and_then(|code| code.try_into().ok()).unwrap_or(1),
    ))
}

/// Where runc keeps what it knows of the container while it makes it: not beside what it knows of
/// others, in which it must write nothing.
struct State {
    /// The folder of all of them, as it is outside.
    all: File,
    id: OsString,
    making: PathBuf,
}

impl State {
    fn begin(args: &[OsString]) -> io::Result<Self> {
        let folder = arguments::state(args);
        let id = arguments::id(args)
            .ok_or(io::ErrorKind::InvalidInput)?
            .clone();
        let making = folder.join(Path::new(&id).with_extension(MAKING));
        let mut made = DirBuilder::new();
        made.recursive(true).mode(0o700).create(&making)?;
        let all = File::open(folder)?;
        Ok(Self { all, id, making })
    }

    /// Puts it where all are, if there is something.
    fn end(self) -> io::Result<()> {
        let making = self.making.file_name().unwrap_or_default();
        let made = Path::new(making).join(&self.id);
        match renameat(&self.all, &made, &self.all, Path::new(&self.id)) {
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(error) => return Err(error.into()),
        }
        // Or it could not be removed. It is no mount if that failed.
        let _ = umount2(&self.making, MntFlags::MNT_DETACH);
        Ok(unlinkat(&self.all, making, UnlinkatFlags::RemoveDir)?)
    }
}

/// Runs runc, which ends with this process.
fn run(args: &[OsString]) -> io::Result<ExitStatus> {
    let mut runc = Command::new("runc");
    runc.args(args);
    // SAFETY: one system call, which may be made between fork and exec.
    #[expect(unsafe_code, reason = "the standard library has no other way")]
    unsafe {
        runc.pre_exec(|| set_pdeathsig(Signal::SIGKILL).map_err(io::Error::from));
    }
    runc.status().map_err(|error| cannot_run(&error))
}

/// Writes outside what runc has left in the bundle: the process that it began, and what it says.
fn take_over(
    args: &[OsString],
    bundle: &Path,
    outside: &File,
    log: Option<&mut File>,
) -> io::Result<()> {
    let left = |named: Option<PathBuf>| {
        let named = named.filter(|file| is_in(file, bundle))?;
        Some((fs::read(&named).ok()?, named))
    };
    if let (Some((said, _)), Some(log)) = (left(arguments::log(args)), log) {
        log.write_all(&said)?;
    }
    if let Some((process, file)) = left(arguments::pid_file(args)) {
        let new = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC | OFlag::O_NOFOLLOW;
        let name = file.file_name().unwrap_or_default();
        let mode = Mode::from_bits_truncate(0o644);
        let made = openat(outside.as_fd(), name, new | OFlag::O_CLOEXEC, mode)?;
        File::from(made).write_all(&process)?;
    }
    Ok(())
}

fn is_in(file: &Path, folder: &Path) -> bool {
    let parent = file.parent().map(fs::canonicalize);
    parent.is_some_and(|parent| parent.is_ok_and(|parent| parent == folder))
}

/// This host, as a specification refers to it.
struct Host;

impl spec::Outside for Host {
    fn namespace(&self, file: &str) -> io::Result<PathBuf> {
        fs::read_link(file)
    }

    fn flags(&self, path: &str) -> io::Result<Vec<&'static str>> {
        let flags = statvfs(path)?.flags();
        let set = KEPT.into_iter().filter(|(flag, _)| flags.contains(*flag));
        Ok(set.map(|(_, option)| option).collect())
    }

    fn is_of_devices(&self, path: &str) -> io::Result<bool> {
        let device = |path: &str| fs::metadata(path).map(|known| known.dev());
        Ok(device(path)? == device("/dev")?)
    }
}
