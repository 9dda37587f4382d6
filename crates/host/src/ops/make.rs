//! The step of `container-create` that asks the engine.

use std::path::Path;

use ds01_core::{
    container::ContainerId,
    device::Held,
    failure::{Failure, Kind},
    label,
    record::Bind,
    spec::{Mount, Plan, spec},
};

use super::{draft::Draft, folders};
use crate::{Site, clock, engine::EngineError, site::fail};

/// A container that did not come about.
pub(super) struct Unmade {
    pub(super) failure: Failure,
    /// The engine has one of that name.
    pub(super) name_taken: bool,
    /// The engine may have made it all the same.
    pub(super) unanswered: bool,
}

impl From<Failure> for Unmade {
    fn from(failure: Failure) -> Self {
        Self {
            failure,
            name_taken: false,
            unanswered: false,
        }
    }
}

impl From<EngineError> for Unmade {
    fn from(error: EngineError) -> Self {
        Self {
            name_taken: false,
            unanswered: error.is_unanswered(),
            failure: error.into(),
        }
    }
}

/// Asks the engine for it.
///
/// # Errors
///
/// [`Unmade`], if there is none, or nobody knows.
pub(super) fn make(
    site: &Site,
    draft: &Draft,
    devices: &[Held],
) -> Result<(ContainerId, Vec<Bind>), Unmade> {
    folders::make(site, &draft.workspace, &draft.person)?;
    // A link in the way may lead anywhere.
    let workspace = folders::allowed(site, &draft.workspace, &draft.person)?;
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let home = site.config().containers.mount_home;
    let home = home.then(|| (draft.person.home.as_path(), draft.account.home.as_str()));
    let folders = [Some((workspace.as_path(), "/workspace"))].into_iter();
    let folders = folders.chain([draft.data.as_deref().map(|data| (data, "/data")), home]);
    let binds = folders.flatten().map(|(source, target)| Bind {
        source: text(source),
        target: target.into(),
        staged: site.is_for_others(),
    });
    let binds: Vec<Bind> = binds.collect();
    let mounts = binds.iter().enumerate().map(|(number, bind)| {
        let source = folders::source(site, &draft.container, number, bind, &draft.person)?;
        Ok(Mount {
            source: text(&source),
            target: bind.target.clone(),
        })
    });
    let mounts = mounts.collect::<Result<Vec<_>, Failure>>()?;
    let mut labels = label::labels(&label::Facts {
        container: &draft.container,
        login: &draft.person.login,
        group: &draft.limits.group,
        slice: &draft.slice,
        project: draft.project.as_ref(),
        image: &draft.image,
        workspace: &text(&workspace),
        data: draft.data.as_deref().map(text).as_deref(),
        devices,
        created: clock::now(),
    });
    // The image's own are on the container too: those that AIME could not list are replaced.
    for (key, value) in draft.base.labels.iter().filter(|(_, v)| v.contains(',')) {
        labels
            .entry(key.clone())
            .or_insert_with(|| label::without_comma(value));
    }
    let host_cpus = std::thread::available_parallelism().map_or(1, usize::from) as u32;
    if draft
        .limits
        .nano_cpus
        .is_some_and(|cpus| cpus > u64::from(host_cpus) * 1_000_000_000)
    {
        site.notice(format!(
            "limited to the {host_cpus} CPUs that this host has"
        ));
    }
    let abilities = site.abilities()?;
    let by_cdi = |held: &Held| abilities.cdi_gpus.contains(&held.uuid.0);
    let spec = spec(&Plan {
        container: &draft.container,
        account: &draft.account,
        image: &draft.base.id,
        labels: &labels,
        devices,
        limits: &draft.limits,
        host_cpus,
        cgroup_parent: abilities.slices.then_some(draft.slice.as_str()),
        by_cdi: !devices.is_empty() && devices.iter().all(by_cdi),
        mounts: &mounts,
    });
    let made = site.engine()?.create(&spec);
    made.map(|id| (id, binds))
        .map_err(|error| match error.status() {
            Some(409) => Unmade {
                failure: fail(
                    Kind::State,
                    format!(
                        "the engine has a container {} that DS01 did not make",
                        draft.container
                    ),
                    "choose another name, or remove that one with docker".into(),
                ),
                name_taken: true,
                unanswered: false,
            },
            _ => error.into(),
        })
}
