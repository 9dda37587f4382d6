//! `container-create` and `-start` against Docker's own client and the bare calls, for the same
//! container.

use std::path::Path;

use ds01_host::{Caller, config::Config};
use serde_json::Value;

use crate::{
    Result,
    figure::{Goal, figure, medians, run, time},
    raw,
};

const ROUNDS: usize = 11;
const IMAGE: &str = "--image=ds01-base";

pub(crate) fn measure(present: &str) -> Result<()> {
    let socket = Config::load()?.engine.socket;
    let host = format!("unix://{}", socket.display());

    // The first one is only looked at: the others ask for one like it.
    let ours = format!("bench._.{}", Caller::of_this_process().uid);
    run("container-create", &["bench", IMAGE])?;
    let model = raw::ask(&socket, "GET", &format!("/containers/{ours}/json"), "")?;
    run("container-remove", &["bench"])?;
    let flags = flags(&model, &host);
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    let body = body(&model);

    let [ours, docker, least] = medians(
        ROUNDS,
        [
            ("container-create and -start", &mut || {
                let taken = time(|| {
                    run("container-create", &["bench", IMAGE])?;
                    run("container-start", &["bench"])
                });
                run("container-remove", &["bench", "--stop", "--force"])?;
                taken
            }),
            ("docker create and start", &mut || {
                let taken = time(|| {
                    run("docker", &flags)?;
                    run("docker", &["-H", &host, "start", "bench-docker"])
                });
                remove(&socket, "bench-docker")?;
                taken
            }),
            ("the bare calls", &mut || {
                let taken = time(|| {
                    raw::call(&socket, "POST", "/containers/create?name=bench-raw", &body)?;
                    raw::call(&socket, "POST", "/containers/bench-raw/start", "")
                });
                remove(&socket, "bench-raw")?;
                taken
            }),
        ],
    )?;
    let name = format!("container-create and -start, {present} there");
    figure(
        format_args!("{name}: against docker create and start"),
        ours / docker,
        Goal::AtMost(0.9),
    )?;
    figure(
        format_args!("{name}: against the bare API calls"),
        ours / least,
        Goal::AtMost(1.1),
    )
}

fn remove(socket: &Path, name: &str) -> Result<()> {
    raw::call(
        socket,
        "DELETE",
        &format!("/containers/{name}?force=true&v=true"),
        "",
    )
    .map(drop)
}

/// The request that made `model`.
fn body(model: &Value) -> String {
    let mut body = model["Config"].clone();
    body["Image"] = model["Image"].clone();
    body["HostConfig"] = model["HostConfig"].clone();
    body.to_string()
}

/// The arguments of Docker's client that ask for `model`.
fn flags(model: &Value, host: &str) -> Vec<String> {
    let (config, limits) = (&model["Config"], &model["HostConfig"]);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let mut flags: Vec<String> = [
        "-H",
        host,
        "create",
        "--name=bench-docker",
        "--init",
        "--restart=no",
    ]
    .map(String::from)
    .into();
    let mut add = |flag: &str, value: String| flags.push(format!("--{flag}={value}"));
    add("hostname", text(&config["Hostname"]));
    add("user", text(&config["User"]));
    add("workdir", text(&config["WorkingDir"]));
    for variable in config["Env"].as_array().into_iter().flatten() {
        add("env", text(variable));
    }
    for (label, value) in config["Labels"].as_object().into_iter().flatten() {
        add("label", format!("{label}={}", text(value)));
    }
    for option in limits["SecurityOpt"].as_array().into_iter().flatten() {
        add("security-opt", text(option));
    }
    for mount in limits["Mounts"].as_array().into_iter().flatten() {
        let (source, target) = (text(&mount["Source"]), text(&mount["Target"]));
        add(
            "mount",
            format!("type=bind,source={source},target={target}"),
        );
    }
    let ids = limits["DeviceRequests"][0]["DeviceIDs"]
        .as_array()
        .into_iter()
        .flatten();
    add(
        "gpus",
        format!("\"device={}\"", ids.map(text).collect::<Vec<_>>().join(",")),
    );
    for (flag, key) in [
        ("memory", "Memory"),
        ("memory-swap", "MemorySwap"),
        ("shm-size", "ShmSize"),
        ("pids-limit", "PidsLimit"),
    ] {
        add(flag, limits[key].to_string());
    }
    add(
        "cpus",
        format!("{}", limits["NanoCpus"].as_f64().unwrap_or_default() / 1e9),
    );
    flags.push(text(&model["Image"]));
    flags.extend(config["Cmd"].as_array().into_iter().flatten().map(text));
    flags
}
