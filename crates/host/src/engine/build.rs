//! An image from a folder, by the engine's classic builder: the only one that can be checked.

use std::{collections::BTreeMap, io};

use bollard::{body_try_stream, query_parameters::BuildImageOptions};
use ds01_core::failure::Failure;
use futures_util::stream;
use hyper::body::Bytes;
use tokio::{io::AsyncReadExt, net::UnixStream};

use super::{Call, Engine, EngineError, long::Unmade};
use crate::context::Context;

const WHAT: Call = Call::Change("build the image");

/// Bytes of the folder at a time.
const AT_A_TIME: usize = 256 << 10;

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

impl Engine {
    /// Builds an image: its name moves to it once it is there. May take hours, as long as the
    /// engine answers meanwhile. `heard` is told what happens; its failure ends the build.
    ///
    /// # Errors
    ///
    /// [`Unmade`].
    pub(crate) fn build(
        &self,
        order: &Order<'_>,
        context: Context,
        heard: &mut dyn FnMut(Heard) -> Result<(), Failure>,
    ) -> Result<(), Unmade> {
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
        let _watched = self.client()?.runtime.enter();
        context.archive.set_nonblocking(true).map_err(broken)?;
        let archive = UnixStream::from_std(context.archive).map_err(broken)?;
        let body = stream::try_unfold((archive, context.ended), async |(mut archive, ended)| {
            let mut bytes = Vec::with_capacity(AT_A_TIME);
            let count = archive.read_buf(&mut bytes).await?;
            match (count, ended.get()) {
                (1.., _) => Ok(Some((Bytes::from(bytes), (archive, ended)))),
                (0, Some(Ok(()))) => Ok(None),
                // So that what is there is not taken for the whole.
                (0, _) => Err(io::Error::other("the folder was not read to its end")),
            }
        });
        let docker = &self.client()?.docker;
        let said = docker.build_image(options, None, Some(body_try_stream(body)));
        let mut built = false;
        self.listen(WHAT, said, &mut |info| {
            let Some(info) = info else {
                return heard(Heard::Nothing);
            };
            built |= info.aux.is_some_and(|image| image.id.is_some());
            if let Some(text) = info.stream {
                heard(Heard::Output(text))?;
            }
            match info.status {
                Some(status) => {
                    let part = info.id.map_or(String::new(), |id| format!("{id}: "));
                    heard(Heard::Doing(part + &status))
                }
                None => Ok(()),
            }
        })?;
        match built {
            true => Ok(()),
            // The connection ended well, the build did not.
            false => Err(broken(io::ErrorKind::UnexpectedEof.into()).into()),
        }
    }
}
