//! HTTP requests to the engine.

use std::{
    error::Error,
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Request, Response, StatusCode,
    body::{Body, Bytes, Incoming},
    client::conn::http1::SendRequest,
    header::{CONNECTION, CONTENT_TYPE, HOST, HeaderMap},
};
use hyper_util::rt::TokioIo;

use crate::socket::Socket;

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
            let request = request(method, path, json, false)?;
            let answer = self.connect().await?.send_request(request).await;
            return said(answer.map_err(odd)?).await;
        }
        let question = request(method, path, None, true)?;
        while let Some(mut sender) = self.take() {
            // It may have ended since, before the question or with it.
            if sender.ready().await.is_ok()
                && let Ok(answer) = sender.send_request(question.clone()).await
            {
                return self.kept(sender, answer).await;
            }
        }
        let mut sender = self.connect().await?;
        let answer = sender.send_request(question).await.map_err(odd)?;
        self.kept(sender, answer).await
    }

    /// Reads an answer, and keeps the connection.
    async fn kept(&self, sender: Sender, answer: Response<Incoming>) -> io::Result<Said> {
        let said = said(answer).await?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT && !said.headers.contains_key(CONNECTION) {
            kept.push(sender);
        }
        Ok(said)
    }

    /// Asks for what `from` gives, and hands it over to `to` as it comes; the answer to that, or to the
    /// first if it gives nothing. There is no time limit here.
    ///
    /// # Errors
    ///
    /// If a connection fails: what comes in parts does not end well then.
    pub(crate) async fn pipe(&self, from: &str, to: &str) -> io::Result<Said> {
        let question = request("GET", from, None, false)?;
        let answer = self.connect().await?.send_request(question).await;
        let answer = answer.map_err(odd)?;
        if answer.status() != StatusCode::OK {
            return said(answer).await;
        }
        let request = Request::builder().method("POST").uri(to);
        let request = request.header(HOST, "docker").header(CONNECTION, "close");
        let request = request.header(CONTENT_TYPE, "application/x-tar");
        let request = request.body(answer.into_body()).map_err(io::Error::other)?;
        said(
            self.connect()
                .await?
                .send_request(request)
                .await
                .map_err(odd)?,
        )
        .await
    }

    async fn connect<B>(&self) -> io::Result<SendRequest<B>>
    where
        B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
    {
        let stream = TokioIo::new(Socket::connect(&self.socket)?);
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
}

/// A request with a body of JSON, or none; `again` is whether there may be another after it.
fn request(
    method: &str,
    path: &str,
    json: Option<String>,
    again: bool,
) -> io::Result<Request<Full<Bytes>>> {
    let request = Request::builder().method(method).uri(path);
    let mut request = request.header(HOST, "docker");
    if !again {
        request = request.header(CONNECTION, "close");
    }
    if json.is_some() {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    let body = Full::new(Bytes::from(json.unwrap_or_default()));
    request.body(body).map_err(io::Error::other)
}

/// Reads the whole of an answer.
async fn said(answer: Response<Incoming>) -> io::Result<Said> {
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
    use std::sync::Arc;

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::UnixListener,
    };

    use super::*;

    /// The requests that came on each connection.
    type Heard = Arc<Mutex<Vec<Vec<String>>>>;

    /// An engine that answers two requests on each connection, and closes it as a third comes, or an
    /// order.
    async fn engine(listener: UnixListener, heard: Heard) {
        for number in 0.. {
            let (mut client, _) = listener.accept().await.unwrap();
            let heard = Arc::clone(&heard);
            heard.lock().unwrap().push(Vec::new());
            tokio::spawn(async move {
                for left in (0..=2).rev() {
                    let mut request = Vec::with_capacity(4096);
                    if client.read_buf(&mut request).await.unwrap() == 0 {
                        return;
                    }
                    let request = String::from_utf8(request).unwrap().to_lowercase();
                    heard.lock().unwrap()[number].push(request.clone());
                    if left == 0 || request.starts_with("post") {
                        return;
                    }
                    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK";
                    client.write_all(answer).await.unwrap();
                }
            });
        }
    }

    #[test]
    fn a_question_is_asked_again_where_a_kept_connection_ends_and_an_order_never() {
        let folder = std::env::temp_dir().join(format!("ds01-http-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let socket = folder.join("engine.sock");
        let heard = Heard::default();
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().build().unwrap().block_on(async {
            let listener = UnixListener::bind(&socket).unwrap();
            tokio::spawn(engine(listener, Arc::clone(&heard)));
            let connections = Connections::to(socket.clone());
            for _ in 0..3 {
                let said = connections.ask("GET", "/_ping", None).await.unwrap();
                assert_eq!((said.status, &*said.body), (200, &b"OK"[..]));
            }
            // One is kept, which has answered once.
            let order = connections.ask("POST", "/x", Some("{}".into())).await;
            assert!(order.is_err(), "nobody answered it");
            let said = connections.ask("GET", "/_ping", None).await.unwrap();
            assert_eq!(said.status, 200);
        });
        std::fs::remove_dir_all(&folder).unwrap();
        let heard = heard.lock().unwrap();
        let counts: Vec<_> = heard.iter().map(Vec::len).collect();
        assert_eq!(counts, [3, 2, 1], "{heard:?}");
        let order = &heard[2][0];
        assert!(
            order.starts_with("post /x") && order.contains("connection: close"),
            "{order}"
        );
    }
}
