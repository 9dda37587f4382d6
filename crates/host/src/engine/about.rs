//! What the engine is made of.

use bollard::models::SystemVersionComponents;
use futures_util::future::try_join;

use super::{Call, Engine, EngineError, read::CDI_GPU};

/// A program of the engine, with its own version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// `Engine`, `containerd`, `runc`.
    pub name: String,
    /// As it says itself.
    pub version: String,
    /// The commit or package that it was built from.
    pub commit: String,
}

/// The engine, as it describes itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// Itself and its helpers.
    pub parts: Vec<Part>,
    /// `systemd` or `cgroupfs`.
    pub cgroup_driver: String,
    /// Root in a container is another user outside.
    pub remaps_users: bool,
    /// The runtime of a container that names none.
    pub runtime: String,
    /// Its plugins that are asked whether a request may be carried out.
    pub authorization_plugins: Vec<String>,
    /// It can give GPUs by CDI.
    pub gives_gpus_by_cdi: bool,
}

impl Engine {
    /// Describes the engine.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`].
    pub fn about(&self) -> Result<About, EngineError> {
        let (version, info) = self.wait(Call::Read("describe itself"), |docker| {
            try_join(docker.version(), docker.info())
        })?;
        let devices = info.discovered_devices.unwrap_or_default();
        let options = info.security_options.unwrap_or_default();
        let driver = info.cgroup_driver.map(|driver| driver.to_string());
        Ok(About {
            parts: parts(version.components.unwrap_or_default()),
            cgroup_driver: driver.unwrap_or_default(),
            remaps_users: options.iter().any(|option| option == "name=userns"),
            runtime: info.default_runtime.unwrap_or_default(),
            authorization_plugins: info
                .plugins
                .and_then(|plugins| plugins.authorization)
                .unwrap_or_default(),
            gives_gpus_by_cdi: devices
                .iter()
                .any(|device| device.id.as_ref().is_some_and(|id| id.starts_with(CDI_GPU))),
        })
    }
}

fn parts(components: Vec<SystemVersionComponents>) -> Vec<Part> {
    let part = |component: SystemVersionComponents| Part {
        commit: component
            .details
            .and_then(|mut details| details.remove("GitCommit"))
            .unwrap_or_default(),
        name: component.name,
        version: component.version,
    };
    components.into_iter().map(part).collect()
}
