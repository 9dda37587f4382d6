//! Who asks, and whether they are an admin.

use std::time::{Duration, Instant};

use ds01_core::failure::{Failure, Kind};
use ds01_host::{Caller, Site, config::Config, users};

use super::REMEMBERED;
use crate::{
    aside,
    keeper::Gateway,
    peer::{self, Peer},
};

/// What the name service has to tell who is an admin.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who asks: the uid that the kernel gives, or the owner of the container that the call is from.
pub(super) async fn caller(gateway: &Gateway, peer: &Peer) -> Result<Caller, Failure> {
    let Some(inside) = &peer.inside else {
        return Ok(Caller {
            uid: peer.uid,
            gid: peer.gid,
            may_be_admin: peer.uid != 0,
        });
    };
    let nobodys = || {
        let message = "this container is not one of DS01's: nobody knows whose it is";
        Failure::new(Kind::Forbidden, message)
    };
    let all = gateway.records.all()?;
    let owned = all.iter().find(|owned| owned.id == inside.container);
    let uid = owned.ok_or_else(nobodys)?.container.uid;
    let path = format!("/containers/{}/json", inside.container.0);
    let seen = gateway.engine.ask("GET", &path, None).await?;
    let seen = crate::engine::json(&seen).map_err(|_| nobodys())?;
    // One that does not run has the pid 0, which no process has.
    let first = seen["State"]["Pid"].as_u64().unwrap_or_default();
    if peer::namespace(&first.to_string()).ok() != Some(inside.namespace) {
        return Err(nobodys());
    }
    let patience = aside::PATIENCE;
    let person = gateway.aside.ask(patience, move || users::person(uid));
    let person = person.await??;
    Ok(Caller {
        uid,
        gid: person.gid,
        may_be_admin: false,
    })
}

impl Gateway {
    /// Whether a caller is an admin. Where nobody can tell in time, they are not.
    pub(super) async fn is_admin(&self, caller: Caller) -> bool {
        let known = self
            .admins
            .lock()
            .ok()
            .and_then(|admins| admins.get(&caller.uid).copied());
        if let Some((_, admin)) = known.filter(|(at, _)| at.elapsed() < REMEMBERED) {
            return admin;
        }
        let config: Config = self.config.clone();
        let asked = self.aside.ask(PATIENCE, move || {
            Site::new(config, "gateway").and_then(|site| site.is_admin(caller))
        });
        let admin = matches!(asked.await, Ok(Ok(true)));
        if let Ok(mut admins) = self.admins.lock() {
            admins.insert(caller.uid, (Instant::now(), admin));
        }
        admin
    }
}
