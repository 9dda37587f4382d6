//! A container that somebody asks the gateway for by Docker's own API.
//!
//! The same way as `container-create`: limits, devices, record; only what the container runs, and
//! with which folders, comes from the request, as far as [`ds01_core::docker`] lets it.

mod make;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use ds01_core::{
    admit::most,
    container::ContainerId,
    docker::{self, Allow, CreateBody, GpuWish, Owner, Peer, Planned, Rules},
    event::Event,
    failure::{Failure, Kind},
    gpu_request::GpuRequest,
    lifecycle,
    limits::Limits,
    name::{ContainerName, EngineName},
    policy::Policy,
    slice::SliceLimits,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    catalogue::framework_of,
    create::{Creation, WaitUntil, finish},
    draft::{self, Order},
    grant::{GrantRequest, grant},
    make::host_cpus,
};
use crate::{
    Operation, Site, clock,
    config::Config,
    engine::{is_nvidias, is_plain},
    look::Scope,
    nvml::Probe,
    site::fail,
    slices,
    users::{Caller, Person, login, person},
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
        let wanted = GrantRequest {
            gpus: &GpuRequest::any(planned.gpus.count(most)),
            dry_run: false,
            wait: self.wait,
        };
        let granted = grant(site, &order, wanted, &look, &inventory);
        let granted = match granted.map_err(|failure| in_dockers_words(failure, order.kind))? {
            Creation::Made(granted) => granted,
            Creation::Waits(ticket) => return Ok(Creation::Waits(ticket)),
        };
        let mut warnings = Vec::new();
        let made = make::make(site, &order, planned, &granted, &self.found, &mut warnings);
        let id = finish(site, &order, granted, made)?;
        Ok(Creation::Made(DockerCreated { id, warnings }))
    }
}

/// What a hint calls `--gpu=1` is `--gpus 1` to Docker's users. Compose makes the new container of
/// a service before it removes the old one, which holds its GPU until then.
fn in_dockers_words(failure: Failure, kind: lifecycle::ContainerKind) -> Failure {
    let compose = kind == lifecycle::ContainerKind::Compose
        && matches!(failure.kind, Kind::Denied | Kind::Busy);
    let anew =
        "where compose makes a service anew, the old one holds its GPU: docker compose down first";
    let hint = failure.hint.map(|hint| hint.replace("--gpu=", "--gpus "));
    let hint = match hint {
        Some(hint) if compose => Some(format!("{hint}; {anew}")),
        hint => hint,
    };
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
    let kind = lifecycle::ContainerKind::from(planned.interface);
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
