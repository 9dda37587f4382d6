//! A command inside a running container, as a raw stream.
//!
//! The stream is our own hijack of the connection: bollard's reader takes a terminal's bytes
//! for frame headers where they look like some, and loses them.

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use bollard::{models::ExecConfig, query_parameters::ResizeExecOptions};
use ds01_core::container::ContainerId;
use serde_json::json;

use super::{Call, Engine, EngineError};

/// The largest head of an answer: the engine's have some 200 bytes.
const LONGEST_HEAD: usize = 16 * 1024;

/// The caller's terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terminal {
    /// Its kind, as in `TERM`.
    pub term: String,
    /// Lines.
    pub rows: u16,
    /// Columns.
    pub columns: u16,
}

/// A command that runs, and the connection to it.
pub struct Exec {
    id: String,
    /// What it is sent: shut it down for writing at the end of input.
    pub stream: UnixStream,
    /// What it has said already, before the stream is read.
    pub first: Vec<u8>,
}

impl Engine {
    /// Starts `command` in a container as its user, with a terminal or with three streams.
    ///
    /// Without a terminal, what comes back is in Docker's frames: one byte 1 (stdout) or 2
    /// (stderr), three zeros, the length in four bytes, then the bytes.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`]; status 409 if the container does not run.
    pub fn exec(
        &self,
        id: &ContainerId,
        command: Vec<String>,
        terminal: Option<&Terminal>,
    ) -> Result<Exec, EngineError> {
        const WHAT: Call = Call::Change("open a shell");
        let config = ExecConfig {
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(terminal.is_some()),
            // Docker's own, Ctrl-P Ctrl-Q, would swallow the shell's Ctrl-P; nobody types this.
            detach_keys: Some("ctrl-^,ctrl-@,ctrl-^,ctrl-@".into()),
            env: terminal.map(|terminal| vec![format!("TERM={}", terminal.term)]),
            cmd: Some(command),
            ..ExecConfig::default()
        };
        let exec = self
            .wait(WHAT, |docker| docker.create_exec(&id.0, config))?
            .id;
        let broken = |source: io::Error| match source.kind() {
            io::ErrorKind::WouldBlock => EngineError::TimedOut {
                what: WHAT,
                limit: self.limit,
            },
            _ => EngineError::Broken {
                what: WHAT,
                source: Box::new(source),
            },
        };
        let (stream, status, first) =
            hijack(self.socket(), &exec, terminal.is_some(), self.limit).map_err(broken)?;
        if status != 101 && status != 200 {
            let text = String::from_utf8_lossy(&first);
            let json: Option<serde_json::Value> = serde_json::from_str(&text).ok();
            let message = json.as_ref().and_then(|json| json["message"].as_str());
            let message = message.unwrap_or(&text).trim().to_string();
            return Err(EngineError::Refused {
                what: WHAT,
                status,
                message,
            });
        }
        // From here on the terminal is the shell's.
        self.patience.is_over();
        if let Some(terminal) = terminal {
            // The shell may have ended already: its status says how, not this.
            let _ = self.resize(&exec, terminal.rows, terminal.columns);
        }
        Ok(Exec {
            id: exec,
            stream,
            first,
        })
    }

    /// The exit status of a command whose stream has ended.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`]; also if it runs on, with its stream closed.
    pub fn exec_status(&self, exec: &Exec) -> Result<u8, EngineError> {
        const WHAT: Call = Call::Read("tell the shell's exit status");
        let deadline = Instant::now() + self.limit;
        let mut pause = Duration::from_millis(1);
        loop {
            let state = self.wait(WHAT, |docker| docker.inspect_exec(&exec.id))?;
            if state.running == Some(false) {
                return Ok(state
                    .exit_code
                    .and_then(|code| u8::try_from(code).ok())
                    .unwrap_or(1));
            }
            // The engine closes the stream a moment before it notes the status, and has no
            // call to wait for it.
            if Instant::now() >= deadline {
                return Err(EngineError::TimedOut {
                    what: WHAT,
                    limit: self.limit,
                });
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(100));
        }
    }

    /// Tells a command that its terminal has another size.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`].
    pub fn resize_exec(&self, exec: &Exec, rows: u16, columns: u16) -> Result<(), EngineError> {
        self.resize(&exec.id, rows, columns)
    }

    fn resize(&self, exec: &str, rows: u16, columns: u16) -> Result<(), EngineError> {
        let options = ResizeExecOptions {
            h: rows.into(),
            w: columns.into(),
        };
        self.wait(Call::Change("resize the terminal"), |docker| {
            docker.resize_exec(exec, options)
        })
    }
}

/// Starts an exec and keeps the connection: the stream, the status, what came after the head.
fn hijack(
    socket: &std::path::Path,
    exec: &str,
    tty: bool,
    limit: Duration,
) -> io::Result<(UnixStream, u16, Vec<u8>)> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(limit))?;
    let body = json!({ "Detach": false, "Tty": tty }).to_string();
    write!(
        stream,
        "POST /exec/{exec}/start HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\n\
         Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    let end = loop {
        let count = stream.read(&mut buffer)?;
        head.extend_from_slice(&buffer[..count]);
        if let Some(at) = head.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        if count == 0 || head.len() > LONGEST_HEAD {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the answer has no end",
            ));
        }
    };
    stream.set_read_timeout(None)?;
    let first = head.split_off(end + 4);
    let head = String::from_utf8_lossy(&head);
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    let status =
        status.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not an HTTP answer"))?;
    Ok((stream, status, first))
}
