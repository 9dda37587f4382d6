//! Calls that may take hours, as long as the engine answers others meanwhile.

use std::time::Duration;

use bollard::{Docker, errors::Error as Bollard};
use ds01_core::failure::Failure;
use futures_util::{Stream, StreamExt};
use tokio::time::timeout;

use super::{Call, Client, Engine, EngineError};

/// Within this, whoever listens is told that nothing was heard.
const MOMENT: Duration = Duration::from_millis(100);

/// Why such a call came to nothing.
pub(crate) enum Unmade {
    /// The engine's own words on what it was about.
    Said(String),
    /// Anything else.
    Failure(Failure),
}

impl<E: Into<Failure>> From<E> for Unmade {
    fn from(error: E) -> Self {
        Self::Failure(error.into())
    }
}

impl Engine {
    /// Listens to the end of what is said. `heard` is told all of it, and `None` for nothing in a
    /// moment; its failure ends the call.
    ///
    /// # Errors
    ///
    /// [`Unmade`].
    pub(super) fn listen<T>(
        &self,
        what: Call,
        said: impl Stream<Item = Result<T, Bollard>>,
        heard: &mut dyn FnMut(Option<T>) -> Result<(), Failure>,
    ) -> Result<(), Unmade> {
        let Client { docker, runtime } = self.client()?;
        let mut said = std::pin::pin!(said);
        runtime.block_on(async {
            let mut silent = Duration::ZERO;
            loop {
                let Ok(next) = timeout(MOMENT, said.next()).await else {
                    heard(None)?;
                    silent += MOMENT;
                    if silent >= self.limit {
                        self.still_answers(what, docker).await?;
                        silent = Duration::ZERO;
                    }
                    continue;
                };
                silent = Duration::ZERO;
                match next {
                    Some(Ok(info)) => heard(Some(info))?,
                    Some(Err(Bollard::DockerStreamError { error })) => {
                        return Err(Unmade::Said(error));
                    }
                    Some(Err(error)) => {
                        let socket = self.socket.clone();
                        return Err(EngineError::from_bollard(what, error, socket).into());
                    }
                    None => return Ok(()),
                }
            }
        })
    }

    async fn still_answers(&self, what: Call, docker: &Docker) -> Result<(), EngineError> {
        match timeout(self.limit, docker.ping()).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(EngineError::from_bollard(what, error, self.socket.clone())),
            Err(_) => Err(EngineError::TimedOut {
                what: Call::Read("answer meanwhile"),
                limit: self.limit,
            }),
        }
    }
}
