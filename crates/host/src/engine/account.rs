//! Files in a container that was not started yet, and images made of it.

use std::pin::pin;

use bollard::{
    Docker,
    errors::Error as Bollard,
    models::{ContainerConfig, ContainerCreateBody},
    query_parameters::{
        CommitContainerOptions, CreateContainerOptions, DownloadFromContainerOptions,
        RemoveContainerOptions, UploadToContainerOptions,
    },
};
use ds01_core::container::ContainerId;
use futures_util::{Stream, TryStreamExt};

use super::{Call, Engine, EngineError, read::is_404};

/// Bytes of an archive that are read. The accounts of a whole university take less.
const MOST: usize = 1 << 20;

impl Engine {
    /// Creates a container that is only ever written to, in place of one left by a process that died.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`].
    pub fn create_draft(&self, name: &str, image: &str) -> Result<ContainerId, EngineError> {
        let options = || CreateContainerOptions {
            name: Some(name.into()),
            platform: String::new(),
        };
        let body = || ContainerCreateBody {
            image: Some(image.into()),
            // An image without a command of its own could not be created from.
            cmd: Some(vec!["true".into()]),
            // The image's own would claim every GPU where NVIDIA's runtime is the default.
            env: Some(vec!["NVIDIA_VISIBLE_DEVICES=void".into()]),
            ..ContainerCreateBody::default()
        };
        let call = async |docker: &Docker| {
            let made = match docker.create_container(Some(options()), body()).await {
                Err(Bollard::DockerResponseServerError {
                    status_code: 409, ..
                }) => {
                    let force = RemoveContainerOptions {
                        v: true,
                        force: true,
                        link: false,
                    };
                    docker.remove_container(name, Some(force)).await?;
                    docker.create_container(Some(options()), body()).await
                }
                other => other,
            };
            made.map(|made| ContainerId(made.id))
        };
        self.wait(Call::Change("make an account in the image"), call)
    }

    /// A file or folder of a container, as a tar archive; `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`EngineError::TooLarge`] above a MiB: it is whatever the maker of the image has put there.
    /// As every call: [`EngineError`].
    pub fn download(&self, id: &ContainerId, path: &str) -> Result<Option<Vec<u8>>, EngineError> {
        let call = async |docker: &Docker| {
            let mut chunks = pin!(archive(docker, id, path));
            let mut all = Vec::new();
            loop {
                match chunks.try_next().await {
                    Ok(Some(chunk)) => all.extend_from_slice(chunk.as_ref()),
                    Ok(None) => return Ok(Some(all)),
                    Err(error) if is_404(&error) => return Ok(None),
                    Err(error) => return Err(error),
                }
                if all.len() > MOST {
                    return Ok(Some(all));
                }
            }
        };
        let read = self.wait(Call::Read("read a file of the image"), call)?;
        match read {
            Some(all) if all.len() > MOST => Err(EngineError::TooLarge { path: path.into() }),
            read => Ok(read),
        }
    }

    /// Whether a container has this file or folder, of whatever size.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`].
    pub fn has(&self, id: &ContainerId, path: &str) -> Result<bool, EngineError> {
        self.wait(
            Call::Read("look for a file of the image"),
            async |docker: &Docker| match pin!(archive(docker, id, path)).try_next().await {
                Ok(_) => Ok(true),
                Err(error) if is_404(&error) => Ok(false),
                Err(error) => Err(error),
            },
        )
    }

    /// Unpacks a tar archive at a container's root.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`].
    pub fn upload(&self, id: &ContainerId, tar: Vec<u8>) -> Result<(), EngineError> {
        let options = UploadToContainerOptions {
            path: "/".into(),
            ..Default::default()
        };
        let tar = bollard::body_full(tar.into());
        self.wait(Call::Change("write a file of the image"), |docker| {
            docker.upload_to_container(&id.0, Some(options), tar)
        })
    }

    /// Makes an image of a container, with `author` for who made it. Returns its id.
    ///
    /// # Errors
    ///
    /// As every call: [`EngineError`].
    pub fn commit(
        &self,
        id: &ContainerId,
        repo: &str,
        tag: &str,
        author: String,
    ) -> Result<String, EngineError> {
        let options = CommitContainerOptions {
            container: Some(id.0.clone()),
            repo: Some(repo.into()),
            tag: Some(tag.into()),
            author: Some(author),
            ..CommitContainerOptions::default()
        };
        let made = self.wait(Call::Change("save the account's image"), |docker| {
            docker.commit_container(options, ContainerConfig::default())
        })?;
        Ok(made.id)
    }
}

/// What a container has at `path`, as a tar archive that comes in pieces.
fn archive(
    docker: &Docker,
    id: &ContainerId,
    path: &str,
) -> impl Stream<Item = Result<impl AsRef<[u8]> + use<>, Bollard>> {
    let options = DownloadFromContainerOptions { path: path.into() };
    docker.download_from_container(&id.0, Some(options))
}
