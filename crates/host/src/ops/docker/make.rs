//! The step of [`DockerCreate`] that asks the engine.
//!
//! [`DockerCreate`]: super::DockerCreate

use std::{collections::BTreeMap, path::Path};

use ds01_core::{
    device::Held,
    docker::{self, Finished, Given, Planned},
    failure::Failure,
    image,
    record::Bind,
};

use super::DockerFound;
use crate::{
    Site,
    engine::EngineError,
    ops::{
        create::Made,
        draft::Order,
        folders,
        grant::Granted,
        make::{Prepared, Unmade},
    },
    users::Person,
    volumes_file::VolumesFile,
};

/// Asks the engine for the container. What was not done as `planned` goes into `warnings`.
///
/// # Errors
///
/// [`Unmade`], if there is none, or nobody knows.
pub(super) fn make(
    site: &Site,
    order: &Order,
    planned: Planned,
    granted: &Granted,
    found: &DockerFound,
    warnings: &mut Vec<String>,
) -> Result<Made, Unmade> {
    let devices = granted.devices.as_slice();
    let labels = labels(site, order, devices, found, planned.interface.as_str())?;
    let abilities = site.abilities()?;
    let by_cdi = |held: &Held| abilities.cdi_gpus.contains(&*held.uuid.0);
    let uuids: Vec<_> = devices.iter().map(|held| held.uuid.clone()).collect();
    make_folders(site, &planned, &order.person)?;
    let binds = binds(&planned);
    let (sources, mounts) = folders::sources(site, &binds, &order.person)?;
    let mut prepared = Prepared::new(site, &order.container, mounts);
    let wanted = binds.iter().map(|bind| bind.source.clone());
    let sources = sources
        .iter()
        .map(|path| path.to_string_lossy().into_owned());
    let image = image::of_container(&order.container);
    let volumes_file = VolumesFile::new(&site.config().paths.state);
    let used = volumes_file.read().map_err(Failure::from)?;
    let volumes = named_volumes(&planned, found);
    let inherits_binds = inherits_binds(&planned, found);
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
            binds: &wanted.zip(sources).collect(),
            volumes: &found.volumes,
            unnamed: &found.unnamed,
            networks: &found.networks,
            containers: &found.containers,
            sharers: &found.sharers,
            used: &used,
            inherits_binds,
        },
    )
    .map_err(Failure::from)?;
    warnings.extend(told);
    prepared.name_image(&found.image, &image)?;
    granted.renew(site, &order.container)?;
    // Before the engine is asked: whoever is killed then has used them.
    volumes_file.begin(&volumes, (&order.container, as_owner), &used)?;
    let made = site.engine().create_as(&order.container, &body);
    if !made.as_ref().is_err_and(EngineError::is_unanswered) {
        volumes_file.end(&volumes, made.is_err(), &used);
    }
    match made {
        Ok(id) => Ok(Made {
            id,
            binds,
            mounts: prepared.keep(),
            as_owner,
        }),
        Err(error) => Err(Unmade::of(prepared, error)),
    }
}

/// Makes the folders that `docker run -v` is to make.
fn make_folders(site: &Site, planned: &Planned, owner: &Person) -> Result<(), Failure> {
    for wanted in planned.binds.iter().filter(|wanted| wanted.create) {
        let path = Path::new(&wanted.source);
        if folders::there(site, path, owner)?.as_deref() != Some(path) {
            folders::make(site, path, owner)?;
        }
    }
    Ok(())
}

fn binds(planned: &Planned) -> Vec<Bind> {
    let binds = planned.binds.iter().map(|wanted| Bind {
        source: wanted.source.clone(),
        target: wanted.target.clone(),
    });
    binds.collect()
}

/// The volumes that are the user's own by a name. Those without one are used as the containers that
/// have them.
fn named_volumes(planned: &Planned, found: &DockerFound) -> Vec<String> {
    let volumes = planned.volumes.iter();
    let volumes = volumes.filter(|(name, _)| !found.volumes.contains_key(*name));
    volumes.map(|(_, volume)| volume.clone()).collect()
}

/// Whether one of the containers whose namespaces or mounts it shares runs as its owner for good.
fn inherits_binds(planned: &Planned, found: &DockerFound) -> bool {
    let peers = planned.joins.iter();
    let mut peers = peers.filter_map(|name| found.containers.get(name));
    peers.any(|peer| peer.as_owner)
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
