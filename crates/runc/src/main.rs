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
//! Device nodes that an image or a volume brings are dead in it ([`mounts::without_devices`]).

mod arguments;
mod mounts;
mod spec;

use std::{
    env,
    fs::{self, File},
    io::{self, Write},
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use mounts::KEPT;
use nix::sys::statvfs::statvfs;
use serde_json::{Value, json};

fn main() -> ExitCode {
    let args: Vec<_> = env::args_os().skip(1).collect();
    let made = arguments::bundle(&args).map_or(Ok(()), |bundle| put_apart(&bundle));
    let failed = match made {
        Ok(()) => format!(
            "cannot run runc: {}",
            Command::new("runc").args(&args).exec()
        ),
        Err(error) => error.to_string(),
    };
    tell(arguments::log(&args), &format!("ds01-runc: {failed}"));
    ExitCode::FAILURE
}

/// Says why nothing was done: to the engine in the file that it names, as runc does, and to whoever
/// reads standard error.
fn tell(log: Option<PathBuf>, message: &str) {
    let line = json!({ "level": "error", "msg": message });
    let log = log.map(|log| File::options().append(true).create(true).open(log));
    if let Some(Ok(mut log)) = log {
        // There is no other way to tell.
        let _ = writeln!(log, "{line}");
    }
    let _ = writeln!(io::stderr(), "{message}");
}

/// Writes the container's specification anew, and mounts its root without devices.
fn put_apart(bundle: &Path) -> io::Result<()> {
    let file = bundle.join("config.json");
    let named = |file: &Path, error: io::Error| {
        io::Error::new(error.kind(), format!("{}: {error}", file.display()))
    };
    let read = || {
        let mut spec: Value = serde_json::from_slice(&fs::read(&file)?)?;
        let root = spec::put_apart(&mut spec, &Host)?;
        Ok(root.map(|root| (spec, root)))
    };
    let Some((spec, root)) = read().map_err(|error| named(&file, error))? else {
        return Ok(());
    };
    // It is relative to the bundle, or is not.
    let root = bundle.join(root);
    mounts::without_devices(&root).map_err(|error| {
        let why = format!("cannot be mounted without devices: {error}");
        named(&root, io::Error::new(error.kind(), why))
    })?;
    let write = || fs::write(&file, serde_json::to_vec(&spec)?);
    write().map_err(|error| named(&file, error))
}

/// This host, as a specification refers to it.
struct Host;

impl spec::Outside for Host {
    fn namespace(&self, file: &str) -> io::Result<PathBuf> {
        fs::read_link(file)
    }

    fn flags(&self, path: &str) -> io::Result<Vec<&'static str>> {
        let flags = statvfs(path)?.flags();
        let set = KEPT.into_iter().filter(|(flag, ..)| flags.contains(*flag));
        Ok(set.map(|(.., option)| option).collect())
    }

    fn is_of_devices(&self, path: &str) -> io::Result<bool> {
        let device = |path: &str| fs::metadata(path).map(|known| known.dev());
        Ok(device(path)? == device("/dev")?)
    }
}
