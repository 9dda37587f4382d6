//! Processes in one's own containers.

use ds01_core::{
    docker::{ExecBody, Owner, exec},
    failure::{Failure, Kind},
};
use ds01_host::users::person;

use super::{Call, Outcome};
use crate::{body, records::Owned};

impl Call<'_> {
    pub(super) async fn container_exec(&self) -> Result<Outcome, Failure> {
        let owned = self.container(self.target()).await?;
        let asked: ExecBody = body::read(self.json()?)?;
        // A login stands for the uid only where the image says so: here, it does not.
        let owner = Owner {
            uid: owned.container.uid,
            gid: self.gid_of(&owned).await?,
            login: "",
        };
        let json = body::write(&exec(asked, self.is_as_owner(&owned), owner)?)?;
        self.forward_as(
            &format!("/containers/{}/exec", owned.id.0),
            &self.route.query,
            Some(&json),
        )
        .await
    }

    /// The gid of a container's owner, who is not the admin that calls: what the owner's image runs
    /// would have the admin's rights in the owner's folders.
    async fn gid_of(&self, owned: &Owned) -> Result<u32, Failure> {
        if self.is_mine(owned) {
            return Ok(self.caller.gid);
        }
        let uid = owned.container.uid;
        let found = tokio::task::spawn_blocking(move || person(uid)).await;
        let found = found.map_err(|error| Failure::new(Kind::Failed, error.to_string()))?;
        Ok(found?.gid)
    }

    /// Whose the exec in the path is: that of its container's owner.
    async fn exec(&self) -> Result<Owned, Failure> {
        let id = self.target();
        let none = || self.no_such("exec instance", id);
        if id.len() != 64 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(none());
        }
        let seen = self.engine("GET", &format!("/exec/{id}/json"), None).await;
        let seen = seen.map_err(|failure| match failure.kind {
            Kind::NotFound => none(),
            _ => failure,
        })?;
        let container = seen["ContainerID"].as_str().unwrap_or_default();
        self.container(container).await.map_err(|_| none())
    }

    pub(super) async fn exec_as_it_is(&self) -> Result<Outcome, Failure> {
        self.exec().await?;
        self.forward(&self.route.path).await
    }
}
