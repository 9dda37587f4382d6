//! Stands in for the hook that gives GPUs to containers: it refuses devices that do not exist, and
//! records what each container was given. See the documentation of the library.

use std::{
    env,
    error::Error,
    fs::{self, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use nvml_sim::{topology::Topology, visible};
use serde::{Deserialize, Serialize};

/// What the runtime says of the container, on stdin.
#[derive(Deserialize)]
struct Container {
    id: String,
    pid: u32,
    bundle: PathBuf,
}

/// The part of `config.json` in the bundle that counts.
#[derive(Deserialize)]
struct Config {
    process: Process,
}

#[derive(Deserialize)]
struct Process {
    #[serde(default)]
    env: Vec<String>,
}

/// A line of the record.
#[derive(Serialize)]
struct Given<'a> {
    time: f64,
    id: &'a str,
    pid: u32,
    devices: &'a [String],
}

fn main() -> ExitCode {
    if env::args().nth(1).as_deref() != Some("prestart") {
        return ExitCode::SUCCESS;
    }
    let Err(error) = prestart() else {
        return ExitCode::SUCCESS;
    };
    // The exit status refuses the container even if nobody can be told why.
    let _ = writeln!(io::stderr(), "nvidia-container-runtime-hook: {error}");
    ExitCode::FAILURE
}

fn prestart() -> Result<(), Box<dyn Error>> {
    let container: Container = serde_json::from_reader(io::stdin().lock())?;
    let config = fs::read(container.bundle.join("config.json"))?;
    let config: Config = serde_json::from_slice(&config)?;
    let Some(ids) = visible::asked(&config.process.env) else {
        return Ok(());
    };
    let executable = env::current_exe()?;
    let directory = executable.parent().ok_or("no directory")?;
    let topology = Topology::read(directory).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "driver not loaded".to_owned(),
        _ => error.to_string(),
    })?;
    let devices = visible::given(&topology, ids)?;
    record(&directory.join(visible::RECORD), &container, &devices)
}

/// Appends a line in one write, so that hooks that run at once do not mix theirs.
fn record(path: &Path, container: &Container, devices: &[String]) -> Result<(), Box<dyn Error>> {
    let time = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
    let given = Given {
        time,
        id: &container.id,
        pid: container.pid,
        devices,
    };
    let line = serde_json::to_string(&given)? + "\n";
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)?
        .write_all(line.as_bytes())?;
    Ok(())
}
