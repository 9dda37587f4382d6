//! The engine's events, as far as they are the caller's.

use std::io;

use ds01_core::{docker::names::to_user, failure::Failure, name::EngineName, route::Query};
use hyper::body::Bytes;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
};

use super::{Call, Outcome};
use crate::{
    channel::{self, Answer},
    filters::Filters,
};

/// The longest event: one has the labels of its container.
const LONGEST: u64 = 1 << 20;

impl Call<'_> {
    pub(super) async fn events(&self) -> Result<Outcome, Failure> {
        let mut filters = Filters::read(self.one("filters"))?;
        for value in filters.values_mut("container") {
            *value = self.container(value).await?.id.0;
        }
        for value in filters.values_mut("volume") {
            *value = self.volume_name(value)?;
        }
        for value in filters.values_mut("network") {
            *value = self.network(value).await?;
        }
        let mut query = Query::new();
        for key in ["since", "until"] {
            if let Some(values) = self.route.query.get(key) {
                query.insert(key.into(), values.clone());
            }
        }
        query.insert("filters".into(), vec![filters.write()]);
        // In version 1.0 the answer's body is not in chunks: lines, to the end.
        let path = self.path(&format!("/events{}", ds01_core::route::write_query(&query)));
        let head = format!("GET {path} HTTP/1.0\r\nHost: docker\r\n\r\n");
        let engine = self.gateway.engine.begin(&head).await?;
        Ok(Outcome::Events(engine, self.caller.uid))
    }
}

/// Passes on what is the caller's, until either end goes away.
pub(super) async fn relay(
    uid: u32,
    engine: UnixStream,
    channel: &mut UnixStream,
) -> io::Result<()> {
    let mut lines = BufReader::new(engine);
    let mut line = Vec::new();
    let mut status = None;
    loop {
        line.clear();
        (&mut lines)
            .take(LONGEST)
            .read_until(b'\n', &mut line)
            .await?;
        if line.is_empty() {
            return Ok(());
        }
        if status.is_none() {
            status = String::from_utf8_lossy(&line)
                .split(' ')
                .nth(1)
                .and_then(|s| s.parse().ok());
        }
        if line.trim_ascii().is_empty() {
            break;
        }
    }
    let answer = Answer::Reply {
        status: status.unwrap_or(502),
        headers: vec![("Content-Type".into(), "application/json".into())],
        length: None,
    };
    channel::write(channel, &answer).await?;
    let (mut gone, mut out) = channel.split();
    let mut byte = [0; 1];
    loop {
        line.clear();
        let mut limited = (&mut lines).take(LONGEST);
        tokio::select! {
            read = limited.read_until(b'\n', &mut line) => if read? == 0 { return Ok(()) },
            // The parser says nothing more: this is the end of it.
            _ = gone.read(&mut byte) => return Ok(()),
        }
        if let Some(shown) = shown(&line, uid, status) {
            out.write_all(&shown).await?;
        }
    }
}

/// The event as its owner knows it; `None` if it is not theirs. An error of the engine is passed on.
fn shown(line: &[u8], uid: u32, status: Option<u16>) -> Option<Bytes> {
    if status != Some(200) {
        return Some(Bytes::copy_from_slice(line));
    }
    let mut event: Value = serde_json::from_slice(line).ok()?;
    let name = |event: &Value| Some(event["Actor"]["Attributes"]["name"].as_str()?.to_string());
    // Only DS01 and root give names that end in a uid, so they tell whose it is. A container's
    // entry in the ledger gets its id a moment after the event.
    let own = match event["Type"].as_str()? {
        "container" => {
            let engine: EngineName = name(&event)?.parse().ok()?;
            (engine.uid == uid).then(|| engine.name.to_string())?
        }
        "network" => to_user(&name(&event)?, uid)?.to_string(),
        "volume" => {
            let own = to_user(event["Actor"]["ID"].as_str()?, uid)?.to_string();
            event["Actor"]["ID"] = json!(own);
            return Some(format!("{event}\n").into());
        }
        _ => return None,
    };
    event["Actor"]["Attributes"]["name"] = json!(own);
    Some(format!("{event}\n").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_its_owners() {
        let line = |kind: &str, name: &str| {
            let actor = json!({ "ID": name, "Attributes": { "name": name } });
            json!({ "Type": kind, "Actor": actor }).to_string()
        };
        let seen = |kind, name| shown(line(kind, name).as_bytes(), 1001, Some(200));
        let own = |kind| {
            seen(kind, "data._.1001").map(|text| String::from_utf8_lossy(&text).into_owned())
        };
        assert!(own("container").unwrap().contains(r#"{"name":"data"}"#));
        assert!(own("network").unwrap().contains(r#"{"name":"data"}"#));
        assert!(own("volume").unwrap().contains(r#""ID":"data""#));
        for kind in ["container", "network", "volume"] {
            assert!(seen(kind, "data._.1002").is_none() && seen(kind, "data").is_none());
        }
        assert!(seen("image", "data._.1001").is_none());
    }
}
