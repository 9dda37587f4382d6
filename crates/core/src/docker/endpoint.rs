//! `NetworkingConfig` of a container, and one container's place in a network.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::name::ContainerName;

use super::{
    body::{Texts, body, is_empty, list},
    finish::Peer,
    names::{Noun, is_name, reference},
    refused::Refused,
};

/// Networks to be in from the start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Loose", rename_all = "PascalCase")]
pub(crate) struct NetworkingConfig {
    pub(crate) endpoints_config: BTreeMap<String, Option<Endpoint>>,
}

/// As docker-py 7 writes it: `{"foo": null}` is a network named elsewhere, and means nothing here.
type Loose = BTreeMap<String, Option<BTreeMap<String, Option<Endpoint>>>>;

impl TryFrom<Loose> for NetworkingConfig {
    type Error = String;

    fn try_from(mut loose: Loose) -> Result<Self, String> {
        let endpoints_config = loose
            .remove("EndpointsConfig")
            .flatten()
            .unwrap_or_default();
        match loose.into_iter().find(|(_, value)| value.is_some()) {
            Some((key, _)) => Err(format!("unknown field `{key}` in NetworkingConfig")),
            None => Ok(Self { endpoints_config }),
        }
    }
}

body! {
    /// A container's place in a network.
    pub(crate) struct Endpoint {
        #[serde(rename = "IPAMConfig")]
        ipam_config: EndpointIpam,
        links: Vec<String>,
        aliases: Vec<String>,
        mac_address: String,
        driver_opts: Texts,
        gw_priority: i64,
        #[serde(rename = "NetworkID")]
        network_id: String,
        #[serde(rename = "EndpointID")]
        endpoint_id: String,
        gateway: String,
        #[serde(rename = "IPAddress")]
        ip_address: String,
        #[serde(rename = "IPPrefixLen")]
        ip_prefix_len: i64,
        #[serde(rename = "IPv6Gateway")]
        ipv6_gateway: String,
        #[serde(rename = "GlobalIPv6Address")]
        global_ipv6_address: String,
        #[serde(rename = "GlobalIPv6PrefixLen")]
        global_ipv6_prefix_len: i64,
        #[serde(rename = "DNSNames")]
        dns_names: Vec<String>,
    }
}

body! {
    /// Addresses that a container wants.
    pub(crate) struct EndpointIpam {
        #[serde(rename = "IPv4Address")]
        ipv4_address: String,
        #[serde(rename = "IPv6Address")]
        ipv6_address: String,
        #[serde(rename = "LinkLocalIPs")]
        link_local_ips: Vec<String>,
    }
}

impl Endpoint {
    /// What of it a user decides; the rest is for the engine to fill in.
    ///
    /// # Errors
    ///
    /// [`Refused`] for options of the network's driver, and for links that are none.
    pub(super) fn plan(self, linked: &mut BTreeSet<String>) -> Result<Self, Refused> {
        if !is_empty(&self.driver_opts) {
            return Err(Refused::forbidden(
                "DriverOpts",
                self.driver_opts
                    .unwrap_or_default()
                    .into_keys()
                    .collect::<Vec<_>>()
                    .join(","),
                "it sets up interfaces of the host",
                "leave the driver's options out",
            ));
        }
        for link in list(&self.links) {
            linked.insert(split_link(link)?.0);
        }
        Ok(Self {
            ipam_config: self.ipam_config,
            links: self.links,
            aliases: self.aliases,
            mac_address: self.mac_address,
            gw_priority: self.gw_priority,
            ..Self::default()
        })
    }

    /// Lets the other containers of the network find this one by its owner's name for it: the
    /// engine knows it by another.
    pub(super) fn add_alias(&mut self, name: &ContainerName) {
        let (aliases, name) = (self.aliases.get_or_insert_default(), name.to_string());
        if !aliases.contains(&name) {
            aliases.push(name);
        }
    }

    /// Puts containers that were found in place of those that were named.
    pub(super) fn finish(&mut self, peers: &BTreeMap<String, Peer>) -> Result<(), Refused> {
        finish_links(&mut self.links, peers)
    }
}

/// The container and the alias of `container:alias`, or of `container` alone.
pub(super) fn split_link(link: &str) -> Result<(String, String), Refused> {
    let (name, alias) = link.split_once(':').unwrap_or((link, link));
    let name = reference("Links", name)?;
    let alias = alias.strip_prefix('/').unwrap_or(alias);
    match is_name(alias) {
        true => Ok((name, alias.into())),
        false => Err(Refused::value("Links", link, "not name:alias")),
    }
}

/// Puts containers that were found in place of those that were named.
pub(super) fn finish_links(
    links: &mut Option<Vec<String>>,
    peers: &BTreeMap<String, Peer>,
) -> Result<(), Refused> {
    for link in links.iter_mut().flatten() {
        let (name, alias) = split_link(link)?;
        *link = format!("{}:{alias}", peer(&name, peers)?.id);
    }
    Ok(())
}

/// The caller's own container of this name.
pub(super) fn peer<'a>(name: &str, peers: &'a BTreeMap<String, Peer>) -> Result<&'a Peer, Refused> {
    peers
        .get(name)
        .ok_or_else(|| Refused::no_such(Noun::Container, name))
}
