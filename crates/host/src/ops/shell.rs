//! `container-attach`: a shell in a running container.

use std::os::unix::net::UnixStream;

use ds01_core::{
    account::IMAGE_PATH,
    failure::{Failure, Kind},
    name::ContainerArg,
};

use super::{Describe, Locate, target};
use crate::{
    Host,
    engine::{Engine, EngineError, Exec, Terminal},
    site::fail,
};

/// A shell that runs, and the engine to ask about it.
pub struct Shell<'a> {
    /// The connection.
    pub exec: Exec,
    engine: &'a Engine,
}

/// Opens a login shell in a running container of the caller's: bash if the image has it.
///
/// Not an [`crate::Operation`]: what it gives is a connection, which the engine or the gateway
/// opens for whoever may use it.
///
/// # Errors
///
/// Status 3 without the container, 4 if it does not run.
pub fn open_shell<'a>(
    host: &'a Host,
    name: &ContainerArg,
    terminal: Option<&Terminal>,
) -> Result<Shell<'a>, Failure> {
    let id = host.ask(&Locate { name: name.clone() })?.value.id;
    let engine = host.engine();
    let script = format!(
        "export {IMAGE_PATH}=\"$PATH\"\n\
         if command -v bash >/dev/null 2>&1; then exec bash -l; else exec sh -l; fi"
    );
    let command = vec!["/bin/sh".into(), "-c".into(), script];
    let exec = engine
        .exec(&id, command, terminal)
        .map_err(|error| match error {
            EngineError::Refused { status: 409, .. } => {
                let short = &name.name;
                match host.ask(&Describe { name: name.clone() }) {
                    Ok(seen) => fail(
                        Kind::State,
                        format!("container {short} is {}, not running", seen.value.state),
                        match seen.value.state {
                            ds01_core::container::State::Paused => {
                                format!("let it go on with container-unpause {name}")
                            }
                            _ => format!("start it with container-run {name}"),
                        },
                    ),
                    Err(failure) => failure,
                }
            }
            // Removed by other means than ours: the record of it is still there.
            EngineError::Refused { status: 404, .. } => target::no_such(name),
            other => other.into(),
        })?;
    Ok(Shell { exec, engine })
}

impl Shell<'_> {
    /// The connection, to read and write.
    ///
    /// # Errors
    ///
    /// If the process has no file descriptors left.
    pub fn stream(&self) -> Result<UnixStream, Failure> {
        let stream = self.exec.stream.try_clone();
        stream.map_err(|error| Failure::new(Kind::Failed, format!("cannot use the shell: {error}")))
    }

    /// Tells the shell the size of the caller's terminal.
    ///
    /// # Errors
    ///
    /// The engine's.
    pub fn resize(&self, rows: u16, columns: u16) -> Result<(), Failure> {
        Ok(self.engine.resize_exec(&self.exec, rows, columns)?)
    }

    /// The shell's own exit status, once its stream has ended.
    ///
    /// # Errors
    ///
    /// If the engine went away, and the shell with it.
    pub fn status(&self) -> Result<u8, Failure> {
        Ok(self.engine.exec_status(&self.exec)?)
    }
}
