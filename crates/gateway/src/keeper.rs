//! The half that is root: accepts, knows who calls, and holds the engine's socket.

use std::{
    collections::HashMap,
    fs, io,
    os::unix::{
        fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
        net::UnixListener,
    },
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use ds01_core::{
    container::ContainerId,
    failure::{Failure, Kind},
};
use ds01_host::{Site, config::Config, ops, owners_file, service};
use nix::{
    sys::resource::{Resource, getrlimit, setrlimit},
    unistd::geteuid,
};
use tokio::{
    io::{AsyncReadExt, Interest},
    runtime::Handle,
    signal::unix::{SignalKind, signal},
    sync::Notify,
    time::timeout,
};

use crate::{
    answer,
    blocking_pool::BlockingPool,
    decide::{self, Told},
    engine::Engine,
    http::Connections,
    line::Line,
    listen,
    operate::Operations,
    peer::{Peer, peer},
    places::Places,
    records::Records,
    socket::{Socket, watched},
};

mod open;
mod workers;

pub(crate) use open::Who;
use open::{NO_LOGIN, STRANGERS, UNTOLD};

/// Connections of one user at a time.
const PER_USER: usize = 512;

/// Connections at a time.
const IN_ALL: usize = 8192;

/// Folders of one user at a time that are on their way to the host's disk.
const RECEIVING: usize = 2;

/// Builds of one user at a time: each has what a container of theirs may use.
const BUILDING: usize = 4;

/// Kibibytes of one user's requests that are looked at at a time: in types they take ten times as much.
const ASKED: usize = 16 << 10;

/// Questions of one user at a time whose answers are read whole, and may be long.
const WHOLE: usize = 8;

/// For each connection the client, its process, the channel, two more looks at that, and the
/// engine's end; for each user a parser.
const DESCRIPTORS: u64 = 7 * IN_ALL as u64;

/// What calls that are under way have to end when the gateway is told to.
const DRAIN: Duration = Duration::from_secs(10);

/// After a connection that could not be accepted, the next is tried at the latest after this:
/// other processes of the host may have had the descriptors.
const RETRY: Duration = Duration::from_secs(1);

/// A client that has too many connections is told so, if it takes it at once.
const BUSY: &[u8] = b"HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/json\r\n\
    Connection: close\r\nContent-Length: 57\r\n\r\n\
    {\"message\":\"too many connections to DS01's gateway open\"}\n";

/// Who has no login is told so, if they take it at once.
const NOBODY: &[u8] = b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\n\
    Connection: close\r\nContent-Length: 63\r\n\r\n\
    {\"message\":\"your uid has no login on this host: ask an admin\"}\n";

/// A client's connection, or the channel for it: not watched by this process.
pub(crate) type Client = std::os::unix::net::UnixStream;

/// The processes that parse.
type Workers = HashMap<Who, Arc<Socket>>;

/// What every connection needs.
pub(crate) struct Gateway {
    pub(crate) config: Config,
    pub(crate) engine: Engine,
    pub(crate) records: Records,
    pub(crate) operations: Operations,
    /// Folders that come to be built from.
    pub(crate) receiving: Places,
    /// Builds, from their folder's first byte to the answer's last.
    pub(crate) building: Places,
    /// Archives of images that the engine has for somebody, of each user and of all.
    pub(crate) saving: Places,
    pub(crate) saving_in_all: Places<()>,
    /// Where the engine has its files, once it has told.
    pub(crate) root: Mutex<Option<PathBuf>>,
    /// Requests, by kibibytes.
    pub(crate) asked: Places<Who>,
    /// Answers that are read whole, until they have been handed over.
    pub(crate) whole: Places<Who>,
    /// Execs that are being made, by their container.
    pub(crate) execs: Places<ContainerId>,
    pub(crate) line: Line,
    pub(crate) blocking: BlockingPool,
    /// A pool of its own for notes of admins' calls: they may be many, and nobody waits for them.
    pub(crate) notes: BlockingPool,
    /// A pool of its own for deleting the files of volumes that are gone.
    pub(crate) deletes: BlockingPool,
    pub(crate) admins: Mutex<HashMap<u32, (Instant, bool)>>,
    /// Uids that have a login, or had none then.
    pub(crate) logins: Mutex<HashMap<u32, (Instant, bool)>>,
    pub(crate) version: Told,
    /// And the oldest.
    pub(crate) oldest: Told,
    creates: Mutex<HashMap<u32, Arc<tokio::sync::Mutex<()>>>>,
    workers: Mutex<Workers>,
    open: Mutex<HashMap<Who, usize>>,
    /// A connection has closed.
    closed: Notify,
    empty: PathBuf,
}

pub(crate) fn serve(path: Option<PathBuf>) -> Result<(), Failure> {
    if !geteuid().is_root() {
        let message = "the gateway runs as root: it holds the engine's socket";
        return Err(
            Failure::new(Kind::Forbidden, message).with_hint("systemctl start ds01-gateway")
        );
    }
    let config = Config::of_service(path.as_deref())?;
    let run = config.paths.run.clone();
    let unusable = |error: io::Error| {
        Failure::new(
            Kind::Unreachable,
            format!("cannot use {}: {error}", run.display()),
        )
    };
    let empty = run.join("empty");
    directory(&run, 0o755).map_err(unusable)?;
    directory(&empty, 0o555).map_err(unusable)?;
    let lock = run.join("gateway.lock");
    let only_one = roots_alone(&lock).map_err(unusable)?;
    if only_one.try_lock().is_err() {
        let message = format!("another gateway serves {}", run.display());
        let hint = format!("see who that is with fuser -v {}", lock.display());
        return Err(Failure::new(Kind::State, message).with_hint(hint));
    }
    raise_descriptors().map_err(unusable)?;
    config.keep_running().map_err(unusable)?;
    // The first that may makes the state directory; after a reboot, no folder is mounted.
    let site = Site::new(config.clone(), "gateway")?.for_others();
    site.sweep_mounts()?;
    ops::restore_mounts(&site)?;
    drop(site);
    let mut paths = vec![run.join("docker.sock")];
    paths.extend(config.gateway.takes_over.clone());
    let listeners = listen::listeners(&paths)?;
    let real = |path: PathBuf| path.canonicalize().ok();
    let engine = real(config.engine.socket.clone());
    let mut served = listeners.iter().filter_map(listen::path_of).map(real);
    if engine.is_some() && served.any(|path| path == engine) {
        let socket = config.engine.socket.display();
        let message =
            format!("engine.socket in ds01.toml is {socket}, which the gateway serves itself");
        return Err(Failure::new(Kind::State, message)
            .with_hint("name the engine's own socket, or leave it out; see ds01.toml(5)"));
    }
    let gateway = Arc::new(Gateway::new(config.clone(), Operations::new(config), empty));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(unusable)?;
    let served = runtime.block_on(gateway.run(listeners));
    // What hangs beside the loop is not waited for.
    runtime.shutdown_timeout(DRAIN);
    served.map_err(unusable)
}

/// A service is granted enough for a few hundred connections, and may take more.
fn raise_descriptors() -> io::Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let wanted = DESCRIPTORS.min(hard).max(soft);
    Ok(setrlimit(Resource::RLIMIT_NOFILE, wanted, hard)?)
}

/// Opens a file, made if need be, that nobody but root can open: whoever can read it can lock it.
fn roots_alone(path: &Path) -> io::Result<fs::File> {
    let file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    // One that an older version made.
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    Ok(file)
}

/// Makes a directory of root's, with exactly this mode.
fn directory(path: &Path, mode: u32) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(mode).create(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

impl Gateway {
    /// That of a host. Its parsers see `empty` for all files there are.
    pub(crate) fn new(config: Config, operations: Operations, empty: PathBuf) -> Self {
        Self {
            engine: Engine {
                connections: Connections::to(config.engine.socket.clone()),
                limit: config.engine.timeout(),
            },
            records: Records::new(&config.paths.state),
            operations,
            receiving: Places::new(RECEIVING),
            building: Places::new(BUILDING),
            saving: Places::new(decide::SAVES_OF_A_USER),
            saving_in_all: Places::new(decide::SAVES_OF_ALL),
            root: Mutex::default(),
            asked: Places::new(ASKED),
            whole: Places::new(WHOLE),
            execs: Places::new(1),
            line: Line::new(&config.paths.state),
            blocking: BlockingPool::default(),
            notes: BlockingPool::default(),
            deletes: BlockingPool::default(),
            admins: Mutex::default(),
            logins: Mutex::default(),
            version: Told::default(),
            oldest: Told::default(),
            creates: Mutex::default(),
            workers: Mutex::default(),
            open: Mutex::default(),
            closed: Notify::new(),
            empty,
            config,
        }
    }

    async fn run(self: Arc<Self>, listeners: Vec<UnixListener>) -> io::Result<()> {
        let watch = |listener| watched(listener, Interest::READABLE);
        let listeners = listeners.into_iter().map(watch);
        let listeners = listeners.collect::<Result<Vec<_>, _>>()?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let accepting = listeners.into_iter().map(|listener| {
            let gateway = Arc::clone(&self);
            tokio::spawn(async move {
                loop {
                    let accept = |listener: &UnixListener| listener.accept();
                    match listener.async_io(Interest::READABLE, accept).await {
                        Ok((client, _)) => gateway.accept(client),
                        // Out of descriptors, of which the next to close has some.
                        Err(_) => drop(timeout(RETRY, gateway.closed.notified()).await),
                    }
                }
            })
        });
        let accepting: Vec<_> = accepting.collect();
        let gateway = Arc::clone(&self);
        tokio::spawn(async move { gateway.line.watch().await });
        let config = self.config.clone();
        thread::Builder::new().spawn(move || owners_file::keep(&config))?;
        let (gateway, runtime) = (Arc::clone(&self), Handle::current());
        thread::Builder::new().spawn(move || decide::keep_clear(&gateway, &runtime))?;
        service::notify("READY=1");
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        service::notify("STOPPING=1");
        accepting.iter().for_each(tokio::task::JoinHandle::abort);
        let drained = async {
            while self.open.lock().is_ok_and(|open| !open.is_empty()) {
                self.closed.notified().await;
            }
        };
        // Streams that go on, as logs and shells, are cut then; the containers are not touched.
        let _ = timeout(DRAIN, drained).await;
        Ok(())
    }

    fn accept(self: &Arc<Self>, client: Client) {
        if let Ok(peer) = peer(&client) {
            self.admit(client, peer);
        }
    }

    fn admit(self: &Arc<Self>, client: Client, peer: Peer) {
        // Root is asked for nowhere: whoever mends the name service is.
        let known = match peer.inside.is_some() || peer.uid == 0 {
            true => Some(true),
            false => self.known_login(peer.uid),
        };
        let counts_with = |known, peer: &Peer, untold| match known {
            Some(true) => peer.who(),
            Some(false) => NO_LOGIN,
            None => untold,
        };
        let mut who = counts_with(known, &peer, STRANGERS);
        if !self.count(&who) {
            tokio::spawn(async move { answer::tell(&client, BUSY).await });
            return;
        }
        let gateway = Arc::clone(self);
        tokio::spawn(async move {
            if known != Some(true) {
                let known = counts_with(gateway.has_login(peer.uid).await, &peer, UNTOLD);
                if !gateway.recount(&mut who, known) {
                    let _ = answer::tell(&client, BUSY).await;
                    return;
                }
            }
            if who == NO_LOGIN {
                // Who finds it closed before they have asked does not read.
                if answer::tell(&client, NOBODY).await.is_ok()
                    && let Ok(mut client) = Socket::new(client)
                {
                    let _ = timeout(RETRY, client.read(&mut [0; 1])).await;
                }
            } else {
                // What cannot be handed over is closed, which the client sees.
                let _ = gateway.connection(client, peer, &who).await;
            }
            gateway.discount(&who);
        });
    }

    /// Hands a connection to the parser of those with whom it counts, and answers what that asks.
    async fn connection(self: &Arc<Self>, client: Client, peer: Peer, who: &Who) -> io::Result<()> {
        let (ours, theirs) = Client::pair()?;
        self.hand_over(who.clone(), &client, &theirs).await?;
        drop(theirs);
        decide::serve(self, &peer, client, Socket::new(ours)?).await
    }

    /// What a user's creates wait for, each for the one before.
    pub(crate) fn creates_of(&self, uid: u32) -> Arc<tokio::sync::Mutex<()>> {
        let mut creates = self.creates.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that nobody has or waits for are as new ones.
        creates.retain(|_, turn| Arc::strong_count(turn) > 1);
        Arc::clone(creates.entry(uid).or_default())
    }
}

#[cfg(test)]
mod tests;
