//! `ds01-runc`: what the Docker Engine runs in place of runc. Each container that is created gets a
//! user namespace of its own; then runc does what was asked for.
//!
//! On a host that users log in to, a container needs one. Without it root in a container is the
//! host's root, and a process that has its owner's uid there is that user's own outside: through
//! `/proc/<pid>/root` they walk into the container from outside, hand an open folder of the host to
//! root in it over a socket, or open a device that an image brought with it. No capability is needed
//! for either. In another user namespace the kernel lets nobody in who is not root outside
//! (`ptrace(2)`, "Ptrace access mode checking"), and gives no capability over the host's own things
//! (`user_namespaces(7)`).
//!
//! All ids mean the same inside as outside, so that images, volumes and workspaces stay as they are.
//! That is what `userns-remap` of the engine cannot do, which moves them all.

mod arguments;
mod spec;

use std::{
    env, fs, io,
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, ExitCode},
};

use serde_json::Value;

fn main() -> ExitCode {
    let args: Vec<_> = env::args_os().skip(1).collect();
    let made = arguments::bundle(&args).map_or(Ok(()), |bundle| put_apart(&bundle));
    let failed = match made {
        Ok(()) => Command::new("runc").args(&args).exec(),
        Err(error) => error,
    };
    // The engine passes on what it reads here.
    let _ = io::Write::write_fmt(&mut io::stderr(), format_args!("ds01-runc: {failed}\n"));
    ExitCode::FAILURE
}

/// Writes the container's specification anew.
fn put_apart(bundle: &Path) -> io::Result<()> {
    let file = bundle.join("config.json");
    let mut spec: Value = serde_json::from_slice(&fs::read(&file)?)?;
    if spec::put_apart(&mut spec, &Host)? {
        fs::write(&file, serde_json::to_vec(&spec)?)?;
    }
    Ok(())
}

/// This host, as a specification refers to it.
struct Host;

impl spec::Outside for Host {
    fn is_ours(&self, namespace: &str) -> io::Result<bool> {
        Ok(fs::read_link(namespace)? == fs::read_link("/proc/self/ns/user")?)
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
