//! What the two halves of the gateway say to each other.
//!
//! For each connection the keeper gives the parser two sockets: the client's, and one end of a
//! channel on which the parser asks once and is answered once. Whose connection it is, is not
//! said on it: the keeper knows.

use std::{
    io::{self, IoSlice, IoSliceMut},
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
};

use nix::{
    cmsg_space,
    sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::socket::Socket;

/// The longest message: a body of JSON, which doubles where every character of it needs a
/// backslash as text in JSON, and its head.
const LONGEST: usize = 3 * ds01_core::route::LONGEST_JSON;

/// A request, as the parser read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ParsedRequest {
    pub(crate) method: String,
    /// As the client wrote it.
    pub(crate) path: String,
    /// As the client wrote it.
    pub(crate) query: Option<String>,
    /// It asks for the connection itself, as attach does.
    pub(crate) upgrade: bool,
    /// The client is Docker's command line.
    pub(crate) docker_cli: bool,
    /// The credentials for a registry, as the client wrote them.
    pub(crate) registry: Option<String>,
    pub(crate) body: ParsedBody,
}

/// What comes after the head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ParsedBody {
    None,
    /// JSON, written anew by the parser.
    Json(String),
    /// Bytes for the engine: so many, or until they end.
    Stream(Option<u64>),
}

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// The keeper has given it to the client: there is nothing left to do.
    Given,
    /// This; the body follows on the channel until it ends.
    Reply {
        status: u16,
        headers: Vec<(String, String)>,
        /// The length of the body, if it is known.
        length: Option<u64>,
    },
    /// The body is kept in the file that comes with it; then the parser tells of its [`Context`],
    /// and is answered again.
    Keep,
    /// What the engine answers on the connection that comes with it, on which the request's head
    /// has been written.
    Engine,
}

/// A folder that an image is built from, as the parser has kept it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Context {
    /// Bytes, of all but its Dockerfile.
    pub(crate) length: u64,
    /// The text of its Dockerfile.
    pub(crate) dockerfile: String,
}

/// Sends descriptors with one byte.
fn send_descriptors(to: RawFd, descriptors: &[RawFd]) -> io::Result<()> {
    let rights = [ControlMessage::ScmRights(descriptors)];
    sendmsg::<()>(
        to,
        &[IoSlice::new(b"+")],
        &rights,
        MsgFlags::MSG_NOSIGNAL,
        None,
    )?;
    Ok(())
}

/// Receives descriptors; none at the end.
fn receive_descriptors(from: RawFd) -> io::Result<Vec<OwnedFd>> {
    let mut space = cmsg_space!([RawFd; 2]);
    let mut byte = [0];
    let mut into = [IoSliceMut::new(&mut byte)];
    let message = recvmsg::<()>(
        from,
        &mut into,
        Some(&mut space),
        MsgFlags::MSG_CMSG_CLOEXEC,
    )?;
    let mut received = Vec::new();
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(descriptors) = control {
            // SAFETY: the kernel has just made them for this process, and nobody else knows them.
            #[expect(unsafe_code, reason = "descriptors arrive as numbers")]
            received.extend(
                descriptors
                    .into_iter()
                    .map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }),
            );
        }
    }
    Ok(received)
}

/// Sends descriptors.
pub(crate) async fn send_on(to: &Socket, descriptors: &[RawFd]) -> io::Result<()> {
    to.send(|to| send_descriptors(to.as_raw_fd(), descriptors))
        .await
}

/// Receives descriptors; none at the end.
pub(crate) async fn receive(from: &Socket) -> io::Result<Vec<OwnedFd>> {
    from.receive(|from| receive_descriptors(from.as_raw_fd()))
        .await
}

/// Receives one descriptor.
pub(crate) async fn receive_one(from: &Socket) -> io::Result<OwnedFd> {
    let mut received = receive(from).await?;
    received
        .pop()
        .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// Writes a message: its length in four bytes, then JSON.
pub(crate) async fn write<T: Serialize>(to: &mut Socket, message: &T) -> io::Result<()> {
    let text = serde_json::to_vec(message)?;
    let length = u32::try_from(text.len()).map_err(io::Error::other)?;
    to.write_all(&[&length.to_be_bytes(), &*text].concat())
        .await
}

/// Reads a message.
pub(crate) async fn read<T: DeserializeOwned>(from: &mut Socket) -> io::Result<T> {
    let length = length(from).await?;
    read_of(from, length).await
}

/// Reads how many bytes a message has.
pub(crate) async fn length(from: &mut Socket) -> io::Result<usize> {
    let length = from.read_u32().await? as usize;
    match length > LONGEST {
        true => Err(io::ErrorKind::FileTooLarge.into()),
        false => Ok(length),
    }
}

/// Reads the rest of a message of `length` bytes.
pub(crate) async fn read_of<T: DeserializeOwned>(
    from: &mut Socket,
    length: usize,
) -> io::Result<T> {
    let mut text = vec![0; length];
    from.read_exact(&mut text).await?;
    Ok(serde_json::from_slice(&text)?)
}
