//! Messages between the two halves of the gateway, as anybody could write them.

use std::{
    io::{IoSlice, IoSliceMut},
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
};

use nix::{
    cmsg_space,
    sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg},
};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, Interest},
    net::UnixStream,
};

/// The longest that the keeper may say, or be told.
const LONGEST: usize = 4 << 20;

/// A message: its length in four bytes, then JSON.
pub(crate) fn framed(text: &[u8]) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap();
    [&length.to_be_bytes(), text].concat()
}

/// Writes a message. That nobody reads it any more is no fault.
pub(crate) async fn write(to: &mut UnixStream, message: &Value) {
    let _ = to.write_all(&framed(message.to_string().as_bytes())).await;
}

/// The next message; `None` at the end.
pub(crate) async fn read(from: &mut UnixStream) -> Option<Value> {
    let length = from.read_u32().await.ok()? as usize;
    assert!(length < LONGEST, "a message of {length} bytes");
    let mut text = vec![0; length];
    from.read_exact(&mut text).await.ok()?;
    Some(serde_json::from_slice(&text).unwrap())
}

/// Sends a descriptor.
pub(crate) async fn send(to: &UnixStream, descriptor: &impl AsRawFd) {
    let descriptors = [descriptor.as_raw_fd()];
    let rights = [ControlMessage::ScmRights(&descriptors)];
    let byte = [IoSlice::new(b"+")];
    let sent = to.async_io(Interest::WRITABLE, || {
        let flags = MsgFlags::MSG_NOSIGNAL;
        Ok(sendmsg::<()>(to.as_raw_fd(), &byte, &rights, flags, None)?)
    });
    let _ = sent.await;
}

/// Receives a descriptor; `None` at the end.
pub(crate) async fn receive(from: &UnixStream) -> Option<OwnedFd> {
    let received = from.async_io(Interest::READABLE, || {
        let mut space = cmsg_space!([RawFd; 2]);
        let mut byte = [0];
        let mut into = [IoSliceMut::new(&mut byte)];
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        let message = recvmsg::<()>(from.as_raw_fd(), &mut into, Some(&mut space), flags)?;
        let mut received = None;
        for control in message.cmsgs()? {
            if let ControlMessageOwned::ScmRights(descriptors) = control {
                // SAFETY: the kernel has just made it for this process.
                let owned = |fd| unsafe { OwnedFd::from_raw_fd(fd) };
                received = descriptors.into_iter().map(owned).next();
            }
        }
        Ok(received)
    });
    received.await.ok().flatten()
}

/// A received socket, watched by the event loop.
pub(crate) fn watched(socket: OwnedFd) -> UnixStream {
    let socket = std::os::unix::net::UnixStream::from(socket);
    socket.set_nonblocking(true).unwrap();
    UnixStream::from_std(socket).unwrap()
}
