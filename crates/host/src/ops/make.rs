//! The step of `container-create` that asks the engine.

use std::path::Path;

use ds01_core::{
    container::ContainerId,
    device::Held,
    failure::{Failure, Kind},
    image,
    ledger::Allocation,
    name::EngineName,
    record::Bind,
    spec::{Mount, Plan, spec},
};
use nix::unistd::{SysconfVar, sysconf};

use super::{
    create::Made,
    draft::Draft,
    folders,
    grant::{Granted, is_ours},
};
use crate::{Site, engine::EngineError, ledger_file::Stored, site::fail};

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

impl Unmade {
    /// What the engine's answer means for the container that it was asked for, and for what was
    /// prepared for it.
    pub(super) fn of(mut prepared: Prepared<'_>, error: EngineError) -> Self {
        let container = prepared.container;
        let name_taken = error.status() == Some(409);
        let unanswered = error.is_unanswered();
        // One that has the container's name may be made from the image by this name.
        prepared.has_image &= !name_taken;
        match unanswered {
            true => drop(prepared.keep()),
            false => drop(prepared),
        }
        let failure = match name_taken {
            true => fail(
                Kind::State,
                format!("the engine has a container {container} that DS01 did not make"),
                "choose another name, or remove that one with docker".into(),
            ),
            false => error.into(),
        };
        Self {
            failure,
            name_taken,
            unanswered,
        }
    }
}

/// What was prepared for a container that is to be made: its mounts, and the name of its image. It
/// is undone when this is dropped, unless it is kept.
pub(super) struct Prepared<'a> {
    site: &'a Site,
    container: &'a EngineName,
    /// See [`Record::mounts`].
    ///
    /// [`Record::mounts`]: ds01_core::record::Record::mounts
    mounts: Option<String>,
    /// The image has the name by which it is this container's alone.
    has_image: bool,
}

impl<'a> Prepared<'a> {
    /// With these mounts, and no image yet.
    pub(super) fn new(site: &'a Site, container: &'a EngineName, mounts: Option<String>) -> Self {
        Self {
            site,
            container,
            mounts,
            has_image: false,
        }
    }

    /// Gives the image of this id a `name` by which it is the container's alone.
    ///
    /// # Errors
    ///
    /// The engine's.
    pub(super) fn name_image(&mut self, id: &str, name: &str) -> Result<(), Failure> {
        self.site.engine().tag(id, name)?;
        self.has_image = true;
        Ok(())
    }

    /// Leaves everything as it is, for the container. Its mounts.
    pub(super) fn keep(mut self) -> Option<String> {
        self.has_image = false;
        self.mounts.take()
    }
}

impl Drop for Prepared<'_> {
    fn drop(&mut self) {
        self.mounts
            .iter()
            .for_each(|place| self.site.unstage(place));
        if self.has_image {
            unname_image(self.site, self.container, None);
        }
    }
}

/// Takes the name away from a container's image: there is no such container, or that of this id was
/// removed. Whose name is another's by now, who asked for it after this process had lost it, keeps it.
pub(super) fn unname_image(site: &Site, container: &EngineName, id: Option<&ContainerId>) {
    let was = |entry: &Allocation| is_ours(entry) || id.is_some() && entry.id.as_ref() == id;
    let is_free = match site.ledger.read() {
        Ok(Stored::Whole(ledger)) => ledger.entry(container).is_none_or(was),
        _ => false,
    };
    if is_free {
        // One that stays is in nobody's way, and goes with the next sweep.
        let _ = site.engine().remove_image(&image::of_container(container));
    }
}

/// Asks the engine for the container.
///
/// # Errors
///
/// [`Unmade`], if there is none, or nobody knows.
pub(super) fn make(site: &Site, draft: &Draft, granted: &Granted) -> Result<Made, Unmade> {
    let (order, devices) = (&draft.order, granted.devices.as_slice());
    folders::make(site, &order.workspace, &order.person)?;
    // A link in the way may lead anywhere.
    let workspace = folders::allowed(site, &order.workspace, &order.person)?;
    let binds = binds(site, draft, &workspace);
    let (data, of_image) = (draft.data.as_deref(), draft.base.labels.clone());
    let interface = (draft.interface.as_str(), "ds01");
    let labels = order.labels(devices, (&workspace, data), interface, of_image);
    let abilities = site.abilities()?;
    let (sources, place) = folders::sources(site, &binds, &order.person)?;
    let mut prepared = Prepared::new(site, &order.container, place);
    let mounts = sources.iter().zip(&binds).map(|(source, bind)| Mount {
        source: text(source),
        target: bind.target.clone(),
    });
    let mounts: Vec<_> = mounts.collect();
    let host_cpus = host_cpus();
    if order
        .limits
        .nano_cpus
        .is_some_and(|cpus| cpus > u64::from(host_cpus) * 1_000_000_000)
    {
        site.notice(format!(
            "limited to the {host_cpus} CPUs that this host has"
        ));
    }
    let image = image::of_container(&order.container);
    let by_cdi = |held: &Held| abilities.cdi_gpus.contains(&*held.uuid.0);
    let spec = spec(&Plan {
        container: &order.container,
        account: &draft.account,
        image: &image,
        labels: &labels,
        devices,
        limits: &order.limits,
        host_cpus,
        cgroup_parent: abilities.slices.then_some(order.slice.as_str()),
        by_cdi: !devices.is_empty() && devices.iter().all(by_cdi),
        mounts: &mounts,
    });
    prepared.name_image(&draft.base.id, &image)?;
    granted.renew(site, &order.container)?;
    match site.engine().create(&spec) {
        Ok(id) => Ok(Made {
            id,
            binds,
            mounts: prepared.keep(),
            as_owner: true,
        }),
        Err(error) => Err(Unmade::of(prepared, error)),
    }
}

/// The folders that the container gets: its workspace, its data, and its owner's home where the host
/// mounts that.
fn binds(site: &Site, draft: &Draft, workspace: &Path) -> Vec<Bind> {
    let home = site.config().containers.mount_home;
    let owner = draft.order.person.home.as_path();
    let home = home.then_some((owner, draft.account.home.as_str()));
    let folders = [Some((workspace, "/workspace"))].into_iter();
    let folders = folders.chain([draft.data.as_deref().map(|data| (data, "/data")), home]);
    let binds = folders.flatten().map(|(source, target)| Bind {
        source: text(source),
        target: target.into(),
    });
    binds.collect()
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// The CPUs of this host, whichever of them this process may use: an admin may bind the gateway to
/// some, and nobody's containers are.
pub(super) fn host_cpus() -> u32 {
    let online = sysconf(SysconfVar::_NPROCESSORS_ONLN).ok().flatten();
    online
        .and_then(|online| u32::try_from(online).ok())
        .unwrap_or(1)
}
