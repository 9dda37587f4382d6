//! Who asks, and whether they are an admin.

use std::{
    sync::PoisonError,
    time::{Duration, Instant},
};

use ds01_core::failure::{Failure, Kind};
use ds01_host::{
    Caller, Site,
    config::Config,
    users::{self, UnknownUser},
};

use super::REMEMBERED;
use crate::{
    blocking_pool,
    keeper::Gateway,
    peer::{self, Peer},
};

/// What the name service has to tell who somebody is.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whose turns those have of whom it is not known whether they have a login: nobody has this uid.
const STRANGER: u32 = u32::MAX;

/// Whether what was told of a uid then still counts.
fn counts((at, has): &(Instant, bool)) -> bool {
    *has || at.elapsed() < REMEMBERED
}

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
    let patience = blocking_pool::PATIENCE;
    let person = gateway
        .blocking
        .run(uid, patience, move || users::person(uid));
    let person = person.await??;
    Ok(Caller {
        uid,
        gid: person.gid,
        may_be_admin: false,
    })
}

impl Gateway {
    /// Whether a uid of the host is somebody's who may log in, if that is known. One that was stays
    /// so: the name service may be out of reach later.
    pub(crate) fn known_login(&self, uid: u32) -> Option<bool> {
        let logins = self.logins.lock().unwrap_or_else(PoisonError::into_inner);
        let known = logins.get(&uid).filter(|known| counts(known));
        known.map(|(_, has)| *has)
    }

    /// The same, once the name service was asked. `None` where that does not answer.
    pub(crate) async fn has_login(&self, uid: u32) -> Option<bool> {
        if let Some(has) = self.known_login(uid) {
            return Some(has);
        }
        // All strangers together: whoever is many uids has no more turns than others.
        let asked = self
            .blocking
            .run(STRANGER, PATIENCE, move || users::person(uid));
        let has = match asked.await {
            Ok(Ok(_)) => true,
            Ok(Err(UnknownUser::Uid(_))) => false,
            _ => return None,
        };
        let mut logins = self.logins.lock().unwrap_or_else(PoisonError::into_inner);
        logins.retain(|_, known| counts(known));
        logins.insert(uid, (Instant::now(), has));
        Some(has)
    }

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
        let asked = self.blocking.run(caller.uid, PATIENCE, move || {
            Site::new(config, "gateway").and_then(|site| site.is_admin(caller))
        });
        let admin = matches!(asked.await, Ok(Ok(true)));
        if let Ok(mut admins) = self.admins.lock() {
            admins.insert(caller.uid, (Instant::now(), admin));
        }
        admin
    }
}
