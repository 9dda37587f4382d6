//! Folders of the host, volumes and tmpfs in a container.

use std::collections::BTreeMap;

use super::{
    body::{is_empty, list, text},
    create::CreateBody,
    host_config::HostConfig,
    labels,
    mount::{BindOptions, DriverConfig, Mount, TmpfsOptions, VolumeOptions},
    names::{Noun, to_engine},
    places::{path, place, target},
    refused::Refused,
};

/// Mounts of one container: for each that has no name the engine makes a volume.
const MOST: usize = 64;

const VOLUME: &str = "use a volume of the default driver, without options";

/// A folder or file of the host that a request wants in its container.
///
/// Whether the owner may have it there, and what it really is, is for the host to find out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedBind {
    /// On the host: absolute, without `..`, `.` and doubled slashes. Links are not resolved.
    pub source: String,
    /// In the container, likewise.
    pub target: String,
    /// Not to be written to.
    pub read_only: bool,
    /// To be made, as its owner, if it does not exist; otherwise it has to exist.
    pub create: bool,
}

/// What a container wants mounted.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) binds: Vec<WantedBind>,
    /// The engine's name of each volume, by the name in the request.
    pub(super) volumes: BTreeMap<String, String>,
}

/// Sorts out what is to be mounted: afterwards `Binds` has volumes only, by the names of the
/// request, and `Mounts` has the rest.
///
/// # Errors
///
/// [`Refused`] for what would reach beyond the owner, and for what the engine would not understand.
pub(super) fn plan(body: &mut CreateBody, uid: u32) -> Result<Wanted, Refused> {
    few(count(body))?;
    let mut places = body.volumes.iter().flat_map(BTreeMap::keys);
    places.try_for_each(|volume| place("Volumes", volume))?;
    let host = body.host();
    if !matches!(text(&host.volume_driver), "" | "local") {
        let driver = text(&host.volume_driver);
        let why = "a driver works as root";
        return Err(Refused::forbidden("VolumeDriver", driver, why, VOLUME));
    }
    host.volume_driver = None;
    for (place, options) in host.tmpfs.iter().flatten() {
        target("Tmpfs", place)?;
        for option in options.split(',') {
            tmpfs_option(option)?;
        }
    }
    let mut wanted = Wanted::default();
    let mut mounts = Vec::new();
    let mut kept = Vec::new();
    for bind in host.binds.take().unwrap_or_default() {
        match Bind::parse(&bind)? {
            Bind::Anonymous => kept.push(bind),
            Bind::Volume { name } => {
                wanted.volume(&name, uid)?;
                kept.push(bind);
            }
            Bind::Folder(bind) => {
                mounts.push(bind.mount(BindOptions::default()));
                wanted.binds.push(bind);
            }
        }
    }
    for mount in host.mounts.take().unwrap_or_default() {
        mounts.push(wanted.mount(mount, uid)?);
    }
    host.binds = (!kept.is_empty()).then_some(kept);
    host.mounts = (!mounts.is_empty()).then_some(mounts);
    Ok(wanted)
}

/// How many mounts a request asks for, beside those of its image and of other containers.
pub(super) fn count(body: &CreateBody) -> usize {
    let volumes = body.volumes.as_ref().map_or(0, BTreeMap::len);
    let host = body.host_config.as_ref().map_or(0, |host| {
        let tmpfs = host.tmpfs.as_ref().map_or(0, BTreeMap::len);
        list(&host.binds).len() + list(&host.mounts).len() + tmpfs
    });
    volumes + host
}

/// Whether a container may have so many mounts.
pub(super) fn few(count: usize) -> Result<(), Refused> {
    if count <= MOST {
        return Ok(());
    }
    let why = "more than 64 in all, with those of the image";
    let instead = "mount one folder or volume that has the others in it";
    Err(Refused::forbidden(
        "Mounts",
        count.to_string(),
        why,
        instead,
    ))
}

impl Wanted {
    fn volume(&mut self, name: &str, uid: u32) -> Result<(), Refused> {
        let engine = to_engine(Noun::Volume, name, uid)?;
        self.volumes.insert(name.into(), engine);
        Ok(())
    }

    /// A mount of `Mounts`, with only what its type has.
    fn mount(&mut self, asked: Mount, uid: u32) -> Result<Mount, Refused> {
        let place = target("Mounts.Target", text(&asked.target))?;
        let consistency = text(&asked.consistency);
        if !matches!(
            consistency,
            "" | "default" | "consistent" | "cached" | "delegated"
        ) {
            let why = "no such consistency";
            return Err(Refused::value("Mounts.Consistency", consistency, why));
        }
        let source = text(&asked.source);
        let mount = Mount {
            kind: asked.kind.clone(),
            target: Some(place.clone()),
            read_only: asked.read_only,
            ..Mount::default()
        };
        match text(&asked.kind) {
            "bind" => {
                let options = asked.bind_options.unwrap_or_default();
                private(text(&options.propagation))?;
                let bind = WantedBind {
                    source: path("Mounts.Source", source)?,
                    target: place,
                    read_only: asked.read_only.unwrap_or_default(),
                    create: options.create_mountpoint.unwrap_or_default(),
                };
                let mount = bind.mount(options);
                self.binds.push(bind);
                Ok(mount)
            }
            "volume" => {
                if !source.is_empty() {
                    self.volume(source, uid)?;
                }
                Ok(Mount {
                    source: asked.source.filter(|source| !source.is_empty()),
                    volume_options: asked
                        .volume_options
                        .map(|options| volume_options(options, uid))
                        .transpose()?,
                    ..mount
                })
            }
            "tmpfs" => {
                let options = asked.tmpfs_options.unwrap_or_default();
                for option in options.options.iter().flatten() {
                    tmpfs_option(&option.join("="))?;
                }
                Ok(Mount {
                    tmpfs_options: Some(TmpfsOptions { ..options }),
                    ..mount
                })
            }
            other => {
                let why = "only bind, volume and tmpfs are";
                Err(Refused::forbidden("Mounts.Type", other, why, VOLUME))
            }
        }
    }
}

fn volume_options(asked: VolumeOptions, uid: u32) -> Result<VolumeOptions, Refused> {
    let DriverConfig { name, options } = asked.driver_config.unwrap_or_default();
    if !matches!(text(&name), "" | "local") || !is_empty(&options) {
        let why = "a driver and its options work as root";
        let field = "Mounts.VolumeOptions.DriverConfig";
        return Err(Refused::forbidden(field, text(&name), why, VOLUME));
    }
    Ok(VolumeOptions {
        no_copy: asked.no_copy,
        labels: labels::owned(asked.labels, uid)?,
        subpath: asked.subpath,
        driver_config: None,
    })
}

impl WantedBind {
    /// As the engine is to mount it: nothing that either side mounts later reaches the other, and
    /// a source that is not there is an error, not a folder that the engine makes as root.
    fn mount(&self, options: BindOptions) -> Mount {
        Mount {
            kind: Some("bind".into()),
            source: Some(self.source.clone()),
            target: Some(self.target.clone()),
            read_only: Some(self.read_only),
            bind_options: Some(BindOptions {
                propagation: Some("rprivate".into()),
                create_mountpoint: None,
                ..options
            }),
            ..Mount::default()
        }
    }
}

/// An entry of `Binds`.
#[derive(Debug, PartialEq, Eq)]
enum Bind {
    /// Only a place.
    Anonymous,
    Volume {
        name: String,
    },
    Folder(WantedBind),
}

impl Bind {
    /// Reads `place`, `source:place` and `source:place:options` as the engine does.
    fn parse(bind: &str) -> Result<Self, Refused> {
        let parts: Vec<&str> = bind.split(':').collect();
        let (source, place, options) = match parts[..] {
            [place] => {
                target("Binds", place)?;
                return Ok(Self::Anonymous);
            }
            [source, place] => (source, place, ""),
            [source, place, options] => (source, place, options),
            _ => return Err(Refused::value("Binds", bind, "not source:target:options")),
        };
        let place = target("Binds", place)?;
        let (mut read_only, mut read_write) = (false, false);
        for option in options.split(',').filter(|option| !option.is_empty()) {
            match option {
                "ro" => read_only = true,
                "rw" => read_write = true,
                // The host is not relabelled for a user; the rest means nothing on Linux, or
                // nothing for a folder.
                "z" | "Z" | "nocopy" | "consistent" | "cached" | "delegated" | "default" => {}
                other => private(other)?,
            }
        }
        if read_only && read_write {
            return Err(Refused::value("Binds", bind, "both ro and rw"));
        }
        if !source.starts_with('/') {
            let relabels = options.split(',').any(|option| matches!(option, "z" | "Z"));
            return match relabels {
                true => Err(Refused::value("Binds", bind, "z and Z are for folders")),
                false => Ok(Self::Volume {
                    name: source.into(),
                }),
            };
        }
        Ok(Self::Folder(WantedBind {
            source: path("Binds", source)?,
            target: place,
            read_only,
            create: true,
        }))
    }
}

/// A volume that was found.
#[derive(Debug)]
pub(super) struct Found {
    /// The engine's name.
    name: String,
    /// The engine may copy into it what the image has at its place.
    copies: bool,
}

impl Found {
    pub(super) fn new(name: &str, copies: bool) -> Self {
        let name = name.into();
        Self { name, copies }
    }
}

/// Puts volumes and folders that were found in place of those that were named.
///
/// # Errors
///
/// [`Refused::NoSuch`] for one that was not found.
pub(super) fn finish(
    host: &mut HostConfig,
    folders: &BTreeMap<String, String>,
    volume: impl Fn(&str) -> Option<Found>,
) -> Result<(), Refused> {
    let find = |name: &str| volume(name).ok_or_else(|| Refused::no_such(Noun::Volume, name));
    for bind in host.binds.iter_mut().flatten() {
        if let Some((name, rest)) = bind.split_once(':') {
            let found = find(name)?;
            let rest = match (found.copies, rest.split_once(':')) {
                (true, _) => rest.into(),
                (false, None) => format!("{rest}:nocopy"),
                (false, Some((_, options))) if options.split(',').any(|is| is == "nocopy") => {
                    rest.into()
                }
                (false, Some((place, ""))) => format!("{place}:nocopy"),
                (false, Some(_)) => format!("{rest},nocopy"),
            };
            *bind = format!("{}:{rest}", found.name);
        }
    }
    for mount in host.mounts.iter_mut().flatten() {
        let Some(source) = &mut mount.source else {
            continue;
        };
        *source = match mount.kind.as_deref() {
            Some("bind") => folders
                .get(source)
                .cloned()
                .ok_or_else(|| Refused::no_such(Noun::Folder, source))?,
            _ => {
                let found = find(source)?;
                if !found.copies {
                    mount.volume_options.get_or_insert_default().no_copy = Some(true);
                }
                found.name
            }
        };
    }
    Ok(())
}

/// Refuses a mount that goes on being shared with the host.
fn private(propagation: &str) -> Result<(), Refused> {
    match propagation {
        "" | "private" | "rprivate" => Ok(()),
        "shared" | "rshared" | "slave" | "rslave" => Err(Refused::forbidden(
            "Propagation",
            propagation,
            "mounts would go from the host to the container or back",
            "leave it out, or use rprivate",
        )),
        other => Err(Refused::value("Binds", other, "no such option")),
    }
}

/// An option of tmpfs: its size counts as memory of the container.
fn tmpfs_option(option: &str) -> Result<(), Refused> {
    let (key, value) = option.split_once('=').unwrap_or((option, ""));
    let known = match value.is_empty() {
        true => {
            let flags = [
                "", "rw", "ro", "exec", "noexec", "suid", "nosuid", "dev", "nodev",
            ];
            let times = ["noatime", "nodiratime", "relatime", "strictatime"];
            flags.contains(&key) || times.contains(&key)
        }
        false => ["size", "mode", "uid", "gid", "nr_inodes", "nr_blocks"].contains(&key),
    };
    match known {
        true => Ok(()),
        false => Err(Refused::value("Tmpfs", option, "no such option")),
    }
}
