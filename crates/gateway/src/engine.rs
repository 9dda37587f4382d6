//! The engine's socket, which only the keeper has.

use std::{future::Future, io, time::Duration};

use ds01_core::failure::{Failure, Kind};
use hyper::header::{HeaderMap, HeaderValue};
use serde_json::Value;
use tokio::{io::AsyncWriteExt, time::timeout};

use crate::{
    http::{Connections, Said},
    socket::Socket,
};

/// The engine.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) connections: Connections,
    pub(crate) limit: Duration,
}

/// An answer's JSON.
///
/// # Errors
///
/// The engine's own refusal; or if it is no JSON.
pub(crate) fn json(said: &Said) -> Result<Value, Failure> {
    let value: Result<Value, _> = serde_json::from_slice(&said.body);
    if said.status >= 400 {
        let message = value
            .as_ref()
            .ok()
            .and_then(|value| value["message"].as_str());
        let text = String::from_utf8_lossy(&said.body);
        let message = message.unwrap_or(&text).trim();
        return Err(Failure::new(kind(said.status), message));
    }
    value.map_err(|error| {
        Failure::new(
            Kind::Unreachable,
            format!("the engine's answer is not JSON: {error}"),
        )
    })
}

/// What kind of failure a status of the engine stands for.
fn kind(status: u16) -> Kind {
    match status {
        400 => Kind::Usage,
        403 => Kind::Forbidden,
        404 => Kind::NotFound,
        409 => Kind::State,
        _ => Kind::Failed,
    }
}

impl Engine {
    /// Asks the engine, and reads its answer whole.
    ///
    /// # Errors
    ///
    /// If it cannot be reached, or does not answer in time. A refusal is an answer.
    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<String>,
    ) -> Result<Said, Failure> {
        let call = self.connections.ask(method, path, body);
        let call = async { call.await.map_err(|error| self.unreachable(error)) };
        self.within(call).await
    }

    /// Has the engine take in what it gives out; its answer to that, whole. It may take as long as it
    /// does.
    ///
    /// # Errors
    ///
    /// If it cannot be reached, or refuses one or the other.
    pub(crate) async fn pipe(&self, from: &str, to: &str) -> Result<Said, Failure> {
        let piped = self.connections.pipe(from, to).await;
        let said = piped.map_err(|error| self.unreachable(error))?;
        if said.status >= 400 {
            json(&said)?;
        }
        Ok(said)
    }

    /// Opens a connection and writes the head of a request, and its body or what that begins with.
    ///
    /// # Errors
    ///
    /// If the engine cannot be reached.
    pub(crate) async fn begin(&self, head: impl AsRef<[u8]>) -> Result<Socket, Failure> {
        let call = async {
            let mut stream = Socket::connect(self.connections.socket())?;
            stream.write_all(head.as_ref()).await?;
            Ok(stream)
        };
        self.within(async { call.await.map_err(|error| self.unreachable(error)) })
            .await
    }

    async fn within<T>(
        &self,
        call: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        timeout(self.limit, call).await.unwrap_or_else(|_| {
            let seconds = self.limit.as_secs();
            let message = format!("the engine did not answer within {seconds} s");
            Err(Failure::new(Kind::Unreachable, message))
        })
    }

    fn unreachable(&self, error: io::Error) -> Failure {
        let mut failure = Failure::new(Kind::Unreachable, "the engine cannot be reached");
        failure.causes = vec![error.to_string()];
        failure.with_hint("tell an admin: is docker running?")
    }
}

/// A header of the engine's answer, if it is text.
pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(HeaderValue::to_str)?.ok()
}
