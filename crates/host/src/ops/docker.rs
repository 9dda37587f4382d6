//! A container that somebody asks the gateway for by Docker's own API.
//!
//! The same way as `container-create`: limits, devices, record; only what the container runs, and
//! with which folders, comes from the request, as far as [`ds01_core::docker`] lets it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use ds01_core::{
    admit::most,
    container::ContainerId,
    device::Held,
    docker::{self, Allow, CreateBody, Finished, Given, GpuWish, Owner, Peer, Planned, Rules},
    event::Event,
    failure::{Failure, Kind},
    gpu_request::GpuRequest,
    image, lifecycle,
    limits::Limits,
    name::{ContainerName, EngineName},
    policy::Policy,
    record::Bind,
    slice::SliceLimits,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    catalogue::framework_of,
    create::{Creation, Made, WaitUntil, finish},
    draft::{self, Order},
    folders,
    grant::{Ask, Granted, grant},
    make::{Unmade, host_cpus, name_image, unname_image},
};
use crate::{
    Operation, Site, clock,
    config::Config,
    engine::{EngineError, is_nvidias, is_plain},
    look::Scope,
    nvml::Probe,
    site::fail,
    slices,
    users::{Caller, Person, login, person},
    volumes_file::VolumesFile,
};

/// Asks for a container in the words of Docker's API. Only the gateway may: it has looked up what
/// the request names.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DockerCreate {
    /// Its name.
    pub name: ContainerName,
    /// The request.
    pub body: CreateBody,
    /// The client is the docker command.
    pub docker: bool,
    /// What it names.
    pub found: DockerFound,
    /// See [`Create::wait`].
    ///
    /// [`Create::wait`]: super::Create::wait
    pub wait: Option<WaitUntil>,
}

/// What a request names, as far as the caller may use it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct DockerFound {
    /// The id of its image.
    pub image: String,
    /// The image's name, for people.
    pub image_name: String,
    /// Networks, by the name in the request.
    pub networks: BTreeMap<String, String>,
    /// Containers, by the name in the request.
    pub containers: BTreeMap<String, Peer>,
    /// Volumes without a name of the caller's own, by the engine's name for them.
    pub volumes: BTreeMap<String, String>,
    /// Names for volumes without one, by their places.
    pub unnamed: BTreeMap<String, String>,
    /// Other containers that have one of its volumes.
    pub sharers: Vec<Peer>,
}

/// A container that was made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DockerCreated {
    /// The engine's id.
    pub id: ContainerId,
    /// What is not as it was asked for, a line each.
    pub warnings: Vec<String>,
}

/// What the requests of one user are held to.
#[derive(Debug, Clone)]
pub struct RulesOf {
    person: Person,
    caller: Caller,
    limits: Limits,
    policy: Arc<Policy>,
    allow: Allow,
    host_cpus: u32,
}

/// Works out what the requests of a caller are held to.
///
/// # Errors
///
/// If the caller has no login, or the policy cannot be read.
pub fn rules_of(config: &Config, caller: Caller) -> Result<RulesOf, Failure> {
    let person = person(caller.uid)?;
    let policy = crate::limits_files::in_force(&config.paths)?.policy;
    Ok(RulesOf {
        limits: policy.limits_for(&person.login),
        policy: Arc::new(policy),
        allow: config.gateway.allow.clone(),
        host_cpus: host_cpus(),
        caller,
        person,
    })
}

impl RulesOf {
    /// The user's limits.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// As `core` decides by them. `docker`: the client is the docker command.
    pub fn rules(&self, docker: bool) -> Rules<'_> {
        Rules {
            owner: Owner {
                uid: self.caller.uid,
                gid: self.caller.gid,
                login: &self.person.login,
            },
            limits: &self.limits,
            host_cpus: self.host_cpus,
            allow: &self.allow,
            docker,
        }
    }
}

/// What the steps of one user's builds are held to.
#[derive(Debug, Clone)]
pub struct Steps {
    /// The user's limits.
    pub limits: Limits,
    /// The slice that they run in, limited, where the engine's cgroup driver is systemd's.
    pub slice: Option<String>,
}

/// Works out what the steps of a caller's builds are held to: as their containers, but for what a
/// build cannot be told. `info` is what the engine tells of itself now: its default runtime can change
/// while it runs.
///
/// # Errors
///
/// As [`rules_of`]; status 7 where the engine's default runtime may give a step GPUs: an image's
/// variable asks for them, and a build cannot be told to take it away.
pub fn steps_of(config: Config, caller: Caller, info: &Value) -> Result<Steps, Failure> {
    let RulesOf { limits, person, .. } = rules_of(&config, caller)?;
    let site = Site::new(config, "gateway")?;
    let runtime = info["DefaultRuntime"].as_str().unwrap_or_default();
    if !is_plain(runtime, &site.config().engine.plain_runtimes) {
        let why = match is_nvidias(runtime) {
            true => format!("the engine's default runtime, {runtime}, could give their steps GPUs"),
            false => format!(
                "DS01 does not know the engine's default runtime, {runtime}, which could give their \
                 steps GPUs"
            ),
        };
        return Err(fail(
            Kind::Forbidden,
            format!("no images are built here: {why}"),
            "tell an admin: ds01-doctor says what to do".into(),
        ));
    }
    let slice =
        (info["CgroupDriver"] == "systemd").then(|| draft::slice(&site, &limits.group, &person));
    let slice = slice.transpose()?;
    if let Some(slice) = &slice {
        slices::limit(slice, &SliceLimits::of(&limits))?;
    }
    Ok(Steps { limits, slice })
}

impl Operation for DockerCreate {
    const NAME: &'static str = "docker-create";
    type Answer = Creation<DockerCreated>;

    fn run(&self, site: &Site, caller: Caller) -> Result<Creation<DockerCreated>, Failure> {
        let rules = rules_of(site.config(), caller)?;
        let planned = docker::plan(
            self.body.clone(),
            self.name.clone(),
            &rules.rules(self.docker),
        )?;
        let probe = (planned.gpus != GpuWish::None)
            .then(|| Probe::begin(site.config().gpu.library.as_deref()))
            .transpose()?;
        let order = order(site, &rules, &planned, &self.found)?;
        let look = site.look(&Scope::Of(caller.uid))?;
        let inventory = probe.map(Probe::finish).transpose()?.unwrap_or_default();
        let most = most(&order.limits, inventory.devices.iter());
        let ask = Ask {
            gpus: &GpuRequest::any(planned.gpus.count(most)),
            dry_run: false,
            wait: self.wait,
        };
        let granted = match grant(site, &order, ask, &look, &inventory).map_err(in_dockers_words)? {
            Creation::Made(granted) => granted,
            Creation::Waits(ticket) => return Ok(Creation::Waits(ticket)),
        };
        let mut warnings = Vec::new();
        let made = make(site, &order, planned, &granted, &self.found, &mut warnings);
        let id = finish(site, &order, granted, made)?;
        Ok(Creation::Made(DockerCreated { id, warnings }))
    }
}

/// What a hint calls `--gpu=1` is `--gpus 1` to Docker's users.
fn in_dockers_words(failure: Failure) -> Failure {
    let hint = failure.hint.map(|hint| hint.replace("--gpu=", "--gpus "));
    Failure { hint, ..failure }
}

fn order(
    site: &Site,
    rules: &RulesOf,
    planned: &Planned,
    found: &DockerFound,
) -> Result<Order, Failure> {
    let slice = draft::slice(site, &rules.limits.group, &rules.person)?;
    let workspace = planned
        .binds
        .first()
        .map(|bind| PathBuf::from(&bind.source));
    let kind = lifecycle::Kind::from(planned.interface);
    Ok(Order {
        container: planned.container.clone(),
        person: rules.person.clone(),
        limits: rules.limits.clone(),
        kind,
        run: rules
            .policy
            .longest_run(&rules.person.login, &rules.limits, kind, clock::now()),
        half_life: rules.policy.recent_use_half_life(),
        slice,
        framework: framework_of(site, &found.image_name),
        image: found.image_name.clone(),
        project: planned.container.name.to_string(),
        workspace: workspace.unwrap_or_default(),
    })
}

/// Asks the engine for it.
fn make(
    site: &Site,
    order: &Order,
    planned: Planned,
    granted: &Granted,
    found: &DockerFound,
    warnings: &mut Vec<String>,
) -> Result<Made, Unmade> {
    let devices = granted.devices.as_slice();
    let interface = planned.interface.as_str();
    let labels = labels(site, order, devices, found, interface)?;
    let abilities = site.abilities()?;
    let by_cdi = |held: &Held| abilities.cdi_gpus.contains(&*held.uuid.0);
    let uuids: Vec<_> = devices.iter().map(|held| held.uuid.clone()).collect();
    for wanted in planned.binds.iter().filter(|wanted| wanted.create) {
        let path = Path::new(&wanted.source);
        if folders::there(site, path, &order.person)?.as_deref() != Some(path) {
            folders::make(site, path, &order.person)?;
        }
    }
    let binds = planned.binds.iter().map(|wanted| Bind {
        source: wanted.source.clone(),
        target: wanted.target.clone(),
    });
    let binds: Vec<_> = binds.collect();
    let (sources, mounts) = folders::sources(site, &binds, &order.person)?;
    let sources = sources
        .iter()
        .map(|path| path.to_string_lossy().into_owned());
    let sources = binds
        .iter()
        .map(|bind| bind.source.clone())
        .zip(sources)
        .collect();
    let inherits_binds = planned
        .joins
        .iter()
        .filter_map(|name| found.containers.get(name));
    let inherits_binds = inherits_binds.clone().any(|peer| peer.as_owner);
    // What fails from here on takes the mounts away again.
    let unstage = || mounts.iter().for_each(|place| site.unstage(place));
    let image = image::of_container(&order.container);
    let file = VolumesFile::new(&site.config().paths.state);
    let used = file.read().inspect_err(|_| unstage());
    let used = used.map_err(Failure::from)?;
    // Those without a name are used as the containers that have them.
    let volumes = planned.volumes.iter();
    let volumes = volumes.filter(|(name, _)| !found.volumes.contains_key(*name));
    let volumes: Vec<String> = volumes.map(|(_, volume)| volume.clone()).collect();
    let Finished {
        body,
        as_owner,
        warnings: told,
    } = docker::finish(
        planned,
        &Given {
            image: Some(&image),
            labels: &labels,
            devices: &uuids,
            by_cdi: !devices.is_empty() && devices.iter().all(by_cdi),
            log: site.config().containers.log(),
            logs_json: abilities.logs_json,
            cgroup_parent: abilities.slices.then_some(order.slice.as_str()),
            binds: &sources,
            volumes: &found.volumes,
            unnamed: &found.unnamed,
            networks: &found.networks,
            containers: &found.containers,
            sharers: &found.sharers,
            used: &used,
            inherits_binds,
        },
    )
    .inspect_err(|_| unstage())
    .map_err(Failure::from)?;
    warnings.extend(told);
    name_image(site, &found.image, &image).inspect_err(|_| unstage())?;
    granted.renew(site, &order.container).inspect_err(|_| {
        unstage();
        unname_image(site, &order.container, None);
    })?;
    // Before the engine is asked: whoever is killed then has used them.
    let container = &order.container;
    let begun = file.begin(&volumes, (container, as_owner), &used);
    begun.inspect_err(|_| {
        unstage();
        unname_image(site, container, None);
    })?;
    let made = site.engine().create_as(&order.container, &body);
    if !made.as_ref().is_err_and(EngineError::is_unanswered) {
        file.end(&volumes, made.is_err(), &used);
    }
    match made {
        Ok(id) => Ok(Made {
            id,
            binds,
            mounts,
            as_owner,
        }),
        Err(error) => Err(Unmade::of(site, &order.container, mounts.as_deref(), error)),
    }
}

/// All managed labels, so that an image's own cannot stand in for any.
fn labels(
    site: &Site,
    order: &Order,
    devices: &[Held],
    found: &DockerFound,
    interface: &str,
) -> Result<BTreeMap<String, String>, Failure> {
    let image = site.engine().image(&found.image)?;
    let of_image = image.map(|image| image.labels).unwrap_or_default();
    Ok(order.labels(
        devices,
        (&order.workspace, None),
        (interface, interface),
        of_image,
    ))
}

/// Notes that an admin has used somebody else's container.
///
/// # Errors
///
/// If the configuration names a group that does not exist.
pub fn note_admin(
    config: Config,
    admin: Caller,
    container: &EngineName,
    call: &str,
) -> Result<(), Failure> {
    let site = Site::new(config, "gateway")?;
    let event = Event::new(clock::now(), "auth.admin").of(login(admin.uid));
    site.log(event.with("container", container).with("call", call));
    Ok(())
}
