//! Lines of JSON that the engine sends as things happen, in the caller's words.

use std::{io, time::Duration};

use ds01_core::{
    failure::Failure,
    route::{Query, write_query},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, split},
    time::timeout,
};

use super::{Call, Outcome, events};
use crate::{
    channel::{self, Answer},
    socket::Socket,
};

/// The longest line: an event has the labels of its container.
const LONGEST: u64 = 1 << 20;

/// What a client has to take a line: meanwhile the engine waits, and with it all whom it has something
/// to tell.
const TAKEN: Duration = Duration::from_secs(10);

/// What of each line is shown, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shown {
    /// The events of this user's things.
    Events(u32),
    /// What a container uses, under this name.
    Stats(String),
}

impl Shown {
    /// The line as the caller is sent it; `None` if it is not.
    fn of(&self, line: &[u8]) -> Option<String> {
        let mut value: Value = serde_json::from_slice(line).ok()?;
        let value = match self {
            Self::Events(uid) => events::shown(value, *uid)?,
            Self::Stats(name) => {
                value["name"] = json!(format!("/{name}"));
                value
            }
        };
        Some(format!("{value}\n"))
    }
}

impl Call<'_> {
    /// Hands the request on to the engine, which answers in lines.
    pub(super) async fn lines(
        &self,
        path: &str,
        query: &Query,
        shown: Shown,
    ) -> Result<Outcome, Failure> {
        // In version 1.0 the answer's body is not in chunks: lines, to the end.
        let path = self.path(&format!("{path}{}", write_query(query)));
        let head = format!("GET {path} HTTP/1.0\r\nHost: docker\r\n\r\n");
        let engine = self.gateway.engine.begin(&head).await?;
        Ok(Outcome::Lines(engine, shown))
    }
}

/// Passes on what is shown, until either end goes away, or what comes is not taken.
pub(super) async fn relay(engine: Socket, shown: Shown, channel: &mut Socket) -> io::Result<()> {
    let mut lines = BufReader::new(engine);
    let mut line = Vec::new();
    let mut status = None;
    loop {
        line.clear();
        let mut limited = (&mut lines).take(LONGEST);
        limited.read_until(b'\n', &mut line).await?;
        if line.is_empty() {
            return Ok(());
        }
        if status.is_none() {
            let text = String::from_utf8_lossy(&line);
            status = text
                .split(' ')
                .nth(1)
                .and_then(|status| status.parse().ok());
        }
        if line.trim_ascii().is_empty() {
            break;
        }
    }
    let status = status.unwrap_or(502);
    let answer = Answer::Reply {
        status,
        headers: vec![("Content-Type".into(), "application/json".into())],
        length: None,
    };
    channel::write(channel, &answer).await?;
    let (mut gone, mut out) = split(channel);
    let mut byte = [0; 1];
    loop {
        line.clear();
        let mut limited = (&mut lines).take(LONGEST);
        tokio::select! {
            read = limited.read_until(b'\n', &mut line) => if read? == 0 { break },
            // The parser says nothing more: this is the end of it.
            _ = gone.read(&mut byte) => return Ok(()),
        }
        let text = match status {
            200 => shown.of(&line).map(String::into_bytes),
            // An error of the engine is passed on.
            _ => Some(line.clone()),
        };
        if let Some(text) = text {
            timeout(TAKEN, out.write_all(&text)).await??;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{io::Write, os::unix::net::UnixStream, thread};

    use super::*;

    #[test]
    fn who_reads_nothing_keeps_no_engine_waiting() {
        let (mut engine, from_engine) = UnixStream::pair().unwrap();
        let (_client, channel) = UnixStream::pair().unwrap();
        let telling = thread::spawn(move || {
            engine.write_all(b"HTTP/1.0 200 OK\r\n\r\n").unwrap();
            // For ever, if somebody takes it.
            while engine.write_all(b"{\"name\":\"x\"}\n").is_ok() {}
        });
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().unwrap();
        let ended = runtime.block_on(async {
            let from_engine = Socket::new(from_engine).unwrap();
            let mut channel = Socket::new(channel).unwrap();
            let relay = relay(from_engine, Shown::Stats("x".into()), &mut channel);
            timeout(3 * TAKEN, relay).await.unwrap()
        });
        assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::TimedOut);
        telling.join().unwrap();
    }
}
