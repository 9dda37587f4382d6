//! `image-list` and `image-delete`.

use ds01_core::{
    container::Sighting,
    failure::{Failure, Kind},
    image,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

use super::account;
use crate::{
    Operation, Site,
    site::fail,
    users::{Caller, image_with_uid},
};

/// Asks for the caller's images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Images {
    /// Those that everybody can use too.
    pub shared: bool,
}

/// A name of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageListed {
    /// The name before the tag, as the engine has it: `ds01-<uid>/<project>` for the caller's own.
    pub repository: String,
    /// The tag.
    pub tag: String,
    /// `sha256:…`
    pub id: String,
    /// Bytes of all its layers, shared ones too.
    pub size_bytes: u64,
    /// When it was made.
    pub created: Timestamp,
    /// Everybody's, not the caller's own.
    pub shared: bool,
}

impl ImageListed {
    /// Repository and tag.
    pub fn name(&self) -> String {
        format!("{}:{}", self.repository, self.tag)
    }
}

impl Operation for Images {
    const NAME: &'static str = "images";
    type Answer = Vec<ImageListed>;

    fn run(&self, site: &Site, caller: Caller) -> Result<Vec<ImageListed>, Failure> {
        let own = format!("{}*", image::own(caller.uid));
        let pattern = (!self.shared).then_some(own.as_str());
        let mut listed = Vec::new();
        for seen in site.engine().images(pattern)? {
            let visible = |name: &&String| image::is_listed(name, caller.uid);
            for name in seen.names.iter().filter(visible) {
                let Some((repository, tag)) = name.rsplit_once(':') else {
                    continue;
                };
                let shared = image::owner(name).is_none();
                if shared && !self.shared {
                    continue;
                }
                listed.push(ImageListed {
                    repository: repository.into(),
                    tag: tag.into(),
                    id: seen.id.clone(),
                    size_bytes: seen.size_bytes,
                    created: seen.created,
                    shared,
                });
            }
        }
        listed.sort_by(|a, b| {
            (a.shared, &a.repository, &a.tag).cmp(&(b.shared, &b.repository, &b.tag))
        });
        Ok(listed)
    }
}

/// Asks to delete an image of the caller's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteImage {
    /// Its name: the project's, or `ds01-<uid>/<project>`, with a tag or without.
    pub name: String,
    /// Only find out whether it can be deleted.
    #[serde(default)]
    pub dry_run: bool,
}

impl Operation for DeleteImage {
    const NAME: &'static str = "delete-image";
    /// Its name in the engine.
    type Answer = String;

    fn run(&self, site: &Site, caller: Caller) -> Result<String, Failure> {
        let none = || {
            let message = format!("you have no image {}", self.name);
            fail(Kind::NotFound, message, "see yours with image-list".into())
        };
        let given = image_with_uid(&self.name, caller.uid);
        let mut name = image::own_name(&given, caller.uid).map_err(|_| none())?;
        if !name.contains(':') {
            name.push_str(":latest");
        }
        let Some(found) = site.engine().image(&name)? else {
            return Err(none());
        };
        let users = account::users_of(site, &found, &name, caller.uid)?;
        if !users.is_empty() {
            return Err(self.in_use(caller, &users));
        }
        if self.dry_run {
            return Ok(name);
        }
        match account::remove_image(site, &name, caller.uid) {
            Ok(true) => Ok(name),
            Ok(false) => Err(none()),
            // One that was made just now.
            Err(failure) if failure.kind == Kind::State => {
                let users = account::users_of(site, &found, &name, caller.uid)?;
                Err(self.in_use(caller, &users))
            }
            Err(failure) => Err(failure),
        }
    }
}

impl DeleteImage {
    /// Which containers of the caller's keep it.
    fn in_use(&self, caller: Caller, seen: &[Sighting]) -> Failure {
        let suffix = format!("._.{}", caller.uid);
        let mut names: Vec<_> = seen
            .iter()
            .filter_map(|seen| seen.name.strip_suffix(&suffix))
            .collect();
        names.sort_unstable();
        let users = match names.as_slice() {
            [] => "something else".to_string(),
            [one] => format!("container {one}"),
            many => format!("containers {}", many.join(", ")),
        };
        let message = format!("image {} is in use by {users}", self.name);
        match names.first() {
            Some(_) => fail(
                Kind::State,
                message,
                format!("retire it first: container-retire {}", names.join(" ")),
            ),
            None => Failure::new(Kind::State, message),
        }
    }
}
