//! The processes that parse: one for those whose connections count together.

use std::{
    io,
    os::fd::AsRawFd,
    process::Stdio,
    sync::{Arc, MutexGuard},
};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use tokio::process::Command;

use super::{Client, Gateway, Who, Workers};
use crate::{PARSER, channel, socket::Socket};

impl Gateway {
    /// Gives a client to the parser of those with whom it counts, and one end of its channel.
    pub(super) async fn hand_over(
        self: &Arc<Self>,
        who: Who,
        client: &Client,
        channel: &Client,
    ) -> io::Result<()> {
        let both = [client.as_raw_fd(), channel.as_raw_fd()];
        let mut ended: Option<Arc<Socket>> = None;
        let worker = loop {
            let has_ended = |known: &Arc<Socket>| {
                ended
                    .as_ref()
                    .is_some_and(|ended| Arc::ptr_eq(ended, known))
            };
            // Never locked while one is waited for: the others belong to others.
            let known = self.workers()?.get(&who).cloned();
            // None yet, or it has ended for want of work, and nobody else has started one since.
            let Some(worker) = known.filter(|known| !has_ended(known)) else {
                break self.start_worker(who)?;
            };
            if channel::send_on(&worker, &both).await.is_ok() {
                return Ok(());
            }
            ended = Some(worker);
        };
        channel::send_on(&worker, &both).await
    }

    /// Starts a process that parses, for these.
    fn start_worker(self: &Arc<Self>, who: Who) -> io::Result<Arc<Socket>> {
        let worker = Arc::new(self.worker()?);
        self.workers()?.insert(who.clone(), Arc::clone(&worker));
        let (gateway, ends) = (Arc::clone(self), Arc::clone(&worker));
        tokio::spawn(async move {
            // It says nothing until it ends.
            let _ = ends.readable().await;
            if let Ok(mut workers) = gateway.workers()
                && workers.get(&who).is_some_and(|now| Arc::ptr_eq(now, &ends))
            {
                workers.remove(&who);
            }
        });
        Ok(worker)
    }

    fn workers(&self) -> io::Result<MutexGuard<'_, Workers>> {
        let workers = self.workers.lock();
        workers.map_err(|_| io::Error::other("the list of parsers was left locked"))
    }

    /// Starts a process that parses.
    fn worker(&self) -> io::Result<Socket> {
        let none = SockFlag::SOCK_CLOEXEC;
        let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, none)?;
        // Whoever has dropped it does not have to wait for it: the runtime does.
        Command::new("/proc/self/exe")
            .arg(PARSER)
            .arg(&self.empty)
            .env_clear()
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()?;
        Socket::new(ours)
    }
}
