//! The body for the engine, once everything that it names has been found.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{device::Uuid, label, name::ContainerName};

use super::{
    binds::{self, Found},
    body::text,
    create::CreateBody,
    endpoint::{finish_links, peer},
    gpus::{CDI_GPU, SELECTORS, VISIBLE},
    host_config::{DeviceRequest, LogConfig},
    isolation::split_volumes_from,
    names::Noun,
    plan::{Planned, is_predefined},
    refused::{Refused, shown},
    unnamed,
    used::{Used, UsedVolumes},
};

/// A container of the caller's that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Its id in the engine.
    pub id: String,
    /// It can only ever run as its owner: it was made so, see [`Finished::as_owner`]. Of one of
    /// which nobody [knows](crate::record::Record::is_known), there is no peer to share with.
    pub as_owner: bool,
}

/// How much of a container's output the engine keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLimit<'a> {
    /// The size of a file, as Docker writes it: `100m`.
    pub size: &'a str,
    /// How many files.
    pub files: u32,
}

impl LogLimit<'_> {
    /// Whether the engine would take it.
    pub fn is_valid(&self) -> bool {
        let number = self.size.strip_suffix(['k', 'm', 'g']).unwrap_or(self.size);
        number.parse::<u32>().is_ok_and(|number| number > 0) && self.files > 0
    }
}

/// What was found, taken and decided since [`plan`](super::plan).
#[derive(Debug, Clone, Copy)]
pub struct Given<'a> {
    /// The id of the image; `None` leaves the request's name for it.
    pub image: Option<&'a str>,
    /// Its labels, all of them, as [`crate::label`] has them.
    pub labels: &'a BTreeMap<String, String>,
    /// Its devices.
    pub devices: &'a [Uuid],
    /// The engine gives devices by CDI, not by NVIDIA's hook.
    pub by_cdi: bool,
    /// What limits its log, if it is of the engine's driver `json-file` and the request says nothing.
    pub log: Option<LogLimit<'a>>,
    /// That is the driver of containers that name none.
    pub logs_json: bool,
    /// The slice, where the engine's cgroup driver is systemd's.
    pub cgroup_parent: Option<&'a str>,
    /// Where the engine finds each folder of [`Planned::binds`], by its source.
    pub binds: &'a BTreeMap<String, String>,
    /// Volumes of the owner's whose engine name is not that of [`Planned::volumes`], such as
    /// anonymous ones, by the name in the request.
    pub volumes: &'a BTreeMap<String, String>,
    /// The engine's names of volumes without one, by the places of [`Planned::unnamed`].
    pub unnamed: &'a BTreeMap<String, String>,
    /// The engine's name of each of [`Planned::networks`].
    pub networks: &'a BTreeMap<String, String>,
    /// Each of [`Planned::joins`] and [`Planned::links`].
    pub containers: &'a BTreeMap<String, Peer>,
    /// Every other container that has a volume of [`Planned::volumes`] or of `volumes`.
    pub sharers: &'a [Peer],
    /// Which containers ever had them, as far as anybody knows.
    pub used: &'a UsedVolumes,
    /// One of the containers of `VolumesFrom` has folders of the host.
    pub inherits_binds: bool,
}

/// A request as the engine is to have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// The body.
    pub body: CreateBody,
    /// Folders of the host are within its reach: it runs as its owner and stays so. To be kept
    /// with the record of the container, for [`Peer::as_owner`] and [`exec`](super::exec()).
    pub as_owner: bool,
    /// What was changed, a line each, for the client to show.
    pub warnings: Vec<String>,
}

/// Puts what was found into the request.
///
/// A container with folders of the host runs as its owner: root in it could leave a program with
/// the rights of root there. Processes that meet in a namespace or a volume can pass open folders
/// to each other (seen: a root container that shares a volume with one of its owner left a setuid
/// root program in the owner's home), so containers which share those either all run as their
/// owner, or none has folders of the host. What is open stays so when a container is gone: a volume is
/// never had by both kinds.
///
/// The engine copies what the image has at its place into an empty volume, as root and by paths: only
/// where nobody has ever had it open, who could lead those elsewhere.
///
/// # Errors
///
/// [`Refused::NoSuch`] for a name that was not found; [`Refused::Mixed`] and
/// [`Refused::Used`] if a container that may run as root would come to share folders of the host.
pub fn finish(planned: Planned, given: &Given<'_>) -> Result<Finished, Refused> {
    let Planned {
        mut body,
        mut warnings,
        ..
    } = planned;
    let mut peers: Vec<&Peer> = given.sharers.iter().collect();
    for name in &planned.joins {
        peers.push(peer(name, given.containers)?);
    }
    let as_owner =
        !planned.binds.is_empty() || given.inherits_binds || peers.iter().any(|peer| peer.as_owner);
    if as_owner {
        // Root has the engine's own socket; uid 0 here may be root of some container.
        if planned.container.uid == 0 {
            return Err(Refused::forbidden(
                "User",
                "0",
                "folders of the host are not for root",
                "use the engine's own socket, or an ordinary account",
            ));
        }
        if let Some(root) = peers.iter().find(|peer| !peer.as_owner) {
            return Err(Refused::Mixed(root.id.chars().take(12).collect()));
        }
        if !planned.owner_asked {
            warnings.push(format!(
                "User: {} asked for, a container with folders of the host runs as its owner",
                shown(text(&body.user))
            ));
        }
        body.user = Some(planned.user);
    }
    for (name, volume) in &planned.volumes {
        // One without a name is used as the containers are that have it.
        if given.volumes.contains_key(name) {
            continue;
        }
        match given.used.used(volume) {
            Some(used) if used == Used::by(as_owner) => {}
            Some(Used::Never) => {}
            None if as_owner => {}
            used => return Err(Refused::used(name, used)),
        }
    }
    if let Some(image) = given.image {
        body.image = Some(image.into());
    }
    body.labels
        .get_or_insert_default()
        .extend(given.labels.clone());
    environment(&mut body, given.devices);
    networks(&mut body, given, &planned.container.name)?;
    // The engine would delete its files by their paths, see [`super::unnamed`].
    if body.host().auto_remove.take() == Some(true) {
        let labels = body.labels.get_or_insert_default();
        labels.insert(label::AUTO_REMOVE.into(), "true".into());
    }
    let host = body.host();
    host.security_opt = Some(vec!["no-new-privileges".into()]);
    host.cgroup_parent = given.cgroup_parent.map(String::from);
    log(&mut host.log_config, given);
    host.device_requests = (!given.devices.is_empty()).then(|| vec![request(given, planned.parts)]);
    binds::finish(host, given.binds, |name| {
        if let Some(found) = given.volumes.get(name) {
            let copies = false;
            return Some(Found::new(found, copies));
        }
        let volume = planned.volumes.get(name)?;
        let copies = given.used.used(volume) == Some(Used::Never);
        Some(Found::new(volume, copies))
    })?;
    unnamed::finish(host, given.unnamed, planned.container.uid)?;
    finish_links(&mut host.links, given.containers)?;
    for from in host.volumes_from.iter_mut().flatten() {
        let (name, mode) = split_volumes_from(from)?;
        let id = &peer(&name, given.containers)?.id;
        *from = match mode {
            "" => id.clone(),
            mode => format!("{id}:{mode}"),
        };
    }
    for mode in [&mut host.pid_mode, &mut host.ipc_mode] {
        join(mode, given.containers)?;
    }
    Ok(Finished {
        body,
        as_owner,
        warnings,
    })
}

/// Limits a log that nobody has limited: it would fill the disk that all containers share.
fn log(config: &mut Option<LogConfig>, given: &Given<'_>) {
    let driver = config.as_ref().map_or("", |config| text(&config.driver));
    let json = driver == "json-file" || driver.is_empty() && given.logs_json;
    let Some(limit) = given.log.filter(|_| json) else {
        return;
    };
    let config = config.get_or_insert_default();
    config.driver = Some("json-file".into());
    let options = config.config.get_or_insert_default();
    if !options.contains_key("max-size") {
        options.insert("max-size".into(), limit.size.into());
        let files = || limit.files.to_string();
        options.entry("max-file".into()).or_insert_with(files);
    }
}

/// The devices by uuid, in the way that this engine gives them.
fn request(given: &Given<'_>, parts: BTreeSet<String>) -> DeviceRequest {
    let ids = given.devices.iter();
    match given.by_cdi {
        true => DeviceRequest {
            driver: Some("cdi".into()),
            device_ids: Some(ids.map(|uuid| format!("{CDI_GPU}{uuid}")).collect()),
            ..DeviceRequest::default()
        },
        false => DeviceRequest {
            device_ids: Some(ids.map(Uuid::to_string).collect()),
            capabilities: Some(vec![["gpu".into()].into_iter().chain(parts).collect()]),
            ..DeviceRequest::default()
        },
    }
}

/// Sets what chooses devices; an image's own would give every GPU where NVIDIA's runtime is the
/// default. A name without a value takes the image's variable away: NVIDIA's hook fails on some
/// that are set, even to nothing.
fn environment(body: &mut CreateBody, devices: &[Uuid]) {
    let uuids: Vec<&str> = devices.iter().map(|uuid| &*uuid.0).collect();
    let visible = match uuids.is_empty() {
        true => "void".into(),
        false => uuids.join(","),
    };
    let env = body.env.get_or_insert_default();
    env.push(format!("{VISIBLE}={visible}"));
    env.extend(SELECTORS.map(String::from));
}

fn networks(body: &mut CreateBody, given: &Given<'_>, name: &ContainerName) -> Result<(), Refused> {
    let find = |name: &str| match is_predefined(name) {
        true => Ok(name.to_string()),
        false => {
            (given.networks.get(name).cloned()).ok_or_else(|| Refused::no_such(Noun::Network, name))
        }
    };
    let mode = &mut body.host().network_mode;
    join(mode, given.containers)?;
    if let Some(mode) = mode.as_mut().filter(|mode| !mode.contains(':')) {
        *mode = find(mode)?;
    }
    let mode = text(mode).to_string();
    if let Some(config) = &mut body.networking_config {
        let mut found = BTreeMap::new();
        for (network, mut endpoint) in std::mem::take(&mut config.endpoints_config) {
            if let Some(endpoint) = &mut endpoint {
                endpoint.finish(given.containers)?;
            }
            let name = find(&network)?;
            if found.insert(name, endpoint).is_some() {
                let why = "the same network twice";
                return Err(Refused::value("EndpointsConfig", network, why));
            }
        }
        config.endpoints_config = found;
    }
    let own = |network: &str| !is_predefined(network) && !network.contains(':');
    if own(&mode) {
        let config = body.networking_config.get_or_insert_default();
        if config.endpoints_config.is_empty() {
            config.endpoints_config.insert(mode, None);
        }
    }
    let config = body.networking_config.iter_mut();
    for (network, endpoint) in config.flat_map(|config| &mut config.endpoints_config) {
        if own(network) {
            endpoint.get_or_insert_default().add_alias(name);
        }
    }
    Ok(())
}

/// Puts a container that was found in place of the one that `mode` names.
fn join(mode: &mut Option<String>, peers: &BTreeMap<String, Peer>) -> Result<(), Refused> {
    if let Some(name) = mode
        .as_deref()
        .and_then(|mode| mode.strip_prefix("container:"))
    {
        let name = name.strip_prefix('/').unwrap_or(name);
        *mode = Some(format!("container:{}", peer(name, peers)?.id));
    }
    Ok(())
}
