//! What was installed in a container by hand: told by the engine, nothing is run in it.

use std::path::PathBuf;

use ds01_core::{
    failure::Failure,
    name::ContainerArg,
    packages::{Package, installed},
};
use serde::{Deserialize, Serialize};

use super::target;
use crate::{Operation, Site, users::Caller};

/// Asks which packages a container has and its image has not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installed {
    /// Which container.
    pub name: ContainerArg,
}

/// What would be lost with a container, and where it can be kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandInstalled {
    /// The packages, by name.
    pub packages: Vec<Package>,
    /// The owner of the container.
    pub uid: u32,
    /// The folder on the host that is its `/workspace`, if it has one.
    pub workspace: Option<PathBuf>,
}

impl Operation for Installed {
    const NAME: &'static str = "installed";
    type Answer = HandInstalled;

    fn container(&self) -> Option<&ContainerArg> {
        Some(&self.name)
    }

    fn run(&self, site: &Site, caller: Caller) -> Result<HandInstalled, Failure> {
        let target = target::find(site, caller, &self.name)?;
        let added = site.engine().added(&target.id)?;
        let record = site.metadata.read(&target.container);
        let workspace = record.map(|record| PathBuf::from(record.workspace));
        Ok(HandInstalled {
            packages: installed(added.iter().map(String::as_str)),
            uid: target.container.uid,
            workspace: workspace.filter(|folder| !folder.as_os_str().is_empty()),
        })
    }
}
