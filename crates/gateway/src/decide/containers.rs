//! Containers: one's own, by one's own names for them.

use ds01_core::{
    docker,
    failure::{Failure, Kind},
    image, label,
    name::{ContainerArg, EngineName},
    record::{Bind, Record},
    route::{Query, write_query},
};
use ds01_host::ops::LONGEST;
use serde_json::{Value, json};
use tokio::{join, task::yield_now};

use super::{Call, Outcome, done, ended, lines::Shown, reply};
use crate::{
    filters::{Filters, name_fits},
    records::Owned,
};

impl Call<'_> {
    pub(super) async fn container_list(&self) -> Result<Outcome, Failure> {
        let mut filters = Filters::read(self.one("filters"))?;
        let names = filters.take_names()?;
        let ids = filters.take("id");
        let for_aime = filters.values_mut("label").any(|label| is_of_aime(label));
        for key in ["before", "since"] {
            for value in filters.values_mut(key) {
                *value = self.container(value).await?.id.0;
            }
        }
        for value in filters.values_mut("network") {
            *value = self.network(value).await?;
        }
        for value in filters.values_mut("volume") {
            if !value.starts_with('/') {
                *value = self.volume_name(value)?;
            }
        }
        for value in filters.values_mut("ancestor") {
            match self.image(value).await {
                // The engine lists none then, too.
                Err(failure) if failure.kind == Kind::NotFound => {
                    return reply(200, &json!([]));
                }
                id => *value = id?,
            }
        }
        let limit: usize = self.one("limit").and_then(|n| n.parse().ok()).unwrap_or(0);
        let all = self.is_set("all") || limit > 0;
        let mut query = Query::new();
        query.insert("all".into(), vec![u8::from(all).to_string()]);
        query.insert(
            "size".into(),
            vec![u8::from(self.is_set("size")).to_string()],
        );
        self.narrow(&mut filters).await;
        query.insert("filters".into(), vec![filters.write()]);
        let mut listed = self.listed(&write_query(&query)).await?;
        listed.retain(|container| {
            let name = container["Names"][0].as_str().unwrap_or_default();
            let id = container["Id"].as_str().unwrap_or_default();
            let named = names.is_empty() || names.iter().any(|pattern| name_fits(pattern, name));
            named && (ids.is_empty() || ids.iter().any(|start| id.starts_with(start.as_str())))
        });
        if limit > 0 {
            listed.truncate(limit);
        }
        if for_aime {
            listed
                .iter_mut()
                .for_each(|container| self.show_own_image(container));
        }
        reply(200, &Value::Array(listed))
    }

    /// Puts the name that an image has for a container's sake alone in the place of its own: AIME's
    /// `mlc-remove` removes the image that it reads here.
    fn show_own_image(&self, container: &mut Value) {
        let name = container["Names"][0].as_str().unwrap_or_default();
        if let Ok(ContainerArg { name, uid, .. }) = name.trim_start_matches('/').parse() {
            let uid = uid.unwrap_or(self.caller.uid);
            let image = image::of_container(&EngineName { name, uid });
            container["Image"] = json!(self.shown_image(&image));
        }
    }

    /// Lets the engine leave out what is others' anyway: all of ours have these labels.
    async fn narrow(&self, filters: &mut Filters) {
        match self.is_admin().await {
            true => filters.add("label", format!("{}=true", label::MANAGED)),
            false => filters.add("label", format!("{}={}", label::UID, self.caller.uid)),
        }
    }

    /// The engine's list, without what the caller may not see, and in the caller's names.
    pub(super) async fn listed(&self, query: &str) -> Result<Vec<Value>, Failure> {
        let listed = self
            .engine("GET", &format!("/containers/json{query}"), None)
            .await?;
        let (all, admin) = self.seen().await?;
        let Value::Array(listed) = listed else {
            return Err(Failure::new(Kind::Unreachable, "the engine's list is none"));
        };
        let of = |container: &Value| {
            let id = container["Id"].as_str()?;
            all.iter().find(|owned| owned.id.0 == id)
        };
        let seen = listed.into_iter().filter_map(|mut container| {
            let owned = of(&container).filter(|owned| admin || self.is_mine(owned))?;
            container["Names"] = json!([format!("/{}", self.shown(owned))]);
            let named = container["Labels"][label::IMAGE].as_str();
            if let Some(image) = named.filter(|image| !image.is_empty()) {
                container["Image"] = json!(image);
            }
            self.show_shared(&mut container);
            Some(container)
        });
        Ok(seen.collect())
    }

    /// The caller's name for a container; another's, for an admin, as the engine has it.
    pub(super) fn shown(&self, owned: &Owned) -> String {
        match self.is_mine(owned) {
            true => owned.container.name.to_string(),
            false => owned.container.to_string(),
        }
    }

    /// Puts the caller's own names in place of the engine's, in a list and in an inspection.
    fn show_shared(&self, container: &mut Value) {
        if let Some(image) = container["Image"].as_str() {
            container["Image"] = json!(self.shown_image(image));
        }
        let networks = container["NetworkSettings"]["Networks"].as_object();
        let mut named = networks.into_iter().flatten();
        let mode = &container["HostConfig"]["NetworkMode"];
        // The engine was given its id.
        if let Some((name, _)) = named.find(|(_, network)| network["NetworkID"] == *mode) {
            container["HostConfig"]["NetworkMode"] = json!(self.shown_name(name));
        }
        if let Some(networks) = container["NetworkSettings"]["Networks"].as_object_mut() {
            let named = std::mem::take(networks).into_iter();
            *networks = named
                .map(|(name, value)| (self.shown_name(&name), value))
                .collect();
        }
        for mount in container["Mounts"].as_array_mut().into_iter().flatten() {
            if let Some(name) = mount["Name"].as_str() {
                mount["Name"] = json!(self.shown_name(name));
            }
        }
    }

    /// `data` of one's own `data._.1001`; any other as it is.
    pub(super) fn shown_name(&self, name: &str) -> String {
        let own = name.strip_suffix(&format!("._.{}", self.caller.uid));
        own.unwrap_or(name).to_string()
    }

    pub(super) async fn container_inspect(&self) -> Result<Outcome, Failure> {
        let owned = self.container(self.target()).await?;
        let path = format!(
            "/containers/{}/json{}",
            owned.id.0,
            write_query(&self.route.query)
        );
        let path = self.path(&path);
        let ask = self.gateway.engine.ask("GET", &path, None);
        // The record is read while the engine looks.
        let record = async {
            yield_now().await;
            self.gateway.records.record(&owned)
        };
        let (said, record) = join!(ask, record);
        let mut seen = crate::engine::json(&said?)?;
        seen["Name"] = json!(format!("/{}", self.shown(&owned)));
        // Here the image is an id; its name is in the configuration.
        let image = seen["Image"].take();
        self.show_shared(&mut seen);
        seen["Image"] = image;
        if let Some(image) = seen["Config"]["Image"].as_str() {
            let named = seen["Config"]["Labels"][label::IMAGE].as_str();
            seen["Config"]["Image"] = json!(self.shown_image(named.unwrap_or(image)));
        }
        self.show_binds(record, &mut seen);
        ended::show(&mut seen);
        reply(200, &seen)
    }

    /// The folders that the owner named, in place of root's mounts of them.
    fn show_binds(&self, record: Option<Record>, seen: &mut Value) {
        let binds = record.map(|record| record.binds).unwrap_or_default();
        for mount in seen["Mounts"].as_array_mut().into_iter().flatten() {
            let of = |bind: &&Bind| mount["Destination"] == bind.target.as_str();
            if let Some(bind) = binds.iter().filter(|_| mount["Type"] == "bind").find(of) {
                mount["Source"] = json!(bind.source);
            }
        }
        for bind in seen["HostConfig"]["Binds"]
            .as_array_mut()
            .into_iter()
            .flatten()
        {
            if let Some((name, rest)) = bind.as_str().and_then(|bind| bind.split_once(':')) {
                *bind = json!(format!("{}:{rest}", self.shown_name(name)));
            }
        }
        for mount in seen["HostConfig"]["Mounts"]
            .as_array_mut()
            .into_iter()
            .flatten()
        {
            let of = |bind: &&Bind| mount["Target"] == bind.target.as_str();
            if let Some(bind) = binds.iter().filter(|_| mount["Type"] == "bind").find(of) {
                mount["Source"] = json!(bind.source);
            }
            let labels = mount.pointer_mut("/VolumeOptions/Labels");
            let labels = labels.and_then(Value::as_object_mut);
            if labels.is_some_and(|labels| labels.remove(label::UNNAMED).is_some()) {
                mount.as_object_mut().map(|mount| mount.remove("Source"));
            }
            if let (true, Some(name)) = (mount["Type"] == "volume", mount["Source"].as_str()) {
                mount["Source"] = json!(self.shown_name(name));
            }
        }
    }

    pub(super) async fn container_as_it_is(&self) -> Result<Outcome, Failure> {
        let owned = self.container(self.target()).await?;
        self.forward_to(&owned).await
    }

    /// Hands the request on to the engine, for this container.
    pub(super) async fn forward_to(&self, owned: &Owned) -> Result<Outcome, Failure> {
        // What comes after the container in the path: one word.
        let verb = self.route.path.rsplit('/').next().unwrap_or_default();
        self.forward(&format!("/containers/{}/{verb}", owned.id.0))
            .await
    }

    pub(super) async fn container_top(&self) -> Result<Outcome, Failure> {
        docker::ps_args(self.one("ps_args").unwrap_or_default())?;
        self.container_as_it_is().await
    }

    /// The numbers, and the caller's name for the container among them.
    pub(super) async fn container_stats(&self) -> Result<Outcome, Failure> {
        let owned = self.container(self.target()).await?;
        let path = format!("/containers/{}/stats", owned.id.0);
        self.lines(&path, &self.route.query, Shown::Stats(self.shown(&owned)))
            .await
    }

    /// As `container-start`: its devices are its own, or it does not start.
    pub(super) async fn container_start(&self) -> Result<Outcome, Failure> {
        let owned = self.container(self.target()).await?;
        let request = json!({ "name": arg(&owned) }).to_string();
        let started = self.operate("start", &request).await;
        if started.is_err() {
            self.remove_failed(&owned).await;
        }
        let started = started?;
        match started["value"]["already"] == true {
            true => Ok(Outcome::Reply(304, Vec::new(), Vec::new())),
            false => Ok(done()),
        }
    }

    /// What would not be started again is not stopped.
    pub(super) async fn container_restart(&self) -> Result<Outcome, Failure> {
        let owned = self.container(self.target()).await?;
        let grace = match self.one("t").map(str::parse::<u32>) {
            None => 10,
            Some(Ok(seconds)) if u64::from(seconds) <= LONGEST.as_secs() => seconds,
            Some(_) => {
                let longest = LONGEST.as_secs();
                let text = format!("t is a number of seconds, {longest} at most");
                return Err(Failure::new(Kind::Usage, text));
            }
        };
        // One that goes with its end does not meanwhile.
        let creates = self.gateway.creates_of(owned.container.uid);
        let _stays = match ended::is_to_go(&self.looked_at(&owned).await?) {
            true => Some(creates.lock().await),
            false => None,
        };
        let restart = json!({ "name": arg(&owned), "grace_seconds": grace });
        self.operate("restart", &restart.to_string()).await?;
        Ok(done())
    }

    pub(super) async fn container_remove(&self) -> Result<Outcome, Failure> {
        if self.is_set("link") {
            return Err(Failure::new(Kind::Usage, "links are not removed alone"));
        }
        let owned = self.container(self.target()).await?;
        let (force, volumes) = (self.is_set("force"), self.is_set("v"));
        let creates = self.gateway.creates_of(owned.container.uid);
        // Its volumes are not to be given to another meanwhile.
        let _one_at_a_time = match volumes {
            true => Some(creates.lock().await),
            false => None,
        };
        self.remove(&owned, force, volumes).await?;
        Ok(done())
    }

    pub(super) async fn remove(
        &self,
        owned: &Owned,
        force: bool,
        volumes: bool,
    ) -> Result<(), Failure> {
        let request = json!({
            "name": arg(owned),
            "stop_seconds": force.then_some(0),
            "volumes": volumes,
            "image": false,
            "dry_run": false,
        });
        self.operate("remove", &request.to_string()).await.map(drop)
    }

    pub(super) async fn container_prune(&self) -> Result<Outcome, Failure> {
        let mut filters = Filters::read(self.one("filters"))?;
        filters.add("status", "exited".into());
        filters.add("status", "created".into());
        filters.add("label", format!("{}={}", label::UID, self.caller.uid));
        if !filters.take("until").is_empty() {
            let message = "containers are pruned by label here, not by until";
            return Err(Failure::new(Kind::Usage, message)
                .with_hint("leave until out; all that have stopped are removed then"));
        }
        let query = Query::from([
            ("all".to_string(), vec!["1".to_string()]),
            ("filters".to_string(), vec![filters.write()]),
        ]);
        let mut removed = Vec::new();
        for stopped in self.listed(&write_query(&query)).await? {
            let id = stopped["Id"].as_str().unwrap_or_default();
            let owned = self.container(id).await?;
            // One that was started meanwhile stays.
            if self.remove(&owned, false, false).await.is_ok() {
                removed.push(id.to_string());
            }
        }
        reply(
            200,
            &json!({ "ContainersDeleted": removed, "SpaceReclaimed": 0 }),
        )
    }

    pub(super) async fn container_rename(&self) -> Result<Outcome, Failure> {
        let owned = self.container(self.target()).await?;
        let to = self.one("name").unwrap_or_default().trim_start_matches('/');
        let request = json!({ "name": arg(&owned), "to": to }).to_string();
        self.operate("rename", &request).await?;
        Ok(done())
    }

    /// Whether folders of the host are within a container's reach, as far as anybody knows.
    pub(super) fn is_as_owner(&self, owned: &Owned) -> bool {
        let record = self.gateway.records.record(owned);
        record.is_none_or(|record| record.as_owner)
    }
}

/// Whether a filter of labels is one by which AIME's commands find their containers.
fn is_of_aime(label: &str) -> bool {
    let key = label.split('=').next().unwrap_or_default();
    key == label::AIME || key.starts_with("aime.mlc.")
}

/// A container as operations name it, which wait for their turn: then it is this one still, or none.
fn arg(owned: &Owned) -> ContainerArg {
    ContainerArg {
        name: owned.container.name.clone(),
        uid: Some(owned.container.uid),
        id: Some(owned.id.clone()),
    }
}
