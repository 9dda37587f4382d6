//! The bodies of `POST /networks/create`, `/networks/{id}/connect` and `/disconnect`.

use std::collections::{BTreeMap, BTreeSet};

use crate::name::ContainerName;

use super::{
    body::{Texts, body, list, text},
    endpoint::{Endpoint, peer},
    finish::Peer,
    isolation::no_driver_options,
    labels,
    names::{Noun, reference, to_engine},
    refused::Refused,
};

/// The only option of a bridge that is the user's own affair.
const MTU: &str = "com.docker.network.driver.mtu";

body! {
    /// The body of `POST /networks/create`.
    pub struct NetworkBody {
        name: String,
        check_duplicate: bool,
        driver: String,
        scope: String,
        #[serde(rename = "EnableIPv4")]
        enable_ipv4: bool,
        #[serde(rename = "EnableIPv6")]
        enable_ipv6: bool,
        #[serde(rename = "IPAM")]
        ipam: Ipam,
        internal: bool,
        attachable: bool,
        ingress: bool,
        config_only: bool,
        config_from: ConfigFrom,
        options: Texts,
        labels: Texts,
    }
}

body! {
    /// Addresses of a network.
    pub(crate) struct Ipam {
        driver: String,
        options: Texts,
        config: Vec<Pool>,
    }
}

body! {
    /// A range of addresses.
    pub(crate) struct Pool {
        subnet: String,
        #[serde(rename = "IPRange")]
        ip_range: String,
        gateway: String,
        auxiliary_addresses: Texts,
    }
}

body! {
    /// Another network to take settings from.
    pub(crate) struct ConfigFrom {
        network: String,
    }
}

body! {
    /// The body of `POST /networks/{id}/connect`.
    pub struct ConnectBody {
        container: String,
        endpoint_config: Endpoint,
    }
}

body! {
    /// The body of `POST /networks/{id}/disconnect`.
    pub struct DisconnectBody {
        container: String,
        force: bool,
    }
}

impl NetworkBody {
    /// The name.
    pub fn name(&self) -> &str {
        text(&self.name)
    }

    /// The subnets that are asked for, as text: the host gets a route to each, so one that it
    /// already reaches elsewhere must not be given away.
    pub fn subnets(&self) -> impl Iterator<Item = &str> {
        let pools = self.ipam.iter().flat_map(|ipam| list(&ipam.config));
        pools
            .map(|pool| text(&pool.subnet))
            .filter(|subnet| !subnet.is_empty())
    }
}

/// Decides what a request to make a network comes to: the body for the engine.
///
/// The subnets are for the host to compare with its own, see [`NetworkBody::subnets`].
///
/// # Errors
///
/// [`Refused`] for anything but a bridge of the owner's own.
pub fn network(body: NetworkBody, uid: u32) -> Result<NetworkBody, Refused> {
    let instead = "make a bridge: docker network create NAME";
    let forbid = |field, value: &str, why| Err(Refused::forbidden(field, value, why, instead));
    let name = to_engine(Noun::Network, body.name(), uid)?;
    let driver = text(&body.driver);
    if !matches!(driver, "" | "bridge") {
        return forbid("Driver", driver, "it reaches the host's own network");
    }
    let scope = text(&body.scope);
    if !matches!(scope, "" | "local") {
        return forbid("Scope", scope, "more than this host");
    }
    let from = body
        .config_from
        .as_ref()
        .map_or("", |from| text(&from.network));
    if !from.is_empty() {
        return forbid("ConfigFrom", from, "settings of another network");
    }
    for (field, set) in [("Ingress", body.ingress), ("ConfigOnly", body.config_only)] {
        if set == Some(true) {
            return forbid(field, "true", "not a network for containers");
        }
    }
    let odd = |key: &&String| *key != MTU;
    let keys = || body.options.iter().flat_map(Texts::keys);
    if let Some(key) = keys().find(odd) {
        return forbid("Options", key, "it sets up interfaces of the host");
    }
    if let Some(ipam) = &body.ipam {
        let driver = text(&ipam.driver);
        if !matches!(driver, "" | "default") {
            return forbid("IPAM.Driver", driver, "a driver works as root");
        }
        no_driver_options("IPAM.Options", &ipam.options)?;
    }
    Ok(NetworkBody {
        name: Some(name),
        // Before API 1.44 the engine would make a second one of the same name.
        check_duplicate: Some(true),
        driver: body.driver,
        enable_ipv4: body.enable_ipv4,
        enable_ipv6: body.enable_ipv6,
        ipam: body.ipam,
        internal: body.internal,
        attachable: body.attachable,
        options: body.options,
        labels: labels::owned(body.labels, uid)?,
        ..NetworkBody::default()
    })
}

/// A request to connect, once the containers that it names have been found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedConnect {
    /// The container, by name or id, to be found among the owner's.
    pub container: String,
    /// Containers to be linked to, likewise.
    pub links: BTreeSet<String>,
    endpoint: Option<Endpoint>,
}

/// Decides what a request to connect a container to a network comes to.
///
/// # Errors
///
/// [`Refused`] as for the places of a new container.
pub fn connect(body: ConnectBody) -> Result<PlannedConnect, Refused> {
    let mut links = BTreeSet::new();
    Ok(PlannedConnect {
        container: reference("Container", text(&body.container))?,
        endpoint: body
            .endpoint_config
            .map(|endpoint| endpoint.plan(&mut links))
            .transpose()?,
        links,
    })
}

impl PlannedConnect {
    /// The body for the engine. `name`: the owner's own for the container.
    ///
    /// # Errors
    ///
    /// [`Refused::NoSuch`] for a container that was not found.
    pub fn finish(
        self,
        containers: &BTreeMap<String, Peer>,
        name: &ContainerName,
    ) -> Result<ConnectBody, Refused> {
        let mut endpoint = self.endpoint.unwrap_or_default();
        endpoint.finish(containers)?;
        endpoint.add_alias(name);
        Ok(ConnectBody {
            container: Some(peer(&self.container, containers)?.id.clone()),
            endpoint_config: Some(endpoint),
        })
    }
}

/// The container that a request to disconnect names, by name or id.
///
/// # Errors
///
/// [`Refused::Value`] if it names none.
pub fn disconnect(body: &DisconnectBody) -> Result<String, Refused> {
    reference("Container", text(&body.container))
}

impl DisconnectBody {
    /// The body for the engine, with the container that was found.
    #[must_use]
    pub fn finish(mut self, id: &str) -> Self {
        self.container = Some(id.into());
        self
    }
}
