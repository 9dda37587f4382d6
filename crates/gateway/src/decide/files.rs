//! Files of one's own containers, which the engine goes through as root.

use ds01_core::{
    failure::{Failure, Kind},
    route::Version,
};
use ds01_host::reading::Reading;
use serde_json::Value;

use super::{Call, Outcome};
use crate::records::Owned;

/// From this version on, docker cp mounts what it copies of a container in a namespace of its own, and
/// not at paths of the host in which root in the container could put a link meanwhile.
///
/// Source: moby/moby#44210, in release 23.0.
const MOUNTS_APART: Version = Version(1, 42);

impl Call<'_> {
    /// Files in and out of a container. The engine does that as root: in the folders of the host
    /// that a container has, it could read what its owner may not, and leave files of root's.
    pub(super) async fn container_files(&self, done: &str) -> Result<Outcome, Failure> {
        let owned = self.container(self.target()).await?;
        let exports = self.route.path.ends_with("/export");
        if !exports && self.is_as_owner(&owned) {
            let name = &owned.container.name;
            let message = format!(
                "files of {name} are not {done} by docker cp: it has folders of this host, which \
                 the engine would enter as root"
            );
            let hint = format!("use its folder on the host, or: docker exec -i {name} tar");
            return Err(Failure::new(Kind::Forbidden, message).with_hint(hint));
        }
        if !exports && self.gateway.version().await? < MOUNTS_APART {
            let name = &owned.container.name;
            let message = format!(
                "files of {name} are not {done} by docker cp: this engine, of before release 23, would \
                 mount its files on the host, where somebody in it could move them meanwhile"
            );
            let hint = format!("use: docker exec -i {name} tar; or docker export {name}");
            return Err(Failure::new(Kind::Forbidden, message).with_hint(hint));
        }
        if exports {
            let reading = self.reading(&owned)?;
            self.reading.get_or_init(|| reading);
        }
        self.forward_to(&owned).await
    }

    /// All files of a container are read from now on: it does not start meanwhile.
    pub(super) fn reading(&self, owned: &Owned) -> Result<Reading, Failure> {
        let begun = Reading::begin(&self.gateway.config.paths.state, &owned.id)?;
        begun.ok_or_else(|| {
            let message = format!("container {} is being started", owned.container.name);
            Failure::new(Kind::State, message).with_hint("try again when it runs")
        })
    }

    /// What its files differ in from its image's: the engine goes through them by their paths, as root.
    pub(super) async fn container_changes(&self) -> Result<Outcome, Failure> {
        let owned = self.container(self.target()).await?;
        if self.is_as_owner(&owned) || !has_stopped(&self.looked_at(&owned).await?) {
            let name = &owned.container.name;
            let message = format!(
                "docker diff does not tell of {name}: it runs, or has folders of this host"
            );
            let hint = format!("look inside: docker exec {name} find / -xdev -newer /etc/hostname");
            return Err(Failure::new(Kind::Forbidden, message).with_hint(hint));
        }
        self.container_as_it_is().await
    }

    /// What the engine tells of a container.
    pub(super) async fn looked_at(&self, owned: &Owned) -> Result<Value, Failure> {
        let path = format!("/containers/{}/json", owned.id.0);
        self.engine("GET", &path, None).await
    }
}

/// Whether nothing runs in a container that the engine tells of.
fn has_stopped(seen: &Value) -> bool {
    ["created", "exited"]
        .map(Value::from)
        .contains(&seen["State"]["Status"])
}
