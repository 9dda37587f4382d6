//! The engine's API with nothing in between: one connection, one request, one answer.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::Path,
};

use serde_json::Value;

use crate::Result;

/// Calls the engine and reads its whole answer.
pub(crate) fn call(socket: &Path, method: &str, path: &str, body: &str) -> Result<Vec<u8>> {
    let mut stream = UnixStream::connect(socket)?;
    // HTTP 1.0: the answer ends with the connection.
    let head = format!("{method} {path} HTTP/1.0\r\nContent-Type: application/json\r\n");
    let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    if !matches!(answer.get(9), Some(b'2' | b'3')) {
        let text = String::from_utf8_lossy(&answer);
        return Err(format!("{method} {path}: {text}").into());
    }
    Ok(answer)
}

/// The same, and reads the answer's JSON.
pub(crate) fn ask(socket: &Path, method: &str, path: &str, body: &str) -> Result<Value> {
    let answer = call(socket, method, path, body)?;
    let blank = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n");
    Ok(serde_json::from_slice(
        &answer[blank.map_or(0, |at| at + 4)..],
    )?)
}

/// The path of the list of all containers that fit `filters`, which is JSON.
pub(crate) fn list(filters: &str) -> String {
    let encoded: String = filters.bytes().map(|byte| format!("%{byte:02X}")).collect();
    format!("/containers/json?all=true&filters={encoded}")
}
