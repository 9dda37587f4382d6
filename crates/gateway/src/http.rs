//! One HTTP request to the engine.

use std::{io, path::Path};

use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Request,
    body::Bytes,
    header::{CONNECTION, CONTENT_TYPE, HOST, HeaderMap},
};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

/// The longest answer that is read: a list of 10,000 containers has 40 MB.
const LONGEST: usize = 256 << 20;

/// An answer.
#[derive(Debug)]
pub(crate) struct Said {
    /// The HTTP status.
    pub(crate) status: u16,
    /// Its headers.
    pub(crate) headers: HeaderMap,
    /// The whole body.
    pub(crate) body: Bytes,
}

/// Asks, and reads the whole answer. There is no time limit here.
///
/// # Errors
///
/// If the connection fails, or the answer is not HTTP.
pub(crate) async fn ask(
    socket: &Path,
    method: &str,
    path: &str,
    json: Option<String>,
) -> io::Result<Said> {
    let odd = io::Error::other::<hyper::Error>;
    let stream = TokioIo::new(UnixStream::connect(socket).await?);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream)
        .await
        .map_err(odd)?;
    tokio::spawn(connection);
    let request = Request::builder().method(method).uri(path);
    let mut request = request.header(HOST, "docker").header(CONNECTION, "close");
    if json.is_some() {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    let body = Full::new(Bytes::from(json.unwrap_or_default()));
    let request = request.body(body).map_err(io::Error::other)?;
    let (head, body) = sender
        .send_request(request)
        .await
        .map_err(odd)?
        .into_parts();
    let body = Limited::new(body, LONGEST).collect().await;
    Ok(Said {
        status: head.status.as_u16(),
        headers: head.headers,
        body: body.map_err(io::Error::other)?.to_bytes(),
    })
}
