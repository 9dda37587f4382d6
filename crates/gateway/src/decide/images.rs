//! Images: everybody's can be used; one's own have names that begin with `ds01-<uid>/`, which one
//! does not have to type.

use std::cmp::max;

use ds01_core::{
    dockerfile::{HEAVIEST, weight_of_changes},
    failure::{Failure, Kind},
    image, label,
    route::{Query, write_query},
};
use ds01_host::users::image_with_uid;
use serde_json::{Value, json};

use super::{Call, Outcome, reply};
use crate::{blocking_pool::PATIENCE, filters::Filters, socket::Socket};

/// Names of images that a user may have: the engine goes through all of everybody's for every list and
/// build.
const MOST: usize = 256;

/// An image that the caller may see.
pub(super) struct Found {
    /// `sha256:…`
    pub(super) id: String,
    /// Its name in the engine, if it was named.
    pub(super) name: Option<String>,
    /// What the engine tells of it.
    pub(super) seen: Value,
}

impl Found {
    /// Its name in the engine, or its id.
    pub(super) fn in_engine(&self) -> &str {
        self.name.as_ref().unwrap_or(&self.id)
    }

    /// Where it has volumes.
    pub(super) fn volumes(&self) -> impl Iterator<Item = &str> {
        let places = self.seen["Config"]["Volumes"].as_object();
        places
            .into_iter()
            .flat_map(serde_json::Map::keys)
            .map(String::as_str)
    }
}

impl Call<'_> {
    /// The image that the caller means: by one's own name for it, by a shared name, or by id.
    ///
    /// # Errors
    ///
    /// Status 404 if there is none, or it is another's.
    pub(super) async fn found(&self, text: &str) -> Result<Found, Failure> {
        let none = || Failure::new(Kind::NotFound, format!("No such image: {text}"));
        let with_uid = self.with_uid(text).await?;
        for name in image::candidates(&with_uid, self.caller.uid) {
            let seen = match self
                .engine("GET", &format!("/images/{name}/json"), None)
                .await
            {
                Err(failure) if matches!(failure.kind, Kind::NotFound | Kind::Usage) => continue,
                seen => seen?,
            };
            let id = seen["Id"].as_str().unwrap_or_default().to_string();
            let tags = texts(&seen["RepoTags"]);
            let digests = texts(&seen["RepoDigests"]);
            let names = || tags.iter().chain(&digests).map(String::as_str);
            if image::is_visible(names(), self.caller.uid) || self.runs(&id).await? {
                let named = !image::is_id(&name, &id);
                return Ok(Found {
                    id,
                    name: named.then_some(name),
                    seen,
                });
            }
        }
        Err(none())
    }

    /// The id of the image that the caller means.
    pub(super) async fn image(&self, text: &str) -> Result<String, Failure> {
        Ok(self.found(text).await?.id)
    }

    /// Whether a container of the caller's was made from the image: then it is theirs to look at
    /// after its last name has gone.
    async fn runs(&self, id: &str) -> Result<bool, Failure> {
        let label = format!("{}={}", label::UID, self.caller.uid);
        let filters = json!({ "label": [label], "ancestor": [id] }).to_string();
        let query = Query::from([
            ("all".to_string(), vec!["1".to_string()]),
            ("filters".to_string(), vec![filters]),
        ]);
        Ok(!self.listed(&write_query(&query)).await?.is_empty())
    }

    /// The caller's name for an image.
    pub(super) fn shown_image(&self, name: &str) -> String {
        image::shown(name, self.caller.uid).to_string()
    }

    /// The names that the caller gave to their own images. Those that DS01 gave are of other images:
    /// a build that takes its steps from one of them takes its author too, which says that the
    /// caller's account is in it.
    pub(super) async fn own_images(&self) -> Result<Vec<String>, Failure> {
        let own = image::own(self.caller.uid);
        let filters = json!({ "reference": image::own_patterns(self.caller.uid) }).to_string();
        let query = Query::from([("filters".to_string(), vec![filters])]);
        let path = format!("/images/json{}", write_query(&query));
        let listed = self.engine("GET", &path, None).await?;
        let tags = listed.as_array().into_iter().flatten();
        let tags = tags.flat_map(|image| texts(&image["RepoTags"]));
        let is_own = |tag: &String| tag.starts_with(&own) && !image::is_internal(tag);
        Ok(tags.filter(is_own).collect())
    }

    /// Refuses names beyond those that the caller's own images may have.
    pub(super) async fn may_name(&self, names: &[String]) -> Result<(), Failure> {
        let mut own = self.own_images().await?;
        let have = own.len();
        own.extend(names.iter().map(|name| image::with_tag(name)));
        own.sort();
        own.dedup();
        if own.len() <= max(MOST, have) {
            return Ok(());
        }
        let message = format!("you have {have} images: a user may have {MOST}");
        Err(Failure::new(Kind::Denied, message)
            .with_hint("remove some with image-delete or docker rmi"))
    }

    /// Refuses settings of an image that are too long, as all of them come to.
    pub(super) fn may_weigh(weight: usize) -> Result<(), Failure> {
        if weight <= HEAVIEST {
            return Ok(());
        }
        let message = "an image's settings are 64 KiB at most, with those of the image it is made \
                       from: every list of images carries them";
        let hint = "set less with LABEL, ENV and ARG, and have fewer instructions";
        Err(Failure::new(Kind::Usage, message).with_hint(hint))
    }

    /// The images that the caller may see, in the caller's names.
    pub(super) async fn images(
        &self,
        mut query: Query,
        mut filters: Filters,
    ) -> Result<Vec<Value>, Failure> {
        // Those without a name are nobody's.
        let dangling = filters.take("dangling");
        if dangling
            .iter()
            .any(|value| matches!(&**value, "1" | "true"))
        {
            return Ok(Vec::new());
        }
        filters.add("dangling", "false".into());
        query.insert("filters".into(), vec![filters.write()]);
        let path = format!("/images/json{}", write_query(&query));
        let listed = self.engine("GET", &path, None).await?;
        let listed = listed.as_array().cloned().unwrap_or_default();
        let seen = listed.into_iter().filter_map(|mut found| {
            self.show_names(&mut found);
            let any = !texts(&found["RepoTags"]).is_empty();
            any.then_some(found)
        });
        Ok(seen.collect())
    }

    /// Leaves those names that the caller may see.
    fn show_names(&self, found: &mut Value) {
        for key in ["RepoTags", "RepoDigests"] {
            let names = texts(&found[key]);
            let seen = names
                .iter()
                .filter(|name| image::is_listed(name, self.caller.uid));
            let shown: Vec<_> = seen.map(|name| self.shown_image(name)).collect();
            if !found[key].is_null() {
                found[key] = json!(shown);
            }
        }
    }

    pub(super) async fn image_list(&self) -> Result<Outcome, Failure> {
        let mut filters = Filters::read(self.one("filters"))?;
        let mut patterns = filters.take("reference");
        patterns.extend(self.one("filter").map(str::to_string));
        for pattern in &patterns {
            filters.add("reference", pattern.clone());
            filters.add(
                "reference",
                format!("{}{pattern}", image::own(self.caller.uid)),
            );
        }
        for key in ["before", "since"] {
            for value in filters.values_mut(key) {
                *value = self.image(value).await?;
            }
        }
        let mut query = self.route.query.clone();
        query.remove("filter");
        reply(200, &Value::Array(self.images(query, filters).await?))
    }

    pub(super) async fn image_as_it_is(&self) -> Result<Outcome, Failure> {
        let mut found = self.found(self.target()).await?;
        let path = |verb| format!("/images/{}/{verb}", found.id);
        match self.route.path.rsplit('/').next() {
            Some("json") => {
                self.show_names(&mut found.seen);
                reply(200, &found.seen)
            }
            Some("history") => {
                let mut layers = self.engine("GET", &path("history"), None).await?;
                for layer in layers.as_array_mut().into_iter().flatten() {
                    let tags = texts(&layer["Tags"]);
                    let seen = tags
                        .iter()
                        .filter(|name| image::is_listed(name, self.caller.uid));
                    let seen: Vec<_> = seen.map(|name| self.shown_image(name)).collect();
                    layer["Tags"] = if seen.is_empty() {
                        Value::Null
                    } else {
                        json!(seen)
                    };
                }
                reply(200, &layers)
            }
            _ => {
                let path = format!("/images/{}/get", found.in_engine());
                self.save(&path, &self.route.query, &[found]).await
            }
        }
    }

    /// The name in the engine of an image that the caller makes.
    pub(super) async fn own_image(&self, name: &str) -> Result<String, Failure> {
        Ok(image::own_name(
            &self.with_uid(name).await?,
            self.caller.uid,
        )?)
    }

    /// A name with the tag that the query tells.
    pub(super) fn tagged(&self, name: &str) -> String {
        match self.one("tag").unwrap_or_default() {
            "" => name.into(),
            tag => format!("{name}:{tag}"),
        }
    }

    /// The name of an image, with the caller's uid in place of their login.
    async fn with_uid(&self, name: &str) -> Result<String, Failure> {
        if image::by_login(name).is_none() {
            return Ok(name.into());
        }
        let (name, uid) = (name.to_string(), self.caller.uid);
        let with_uid = move || image_with_uid(&name, uid).into_owned();
        self.gateway.blocking.run(uid, PATIENCE, with_uid).await
    }

    pub(super) async fn image_tag(&self) -> Result<Outcome, Failure> {
        let found = self.found(self.target()).await?;
        let name = self.own_image(self.one("repo").unwrap_or_default()).await?;
        self.may_name(&[self.tagged(&name)]).await?;
        let mut query = self.route.query.clone();
        query.insert("repo".into(), vec![name]);
        self.forward_as(&format!("/images/{}/tag", found.id), &query, None)
            .await
    }

    pub(super) async fn image_remove(&self) -> Result<Outcome, Failure> {
        let found = self.found(self.target()).await?;
        let own = image::own(self.caller.uid);
        let names = texts(&found.seen["RepoTags"]);
        let is_own = |name: &String| name.starts_with(&own);
        let path = match &found.name {
            Some(name) if is_own(name) => name.clone(),
            None if !names.is_empty() && names.iter().all(is_own) => found.id,
            _ => {
                let message = format!("the image {} is shared: others use it", self.target());
                return Err(
                    Failure::new(Kind::Forbidden, message).with_hint("an admin can remove it")
                );
            }
        };
        let path = format!("/images/{path}{}", write_query(&self.route.query));
        let mut removed = self.engine("DELETE", &path, None).await?;
        for entry in removed.as_array_mut().into_iter().flatten() {
            if let Some(name) = entry["Untagged"].as_str() {
                entry["Untagged"] = json!(self.shown_image(name));
            }
        }
        reply(200, &removed)
    }

    pub(super) async fn image_create(&self, channel: &mut Socket) -> Result<Outcome, Failure> {
        let mut query = self.route.query.clone();
        let usage = |text: &str| Failure::new(Kind::Usage, text);
        match (self.one("fromImage"), self.one("fromSrc")) {
            (Some(image), None) => {
                let tag = self.one("tag").unwrap_or_default();
                if image::owner(image).is_some() {
                    // Images with an owner are made here, and are in no registry.
                    return Err(self.no_such("image", image));
                }
                // It would have the shared name, and others could do nothing with it.
                self.may_be_for(&[]).await?;
                let name = image::pulled(image, tag)
                    .ok_or_else(|| usage("name one image and one tag to pull"))?;
                match self
                    .engine("GET", &format!("/images/{name}/json"), None)
                    .await
                {
                    // Others may count on what it is now.
                    Ok(_) => {
                        let status = format!(
                            "Status: {name} is there, and is used as it is; an admin can update it"
                        );
                        reply(200, &json!({ "status": status }))
                    }
                    Err(failure) if failure.kind == Kind::NotFound => {
                        self.forward_as("/images/create", &query, None).await
                    }
                    Err(failure) => Err(failure),
                }
            }
            (None, Some("-")) => {
                let repo = self.one("repo").filter(|repo| !repo.is_empty());
                let repo = repo.ok_or_else(|| usage("name the image that is imported"))?;
                let name = self.own_image(repo).await?;
                self.may_name(&[self.tagged(&name)]).await?;
                let changes = query.get("changes").map_or(&[][..], Vec::as_slice);
                Self::may_weigh(weight_of_changes(changes))?;
                query.insert("repo".into(), vec![name]);
                let place = self.place(&self.gateway.building).await?;
                self.building.get_or_init(|| place);
                let length = self.context(channel).await?.length;
                self.forward_image(&query, length).await
            }
            _ => Err(usage("import from standard input, or pull an image")),
        }
    }

    pub(super) fn image_prune(&self) -> Result<Outcome, Failure> {
        reply(200, &json!({ "ImagesDeleted": [], "SpaceReclaimed": 0 }))
    }

    pub(super) fn build_prune(&self) -> Result<Outcome, Failure> {
        reply(200, &json!({ "CachesDeleted": [], "SpaceReclaimed": 0 }))
    }
}

fn texts(list: &Value) -> Vec<String> {
    let texts = list
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    texts
        .filter(|text| !text.starts_with("<none>"))
        .map(str::to_string)
        .collect()
}
