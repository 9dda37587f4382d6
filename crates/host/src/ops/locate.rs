//! Which container a user means: what a shell needs to know before it is opened.

use ds01_core::{container::ContainerId, failure::Failure, name::ContainerArg};
use serde::{Deserialize, Serialize};

use super::target;
use crate::{Operation, Site, users::Caller};

/// Asks for a container of the caller's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Locate {
    /// Which.
    pub name: ContainerArg,
}

/// A container that our records have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Located {
    /// The engine's id.
    pub id: ContainerId,
}

impl Operation for Locate {
    const NAME: &'static str = "locate";
    type Answer = Located;

    fn container(&self) -> Option<&ContainerArg> {
        Some(&self.name)
    }

    fn run(&self, site: &Site, caller: Caller) -> Result<Located, Failure> {
        let id = target::find(site, caller, &self.name)?.id;
        Ok(Located { id })
    }
}
