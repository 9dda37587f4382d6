//! `ds01-gateway`: its documentation is that of `Args`, which `ds01-gateway --info` and its manual page print.

use std::{path::PathBuf, process::ExitCode};

use argh::{ArgsInfo, FromArgs};
use ds01_cli::{
    Command, Ui,
    concepts::{self, Concept},
    no_names,
};
use ds01_core::failure::Failure;

/// Serve Docker's API to users of this host under DS01's rules, at /run/ds01/docker.sock. A service: it runs until it is stopped.
#[derive(FromArgs, ArgsInfo)]
#[argh(
    example = "{command_name}",
    example = "{command_name} --config=/etc/ds01/ds01.toml",
    note = "Who calls is what the kernel says of the process that connects. Containers run on while the gateway does not.",
    note = "What a command asks for is done by a process of its own, 8 of a user at a time. One that has not ended after 150 s, and the grace of the stop that it waits for, is killed, and who asked is told: a name service or a file system does not answer.",
    error_code(4, "another gateway runs"),
    error_code(7, "it was not root who started it"),
    error_code(8, "the socket, the state or the engine cannot be used")
)]
struct Args {
    /// the configuration of this host (default: /etc/ds01/ds01.toml)
    #[argh(option, arg_name = "path")]
    config: Option<PathBuf>,
}

impl Command for Args {
    const CONCEPTS: &'static [Concept] = &[concepts::CONTAINER];
    const SEE_ALSO: &'static [&'static str] = &["check-limits", "container-list"];
    const FILES: &'static [(&'static str, &'static str)] = &[
        (
            "/etc/ds01/ds01.toml",
            "where things are on this host, and what [gateway] allows",
        ),
        ("/run/ds01/docker.sock", "the socket that it serves"),
        (
            "/var/lib/ds01/owners.json",
            "whose images, volumes and networks there are: a copy, by which nothing is decided",
        ),
    ];
}

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    match ds01_gateway::part(&args) {
        Some(ended) => ended,
        None => ds01_cli::main(run, no_names),
    }
}

fn run(args: Args, _: &mut Ui) -> Result<(), Failure> {
    ds01_gateway::serve(args.config)
}
