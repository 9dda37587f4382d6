//! HTTP requests to the engine.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Request,
    body::Bytes,
    client::conn::http1::SendRequest,
    header::{CONNECTION, CONTENT_TYPE, HOST, HeaderMap},
};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

/// The longest answer that is read: a list of 10,000 containers has 40 MB.
const LONGEST: usize = 256 << 20;

/// Connections that are kept for the next question, at most.
const KEPT: usize = 8;

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

type Sender = SendRequest<Full<Bytes>>;

/// The engine's socket, and connections to it on which everything has been answered: to make one
/// takes the engine longer than to answer most questions.
#[derive(Debug)]
pub(crate) struct Connections {
    socket: PathBuf,
    kept: Mutex<Vec<Sender>>,
}

impl Connections {
    pub(crate) fn to(socket: PathBuf) -> Self {
        Self {
            socket,
            kept: Mutex::default(),
        }
    }

    /// The engine's socket.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Asks, and reads the whole answer. There is no time limit here.
    ///
    /// # Errors
    ///
    /// If the connection fails, or the answer is not HTTP.
    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        json: Option<String>,
    ) -> io::Result<Said> {
        // What changes something is asked once: whether an engine that goes away has heard it,
        // nobody knows.
        if method != "GET" || json.is_some() {
            return said(&mut self.connect().await?, method, path, json, false).await;
        }
        while let Some(mut sender) = self.take() {
            if sender.ready().await.is_ok()
                && let Ok(said) = said(&mut sender, method, path, None, true).await
            {
                self.keep(sender, &said);
                return Ok(said);
            }
        }
        let mut sender = self.connect().await?;
        let said = said(&mut sender, method, path, None, true).await?;
        self.keep(sender, &said);
        Ok(said)
    }

    async fn connect(&self) -> io::Result<Sender> {
        let stream = TokioIo::new(UnixStream::connect(&self.socket).await?);
        let (sender, connection) = hyper::client::conn::http1::handshake(stream)
            .await
            .map_err(odd)?;
        tokio::spawn(connection);
        Ok(sender)
    }

    fn take(&self) -> Option<Sender> {
        self.kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop()
    }

    fn keep(&self, sender: Sender, said: &Said) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT && !said.headers.contains_key(CONNECTION) {
            kept.push(sender);
        }
    }
}

async fn said(
    sender: &mut Sender,
    method: &str,
    path: &str,
    json: Option<String>,
    again: bool,
) -> io::Result<Said> {
    let request = Request::builder().method(method).uri(path);
    let mut request = request.header(HOST, "docker");
    if !again {
        request = request.header(CONNECTION, "close");
    }
    if json.is_some() {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    let body = Full::new(Bytes::from(json.unwrap_or_default()));
    let request = request.body(body).map_err(io::Error::other)?;
    let answer = sender.send_request(request).await.map_err(odd)?;
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, LONGEST).collect().await;
    Ok(Said {
        status: head.status.as_u16(),
        headers: head.headers,
        body: body.map_err(io::Error::other)?.to_bytes(),
    })
}

fn odd(error: hyper::Error) -> io::Error {
    io::Error::other(error)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::UnixListener,
        time::timeout,
    };

    use super::*;

    /// An engine at `listener` that answers so many requests on each connection, and closes it as the
    /// next one comes. How many it has accepted.
    async fn engine(listener: UnixListener, requests: [usize; 4]) -> usize {
        let long = Duration::from_millis(500);
        for (at, answered) in requests.into_iter().enumerate() {
            let Ok(Ok((mut client, _))) = timeout(long, listener.accept()).await else {
                return at;
            };
            for _ in 0..answered {
                client
                    .read_buf(&mut Vec::with_capacity(4096))
                    .await
                    .unwrap();
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK";
                client.write_all(answer).await.unwrap();
            }
            client
                .read_buf(&mut Vec::with_capacity(4096))
                .await
                .unwrap();
        }
        requests.len()
    }

    #[test]
    fn a_question_is_asked_again_where_a_kept_connection_has_ended_and_an_order_never() {
        let folder = std::env::temp_dir().join(format!("ds01-http-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let socket = folder.join("engine.sock");
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().build().unwrap().block_on(async {
            let listener = UnixListener::bind(&socket).unwrap();
            let accepted = tokio::spawn(engine(listener, [2, 1, 0, 0]));
            let connections = Connections::to(socket.clone());
            // The first connection has two of them, and ends with the third.
            for _ in 0..3 {
                let said = connections.ask("GET", "/_ping", None).await.unwrap();
                assert_eq!((said.status, &*said.body), (200, &b"OK"[..]));
            }
            connections.take();
            let order = connections.ask("POST", "/x", Some("{}".into())).await;
            assert!(order.is_err(), "nobody answered it");
            assert_eq!(accepted.await.unwrap(), 3);
        });
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
