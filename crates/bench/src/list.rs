//! `container-list` against Docker's own client, and against the least that a list can take.

use ds01_host::{Caller, config::Config};

use crate::{
    Result,
    figure::{Goal, figure, medians, run, time},
    raw,
};

const ROUNDS: usize = 31;

pub(crate) fn measure(present: &str) -> Result<()> {
    let socket = Config::load()?.engine.socket;
    let uid = Caller::of_this_process().uid;
    let docker = format!("unix://{}", socket.display());
    let path = raw::list(&format!(r#"{{"label":["ds01.uid={uid}"]}}"#));
    let own = raw::ask(&socket, "GET", &path, "")?
        .as_array()
        .map_or(0, Vec::len);

    let [ours, docker, least] = medians(
        ROUNDS,
        [
            ("container-list --all", &mut || {
                time(|| run("container-list", &["--all"]))
            }),
            ("docker ps -a", &mut || {
                time(|| run("docker", &["-H", &docker, "ps", "-a"]))
            }),
            ("/bin/true and a raw list", &mut || {
                time(|| {
                    run("/bin/true", &[])?;
                    raw::call(&socket, "GET", &path, "")
                })
            }),
        ],
    )?;
    let name = format!("container-list, {own} own of {present}");
    figure(
        format_args!("{name}: against docker ps -a"),
        ours / docker,
        Goal::AtMost(0.25),
    )?;
    figure(
        format_args!("{name}: against /bin/true and one raw list call"),
        ours / least,
        Goal::AtMost(1.5),
    )
}
