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

mod arguments;
mod spec;

use std::{
    env,
    fs::{self, File},
    io::{self, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

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

/// Writes the container's specification anew.
fn put_apart(bundle: &Path) -> io::Result<()> {
    let file = bundle.join("config.json");
    let done = || {
        let mut spec: Value = serde_json::from_slice(&fs::read(&file)?)?;
        if spec::put_apart(&mut spec, &Host)? {
            fs::write(&file, serde_json::to_vec(&spec)?)?;
        }
        Ok(())
    };
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", file.display()));
    done().map_err(named)
}

/// This host, as a specification refers to it.
struct Host;

impl spec::Outside for Host {
    fn namespace(&self, file: &str) -> io::Result<PathBuf> {
        fs::read_link(file)
    }

    fn flags(&self, path: &str) -> io::Result<Vec<&'static str>> {
        use nix::sys::statvfs::{FsFlags, statvfs};
        let flags = statvfs(path)?.flags();
        let all = [
            (FsFlags::ST_RDONLY, "ro"),
            (FsFlags::ST_NOSUID, "nosuid"),
            (FsFlags::ST_NODEV, "nodev"),
            (FsFlags::ST_NOEXEC, "noexec"),
        ];
        let set = all.into_iter().filter(|(flag, _)| flags.contains(*flag));
        Ok(set.map(|(_, option)| option).collect())
    }
}
