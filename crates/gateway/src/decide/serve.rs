//! One request, from what the parser has read to the end of its answer.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    time::Duration,
};

use ds01_core::route::Action;
use nix::sys::socket::{MsgFlags, Shutdown, recv, shutdown};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use super::{Call, Outcome, lines};
use crate::{
    answer,
    channel::{self, Answer, ParsedBody, ParsedRequest},
    docker_error,
    hangup::Hangup,
    keeper::{Client, Gateway},
    peer::Peer,
    socket::Socket,
    stream::is_kept,
};

/// What a client has to take an answer: until then it is in the keeper's memory.
const TAKEN: Duration = Duration::from_secs(600);

/// Reads the request that comes on a channel, and answers it.
pub(crate) async fn serve(
    gateway: &Gateway,
    peer: &Peer,
    client: Client,
    mut channel: Socket,
) -> io::Result<()> {
    let length = channel::length(&mut channel).await?;
    let asked = gateway.asked.take_many(peer.who(), 1 + (length >> 10));
    // Whoever asks for too much at a time keeps the rest of it to themselves.
    let asked = asked.await?;
    let ask: ParsedRequest = channel::read_of(&mut channel, length).await?;
    let mut whole = None;
    let call = Call::of(gateway, peer, &ask, Hangup::of(&channel)?).await;
    let outcome = match &call {
        Ok(call) => {
            if is_read_whole(call.route.action) {
                whole = Some(gateway.whole.take(peer.who()).await?);
            }
            call.outcome(&mut channel).await
        }
        Err(failure) => Err(failure.clone()),
    };
    let mut outcome = outcome.unwrap_or_else(|failure| {
        let (status, text) = docker_error(&failure);
        Outcome::Reply(status, Vec::new(), text.into())
    });
    if let Outcome::Reply(_, headers, _) = &mut outcome
        && !headers.iter().any(|(name, _)| name == "Content-Type")
    {
        headers.push(("Content-Type".into(), "application/json".into()));
    }
    // Who may still send is the parser's, which reads to the end of it.
    if let Outcome::Reply(status, headers, body) = &outcome
        && body.len() <= answer::SHORT
        && !matches!(ask.body, ParsedBody::Stream(_))
    {
        let text = answer::text(*status, headers, body, ask.method == "HEAD");
        // Nobody is left to be told that it has gone.
        let _ = timeout(TAKEN, answer::tell(&client, &text)).await;
        drop((client, whole, asked));
        channel::write(&mut channel, &Answer::Given).await?;
        return ended(channel).await;
    }
    drop((client, asked));
    match outcome {
        Outcome::Reply(status, headers, body) => {
            let answer = Answer::Reply {
                status,
                headers,
                length: Some(body.len() as u64),
            };
            channel::write(&mut channel, &answer).await?;
            timeout(TAKEN, channel.write_all(&body)).await??;
            drop(whole);
        }
        Outcome::Engine(engine) => {
            if !call.as_ref().is_ok_and(|call| is_kept(call.route.action)) {
                hand_on(&mut channel, &engine).await?;
                drop(engine);
                return ended(channel).await;
            }
            // Not watched: what comes is for the parser.
            let kept = engine.as_fd().try_clone_to_owned()?;
            let handed = hand_on(&mut channel, &engine).await;
            drop(engine);
            let ended = match handed {
                Ok(()) => ended(channel).await,
                failed => failed,
            };
            give_up(&kept);
            Hangup::of(&kept)?.wait().await;
            return ended;
        }
        Outcome::Lines(engine, shown) => {
            lines::relay(engine, shown, &mut channel).await?;
            // So ends an answer whose length nobody knew.
            channel.shutdown().await?;
        }
    }
    ended(channel).await
}

/// Has the engine see that nobody reads what it still writes: it is told so as it writes, and it does that
/// only once there is room.
fn give_up(engine: &OwnedFd) {
    let engine = engine.as_raw_fd();
    let _ = shutdown(engine, Shutdown::Read);
    let mut rest = [0; 16 * 1024];
    // What is on its way; nothing comes after it.
    while recv(engine, &mut rest, MsgFlags::MSG_DONTWAIT).is_ok_and(|count| count > 0) {}
}

/// Gives the parser the engine's connection.
async fn hand_on(channel: &mut Socket, engine: &Socket) -> io::Result<()> {
    channel::write(channel, &Answer::Engine).await?;
    channel::send_on(channel, &[engine.as_fd().as_raw_fd()]).await
}

/// Whether the engine's answers to it are read whole, and may be long.
fn is_read_whole(action: Action) -> bool {
    matches!(
        action,
        Action::ContainerList
            | Action::ContainerInspect
            | Action::DiskUsage
            | Action::ImageList
            | Action::Info
            | Action::NetworkInspect
            | Action::NetworkList
            | Action::VolumeInspect
            | Action::VolumeList
    )
}

/// Waits until the parser lets go of the channel: so long the connection counts as its user's.
async fn ended(mut channel: Socket) -> io::Result<()> {
    let mut rest = [0; 1];
    while channel.read(&mut rest).await? > 0 {}
    Ok(())
}
