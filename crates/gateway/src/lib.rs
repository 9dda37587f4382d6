//! The gateway: a Docker Engine API endpoint on a unix socket that knows its caller.
//!
//! Two halves. The keeper is root: it accepts connections, reads from the kernel who calls,
//! decides, holds the engine's socket, and gives short answers. The parser has no privileges: it
//! reads HTTP and JSON, one process for each user, and nothing that it says about who is calling is
//! believed.
//! What changes the ledger is done by a process of its own, as in the commands.

mod answer;
mod archive;
mod blocking_pool;
mod body;
mod channel;
mod context;
mod decide;
mod engine;
mod filters;
pub mod halves;
mod hangup;
mod http;
mod keeper;
mod line;
mod listen;
mod operate;
mod parser;
mod peer;
mod places;
mod read_request;
mod records;
mod sandbox;
mod socket;
mod still;
mod stream;
mod written;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use ds01_core::failure::{Failure, Kind};
use serde_json::json;

/// The first argument of the process that parses.
const PARSER: &str = "parser-of-gateway";
/// The first argument of a process that does one operation.
const OPERATE: &str = "operation-of-gateway";

/// Runs this process as the part of a gateway that its arguments name. `None` if they name none:
/// then it is the gateway that somebody starts.
pub fn part(args: &[std::ffi::OsString]) -> Option<ExitCode> {
    match args {
        [_, part, empty] if part == PARSER => Some(parser::run(Path::new(empty))),
        [_, part] if part == OPERATE => Some(operate::run()),
        _ => None,
    }
}

/// Serves until it is told to end by SIGTERM or SIGINT. `config` is the host's configuration file.
///
/// # Errors
///
/// If the configuration, the socket or the state cannot be used; if this process is not root's.
pub fn serve(config: Option<PathBuf>) -> Result<(), Failure> {
    keeper::serve(config)
}

/// A failure as Docker's API tells it: the status, and `{"message": …}`.
///
/// The whole of it is beside under `ds01`, for our own commands.
fn docker_error(failure: &Failure) -> (u16, String) {
    let status = match failure.kind {
        Kind::Usage => 400,
        Kind::Denied | Kind::Forbidden => 403,
        Kind::NotFound => 404,
        Kind::State | Kind::Busy => 409,
        Kind::Failed | Kind::Interrupted => 500,
        Kind::Unreachable => 503,
    };
    let mut message = failure.one_line();
    if let Some(hint) = &failure.hint {
        message = format!("{message}; {hint}");
    }
    let body = json!({ "message": message, "ds01": failure });
    (status, format!("{body}\n"))
}
