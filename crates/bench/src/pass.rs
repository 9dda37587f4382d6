//! What a pass of `ds01-idle` costs the machine each minute: CPU time, its own and the kernel's for it.

use std::time::Duration;

use ds01_host::config::Config;
use ds01_testkit::TestHost;
use nix::sys::resource::{UsageWho, getrusage};
use serde_json::json;

use crate::{
    Result,
    figure::{Goal, figure, medians, run},
    part, raw,
};

const ROUNDS: usize = 15;

/// Containers with GPUs, and GPUs, of a large host. Each has all of them, which is the most to look at.
const CONTAINERS: usize = 200;
const GPUS: usize = 8;

/// What a pass may cost.
const MOST_MS: f64 = 50.0;

/// On a host of its own.
pub(crate) fn everything() -> Result<()> {
    let host = TestHost::with_gpus(GPUS);
    fill(&host)?;
    part(&host, "root", &["pass", "measure"])
}

/// Starts the containers.
fn fill(host: &TestHost) -> Result<()> {
    let socket = host.engine().socket();
    let image = raw::ask(&socket, "GET", "/images/ds01-busybox/json", "")?;
    let request = json!({"Count": -1, "Capabilities": [["gpu"]]});
    let body = json!({
        "Image": image["Id"], "Cmd": ["sleep", "1000000"],
        "HostConfig": {"DeviceRequests": [request]}
    });
    for number in 0..CONTAINERS {
        let path = format!("/containers/create?name=sampled-{number}");
        let made = raw::ask(&socket, "POST", &path, &body.to_string())?;
        let id = made["Id"].as_str().unwrap_or_default();
        raw::call(&socket, "POST", &format!("/containers/{id}/start"), "")?;
    }
    Ok(())
}

pub(crate) fn measure() -> Result<()> {
    let config = std::env::var("DS01_CONFIG")?;
    let config = format!("--config={config}");
    let docker = format!("unix://{}", Config::load()?.engine.socket.display());
    // The first passes ask the engine what GPUs each has, and about each run; the others know that.
    run("ds01-holds", &[&config])?;
    run("ds01-idle", &[&config])?;
    let [pass, list] = medians(
        ROUNDS,
        [
            ("ds01-idle", &mut || cpu(|| run("ds01-idle", &[&config]))),
            ("docker ps", &mut || {
                cpu(|| run("docker", &["-H", &docker, "ps"]))
            }),
        ],
    )?;
    let name = format!("a pass over {CONTAINERS} containers and {GPUS} GPUs");
    figure(format_args!("{name}, CPU ms"), pass, Goal::AtMost(MOST_MS))?;
    figure(
        format_args!("{name}: CPU against docker ps"),
        pass / list,
        Goal::AtMost(1.0),
    )
}

/// The CPU time of the processes that are started and waited for.
fn cpu(what: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let used = || -> Result<Duration> {
        let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
        let of = |time: nix::sys::time::TimeVal| {
            let micros = time.tv_sec() * 1_000_000 + time.tv_usec();
            Duration::from_micros(u64::try_from(micros).unwrap_or(0))
        };
        Ok(of(usage.user_time()) + of(usage.system_time()))
    };
    let before = used()?;
    what()?;
    Ok(used()? - before)
}
