//! A container that a client of Docker's asks for.

use std::collections::{BTreeMap, BTreeSet};

use ds01_core::{
    docker::{CreateBody, Peer, Planned, VolumeBody, check_image, is_unnamed, plan},
    failure::{Failure, Kind},
    name::ContainerName,
    record::Record,
    route::{Query, write_query},
};
use ds01_host::{
    Operation,
    ops::{DockerCreate, DockerFound, rules_of},
};
use serde_json::{Value, json};

use super::{Call, Outcome, reply, turn::InLine, volumes::any_volume};
use crate::{blocking_pool::PATIENCE, body, records::Owned, socket::Socket};

/// What the name of a container begins with that was given none.
const NAMELESS: &str = "container";

impl Call<'_> {
    pub(super) async fn container_create(&self, channel: &mut Socket) -> Result<Outcome, Failure> {
        let asked: CreateBody = body::read(self.json()?)?;
        let name: ContainerName = match self.one("name").unwrap_or_default() {
            "" => Self::any_name()?,
            name => name.trim_start_matches('/').parse()?,
        };
        let (config, caller, docker) = (
            self.gateway.config.clone(),
            self.caller,
            self.ask.docker_cli,
        );
        let planned = {
            let (asked, name) = (asked.clone(), name.clone());
            let decided = self.gateway.blocking.run(caller.uid, PATIENCE, move || {
                rules_of(&config, caller)
                    .and_then(|found| Ok(plan(asked, name, &found.rules(docker))?))
            });
            decided.await??
        };
        let mut request = DockerCreate {
            name,
            body: asked,
            docker,
            found: DockerFound::default(),
            wait: None,
        };
        let mut line = InLine::new(self.gateway.config.gateway.wait());
        loop {
            request.wait = line.wait();
            let made = self.create_once(&planned, &mut request).await;
            let made = made.map_err(|failure| line.in_vain(failure))?;
            let Some(ticket) = made["Waits"].as_u64() else {
                let made = &made["Made"];
                let (id, warnings) = (&made["id"], &made["warnings"]);
                return reply(201, &json!({ "Id": id, "Warnings": warnings }));
            };
            self.turn(&mut line, ticket, channel).await?;
        }
    }

    /// Asks for it, and for nothing more of the same user's meanwhile: two at once could each find
    /// a volume unused, and one be root's and the other have folders of the host.
    async fn create_once(
        &self,
        planned: &Planned,
        request: &mut DockerCreate,
    ) -> Result<Value, Failure> {
        let creates = self.gateway.creates_of(self.caller.uid);
        let _one_at_a_time = creates.lock().await;
        request.found = self.lookup(planned).await?;
        let request = body::write(request)?;
        let mut made = self.operate(DockerCreate::NAME, &request).await?;
        Ok(made["value"].take())
    }

    /// Finds everything that the request names, among what the caller may use.
    async fn lookup(&self, planned: &Planned) -> Result<DockerFound, Failure> {
        let image = self.found(&planned.image).await?;
        let name = image.name.as_deref().unwrap_or(&planned.image);
        check_image(name, &image.seen["Config"], Some(planned))?;
        let mut networks = BTreeMap::new();
        for name in &planned.networks {
            let id = self.network_to_join(name).await.map_err(not_the_image)?;
            networks.insert(name.clone(), id);
        }
        let mut containers = BTreeMap::new();
        for name in &planned.links {
            let peer = self.peer(name).await.map_err(not_the_image)?;
            containers.insert(name.clone(), peer);
        }
        for name in &planned.joins {
            let owned = self.container(name).await.map_err(not_the_image)?;
            containers.insert(name.clone(), self.sharer(&owned)?);
        }
        let (mut volumes, mut sharers) = (BTreeMap::new(), Vec::new());
        for (name, volume) in &planned.volumes {
            if let Some(peers) = self.sharers_of_anonymous(name).await? {
                volumes.insert(name.clone(), name.clone());
                sharers.extend(peers);
                continue;
            }
            // The engine would make it without its owner's labels.
            let made = VolumeBody::named(volume, self.caller.uid);
            self.make_volume(&made).await?;
            let peers = self.sharers(volume, &self.with_volume(volume).await?)?;
            self.learn(volume, &peers).await?;
            sharers.extend(peers);
        }
        let inherited = self.inherited(planned, &containers).await?;
        let unnamed = planned.unnamed(image.volumes(), &inherited)?.into_iter();
        let unnamed = unnamed.map(|place| Ok((place, any_volume()?)));
        let unnamed = unnamed.collect::<Result<_, Failure>>()?;
        Ok(DockerFound {
            unnamed,
            image: image.id,
            image_name: image.name.unwrap_or_else(|| planned.image.clone()),
            networks,
            containers,
            volumes,
            sharers,
        })
    }

    /// Where containers have what a request inherits of them.
    async fn inherited(
        &self,
        planned: &Planned,
        found: &BTreeMap<String, Peer>,
    ) -> Result<BTreeSet<String>, Failure> {
        let mut places = BTreeSet::new();
        for name in planned.inherits()? {
            let id = found.get(&name).map_or(&*name, |peer| &peer.id);
            let path = format!("/containers/{id}/json");
            let seen = self.engine("GET", &path, None).await;
            let seen = seen.map_err(not_the_image)?;
            let mounts = seen["Mounts"].as_array().into_iter().flatten();
            let of = mounts.filter_map(|mount| mount["Destination"].as_str());
            places.extend(of.map(str::to_string));
        }
        Ok(places)
    }

    /// A container of the caller's, as a request names it that reaches it by network.
    pub(super) async fn peer(&self, name: &str) -> Result<Peer, Failure> {
        let owned = self.container(name).await?;
        Ok(Peer {
            as_owner: self.record(&owned)?.as_owner,
            id: owned.id.0,
        })
    }

    /// A container that a new one is to share processes, memory or files with: who shares has to
    /// know what it can reach.
    fn sharer(&self, owned: &Owned) -> Result<Peer, Failure> {
        let (record, name) = (self.record(owned)?, self.shown(owned));
        let forbidden = |message: String, hint: String| {
            Err(Failure::new(Kind::Forbidden, message).with_hint(hint))
        };
        if !self.is_mine(owned) {
            // An admin's folders would be within reach of what its owner runs, and theirs of this.
            let message = format!("{name} is another user's: nothing is shared with it");
            return forbidden(message, "name one of your own".into());
        }
        if !record.is_known() {
            let how = match record.adopted {
                true => "was not made by DS01",
                false => "turned up after whoever asked for it was gone",
            };
            return forbidden(
                format!("nothing can be shared with {name}: it {how}, so nobody knows what it may"),
                format!("docker rm {name} first; its volumes stay"),
            );
        }
        Ok(Peer {
            as_owner: record.as_owner,
            id: owned.id.0.clone(),
        })
    }

    fn record(&self, owned: &Owned) -> Result<Record, Failure> {
        self.gateway.records.record(owned).ok_or_else(|| {
            let message = format!("container {} is being changed", owned.container.name);
            Failure::new(Kind::State, message).with_hint("try again")
        })
    }

    /// The containers that have this volume, if it is one without a name that one of the caller's
    /// has: compose gives a container those of the one that it replaces. Which kind may have it, they
    /// alone say: whoever asks twice may find them gone.
    async fn sharers_of_anonymous(&self, name: &str) -> Result<Option<Vec<Peer>>, Failure> {
        if !is_unnamed(name) {
            return Ok(None);
        }
        let (ids, all) = (self.with_volume(name).await?, self.gateway.records.all()?);
        let mut mine = all.iter().filter(|owned| self.is_mine(owned));
        match mine.any(|owned| ids.contains(&owned.id.0)) {
            true => self.sharers(name, &ids).map(Some),
            false => Ok(None),
        }
    }

    /// Of the containers that have a volume, what a request that shares it has to know.
    fn sharers(&self, volume: &str, ids: &[String]) -> Result<Vec<Peer>, Failure> {
        let all = self.gateway.records.all()?;
        let peers = ids.iter().map(|id| {
            let owned = all.iter().find(|owned| owned.id.0 == *id).ok_or_else(|| {
                let volume = self.shown_name(volume);
                let message = format!(
                    "the volume {volume} is used by a container that DS01 does not know: {}",
                    id.get(..12).unwrap_or(id)
                );
                Failure::new(Kind::State, message).with_hint("tell an admin: ds01-doctor")
            })?;
            self.sharer(owned)
        });
        peers.collect()
    }

    /// The ids of the containers that have a volume.
    async fn with_volume(&self, volume: &str) -> Result<Vec<String>, Failure> {
        let filters = json!({ "volume": [volume] }).to_string();
        let query = Query::from([
            ("all".to_string(), vec!["1".to_string()]),
            ("filters".to_string(), vec![filters]),
        ]);
        let path = format!("/containers/json{}", write_query(&query));
        let listed = self.engine("GET", &path, None).await?;
        let listed = listed.as_array().into_iter().flatten();
        let ids = listed.filter_map(|container| container["Id"].as_str());
        Ok(ids.map(str::to_string).collect())
    }

    /// A name for a container that has none, as likely to be free as Docker's own.
    fn any_name() -> Result<ContainerName, Failure> {
        Ok(format!("{NAMELESS}-{}", Self::word()?).parse()?)
    }

    /// Eight digits that nobody else has.
    pub(super) fn word() -> Result<String, Failure> {
        let uuid = std::fs::read_to_string("/proc/sys/kernel/random/uuid");
        let uuid = uuid.map_err(|error| Failure::new(Kind::Failed, error.to_string()))?;
        Ok(uuid.chars().take(8).collect())
    }
}

/// What is missing is not the image, which Docker's command line takes a 404 for: it would pull.
fn not_the_image(failure: Failure) -> Failure {
    match failure.kind {
        Kind::NotFound => Failure {
            kind: Kind::Usage,
            ..failure
        },
        _ => failure,
    }
}
