//! `ds01-docker`: Docker's own client, pointed at the gateway. An admin may link it as
//! `/usr/local/bin/docker` where the gateway does not take over `/run/docker.sock`.
//!
//! Every argument is Docker's, so it has none of its own, `--help` included; its manual page is
//! written by hand. It has no more rights than its caller, and holds nobody: whoever goes round it
//! meets the gateway or the mode of the engine's socket.

use std::{
    convert::Infallible,
    env,
    ffi::OsString,
    fs::{self, Metadata},
    os::unix::{ffi::OsStrExt, fs::MetadataExt, process::CommandExt},
    path::PathBuf,
    process::{Command, ExitCode},
};

use ds01_core::failure::{Failure, Kind};
use ds01_host::config::Config;

/// Where distributions and Docker's own packages put the client.
const USUAL: &str = "/usr/bin/docker";

/// By which a user chooses the builder. Without it, newer clients choose BuildKit, which the gateway
/// refuses.
const BUILDER: &str = "DOCKER_BUILDKIT";

/// The variables by which a user chooses an engine; empty, they choose none.
const CHOICES: [&str; 2] = ["DOCKER_HOST", "DOCKER_CONTEXT"];

fn main() -> ExitCode {
    ds01_cli::pass_on(run)
}

fn run(args: Vec<OsString>) -> Result<Infallible, Failure> {
    let client = client()?;
    let mut docker = Command::new(&client);
    let chosen = |name: &&str| env::var_os(name).is_some_and(|value| !value.is_empty());
    if !CHOICES.iter().any(chosen) && !chooses(&args) {
        let socket = Config::load()?.paths.run.join("docker.sock");
        let mut address = OsString::from("unix://");
        address.push(socket);
        docker.env("DOCKER_HOST", address);
        if env::var_os(BUILDER).is_none() {
            docker.env(BUILDER, "0");
        }
    }
    // Returns only if it fails.
    let error = docker.arg0("docker").args(args).exec();
    let message = format!("cannot run {}: {error}", client.display());
    Err(Failure::new(Kind::Failed, message))
}

/// The real client: the usual one, else the first on the PATH, that is not this program by
/// whatever name or link.
fn client() -> Result<PathBuf, Failure> {
    let unknown = |error| Failure::new(Kind::Failed, format!("cannot tell what I am: {error}"));
    let own = fs::metadata("/proc/self/exe").map_err(unknown)?;
    let path = env::var_os("PATH").unwrap_or_default();
    let usual = [PathBuf::from(USUAL)].into_iter();
    usual
        .chain(env::split_paths(&path).map(|dir| dir.join("docker")))
        .find(|file| fs::metadata(file).is_ok_and(|file| is_program(&file) && !same(&file, &own)))
        .ok_or_else(|| {
            Failure::new(
                Kind::Failed,
                "there is no docker client but this front of it",
            )
            .with_hint("ask an admin to install one: apt-get install docker.io")
        })
}

fn is_program(file: &Metadata) -> bool {
    file.is_file() && file.mode() & 0o111 != 0
}

fn same(file: &Metadata, other: &Metadata) -> bool {
    (file.dev(), file.ino()) == (other.dev(), other.ino())
}

/// Whether the arguments choose an engine: `-H`, `--host`, `-c` or `--context` before the
/// subcommand. After it `-c` and `-H` are the subcommand's, as in `docker run -c 512`.
fn chooses(args: &[OsString]) -> bool {
    let mut args = args.iter().map(|arg| arg.as_bytes());
    while let Some(arg) = args.next() {
        let takes_next = match arg {
            b"--" => return false,
            [b'-', b'-', long @ ..] => {
                let name = long.split(|byte| *byte == b'=').next().unwrap_or_default();
                if matches!(name, b"host" | b"context") {
                    return true;
                }
                const WITH_VALUE: [&[u8]; 5] =
                    [b"config", b"log-level", b"tlscacert", b"tlscert", b"tlskey"];
                WITH_VALUE.contains(&long)
            }
            // Several in one, as in `-DH tcp://…`: up to one that takes the rest for its value.
            [b'-', short @ ..] if !short.is_empty() => {
                match short.iter().position(|letter| b"Hcl".contains(letter)) {
                    Some(at) if short[at] != b'l' => return true,
                    Some(at) => at + 1 == short.len(),
                    None => false,
                }
            }
            _ => return false,
        };
        if takes_next {
            args.next();
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_is_chosen_before_the_subcommand_only() {
        for (line, expected) in [
            ("ps", false),
            ("-H tcp://x ps", true),
            ("-Htcp://x ps", true),
            ("-DH tcp://x ps", true),
            ("--host=tcp://x ps", true),
            ("--host tcp://x ps", true),
            ("--context x ps", true),
            ("-c x ps", true),
            ("-c=x ps", true),
            ("--config /x -c y ps", true),
            ("--config -c ps", false),
            ("--config=/x -D ps -c y", false),
            ("-l debug -H x ps", true),
            ("-l -H ps", false),
            ("-ldebug ps -H x", false),
            ("run -c 512 x", false),
            ("exec x sh -c --host", false),
            ("-- -H x", false),
            ("--hostname x", false),
            ("", false),
            ("-", false),
        ] {
            let args: Vec<_> = line.split_whitespace().map(OsString::from).collect();
            assert_eq!(chooses(&args), expected, "{line}");
        }
    }
}
