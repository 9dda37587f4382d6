//! Volumes: one's own, by one's own names for them.

use ds01_core::{
    docker::{
        Peer, Unsettled, UsedVolumes, VolumeBody,
        names::{Noun, to_engine, to_user},
        volume,
    },
    failure::{Failure, Kind},
    label::UID,
    route::{Query, write_query},
};
use ds01_host::{
    clock,
    volumes_file::{VolumesFile, unsettled},
};
use serde_json::{Value, json};

use super::{Call, NOTED, Outcome, done, hide_managed, reply};
use crate::{
    body,
    filters::{Filters, name_fits},
};

/// Volumes that a user may have, beside those that come with containers and go with them: the engine
/// lists all of everybody's.
const MOST: usize = 256;

impl Call<'_> {
    /// The engine's name of the caller's own volume, which need not exist.
    pub(super) fn volume_name(&self, text: &str) -> Result<String, Failure> {
        let named = to_engine(Noun::Volume, text, self.caller.uid);
        named.map_err(|_| Failure::new(Kind::NotFound, format!("get {text}: no such volume")))
    }

    /// The caller's volumes, in the caller's names. Those without a name belong to the containers
    /// that they were made with, and go with them.
    pub(super) fn shown_volumes(&self, mut listed: Value) -> Vec<Value> {
        let Value::Array(volumes) = listed["Volumes"].take() else {
            return Vec::new();
        };
        let seen = volumes.into_iter().filter_map(|mut volume| {
            let own = to_user(volume["Name"].as_str()?, self.caller.uid)?.to_string();
            volume["Name"] = json!(own);
            hide_managed(&mut volume["Labels"]);
            Some(volume)
        });
        seen.collect()
    }

    pub(super) async fn volume_list(&self) -> Result<Outcome, Failure> {
        let mut filters = Filters::read(self.one("filters"))?;
        let names = filters.take_names()?;
        let query = Query::from([("filters".into(), vec![filters.write()])]);
        let path = format!("/volumes{}", write_query(&query));
        let mut seen = self.shown_volumes(self.engine("GET", &path, None).await?);
        seen.retain(|volume| {
            let name = volume["Name"].as_str().unwrap_or_default();
            names.is_empty() || names.iter().any(|pattern| name_fits(pattern, name))
        });
        reply(200, &json!({ "Volumes": seen, "Warnings": null }))
    }

    pub(super) async fn volume_create(&self) -> Result<Outcome, Failure> {
        let mut asked: VolumeBody = body::read(self.json()?)?;
        if asked.name().is_empty() {
            // The engine's own choice would not end in the uid: nobody could use it.
            asked.set_name(any_volume()?);
        }
        let made = volume(asked, self.caller.uid)?;
        // Two at once would each find room for one more.
        let creates = self.gateway.creates_of(self.caller.uid);
        let _one_at_a_time = creates.lock().await;
        let mut seen = self.make_volume(&made).await?;
        seen["Name"] = json!(self.shown_name(seen["Name"].as_str().unwrap_or_default()));
        hide_managed(&mut seen["Labels"]);
        reply(201, &seen)
    }

    /// Notes which kind of containers has a volume, where nobody knew.
    pub(super) async fn learn(&self, volume: &str, peers: &[Peer]) -> Result<(), Failure> {
        let Some(peer) = peers.first() else {
            return Ok(());
        };
        let (volume, as_owner) = (volume.to_string(), peer.as_owner);
        self.note(move |known| {
            known.learn(&volume, as_owner);
            Ok(())
        })
        .await
    }

    /// Changes what is known about volumes, by one at a time of the caller's creates: what was given
    /// up and done late would hide what has been done since.
    pub(super) async fn note(
        &self,
        change: impl FnOnce(&mut UsedVolumes) -> Result<(), Unsettled> + Send + 'static,
    ) -> Result<(), Failure> {
        let (file, uid) = (
            VolumesFile::new(&self.gateway.config.paths.state),
            self.caller.uid,
        );
        let note = move || file.change(|known| change(known).map_err(|why| unsettled(why, uid)));
        self.gateway.blocking.run(uid, NOTED, note).await?
    }

    /// Makes a volume of the caller's, unless it is there; by one at a time of them.
    pub(super) async fn make_volume(&self, made: &VolumeBody) -> Result<Value, Failure> {
        let own = format!(r#"{{"label":["{UID}={}"]}}"#, self.caller.uid);
        let query = Query::from([("filters".into(), vec![own])]);
        let path = format!("/volumes{}", write_query(&query));
        let own = self.engine("GET", &path, None).await?;
        let own = own["Volumes"].as_array().map_or(&[][..], Vec::as_slice);
        if own.len() >= MOST && own.iter().all(|volume| volume["Name"] != made.name()) {
            let message = format!("you have {MOST} volumes, the most that a user may have");
            return Err(Failure::new(Kind::Denied, message)
                .with_hint("remove those that are not used: docker volume prune"));
        }
        let path = format!("/volumes/{}", made.name());
        match self.engine("GET", &path, None).await {
            Err(failure) if failure.kind == Kind::NotFound => {
                let (volume, now) = (made.name().to_string(), clock::now());
                self.note(move |known| known.make(&volume, now)).await?;
            }
            there => drop(there?),
        }
        let json = body::write(made)?;
        self.engine("POST", "/volumes/create", Some(json)).await
    }

    pub(super) async fn volume_inspect(&self) -> Result<Outcome, Failure> {
        let name = self.volume_name(self.target())?;
        let seen = self.engine("GET", &format!("/volumes/{name}"), None).await;
        let mut seen = seen.map_err(|failure| self.in_own_names(failure))?;
        seen["Name"] = json!(self.shown_name(&name));
        hide_managed(&mut seen["Labels"]);
        reply(200, &seen)
    }

    pub(super) async fn volume_remove(&self) -> Result<Outcome, Failure> {
        let name = self.volume_name(self.target())?;
        self.remove_volume(&name, self.is_set("force")).await?;
        Ok(done())
    }

    pub(super) async fn volume_prune(&self) -> Result<Outcome, Failure> {
        let mut removed = Vec::new();
        let listed = self.engine("GET", "/volumes", None).await?;
        for volume in self.shown_volumes(listed) {
            let own = volume["Name"].as_str().unwrap_or_default();
            // One that a container uses is refused, and stays.
            let name = self.volume_name(own)?;
            if self.remove_volume(&name, false).await.is_ok() {
                removed.push(own.to_string());
            }
        }
        reply(
            200,
            &json!({ "VolumesDeleted": removed, "SpaceReclaimed": 0 }),
        )
    }
}

/// As the engine names volumes: 64 digits that nobody has used.
pub(super) fn any_volume() -> Result<String, Failure> {
    let uuid = || std::fs::read_to_string("/proc/sys/kernel/random/uuid");
    let two = uuid().and_then(|first| Ok(first + &uuid()?));
    let two = two.map_err(|error| Failure::new(Kind::Failed, error.to_string()))?;
    Ok(two.replace(['-', '\n'], ""))
}
