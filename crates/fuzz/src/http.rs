//! Bytes from a client, through the half that parses.

use std::{
    fs::File,
    io::{Read, Seek},
    os::fd::OwnedFd,
};

use ds01_core::route::{self, Body};
use nix::sys::memfd::{MFdFlags, memfd_create};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    join,
    net::UnixStream,
};

use crate::{channel, runtime};

/// Reads a connection that carries these bytes and ends. What the parser asks then is a call of
/// the table, and it tells the client something that is HTTP.
pub fn http(bytes: &[u8]) {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime = runtime();
    }
    RUNTIME.with(|runtime| runtime.block_on(connection(bytes)));
}

async fn connection(bytes: &[u8]) {
    let (client, theirs) = UnixStream::pair().unwrap();
    let (keeper, channel) = UnixStream::pair().unwrap();
    let [theirs, channel] = [theirs, channel].map(|end| end.into_std().unwrap().into());
    let parser = ds01_gateway::halves::parse(theirs, channel);
    let (told, _, parsed) = join!(talk(client, bytes), keep(keeper), parser);
    parsed.unwrap();
    assert!(told.is_empty() || told.starts_with(b"HTTP/1."), "{told:?}");
}

/// Sends everything, and reads what comes meanwhile.
async fn talk(client: UnixStream, bytes: &[u8]) -> Vec<u8> {
    let (mut from, mut to) = client.into_split();
    let mut told = Vec::new();
    let send = async {
        // It may have been refused before its end.
        let _ = to.write_all(bytes).await;
        let _ = to.shutdown().await;
    };
    let (_, _) = join!(send, from.read_to_end(&mut told));
    told
}

/// Answers as a keeper that allows everything.
async fn keep(mut channel: UnixStream) {
    let Some(ask) = channel::read(&mut channel).await else {
        return;
    };
    let (expected, upgrade) = (asked(&ask), ask["upgrade"] == true);
    let path = ask["path"].as_str().unwrap_or_default();
    if expected != Body::Stream && path.len() % 2 == 0 {
        // As if the client had its answer.
        channel::write(&mut channel, &json!("Given")).await;
        return;
    }
    if expected != Body::Stream {
        let reply = json!({ "Reply": { "status": 200, "headers": [["A", "b"]], "length": 2 } });
        channel::write(&mut channel, &reply).await;
        let _ = channel.write_all(b"{}").await;
        return;
    }
    if path.ends_with("/build") && !folder(&mut channel).await {
        return;
    }
    let (engine, theirs) = UnixStream::pair().unwrap();
    channel::write(&mut channel, &json!("Engine")).await;
    channel::send(&channel, &theirs).await;
    drop(theirs);
    let answer: &[u8] = match upgrade {
        true => b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nout",
        false => b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    };
    let (mut from, mut to) = engine.into_split();
    let _ = to.write_all(answer).await;
    drop(to);
    let _ = from.read_to_end(&mut Vec::new()).await;
}

/// What a parser asks is a call of the table, with a body of its kind.
fn asked(ask: &Value) -> Body {
    let text = |key: &str| ask[key].as_str();
    let (method, path) = (text("method").unwrap(), text("path").unwrap());
    let found = route::route(method, path, text("query")).unwrap();
    let body = &ask["body"];
    match found.body {
        Body::None => assert_eq!(body, "None"),
        Body::Json => {
            let written = body["Json"].as_str().unwrap();
            assert!(written.len() <= route::LONGEST_JSON);
            assert!(serde_json::from_str::<Value>(written).unwrap().is_object());
        }
        Body::Stream => assert!(body["Stream"].is_null() || body["Stream"].is_u64(), "{ask}"),
    }
    found.body
}

/// Has the parser keep the folder; whether it could.
async fn folder(channel: &mut UnixStream) -> bool {
    let file: OwnedFd = memfd_create("folder", MFdFlags::MFD_CLOEXEC).unwrap();
    let mut file = File::from(file);
    channel::write(channel, &json!("Keep")).await;
    channel::send(channel, &file).await;
    let Some(context) = channel::read(channel).await else {
        return false;
    };
    let Some(length) = context["Ok"]["length"].as_u64() else {
        assert!(context["Err"].is_object(), "{context}");
        return false;
    };
    file.rewind().unwrap();
    let mut kept = Vec::new();
    file.read_to_end(&mut kept).unwrap();
    file.rewind().unwrap();
    assert_eq!(kept.len() as u64, length);
    assert!(context["Ok"]["dockerfile"].is_string());
    true
}
