//! What the engine tells.

use std::{
    collections::{BTreeSet, HashMap},
    path::PathBuf,
};

use bollard::{
    Docker,
    errors::Error as Bollard,
    models::ChangeType,
    query_parameters::{LogsOptions, RemoveImageOptions, TopOptions},
};
use ds01_core::{container::ContainerId, time::Timestamp};
use futures_util::TryStreamExt;
use serde_json::Value;

use super::{Call, Engine, EngineError};

/// Before the name of a GPU in NVIDIA's CDI specification.
pub(super) const CDI_GPU: &str = "nvidia.com/gpu=";

/// Bytes of a log that are read: a line of it may be of any length.
const MOST_SAID: usize = 1 << 16;

/// What an engine can do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Abilities {
    /// Its cgroups are systemd's, so that a slice can be a parent.
    pub slices: bool,
    /// A container that names no driver logs by `json-file`.
    pub logs_json: bool,
    /// The GPUs that it can give by CDI, by uuid or index. None: it has NVIDIA's hook, or no GPU.
    pub cdi_gpus: BTreeSet<String>,
    /// The runtime of a container that names none, as the steps of a build do.
    pub runtime: String,
}

/// An image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// `sha256:…`
    pub id: String,
    /// Its names, with tags and digests.
    pub names: Vec<String>,
    /// Who made it, in their own words.
    pub author: String,
    /// Its labels.
    pub labels: HashMap<String, String>,
    /// What it brings into its containers, as the engine tells it.
    pub config: Value,
    /// When it was built, or got a name: a build that changes nothing gives the old image its
    /// name anew.
    pub built: Option<Timestamp>,
}

impl Engine {
    /// Looks an image up by name or id; `None` if there is none.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`].
    pub fn image(&self, name: &str) -> Result<Option<Image>, EngineError> {
        if !is_reference(name) {
            return Ok(None);
        }
        let call = async |docker: &Docker| {
            match docker.inspect_image(name).await {
                Ok(image) => Ok(Some(Image {
                    built: [
                        image.created,
                        image.metadata.and_then(|about| about.last_tag_time),
                    ]
                    .into_iter()
                    .filter_map(|time| Timestamp::parse(&time?))
                    .max(),
                    names: [image.repo_tags, image.repo_digests]
                        .into_iter()
                        .flatten()
                        .flatten()
                        .collect(),
                    id: image.id.unwrap_or_default(),
                    author: image.author.unwrap_or_default(),
                    config: serde_json::to_value(&image.config).unwrap_or_default(),
                    labels: image
                        .config
                        .and_then(|config| config.labels)
                        .unwrap_or_default(),
                })),
                // 400: a name that no image can have, such as one with capitals.
                Err(Bollard::DockerResponseServerError {
                    status_code: 400 | 404,
                    ..
                }) => Ok(None),
                Err(error) => Err(error),
            }
        };
        self.wait(Call::Read("look up the image"), call)
    }

    /// Removes an image's name, and the image if that was its last.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`]; status 409 while a container uses it.
    pub fn remove_image(&self, name: &str) -> Result<(), EngineError> {
        self.wait(Call::Change("remove the image"), |docker| {
            docker.remove_image(name, None::<RemoveImageOptions>, None)
        })
        .map(drop)
    }

    /// The paths that a container has and its image has not.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`].
    pub fn added(&self, id: &ContainerId) -> Result<Vec<String>, EngineError> {
        let changes = self.wait(Call::Read("tell what changed in the container"), |docker| {
            docker.container_changes(&id.0)
        })?;
        let changes = changes.unwrap_or_default().into_iter();
        let added = changes.filter(|change| change.kind == ChangeType::_1);
        Ok(added.map(|change| change.path).collect())
    }

    /// How many processes a running container has.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`].
    pub fn processes(&self, id: &ContainerId) -> Result<usize, EngineError> {
        let options = TopOptions {
            ps_args: "-o pid".into(),
        };
        let top = self.wait(Call::Read("list processes"), |docker| {
            docker.top_processes(&id.0, Some(options))
        })?;
        Ok(top.processes.map_or(0, |rows| rows.len()))
    }

    /// What the processes of a running container were started as: a program and its arguments.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`]; a refusal if it does not run.
    pub fn commands(&self, id: &ContainerId) -> Result<Vec<String>, EngineError> {
        // The engine finds the processes by their numbers.
        let options = TopOptions {
            ps_args: "-o pid,args".into(),
        };
        let top = self.wait(Call::Read("list processes"), |docker| {
            docker.top_processes(&id.0, Some(options))
        })?;
        let rows = top.processes.into_iter().flatten();
        Ok(rows.filter_map(|mut row| row.pop()).collect())
    }

    /// The last lines that a container has printed.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`].
    pub fn last_lines(&self, id: &ContainerId, count: usize) -> Result<Vec<String>, EngineError> {
        let options = LogsOptions {
            stdout: true,
            stderr: true,
            tail: count.to_string(),
            ..LogsOptions::default()
        };
        let text = self.wait(Call::Read("read its log"), async |docker| {
            let mut log = docker.logs(&id.0, Some(options));
            let mut text = String::new();
            while let Some(printed) = log.try_next().await? {
                text += &printed.to_string();
                if text.len() > MOST_SAID {
                    break;
                }
            }
            Ok(text)
        })?;
        Ok(text.lines().map(String::from).collect())
    }

    /// What the engine can do. Telling costs it more than creating a container.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`].
    pub fn abilities(&self) -> Result<Abilities, EngineError> {
        let info = self.wait(Call::Read("describe itself"), Docker::info)?;
        let slices = info
            .cgroup_driver
            .is_some_and(|driver| driver.to_string() == "systemd");
        let devices = info.discovered_devices.unwrap_or_default().into_iter();
        let gpus = devices.filter_map(|device| Some(device.id?.strip_prefix(CDI_GPU)?.to_string()));
        Ok(Abilities {
            slices,
            logs_json: info.logging_driver.as_deref() == Some("json-file"),
            cdi_gpus: gpus.collect(),
            runtime: info.default_runtime.unwrap_or_default(),
        })
    }

    /// The engine's socket.
    pub fn socket(&self) -> &PathBuf {
        &self.socket
    }
}

/// Whether an image can have this name. Others would lead to another path of the engine's API.
fn is_reference(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
    let path = |part: &str| !["", ".", ".."].contains(&part);
    name.chars().all(allowed) && name.split('/').all(path)
}

pub(super) fn is_404(error: &Bollard) -> bool {
    matches!(
        error,
        Bollard::DockerResponseServerError {
            status_code: 404,
            ..
        }
    )
}
