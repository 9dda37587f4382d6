//! Volumes without a name, which go with the container that they were made for.
//!
//! The engine would remove those of a container that it removes by itself, as after `docker run --rm`, and
//! it deletes by paths which others can lead elsewhere. So they are given a name, and DS01 removes them by
//! their label, as it does with such a container.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::label::UNNAMED;

use super::{
    body::{list, text},
    host_config::HostConfig,
    isolation::split_volumes_from,
    mount::Mount,
    places::clean,
    plan::Planned,
    refused::Refused,
};

/// Whether the engine chose this name: no user's volume has such a one.
pub fn is_unnamed(volume: &str) -> bool {
    volume.len() == 64 && volume.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The volumes without a name that a container has, by what the engine tells of it: those that
/// `docker rm -v` removes. One that the request named is not among them, whoever chose its name.
pub fn unnamed_of(inspected: &Value) -> Vec<String> {
    let items = |list: &'_ Value| list.as_array().cloned().unwrap_or_default();
    let host = &inspected["HostConfig"];
    let text = |value: &Value| value.as_str().map(str::to_string);
    let binds = items(&host["Binds"]).into_iter();
    let binds = binds.filter_map(|bind| Some(bind.as_str()?.split_once(':')?.0.to_string()));
    let mounts = items(&host["Mounts"]).into_iter();
    let mounts = mounts.filter(|mount| mount["VolumeOptions"]["Labels"][UNNAMED].is_null());
    let mounts = mounts.filter_map(|mount| text(&mount["Source"]));
    let named: BTreeSet<String> = binds.chain(mounts).collect();
    let has = items(&inspected["Mounts"]).into_iter();
    let has = has.filter(|mount| mount["Type"] == "volume");
    has.filter_map(|mount| text(&mount["Name"]))
        .filter(|name| is_unnamed(name) && !named.contains(name))
        .collect()
}

impl Planned {
    /// The containers whose volumes it inherits, as the request names them; none where that changes
    /// nothing for [`Planned::unnamed`].
    ///
    /// # Errors
    ///
    /// None: the request was checked.
    pub fn inherits(&self) -> Result<BTreeSet<String>, Refused> {
        let host = self.body.host_config.as_ref();
        let host = host.filter(|host| host.auto_remove == Some(true));
        let from = host.map_or(&[][..], |host| list(&host.volumes_from));
        from.iter()
            .map(|from| Ok(split_volumes_from(from)?.0))
            .collect()
    }

    /// Where a container that the engine is to remove by itself gets volumes without a name: `of_image`
    /// has places for some, and what is `inherited` is in their stead.
    ///
    /// # Errors
    ///
    /// [`Refused::Value`] for one that has no place: the engine would make it all the same.
    pub fn unnamed<'a>(
        &'a self,
        of_image: impl Iterator<Item = &'a str>,
        inherited: &BTreeSet<String>,
    ) -> Result<BTreeSet<String>, Refused> {
        let Some(host) = &self.body.host_config else {
            return Ok(BTreeSet::new());
        };
        if host.auto_remove != Some(true) {
            return Ok(BTreeSet::new());
        }
        let (mut own, mut taken) = (BTreeSet::new(), inherited.clone());
        for bind in list(&host.binds) {
            match bind.split(':').nth(1) {
                None => own.insert(clean("Volumes", bind)?),
                Some(place) => taken.insert(clean("Volumes", place)?),
            };
        }
        for mount in list(&host.mounts) {
            let place = clean("Volumes", text(&mount.target))?;
            match is_unnamed_mount(mount) {
                true => own.insert(place),
                false => taken.insert(place),
            };
        }
        let of_request = self.body.volumes.iter().flat_map(BTreeMap::keys);
        for place in of_request.map(String::as_str).chain(of_image) {
            let place = clean("Volumes", place)?;
            if !taken.contains(&place) {
                own.insert(place);
            }
        }
        Ok(own)
    }
}

fn is_unnamed_mount(mount: &Mount) -> bool {
    text(&mount.kind) == "volume" && text(&mount.source).is_empty()
}

/// Gives these names to the volumes at these places, which are those of [`Planned::unnamed`].
pub(super) fn finish(
    host: &mut HostConfig,
    volumes: &BTreeMap<String, String>,
    uid: u32,
) -> Result<(), Refused> {
    if volumes.is_empty() {
        return Ok(());
    }
    let mut left = volumes.clone();
    let binds = host.binds.iter_mut();
    binds.for_each(|binds| binds.retain(|bind| bind.contains(':')));
    let mounts = host.mounts.get_or_insert_default();
    let name = |mount: &mut Mount, volume: String| {
        mount.source = Some(volume);
        let options = mount.volume_options.get_or_insert_default();
        let labels = options.labels.get_or_insert_default();
        labels.insert(UNNAMED.into(), uid.to_string());
    };
    for mount in mounts.iter_mut().filter(|mount| is_unnamed_mount(mount)) {
        if let Some(volume) = left.remove(&clean("Volumes", text(&mount.target))?) {
            name(mount, volume);
        }
    }
    for (place, volume) in left {
        let mut mount = Mount {
            kind: Some("volume".into()),
            target: Some(place),
            ..Mount::default()
        };
        name(&mut mount, volume);
        mounts.push(mount);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_volume_has_no_name_that_no_request_named() {
        let name = |digit: &str| digit.repeat(64);
        let has = |kind: &str, name: &str| json!({ "Type": kind, "Name": name });
        let volumes = ["a", "b", "c", "d"].map(|digit| has("volume", &name(digit)));
        let others = [has("volume", "data._.1001"), has("bind", &name("e"))];
        let mounts = [&volumes[..], &others].concat();
        let inspected = json!({
            "Mounts": mounts,
            "HostConfig": {
                "Binds": [format!("{}:/b:ro", name("b")), "/bare"],
                "Mounts": [{ "Type": "volume", "Source": name("c"), "Target": "/c" },
                    { "Type": "volume", "Target": "/d" }],
            },
        });
        assert_eq!(unnamed_of(&inspected), [name("a"), name("d")]);
        let given = json!({
            "Mounts": [has("volume", &name("a"))],
            "HostConfig": { "Mounts": [{ "Type": "volume", "Source": name("a"),
                "VolumeOptions": { "Labels": { UNNAMED: "1001" } } }] },
        });
        assert_eq!(unnamed_of(&given), [name("a")]);
        let bare =
            json!({ "Mounts": [has("volume", &name("a"))], "HostConfig": { "Binds": null } });
        assert_eq!(unnamed_of(&bare), [name("a")]);
    }
}
