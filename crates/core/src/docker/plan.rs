//! What a request for a container comes to, before anything is looked up.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    limits::Limits,
    name::{ContainerName, EngineName},
};

use super::{
    binds::{self, WantedBind},
    body::{Words, list, text},
    create::CreateBody,
    endpoint::split_link,
    gpus::{self, GpuWish},
    health,
    host_config::RestartPolicy,
    isolation,
    labels::{self, Interface},
    names::reference,
    ports,
    refused::Refused,
    resources,
};

/// Bytes of a container's command, which every list carries as it does labels.
const LONGEST_COMMAND: usize = 64 << 10;

/// Seconds that a container may have to end: the engine waits as long for it when it ends itself, and
/// with a negative number for ever.
const LONGEST_STOP: i64 = 300;

/// The user who makes a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner<'a> {
    /// The uid that the kernel gives.
    pub uid: u32,
    /// The primary gid on the host.
    pub gid: u32,
    /// The login.
    pub login: &'a str,
}

impl Owner<'_> {
    /// As whom the engine runs the owner's processes.
    pub(super) fn user(&self) -> String {
        format!("{}:{}", self.uid, self.gid)
    }

    /// Whether `user` of a request is the owner: empty, uid, `uid:gid` or login.
    pub(super) fn is(&self, user: &str) -> bool {
        user.is_empty() || user == self.uid.to_string() || user == self.user() || user == self.login
    }
}

/// What an admin allows to everyone's containers beyond what every container may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Allow {
    /// Capabilities that may be added, with or without `CAP_`; the engine's default ones always
    /// may. None by default.
    pub capabilities: Vec<String>,
    /// Sysctls that may be set, by their whole names. None by default.
    pub sysctls: Vec<String>,
    /// Ulimits that may be set: `nofile` up to 65536, the others to any value, as memory counts
    /// against the container's limit anyway. By default all but `nice` and `rtprio`, which could put processes before those of others.
    pub ulimits: Vec<String>,
    /// Runtimes beside the engine's default one. None by default; `nvidia` is a request for GPUs.
    pub runtimes: Vec<String>,
}

impl Default for Allow {
    fn default() -> Self {
        let ulimits = [
            "as",
            "core",
            "cpu",
            "data",
            "fsize",
            "locks",
            "memlock",
            "msgqueue",
            "nofile",
            "nproc",
            "rss",
            "rttime",
            "sigpending",
            "stack",
        ];
        Self {
            capabilities: Vec::new(),
            sysctls: Vec::new(),
            ulimits: ulimits.map(String::from).into(),
            runtimes: Vec::new(),
        }
    }
}

/// What a request is held to.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// The user who makes it.
    pub owner: Owner<'a>,
    /// The owner's limits.
    pub limits: &'a Limits,
    /// CPUs of this host: the engine refuses a limit above.
    pub host_cpus: u32,
    /// What an admin allows.
    pub allow: &'a Allow,
    /// The client is the docker command.
    pub docker: bool,
}

/// A request that may be carried out once what it names has been found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The container and its owner.
    pub container: EngineName,
    /// The owner, as the engine runs processes: `uid:gid`.
    pub(super) user: String,
    /// Whether the request leaves the user to the image or names the owner.
    pub(super) owner_asked: bool,
    /// The image, as the request names it.
    pub image: String,
    /// How it was asked for.
    pub interface: Interface,
    /// GPUs to be given.
    pub gpus: GpuWish,
    /// Parts of the driver that were asked for.
    pub(super) parts: BTreeSet<String>,
    /// Folders of the host, to be checked, and opened or made, as the owner.
    pub binds: Vec<WantedBind>,
    /// Named volumes: the engine's name by the name in the request. Those that do not exist are to
    /// be made first, with labels; the engine would make them without.
    pub volumes: BTreeMap<String, String>,
    /// Networks, by name or id, to be found among the owner's.
    pub networks: BTreeSet<String>,
    /// Containers to share namespaces or mounts with, by name or id, to be found among the owner's.
    pub joins: BTreeSet<String>,
    /// Containers to be linked to, likewise.
    pub links: BTreeSet<String>,
    /// What was changed, a line each, for the client to show.
    pub warnings: Vec<String>,
    /// The body, within the rules, with names as the request has them.
    pub(super) body: CreateBody,
}

/// Decides what a request to make a container comes to.
///
/// Everything that is left of it is within `to`; what it names is still to be found.
///
/// # Errors
///
/// [`Refused`] at the first thing that would reach beyond the owner's containers, or that the
/// engine would not understand.
pub fn plan(mut body: CreateBody, name: ContainerName, to: &Rules<'_>) -> Result<Planned, Refused> {
    let owner = to.owner;
    if body.image().is_empty() {
        return Err(Refused::value("Image", "", "none given"));
    }
    labels::check(&body.labels)?;
    let words = [&body.entrypoint, &body.cmd].into_iter().flatten();
    if words.flat_map(Words::list).map(String::len).sum::<usize>() > LONGEST_COMMAND {
        let why = "more than 64 KiB in all, which every list would carry";
        return Err(Refused::value("Cmd", "…", why));
    }
    if let Some(seconds) = body.stop_timeout
        && !(0..=LONGEST_STOP).contains(&seconds)
    {
        let why = "it is 0 to 300 seconds";
        return Err(Refused::value("StopTimeout", seconds.to_string(), why));
    }
    health::check(body.healthcheck.as_ref())?;
    let interface = Interface::of(&body.labels, to.docker);
    let mut warnings = Vec::new();
    let (mut parts, mut joins, mut links) = Default::default();
    let gpus = gpus::take(&mut body, &mut parts)?;
    let wanted = binds::plan(&mut body, owner.uid)?;
    let networks = networks(&mut body, &mut joins, &mut links)?;
    let exposed = body.exposed_ports.clone();
    let host = body.host();
    isolation::check(host, to.allow, &mut joins)?;
    ports::check(&exposed, host)?;
    resources::settle(host, to, &mut warnings)?;
    for link in list(&host.links) {
        links.insert(split_link(link)?.0);
    }
    restart(&mut host.restart_policy, &mut warnings)?;
    host.container_id_file = None;
    Ok(Planned {
        container: EngineName {
            name,
            uid: owner.uid,
        },
        user: owner.user(),
        owner_asked: owner.is(text(&body.user)),
        image: body.image().into(),
        interface,
        gpus,
        parts,
        binds: wanted.binds,
        volumes: wanted.volumes,
        networks,
        joins,
        links,
        warnings,
        body,
    })
}

/// Networks that every engine has, and that are nobody's.
pub(super) fn is_predefined(network: &str) -> bool {
    matches!(network, "" | "default" | "bridge" | "none")
}

/// The networks that `body` names.
fn networks(
    body: &mut CreateBody,
    joins: &mut BTreeSet<String>,
    links: &mut BTreeSet<String>,
) -> Result<BTreeSet<String>, Refused> {
    let mut found = BTreeSet::new();
    let mut name = |network: &str| match network {
        "host" => Err(Refused::forbidden(
            "NetworkMode",
            network,
            "the host's network",
            "publish ports with -p instead",
        )),
        _ if is_predefined(network) => Ok(()),
        _ => {
            let why = "not the name of a network";
            let name = reference("NetworkMode", network)
                .map_err(|_| Refused::value("NetworkMode", network, why))?;
            match name == network {
                true => {
                    found.insert(name);
                    Ok(())
                }
                false => Err(Refused::value("NetworkMode", network, why)),
            }
        }
    };
    let mode = text(&body.host().network_mode).to_string();
    match mode.strip_prefix("container:") {
        Some(other) => {
            joins.insert(reference("NetworkMode", other)?);
        }
        None => name(&mode)?,
    }
    let Some(config) = &mut body.networking_config else {
        return Ok(found);
    };
    let mut kept = BTreeMap::new();
    for (network, endpoint) in std::mem::take(&mut config.endpoints_config) {
        // A network that is another container's has no place to be asked for.
        if network.starts_with("container:") {
            continue;
        }
        name(&network)?;
        let endpoint = endpoint
            .map(|endpoint| endpoint.plan(links))
            .transpose()?
            .unwrap_or_default();
        kept.insert(network, Some(endpoint));
    }
    config.endpoints_config = kept;
    Ok(found)
}

/// The engine starts no container by itself, as it would when it starts: DS01 looks at each before,
/// at who has its devices, and at the files that the engine reads in it as root.
fn restart(policy: &mut Option<RestartPolicy>, warnings: &mut Vec<String>) -> Result<(), Refused> {
    let name = policy.as_ref().map_or("", |policy| text(&policy.name));
    if !matches!(name, "" | "no" | "on-failure" | "always" | "unless-stopped") {
        return Err(Refused::value("RestartPolicy", name, "no such policy"));
    }
    if !matches!(name, "" | "no") {
        warnings.push(format!(
            "RestartPolicy: {name} asked for, containers have none here; start it again with \
             container-start"
        ));
    }
    *policy = Some(RestartPolicy {
        name: Some("no".into()),
        maximum_retry_count: None,
    });
    Ok(())
}
