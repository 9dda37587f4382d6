//! An image from a folder of 500 MiB, against Docker's own client with the same builder.

use std::env;

use ds01_host::config::Config;
use ds01_testkit::TestHost;

use crate::{
    FEW, Result,
    figure::{Goal, figure, medians, run, time},
    part,
};

const ROUNDS: usize = 5;

/// Files of 1 MiB.
const FILES: usize = 500;

/// Measures it as a user with such a project, on a host of its own.
pub(crate) fn everything() -> Result<()> {
    let host = TestHost::with_direct_access(1);
    let script = format!(
        "mkdir -p workspace/bench/many && cd workspace/bench && \
         printf 'FROM ds01-base\\nCOPY many/1 /one\\n' >Dockerfile && \
         for file in $(seq {FILES}); do head -c 1048576 /dev/urandom >many/$file; done"
    );
    host.as_user(FEW).run("sh", &["-c", &script]).ok();
    part(&host, FEW, &["build", "measure"])
}

pub(crate) fn measure() -> Result<()> {
    let socket = Config::load()?.engine.socket;
    let socket = format!("DOCKER_HOST=unix://{}", socket.display());
    let folder = format!("{}/workspace/bench", env::var("HOME")?);
    let docker = [
        "DOCKER_BUILDKIT=0",
        &socket,
        "docker",
        "build",
        "--no-cache",
        "-t",
        "bench",
        &folder,
    ];
    let [ours, docker] = medians(
        ROUNDS,
        [
            ("image-create --no-cache", &mut || {
                time(|| run("image-create", &["bench", "--no-cache"]))
            }),
            ("docker build --no-cache", &mut || {
                time(|| run("env", &docker))
            }),
        ],
    )?;
    figure(
        format_args!("image-create, a folder of {FILES} MiB: against docker build"),
        ours / docker,
        Goal::AtMost(1.0),
    )
}
