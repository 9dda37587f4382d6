//! An image from a folder, by the engine's classic builder: the only one that can be checked.

use std::{collections::BTreeMap, io, time::Duration};

use bollard::{
    Docker, body_try_stream, errors::Error as Bollard, query_parameters::BuildImageOptions,
};
use ds01_core::failure::Failure;
use futures_util::{StreamExt, stream};
use hyper::body::Bytes;
use tokio::{io::AsyncReadExt, net::UnixStream, time::timeout};

use super::{Client, Engine, EngineError};
use crate::context::Context;

const WHAT: &str = "build the image";

/// Within this, whoever listens is told that nothing was heard.
const MOMENT: Duration = Duration::from_millis(100);

/// What bollard's own limit is set to: the folder is sent in it, and may be large.
const UNLIMITED: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Bytes of the folder at a time.
const AT_A_TIME: usize = 64 << 10;

/// What is heard of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    /// What it prints, in whatever pieces.
    Output(String),
    /// What it does, of which there will be more.
    Doing(String),
    /// Nothing, for a moment.
    Nothing,
}

/// What is built.
pub(crate) struct Order<'a> {
    /// The image's name, with a tag.
    pub(crate) image: &'a str,
    /// The values of `ARG`s.
    pub(crate) arguments: &'a BTreeMap<String, String>,
    /// Every step is taken anew.
    pub(crate) no_cache: bool,
}

/// Why there is no image.
pub(crate) enum Unbuilt {
    /// The builder's own words on a step that failed.
    Step(String),
    /// Anything else.
    Failure(Failure),
}

impl<E: Into<Failure>> From<E> for Unbuilt {
    fn from(error: E) -> Self {
        Self::Failure(error.into())
    }
}

impl Engine {
    /// Builds an image: its name moves to it once it is there. May take hours, as long as the
    /// engine answers meanwhile. `heard` is told what happens; its failure ends the build.
    ///
    /// # Errors
    ///
    /// [`Unbuilt`].
    pub(crate) fn build(
        &self,
        order: &Order<'_>,
        context: Context,
        heard: &mut dyn FnMut(Heard) -> Result<(), Failure>,
    ) -> Result<(), Unbuilt> {
        let broken = |source: io::Error| EngineError::Broken {
            what: WHAT,
            source: source.into(),
        };
        let options = BuildImageOptions {
            t: Some(order.image.into()),
            buildargs: Some(order.arguments.clone().into_iter().collect()),
            nocache: order.no_cache,
            forcerm: true,
            ..BuildImageOptions::default()
        };
        let Client { docker, runtime } = self.client()?;
        let _watched = runtime.enter();
        context.archive.set_nonblocking(true).map_err(broken)?;
        let archive = UnixStream::from_std(context.archive).map_err(broken)?;
        let body = stream::try_unfold((archive, context.ended), async |(mut archive, ended)| {
            let mut bytes = vec![0; AT_A_TIME];
            let count = archive.read(&mut bytes).await?;
            bytes.truncate(count);
            match (count, ended.get()) {
                (1.., _) => Ok(Some((Bytes::from(bytes), (archive, ended)))),
                (0, Some(Ok(()))) => Ok(None),
                // So that what is there is not taken for the whole.
                (0, _) => Err(io::Error::other("the folder was not read to its end")),
            }
        });
        let patient = docker.clone().with_timeout(UNLIMITED);
        let mut said = patient.build_image(options, None, Some(body_try_stream(body)));
        let from_bollard = |error| EngineError::from_bollard(WHAT, error, self.socket.clone());
        runtime.block_on(async {
            let mut silent = Duration::ZERO;
            let mut built = false;
            loop {
                let Ok(next) = timeout(MOMENT, said.next()).await else {
                    heard(Heard::Nothing)?;
                    silent += MOMENT;
                    if silent >= self.limit {
                        self.still_answers(docker).await?;
                        silent = Duration::ZERO;
                    }
                    continue;
                };
                silent = Duration::ZERO;
                let info = match next {
                    Some(Ok(info)) => info,
                    Some(Err(Bollard::DockerStreamError { error })) => {
                        return Err(Unbuilt::Step(error));
                    }
                    Some(Err(error)) => return Err(from_bollard(error).into()),
                    None if built => return Ok(()),
                    // The connection ended well, the build did not.
                    None => return Err(broken(io::ErrorKind::UnexpectedEof.into()).into()),
                };
                built |= info.aux.is_some_and(|image| image.id.is_some());
                if let Some(text) = info.stream {
                    heard(Heard::Output(text))?;
                }
                if let Some(status) = info.status {
                    let part = info.id.map_or(String::new(), |id| format!("{id}: "));
                    heard(Heard::Doing(part + &status))?;
                }
            }
        })
    }

    async fn still_answers(&self, docker: &Docker) -> Result<(), EngineError> {
        match timeout(self.limit, docker.ping()).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(EngineError::from_bollard(WHAT, error, self.socket.clone())),
            Err(_) => Err(EngineError::TimedOut {
                what: "answer during the build",
                limit: self.limit,
            }),
        }
    }
}
