//! Images in archives.
//!
//! The engine writes an archive to its own disk before its first byte, whole, and keeps it there until
//! the last has been taken: so there are few at a time.

use std::{collections::BTreeMap, path::Path, time::Duration};

use ds01_core::{
    failure::{Failure, Kind},
    route::Query,
    size,
};
use nix::sys::statvfs::statvfs;
use tokio::time::timeout;

use super::{Call, Outcome, images::Found};
use crate::{
    docker_error,
    places::{Place, Places},
};

/// Archives of one user at a time.
pub(crate) const OF_A_USER: usize = 2;

/// Archives at a time.
pub(crate) const OF_ALL: usize = 4;

/// What somebody waits for a place: the engine may just be removing the archive before.
const TURN: Duration = Duration::from_secs(3);

const TOO_MANY: u16 = 429;
const NO_ROOM: u16 = 507;

impl Call<'_> {
    /// Images in one archive: each by the one name that the caller means, or by its id.
    pub(super) async fn image_save(&self) -> Result<Outcome, Failure> {
        let mut query = self.route.query.clone();
        let names = query.remove("names").unwrap_or_default();
        if names.is_empty() {
            return Err(Failure::new(Kind::Usage, "name the images that are saved"));
        }
        let mut all = Vec::new();
        for name in &names {
            all.push(self.found(name).await?);
        }
        let names = all.iter().map(|found| found.in_engine().to_string());
        query.insert("names".into(), names.collect());
        self.save("/images/get", &query, &all).await
    }

    /// The engine's archive of these.
    pub(super) async fn save(
        &self,
        path: &str,
        query: &Query,
        all: &[Found],
    ) -> Result<Outcome, Failure> {
        let gateway = self.gateway;
        let Some(mine) = place(&gateway.saving, self.caller.uid).await? else {
            let message =
                format!("you have {OF_A_USER} images on their way out, which is the most");
            return Ok(told(
                TOO_MANY,
                message,
                "try again when one of them is saved",
            ));
        };
        let Some(one) = place(&gateway.saving_in_all, ()).await? else {
            let message = format!("{OF_ALL} images are on their way out, which is the most");
            return Ok(told(
                TOO_MANY,
                message,
                "try again when one of them is saved",
            ));
        };
        let sizes = all
            .iter()
            .map(|found| (&found.id, found.seen["Size"].as_u64()));
        let sizes: BTreeMap<_, _> = sizes.collect();
        let needed = sizes.into_values().flatten().fold(0, u64::saturating_add);
        let root = gateway.root.lock().ok().and_then(|root| root.clone());
        if let Some(left) = root
            .and_then(|root| left(&root))
            .filter(|left| *left < needed)
        {
            let (needed, left) = (size::bytes(needed), size::bytes(left));
            let message = format!("no room for the archive: it takes {needed}, {left} are left");
            let hint = "tell an admin: the disk of the engine is nearly full";
            return Ok(told(NO_ROOM, message, hint));
        }
        self.saving.get_or_init(|| (mine, one));
        self.forward_as(path, query, None).await
    }
}

/// A place, if there is one soon.
async fn place<K: Eq + std::hash::Hash>(
    places: &Places<K>,
    who: K,
) -> Result<Option<Place>, Failure> {
    let place = timeout(TURN, places.take(who)).await.ok().transpose();
    place.map_err(|error| Failure::new(Kind::Failed, error.to_string()))
}

/// Bytes that the engine can write to its disk, if anybody knows.
fn left(root: &Path) -> Option<u64> {
    let disk = statvfs(root).ok()?;
    Some(disk.blocks_available().saturating_mul(disk.fragment_size()))
}

/// A refusal with this status, which no other has.
fn told(status: u16, message: String, hint: &str) -> Outcome {
    let (_, text) = docker_error(&Failure::new(Kind::Busy, message).with_hint(hint));
    Outcome::Reply(status, Vec::new(), text.into())
}
