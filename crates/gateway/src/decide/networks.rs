//! Networks: one's own, and those that every engine has.

use std::collections::BTreeMap;

use ds01_core::{
    docker::{
        ConnectBody, DisconnectBody, NetworkBody, connect, disconnect,
        names::{self, Noun, to_engine, to_user},
        network,
    },
    failure::{Failure, Kind},
    route::{Query, write_query},
};
use serde_json::{Value, json};

use super::{Call, Outcome, hide_managed, reply};
use crate::{
    body,
    filters::{Filters, name_fits},
};

/// What every engine has.
const EVERYBODYS: [&str; 3] = ["bridge", "host", "none"];

impl Call<'_> {
    /// The id of the network that the caller means: their own by name, one of the engine's, or
    /// either by id.
    pub(super) async fn network(&self, text: &str) -> Result<String, Failure> {
        Ok(self.network_seen(text, "").await?.0)
    }

    /// The id of a network that a container of the caller's may be in. The engine would take the
    /// host's own by its id too.
    pub(super) async fn network_to_join(&self, text: &str) -> Result<String, Failure> {
        let (id, seen) = self.network_seen(text, "").await?;
        match seen["Driver"] == "host" {
            true => Err(Failure::new(
                Kind::Forbidden,
                "the host's network is not for containers",
            )),
            false => Ok(id),
        }
    }

    async fn network_seen(&self, text: &str, query: &str) -> Result<(String, Value), Failure> {
        let own = to_engine(Noun::Network, text, self.caller.uid).ok();
        let names = own
            .filter(|_| !EVERYBODYS.contains(&text))
            .into_iter()
            .chain([text.to_string()]);
        let names = names.filter(|name| names::is_reference(name));
        for name in names {
            let seen = self
                .engine("GET", &format!("/networks/{name}{query}"), None)
                .await;
            let seen = match seen {
                Err(failure) if failure.kind == Kind::NotFound => continue,
                seen => seen?,
            };
            let (id, name) = (
                seen["Id"].as_str(),
                seen["Name"].as_str().unwrap_or_default(),
            );
            if let Some(id) = id.filter(|_| self.sees_network(name)) {
                return Ok((id.to_string(), seen));
            }
        }
        Err(Failure::new(
            Kind::NotFound,
            format!("network {text} not found"),
        ))
    }

    fn sees_network(&self, name: &str) -> bool {
        EVERYBODYS.contains(&name) || to_user(name, self.caller.uid).is_some()
    }

    /// The id of a network of the caller's own.
    async fn own_network(&self, text: &str) -> Result<String, Failure> {
        let (id, seen) = self.network_seen(text, "").await?;
        let name = seen["Name"].as_str().unwrap_or_default();
        match to_user(name, self.caller.uid) {
            Some(_) => Ok(id),
            None => {
                let message = format!("the network {name} is everybody's");
                Err(Failure::new(Kind::Forbidden, message))
            }
        }
    }

    /// In the caller's names, and without the containers of others.
    async fn show_network(&self, network: &mut Value) -> Result<(), Failure> {
        let name = network["Name"].as_str().unwrap_or_default();
        network["Name"] = json!(self.shown_name(name));
        hide_managed(&mut network["Labels"]);
        let (all, admin) = self.seen().await?;
        if let Some(containers) = network["Containers"].as_object_mut() {
            containers.retain(|id, container| {
                let owned = all.iter().find(|owned| owned.id.0 == *id);
                let owned = owned.filter(|owned| admin || self.is_mine(owned));
                if let Some(owned) = owned {
                    container["Name"] = json!(self.shown(owned));
                }
                owned.is_some()
            });
        }
        Ok(())
    }

    pub(super) async fn network_list(&self) -> Result<Outcome, Failure> {
        let mut filters = Filters::read(self.one("filters"))?;
        let names = filters.take_names()?;
        let query = Query::from([("filters".into(), vec![filters.write()])]);
        let path = format!("/networks{}", write_query(&query));
        let listed = self.engine("GET", &path, None).await?;
        let mut seen = Vec::new();
        for mut network in listed.as_array().cloned().unwrap_or_default() {
            if self.sees_network(network["Name"].as_str().unwrap_or_default()) {
                self.show_network(&mut network).await?;
                let name = network["Name"].as_str().unwrap_or_default();
                if names.is_empty() || names.iter().any(|pattern| name_fits(pattern, name)) {
                    seen.push(network);
                }
            }
        }
        reply(200, &Value::Array(seen))
    }

    pub(super) async fn network_inspect(&self) -> Result<Outcome, Failure> {
        let query = write_query(&self.route.query);
        let (_, mut seen) = self.network_seen(self.target(), &query).await?;
        self.show_network(&mut seen).await?;
        reply(200, &seen)
    }

    pub(super) async fn network_create(&self) -> Result<Outcome, Failure> {
        let asked: NetworkBody = body::read(self.json()?)?;
        if let Some(subnet) = asked.subnets().next() {
            // The host would get a route to it.
            let message = format!("the subnet {subnet} cannot be chosen: the host may need it");
            return Err(Failure::new(Kind::Forbidden, message)
                .with_hint("leave it out: the engine finds a free one"));
        }
        let most = self.gateway.config.gateway.networks_per_user;
        // Two at once would each find room for one more.
        let creates = self.gateway.creates_of(self.caller.uid);
        let _one_at_a_time = creates.lock().await;
        if self.own_networks().await?.len() >= most {
            // The engine has addresses for some thirty of them, for everybody.
            let message = format!("you have {most} networks, the most that a user may have");
            return Err(Failure::new(Kind::Denied, message)
                .with_hint("remove one that is not used: docker network prune"));
        }
        let json = body::write(&network(asked, self.caller.uid)?)?;
        let made = self.engine("POST", "/networks/create", Some(json)).await;
        reply(201, &made.map_err(|failure| self.in_own_names(failure))?)
    }

    pub(super) async fn network_remove(&self) -> Result<Outcome, Failure> {
        let id = self.own_network(self.target()).await?;
        self.change("DELETE", &format!("/networks/{id}"), None, 204)
            .await
    }

    /// A change that the engine answers without a body.
    async fn change(
        &self,
        method: &str,
        path: &str,
        body: Option<String>,
        status: u16,
    ) -> Result<Outcome, Failure> {
        let engine = &self.gateway.engine;
        let said = engine.ask(method, &self.path(path), body).await?;
        if said.status >= 300 {
            crate::engine::json(&said).map_err(|failure| self.in_own_names(failure))?;
        }
        Ok(Outcome::Reply(status, Vec::new(), Vec::new()))
    }

    pub(super) async fn network_connect(&self) -> Result<Outcome, Failure> {
        let id = self.own_network(self.target()).await?;
        let planned = connect(body::read::<ConnectBody>(self.json()?)?)?;
        let mut peers = BTreeMap::new();
        for name in planned.links.iter().chain([&planned.container]) {
            peers.insert(name.clone(), self.peer(name).await?);
        }
        let name = self.container(&planned.container).await?.container.name;
        let json = body::write(&planned.finish(&peers, &name)?)?;
        self.change("POST", &format!("/networks/{id}/connect"), Some(json), 200)
            .await
    }

    pub(super) async fn network_disconnect(&self) -> Result<Outcome, Failure> {
        let id = self.network(self.target()).await?;
        let asked: DisconnectBody = body::read(self.json()?)?;
        let owned = self.container(&disconnect(&asked)?).await?;
        let json = body::write(&asked.finish(&owned.id.0))?;
        let path = format!("/networks/{id}/disconnect");
        self.change("POST", &path, Some(json), 200).await
    }

    pub(super) async fn network_prune(&self) -> Result<Outcome, Failure> {
        let mut removed = Vec::new();
        for (id, own) in self.own_networks().await? {
            let path = self.path(&format!("/networks/{id}"));
            // One that a container uses is refused, and stays.
            let said = self.gateway.engine.ask("DELETE", &path, None).await?;
            if said.status < 300 {
                removed.push(own);
            }
        }
        reply(200, &json!({ "NetworksDeleted": removed }))
    }

    /// The ids of the caller's own networks, and their names for them.
    async fn own_networks(&self) -> Result<Vec<(String, String)>, Failure> {
        let listed = self.engine("GET", "/networks", None).await?;
        let own = |network: &Value| {
            let name = to_user(network["Name"].as_str()?, self.caller.uid)?;
            Some((network["Id"].as_str()?.to_string(), name.to_string()))
        };
        Ok(listed
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(own)
            .collect())
    }
}
