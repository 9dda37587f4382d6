//! The two halves of the gateway apart from each other and from any process, for fuzz targets:
//! each has to bear whatever the other could say.

use std::{io, os::fd::OwnedFd, path::Path, sync::Arc};

use ds01_core::failure::Failure;
use ds01_host::config::Config;

use crate::{
    decide, keeper::Gateway, operate::Operations, parser, peer::Peer, socket::Socket, stream::Held,
};

/// The half that parses, on one connection: two sockets.
///
/// # Errors
///
/// If the event loop takes no more.
pub async fn parse(client: OwnedFd, channel: OwnedFd) -> io::Result<()> {
    let held = Held::new(Socket::new(channel)?, &Arc::new(()));
    parser::connection(Socket::new(client)?, held).await;
    Ok(())
}

/// The half that decides. It carries out no operation.
pub struct Keeper(Gateway);

impl Keeper {
    /// That of the host of this configuration.
    ///
    /// # Errors
    ///
    /// If the configuration cannot be read.
    pub fn new(config: &Path) -> Result<Self, Failure> {
        let config = Config::of_service(Some(config))?;
        let empty = config.paths.run.join("empty");
        Ok(Self(Gateway::new(config, Operations::none(), empty)))
    }

    /// Answers one request of this user's: on the channel, or to the client.
    ///
    /// # Errors
    ///
    /// If the channel breaks, or what comes on it is no request.
    pub async fn serve(
        &self,
        uid: u32,
        gid: u32,
        client: OwnedFd,
        channel: OwnedFd,
    ) -> io::Result<()> {
        let peer = Peer {
            uid,
            gid,
            connected: None,
            inside: None,
        };
        decide::serve(&self.0, &peer, client.into(), Socket::new(channel)?).await
    }
}
