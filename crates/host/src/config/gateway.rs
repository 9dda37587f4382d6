//! `[gateway]` of `ds01.toml`.

use std::{path::PathBuf, time::Duration};

use ds01_core::{docker::Allow, line::PATIENCE};
use serde::{Deserialize, Serialize};

/// `[gateway]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Gateway {
    /// What containers may have beyond what every container may.
    pub allow: Allow,
    /// Another socket that it serves, where clients look for the engine: `/run/docker.sock`, once
    /// the engine has been moved to one of its own.
    pub takes_over: Option<PathBuf>,
    /// Networks that a user may have; 5 by default. The engine has some thirty for everybody.
    pub networks_per_user: usize,
    /// Seconds that a container which docker, compose or an SDK asks for waits in line if no GPU is
    /// free; 180 by default, 0 is not at all.
    pub wait_s: u64,
}

impl Gateway {
    /// How long a container waits in line that is asked for by Docker's API.
    pub fn wait(&self) -> Duration {
        Duration::from_secs(self.wait_s)
    }
}

impl Default for Gateway {
    fn default() -> Self {
        Self {
            allow: Allow::default(),
            takes_over: None,
            networks_per_user: 5,
            wait_s: PATIENCE.as_secs(),
        }
    }
}
