//! Lines of JSON that the engine sends as things happen, in the caller's words.

use std::io;

use ds01_core::{
    failure::Failure,
    route::{Query, write_query},
};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, split};

use super::{Call, Outcome, events};
use crate::{
    channel::{self, Answer},
    socket::Socket,
};

/// The longest line: an event has the labels of its container.
const LONGEST: u64 = 1 << 20;

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

/// Passes on what is shown, until either end goes away.
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
        match status {
            200 => {
                if let Some(text) = shown.of(&line) {
                    out.write_all(text.as_bytes()).await?;
                }
            }
            // An error of the engine is passed on.
            _ => out.write_all(&line).await?,
        }
    }
    Ok(())
}
