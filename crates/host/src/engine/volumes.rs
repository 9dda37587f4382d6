//! Volumes, one by one.

use std::{collections::BTreeMap, path::PathBuf};

use ds01_core::{
    container::ContainerId,
    docker::{is_unnamed, unnamed_of},
    label::UNNAMED,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Call, Engine, EngineError, list::with_filters};

const INSPECT: Call = Call::Read("inspect volumes");

/// A volume as the engine tells of it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Volume {
    name: String,
    pub(crate) driver: String,
    pub(crate) mountpoint: PathBuf,
    pub(crate) options: Option<BTreeMap<String, String>>,
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Volumes {
    volumes: Option<Vec<Volume>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    id: String,
}

/// What of a container's inspection tells where its files are.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Layered {
    state: Running,
    #[serde(rename = "GraphDriver")]
    driver: Option<Driver>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Running {
    running: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Driver {
    name: String,
    data: Option<DriverData>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DriverData {
    upper_dir: Option<PathBuf>,
}

impl Engine {
    /// One volume; `None` if there is none of this name.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`].
    pub(crate) fn volume(&self, name: &str) -> Result<Option<Volume>, EngineError> {
        let said = self.ask(INSPECT, "GET", &format!("/volumes/{name}"), "")?;
        match said.status {
            404 => Ok(None),
            _ => self.read(INSPECT, &said, 200).map(Some),
        }
    }

    /// The volumes without a name that are ours to remove and that no container has, each with the uid of
    /// its owner.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`].
    pub fn left_volumes(&self) -> Result<Vec<(u32, String)>, EngineError> {
        let filters = json!({ "label": [UNNAMED], "dangling": ["true"] });
        let said = self.ask(INSPECT, "GET", &with_filters("/volumes?", &filters), "")?;
        let Volumes { volumes } = self.read(INSPECT, &said, 200)?;
        let left = volumes.unwrap_or_default().into_iter();
        let owned = left.filter_map(|volume| {
            let uid = volume.labels?.get(UNNAMED)?.parse().ok()?;
            Some((uid, volume.name)).filter(|(_, name)| is_unnamed(name))
        });
        Ok(owned.collect())
    }

    /// The id of a container that has a volume.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`].
    pub(crate) fn user_of(&self, volume: &str) -> Result<Option<String>, EngineError> {
        const WHAT: Call = Call::Read("list containers");
        let path = with_filters("/containers/json?all=1&", &json!({ "volume": [volume] }));
        let said = self.ask(WHAT, "GET", &path, "")?;
        let listed: Vec<Listed> = self.read(WHAT, &said, 200)?;
        Ok(listed.into_iter().next().map(|listed| listed.id))
    }

    /// The volumes without a name that a container has, see [`unnamed_of`]. None if it has gone.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`].
    pub(crate) fn unnamed_volumes(&self, id: &ContainerId) -> Result<Vec<String>, EngineError> {
        const WHAT: Call = Call::Read("inspect containers");
        let said = self.ask(WHAT, "GET", &format!("/containers/{}/json", id.0), "")?;
        match said.status {
            404 => Ok(Vec::new()),
            _ => Ok(unnamed_of(&self.read::<Value>(WHAT, &said, 200)?)),
        }
    }

    /// The driver that has the files of a container which does not run, and where it has those beyond its
    /// image. `None` if the container has gone, or none are known any more.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`]; status 409 if it runs.
    pub(crate) fn layer(&self, id: &ContainerId) -> Result<Option<(String, PathBuf)>, EngineError> {
        const WHAT: Call = Call::Read("inspect containers");
        let said = self.ask(WHAT, "GET", &format!("/containers/{}/json", id.0), "")?;
        if said.status == 404 {
            return Ok(None);
        }
        let Layered { state, driver } = self.read(WHAT, &said, 200)?;
        if state.running {
            let message = format!("container {} runs", id.0);
            return Err(EngineError::cannot_remove(message));
        }
        let known = driver.and_then(|driver| Some((driver.name, driver.data?.upper_dir?)));
        Ok(known)
    }

    /// Removes a volume that no container has.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`].
    pub(crate) fn remove_volume(&self, name: &str, force: bool) -> Result<(), EngineError> {
        const WHAT: Call = Call::Change("remove the volume");
        let path = format!("/volumes/{name}?force={}", u8::from(force));
        let said = self.ask(WHAT, "DELETE", &path, "")?;
        match said.status {
            204 => Ok(()),
            _ => Err(EngineError::refused(WHAT, &said)),
        }
    }
}
