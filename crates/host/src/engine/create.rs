//! Making a container.

use bollard::{
    models::{
        ContainerCreateBody, ContainerCreateResponse, ContainerUpdateBody, DeviceRequest,
        HostConfig, Mount, MountType, RestartPolicy, RestartPolicyNameEnum,
    },
    query_parameters::CreateContainerOptions,
};
use ds01_core::{container::ContainerId, docker::CreateBody, name::EngineName, spec::Spec};

use super::{Call, Engine, EngineError, read::CDI_GPU};

const WHAT: Call = Call::Change("create the container");

impl Engine {
    /// Creates a container, without starting it.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`]; status 404 without the image, 409 if the name is taken.
    pub fn create(&self, spec: &Spec) -> Result<ContainerId, EngineError> {
        let options = CreateContainerOptions {
            name: Some(spec.name.clone()),
            platform: String::new(),
        };
        let made = self.wait(WHAT, |docker| {
            docker.create_container(Some(options), body(spec))
        })?;
        Ok(ContainerId(made.id))
    }

    /// Creates a container from a body that is written already.
    ///
    /// # Errors
    ///
    /// As [`Engine::create`].
    pub fn create_as(
        &self,
        container: &EngineName,
        body: &CreateBody,
    ) -> Result<ContainerId, EngineError> {
        let path = format!("/containers/create?name={container}");
        let body = serde_json::to_string(body).map_err(|error| self.failed(WHAT, error.into()))?;
        let said = self.ask(WHAT, "POST", &path, &body)?;
        let made: ContainerCreateResponse = self.read(WHAT, &said, 201)?;
        Ok(ContainerId(made.id))
    }

    /// Keeps the engine from starting a container by itself, as it would when it starts.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`].
    pub fn never_restart(&self, id: &ContainerId) -> Result<(), EngineError> {
        let config = ContainerUpdateBody {
            restart_policy: Some(no_restart()),
            ..ContainerUpdateBody::default()
        };
        self.wait(Call::Change("take its restart policy away"), |docker| {
            docker.update_container(&id.0, config)
        })
    }
}

/// No restart by the engine.
fn no_restart() -> RestartPolicy {
    RestartPolicy {
        name: Some(RestartPolicyNameEnum::NO),
        ..RestartPolicy::default()
    }
}

/// The request, in Docker's terms.
fn body(spec: &Spec) -> ContainerCreateBody {
    // The engine counts in signed numbers; no machine has more than 2^63 of anything.
    let signed = |value: Option<u64>| value.map(|value| i64::try_from(value).unwrap_or(i64::MAX));
    let request = match spec.by_cdi {
        true => DeviceRequest {
            driver: Some("cdi".into()),
            device_ids: Some(
                spec.devices
                    .iter()
                    .map(|uuid| format!("{CDI_GPU}{uuid}"))
                    .collect(),
            ),
            ..DeviceRequest::default()
        },
        false => DeviceRequest {
            device_ids: Some(spec.devices.iter().map(ToString::to_string).collect()),
            capabilities: Some(vec![vec!["gpu".into()]]),
            ..DeviceRequest::default()
        },
    };
    let mounts = spec.mounts.iter().map(|mount| Mount {
        source: Some(mount.source.clone()),
        target: Some(mount.target.clone()),
        typ: Some(MountType::BIND),
        ..Mount::default()
    });
    let host = HostConfig {
        nano_cpus: signed(spec.nano_cpus),
        memory: signed(spec.memory_bytes),
        // Left out, the engine would take twice the memory for it.
        memory_swap: signed(spec.memory_swap_bytes).or(spec.memory_bytes.map(|_| -1)),
        shm_size: signed(spec.shm_bytes),
        pids_limit: signed(spec.pids),
        cgroup_parent: spec.cgroup_parent.clone(),
        device_requests: (!spec.devices.is_empty()).then(|| vec![request]),
        mounts: Some(mounts.collect()),
        init: Some(true),
        security_opt: Some(vec!["no-new-privileges".into()]),
        // DS01 restarts, after it holds the devices again.
        restart_policy: Some(no_restart()),
        ..HostConfig::default()
    };
    ContainerCreateBody {
        hostname: Some(spec.hostname.clone()),
        image: Some(spec.image.clone()),
        user: Some(spec.user.clone()),
        env: Some(spec.env.clone()),
        entrypoint: Some(Vec::new()),
        cmd: Some(spec.command.clone()),
        working_dir: Some("/workspace".into()),
        labels: Some(spec.labels.clone().into_iter().collect()),
        host_config: Some(host),
        ..ContainerCreateBody::default()
    }
}
