//! `owners.json`: whose images, volumes and networks there are. The engine's own names say it, which
//! nobody but the gateway gives; the file is a copy for people and scripts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{docker::names, image};

/// The form of the file.
const VERSION: u32 = 1;

/// By the engine's name of each, the uid of its owner. What has none is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owned {
    version: u32,
    images: BTreeMap<String, u32>,
    volumes: BTreeMap<String, u32>,
    networks: BTreeMap<String, u32>,
}

impl Owned {
    /// What of these names of the engine's is somebody's own. An image of several names is several.
    pub fn of(images: Vec<String>, volumes: Vec<String>, networks: Vec<String>) -> Self {
        Self {
            version: VERSION,
            images: by_owner(images, image::owner),
            volumes: by_owner(volumes, names::owner),
            networks: by_owner(networks, names::owner),
        }
    }
}

fn by_owner(names: Vec<String>, owner: fn(&str) -> Option<u32>) -> BTreeMap<String, u32> {
    let owned = names.into_iter().filter_map(|name| {
        let uid = owner(&name)?;
        Some((name, uid))
    });
    owned.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_nobody_is_left_out() {
        let names = |all: &[&str]| all.iter().map(ToString::to_string).collect();
        let owned = Owned::of(
            names(&["pytorch:2.8", "ds01-1001/thesis:latest", "ds01-base:latest"]),
            names(&["data._.1001", "data._.1002", "data._.01", "cache"]),
            names(&["bridge", "app_default._.1002"]),
        );
        assert_eq!(
            serde_json::to_string(&owned).unwrap(),
            r#"{"version":1,"images":{"ds01-1001/thesis:latest":1001},"volumes":{"data._.1001":1001,"data._.1002":1002},"networks":{"app_default._.1002":1002}}"#
        );
    }
}
