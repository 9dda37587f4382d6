//! What the engine cannot tell yet.
//!
//! Release 20.10 lists a container before it can be inspected, for as long as it copies what the
//! image has into the container's volumes: that is up to whoever made the image. What the container
//! asks for stands in the engine's own files by then.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::{Path, PathBuf},
};

use bollard::{Docker, models::HostConfig};
use ds01_core::{container::ContainerId, device::Claim};
use serde::{Deserialize, de::DeserializeOwned};

use super::{Call, Engine, EngineError, claim::claim};

/// A container's file with all that is not the host's.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Own {
    config: Config,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    env: Option<Vec<String>>,
    labels: Option<HashMap<String, String>>,
}

impl Engine {
    /// The devices that containers ask for which the engine is making. Those whose files this
    /// process cannot read are left out: only root can.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`].
    pub fn claims_of_unfinished(
        &self,
        ids: &[ContainerId],
    ) -> Result<BTreeMap<ContainerId, Option<Claim>>, EngineError> {
        let info = self.wait(Call::Read("describe itself"), Docker::info)?;
        let Some(root) = info.docker_root_dir.map(PathBuf::from) else {
            return Ok(BTreeMap::new());
        };
        let written = |id: &ContainerId| Some((id.clone(), written(&root, id)?));
        Ok(ids.iter().filter_map(written).collect())
    }
}

fn written(root: &Path, id: &ContainerId) -> Option<Option<Claim>> {
    let folder = root.join("containers").join(&id.0);
    let host: HostConfig = read(&folder.join("hostconfig.json"))?;
    let own: Own = read(&folder.join("config.v2.json"))?;
    let env = own.config.env.unwrap_or_default();
    Some(claim(&host, &env, own.config.labels.as_ref()))
}

fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}
