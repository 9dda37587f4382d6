//! What ordinary users may ask of the engine, in the words of the Docker API.
//!
//! The gateway reads a request's body with [`read`], decides with the functions here, and sends
//! the engine what this module wrote itself: a field that is not known here never gets there.
//! The API is that of versions 1.24 to 1.47, as the docker CLI 20.10 and 28, compose 1.29 and 2.40,
//! docker-py, bollard and the dev container CLI speak it.
//!
//! A container whose processes could touch folders of the host runs as its owner and can never be
//! root. As processes hand each other open folders over sockets, that goes for every container
//! which shares a namespace or a volume with such a one: see [`finish`].

mod binds;
mod body;
mod create;
mod endpoint;
mod exec;
mod finish;
mod gpus;
mod health;
mod host_config;
mod image;
mod isolation;
mod labels;
mod mount;
pub mod names;
mod network;
mod places;
mod plan;
mod ports;
mod refused;
mod resources;
mod strict;
mod top;
mod unnamed;
mod used;
mod volume;

pub use binds::WantedBind;
pub use create::CreateBody;
pub use exec::{ExecBody, ExecStartBody, exec};
pub use finish::{Finished, Given, LogLimit, Peer, finish};
pub use gpus::GpuWish;
pub(crate) use gpus::SELECTORS;
pub use image::check_image;
pub use labels::Interface;
pub use network::{
    ConnectBody, DisconnectBody, NetworkBody, PlannedConnect, connect, disconnect, network,
};
pub use plan::{Allow, Owner, Planned, Rules, plan};
pub use refused::Refused;
pub use strict::{read, write};
pub use top::ps_args;
pub use unnamed::{is_unnamed, unnamed_of};
pub use used::{Unsettled, Used, UsedVolumes};
pub use volume::{VolumeBody, volume};

#[cfg(test)]
mod tests;
