//! Containers, closely.

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use bollard::{
    Docker,
    errors::Error as Bollard,
    models::{ContainerInspectResponse, DriverData, HostConfig, MountPoint, RestartPolicyNameEnum},
};
use ds01_core::{
    container::{ContainerId, State},
    device::Claim,
    time::Timestamp,
};
use futures_util::future::try_join_all;
use tokio::time::timeout;

use super::{Call, Engine, EngineError, claim::claim, read::is_404};

/// What the engine has to tell of one container among others: it tells nothing of one while somebody
/// reads files of it, for as long as they like.
const EACH: Duration = Duration::from_secs(5);

/// Runtimes that give no container more than others have.
const USUAL: [&str; 5] = ["", "runc", DS01_RUNC, "io.containerd.runc.v2", "nvidia"];

/// Our own, which keeps users out of each container from outside.
pub(crate) const DS01_RUNC: &str = "ds01-runc";

/// Whether a runtime gives a container nothing for a variable of its image, as NVIDIA's does: one that
/// is known, or that an admin has named.
pub(crate) fn is_plain(runtime: &str, named: &[String]) -> bool {
    let is_known = USUAL.contains(&runtime) || named.iter().any(|name| name == runtime);
    is_known && !is_nvidias(runtime)
}

/// Whether it gives them GPUs.
pub(crate) fn is_nvidias(runtime: &str) -> bool {
    runtime.contains("nvidia")
}

/// One container, closely.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspected {
    /// Its id.
    pub id: ContainerId,
    /// The id of its image.
    pub image: String,
    /// Its state.
    pub state: State,
    /// The exit status of its last run, once that is over.
    pub status: Option<i64>,
    /// Its first process as the host numbers it, while it runs.
    pub pid: Option<u32>,
    /// When it was last started.
    pub started: Option<Timestamp>,
    /// When it last stopped.
    pub finished: Option<Timestamp>,
    /// The same as the engine writes it: to the nanosecond, so that two runs of one second differ.
    pub last_end: String,
    /// The GPU devices that it asks for, in whatever form; `None` is none.
    pub claim: Option<Claim>,
    /// The runtime that it was made with, by its name in the engine.
    pub runtime: String,
    /// As whom its processes run: `1001`, `1001:100`, a name of the image's, or nothing.
    pub user: String,
    /// What it may that no container of DS01's may, in words.
    pub beyond: Vec<&'static str>,
    /// The engine starts it by itself, as when it starts.
    pub restarts: bool,
    /// The files and folders of the host that it has: each where, and where in it.
    pub binds: Vec<(String, String)>,
    /// The folder of its own files, over those of its image; `None` with any storage driver but
    /// `overlay2`.
    pub upper: Option<PathBuf>,
}

impl Engine {
    /// Looks closely at one container; `None` if it has gone.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`].
    pub fn inspect_one(&self, id: &ContainerId) -> Result<Option<Inspected>, EngineError> {
        self.wait(Call::Read("inspect containers"), |docker| {
            look_at(docker, id)
        })
    }

    /// Looks closely at several containers at once; those that have gone meanwhile are left out, and
    /// those of which the engine does not tell in time.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`].
    pub fn inspect(&self, ids: &[ContainerId]) -> Result<Vec<Inspected>, EngineError> {
        Ok(self.inspect_each(ids)?.0)
    }

    /// The same, and those of which the engine does not tell in time: one of them keeps nobody from
    /// the others.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`].
    pub fn inspect_each(
        &self,
        ids: &[ContainerId],
    ) -> Result<(Vec<Inspected>, BTreeSet<ContainerId>), EngineError> {
        /// Connections open at a time.
        const AT_ONCE: usize = 32;
        let each = EACH.min(self.limit / 2);
        let (mut all, mut silent) = (Vec::with_capacity(ids.len()), BTreeSet::new());
        for ids in ids.chunks(AT_ONCE) {
            let found = self.wait(Call::Read("inspect containers"), |docker| {
                try_join_all(ids.iter().map(async |id| {
                    let looked = timeout(each, look_at(docker, id)).await;
                    looked.map_or(Ok(Err(id.clone())), |found| found.map(Ok))
                }))
            })?;
            for one in found {
                match one {
                    Ok(found) => all.extend(found),
                    Err(id) => drop(silent.insert(id)),
                }
            }
        }
        Ok((all, silent))
    }
}

/// Looks closely at one; `None` if it has gone.
pub(super) async fn look_at(
    docker: &Docker,
    id: &ContainerId,
) -> Result<Option<Inspected>, Bollard> {
    match docker.inspect_container(&id.0, None).await {
        Ok(response) => Ok(inspected(id, response)),
        Err(error) if is_404(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn inspected(id: &ContainerId, response: ContainerInspectResponse) -> Option<Inspected> {
    let state = response.state?;
    let config = response.config.unwrap_or_default();
    let env = config.env.unwrap_or_default();
    let host_config = response.host_config.unwrap_or_default();
    let time = |text: Option<&str>| text.and_then(Timestamp::parse);
    Some(Inspected {
        id: id.clone(),
        image: response.image.unwrap_or_default(),
        status: state.exit_code,
        state: state
            .status
            .and_then(|status| status.to_string().parse().ok())?,
        pid: state
            .pid
            .and_then(|pid| u32::try_from(pid).ok())
            .filter(|pid| *pid > 0),
        started: time(state.started_at.as_deref()),
        finished: time(state.finished_at.as_deref()),
        last_end: state.finished_at.unwrap_or_default(),
        claim: claim(&host_config, &env, config.labels.as_ref()),
        runtime: host_config.runtime.clone().unwrap_or_default(),
        user: config.user.unwrap_or_default(),
        beyond: beyond(&host_config),
        restarts: restarts(&host_config),
        upper: response.graph_driver.and_then(upper),
        binds: response
            .mounts
            .into_iter()
            .flatten()
            .filter_map(bind)
            .collect(),
    })
}

/// What a container may that none of DS01's own may: see [`ds01_core::docker`].
fn beyond(config: &HostConfig) -> Vec<&'static str> {
    let is_set = |flag: Option<bool>| flag == Some(true);
    let some = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|list| !list.is_empty());
    let elsewhere = |mode: &Option<String>| {
        let mode = mode.as_deref().unwrap_or_default();
        mode == "host" || mode.starts_with("container:")
    };
    let ipc = config.ipc_mode.as_ref().map(ToString::to_string);
    let found = [
        (is_set(config.privileged), "is privileged"),
        (some(&config.cap_add), "has more capabilities"),
        (some(&config.security_opt), "has security options"),
        (some(&config.group_add), "has more groups"),
        (some(&config.device_cgroup_rules), "may use devices"),
        (
            config.devices.as_ref().is_some_and(|all| !all.is_empty()),
            "has devices",
        ),
        (
            config.sysctls.as_ref().is_some_and(|all| !all.is_empty()),
            "sets the kernel's parameters",
        ),
        (some(&config.volumes_from), "has the volumes of others"),
        (
            elsewhere(&config.pid_mode) || elsewhere(&config.uts_mode) || elsewhere(&ipc),
            "is among the processes of the host or of others",
        ),
        (
            elsewhere(&config.network_mode),
            "has the network of the host or of others",
        ),
        (
            config
                .runtime
                .as_deref()
                .is_some_and(|name| !USUAL.contains(&name)),
            "has a runtime of its own",
        ),
    ];
    let is_so = |(is, words)| -> Option<&'static str> { Some(words).filter(|_| is) };
    found.into_iter().filter_map(is_so).collect()
}

fn restarts(config: &HostConfig) -> bool {
    use RestartPolicyNameEnum::{EMPTY, NO};
    let policy = config
        .restart_policy
        .as_ref()
        .and_then(|policy| policy.name);
    !matches!(policy, None | Some(EMPTY | NO))
}

fn upper(mut driver: DriverData) -> Option<PathBuf> {
    let upper = driver.data.remove("UpperDir")?;
    (driver.name == "overlay2").then(|| upper.into())
}

fn bind(mount: MountPoint) -> Option<(String, String)> {
    let kind = mount.typ.map(|kind| kind.to_string());
    let bind = mount.source.zip(mount.destination);
    bind.filter(|_| kind.as_deref() == Some("bind"))
}
