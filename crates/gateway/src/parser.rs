//! The half that parses: without privileges, one process for each user who is connected.
//!
//! It reads requests, and puts them to the keeper in types. Each connection carries one request:
//! so there is nothing behind one that could be taken for another.

use std::{
    fs::File,
    io,
    os::fd::{AsFd, OwnedFd},
    path::Path,
    process::ExitCode,
    sync::{Arc, Mutex},
    time::Duration,
};

use ds01_core::{
    failure::{Failure, Kind},
    route::{self, Action},
};
use http_body_util::{BodyExt, Either, Empty, Full};
use hyper::{
    Request, Response, StatusCode,
    body::{Body as _, Bytes, Incoming},
    header::{CONNECTION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncReadExt, copy_bidirectional_with_sizes},
    time::timeout,
};

use crate::{
    answer::SHORT,
    channel::{self, Answer, ParsedBody},
    context, docker_error,
    hangup::Hangup,
    read_request::read_request,
    sandbox,
    socket::Socket,
    still::{Motion, Moving},
    stream::{Channelled, Held, is_kept},
    written::Written,
};

/// What a client has to send the head of its request.
const HEAD: Duration = Duration::from_secs(30);

/// What a client has to send the rest of a request that is answered already.
const REST: Duration = Duration::from_secs(60);

/// Bytes at a time from a client to a process of a container, and back: most goes that way.
const TYPED: usize = 8 << 10;
const SHOWN: usize = 64 << 10;

/// Without a connection for this long, the process ends.
const IDLE: Duration = Duration::from_secs(60);

/// A request's body: the client's, none, or what was kept of it.
type Sent = Either<Incoming, Either<Empty<Bytes>, context::ContextBody>>;

/// Where a [`Held`] is while nothing uses it.
type Slot = Arc<Mutex<Option<Held>>>;

/// An answer's body: the keeper's, the engine's, or text.
type Out = Either<Either<Full<Bytes>, Channelled>, Moving<Incoming>>;

/// Runs the half that parses. Standard input is the keeper's control socket; `empty` is an empty
/// directory.
pub(crate) fn run(empty: &Path) -> ExitCode {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().build()
    };
    let ended = sandbox::close_inherited()
        .and_then(|()| sandbox::enter(empty))
        .and_then(|()| runtime())
        .and_then(|runtime| runtime.block_on(connections()));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Serves what the keeper hands over, until it ends or nothing comes for a while.
async fn connections() -> io::Result<()> {
    let control = Socket::new(io::stdin().as_fd().try_clone_to_owned()?)?;
    let busy = Arc::new(());
    loop {
        let received = match timeout(IDLE, channel::receive(&control)).await {
            Ok(received) => received?,
            Err(_) if Arc::strong_count(&busy) == 1 => return Ok(()),
            Err(_) => continue,
        };
        let Ok([client, channel]) = <[OwnedFd; 2]>::try_from(received) else {
            return Ok(());
        };
        let held = Held::new(Socket::new(channel)?, &busy);
        tokio::spawn(connection(Socket::new(client)?, held));
    }
}

/// Serves the one request of a connection. How it ends is between the client and the engine.
pub(crate) async fn connection(client: Socket, held: Held) {
    let Ok(hangup) = Hangup::of(&client) else {
        return;
    };
    let hangup = Arc::new(hangup);
    let motion = Arc::new(Motion::new(context::PATIENCE));
    let for_upgraded = Arc::clone(&hangup);
    let slot: Slot = Arc::new(Mutex::new(Some(held)));
    let service = service_fn(|request| {
        let (slot, hangup) = (Arc::clone(&slot), Arc::clone(&for_upgraded));
        let motion = Arc::clone(&motion);
        // A second request finds it empty, and there is none: keep-alive is off.
        let held = slot.lock().ok().and_then(|mut slot| slot.take());
        async move {
            let answer = match held {
                Some(held) => answer(request, held, &slot, (hangup, motion)).await,
                None => Err(broken(io::ErrorKind::NotConnected.into())),
            };
            answer
                .unwrap_or_else(|failure| Some(told(&failure)))
                .ok_or(Given)
        }
    });
    let connection = http1::Builder::new()
        .keep_alive(false)
        .half_close(true)
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(client), service);
    // While the engine says nothing, as with logs and waits, nothing is written to the client: that
    // it has gone has to be looked for, or its connections would be counted for ever.
    tokio::select! {
        _ = connection.with_upgrades() => {}
        () = hangup.wait() => {}
        () = motion.stood_still() => {}
    }
}

/// The client has its answer: the connection ends without a word of ours.
#[derive(Debug, thiserror::Error)]
#[error("the keeper has answered")]
struct Given;

/// What a request comes to.
enum Next {
    /// Nothing: the client has its answer.
    Given,
    /// This answer.
    Told(Response<Out>),
    /// What the engine answers on this connection.
    Engine {
        engine: Socket,
        held: Held,
        /// What was kept of the body, for the engine in its place.
        kept: Option<File>,
        /// The body is for the engine.
        streams: bool,
        /// Files of a container are read or written, or images: the engine does nothing else with the
        /// container meanwhile, and keeps what it has for the client on its disk.
        files: bool,
        /// The keeper waits for the end of it.
        is_kept: bool,
    },
}

/// The answer; `None` if the client has one already.
async fn answer(
    mut request: Request<Incoming>,
    held: Held,
    slot: &Slot,
    (hangup, motion): (Arc<Hangup>, Arc<Motion>),
) -> Result<Option<Response<Out>>, Failure> {
    match next(&mut request, held).await {
        Ok(Next::Given) => Ok(None),
        Ok(Next::Engine {
            engine,
            held,
            kept,
            streams,
            files,
            is_kept,
        }) => {
            if files && streams {
                motion.watch();
            }
            let body = |request: Request<Incoming>| match kept {
                Some(file) => Either::Right(Either::Right(context::ContextBody::new(file))),
                None if streams => Either::Left(request.into_body()),
                None => Either::Right(Either::Left(Empty::<Bytes>::new())),
            };
            let watched = (hangup, Arc::clone(&motion));
            let engine = Written::new(TokioIo::new(engine), is_kept);
            let answer = relay(request, body, engine, held, slot, watched).await?;
            // Until here, who reads waits for the engine.
            if files {
                motion.watch();
            }
            Ok(Some(answer))
        }
        Ok(Next::Told(response)) => {
            discard(request);
            Ok(Some(response))
        }
        Err(failure) => {
            discard(request);
            Err(failure)
        }
    }
}

async fn next(request: &mut Request<Incoming>, mut held: Held) -> Result<Next, Failure> {
    let channel = &mut held.channel;
    let ask = read_request(request).await?;
    let streams = matches!(ask.body, ParsedBody::Stream(_));
    let action = route::route(&ask.method, &ask.path, ask.query.as_deref())?.action;
    channel::write(channel, &ask).await.map_err(broken)?;
    let mut kept = None;
    let mut said = channel::read(channel).await.map_err(broken)?;
    if said == Answer::Keep {
        let file = File::from(channel::receive_one(channel).await.map_err(broken)?);
        let context = context::keep(&ask, request.body_mut(), &file).await;
        channel::write(channel, &context).await.map_err(broken)?;
        context?;
        kept = Some(file);
        said = channel::read(channel).await.map_err(broken)?;
    }
    match said {
        Answer::Given => Ok(Next::Given),
        Answer::Reply {
            status,
            headers,
            length,
        } => {
            let told = reply(status, headers, length, held).await?;
            Ok(Next::Told(told))
        }
        Answer::Engine => {
            let engine = channel::receive_one(channel).await.map_err(broken)?;
            Ok(Next::Engine {
                engine: Socket::new(engine).map_err(broken)?,
                held,
                kept,
                streams,
                files: is_kept(action) || action == Action::ContainerWrite,
                is_kept: is_kept(action),
            })
        }
        Answer::Keep => Err(broken(io::ErrorKind::InvalidData.into())),
    }
}

/// Reads what a client still sends after its answer: one that cannot write to the end may not read
/// at all, and would say that the connection broke in place of why it was refused.
fn discard(request: Request<Incoming>) {
    let mut rest = request.into_body();
    if rest.is_end_stream() {
        return;
    }
    tokio::spawn(timeout(REST, async move {
        while let Some(Ok(_)) = rest.frame().await {}
    }));
}

/// The keeper's own answer.
async fn reply(
    status: u16,
    headers: Vec<(String, String)>,
    length: Option<u64>,
    mut held: Held,
) -> Result<Response<Out>, Failure> {
    let body = match length {
        Some(length) if length <= SHORT as u64 => {
            let mut bytes = vec![0; length as usize];
            held.channel.read_exact(&mut bytes).await.map_err(broken)?;
            Either::Left(Full::new(bytes.into()))
        }
        length => Either::Right(Channelled::new(held, length)),
    };
    let mut response = Response::new(Either::Left(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>()) {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}

/// The engine's answer, on the connection that the keeper opened.
async fn relay(
    mut request: Request<Incoming>,
    body: impl FnOnce(Request<Incoming>) -> Sent,
    engine: Written<TokioIo<Socket>>,
    held: Held,
    slot: &Slot,
    (hangup, motion): (Arc<Hangup>, Arc<Motion>),
) -> Result<Response<Out>, Failure> {
    let client = hyper::upgrade::on(&mut request);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(engine)
        .await
        .map_err(gone)?;
    tokio::spawn(connection.with_upgrades());
    // Of this, only the method and the body count: the keeper wrote the head.
    let method = request.method().clone();
    let mut again = Request::new(Moving::to_engine(body(request), &motion));
    *again.method_mut() = method;
    let mut response = sender.send_request(again).await.map_err(gone)?;
    let upgraded = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    if upgraded {
        let engine = hyper::upgrade::on(&mut response);
        tokio::spawn(async move {
            // An end that closes ends the other; there is nobody to tell of errors.
            if let (Ok(client), Ok(engine)) = (client.await, engine.await) {
                let (mut client, mut engine) = (TokioIo::new(client), TokioIo::new(engine));
                tokio::select! {
                    _ = copy_bidirectional_with_sizes(&mut client, &mut engine, TYPED, SHOWN) => {}
                    () = hangup.wait() => {}
                }
            }
            drop(held);
        });
    } else if let Ok(mut slot) = slot.lock() {
        *slot = Some(held);
    }
    let mut response = response.map(|body| Either::Right(Moving::to_client(body, &motion)));
    for header in [CONNECTION, TRANSFER_ENCODING] {
        response.headers_mut().remove(header);
    }
    if upgraded {
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    }
    Ok(response)
}

fn told(failure: &Failure) -> Response<Out> {
    let (status, text) = docker_error(failure);
    let mut response = Response::new(Either::Left(Either::Left(Full::new(text.into()))));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    *response.headers_mut() = headers;
    response
}

/// The keeper ended.
fn broken(error: io::Error) -> Failure {
    Failure::new(
        Kind::Unreachable,
        format!("DS01's gateway stopped: {error}"),
    )
    .with_hint("try again")
}

/// The engine ended.
fn gone(error: hyper::Error) -> Failure {
    Failure::new(Kind::Unreachable, format!("the engine went away: {error}"))
}
