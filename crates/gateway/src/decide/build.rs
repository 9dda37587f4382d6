//! An image from a folder.
//!
//! The parser keeps the folder in a file of root's that has no name, and takes the Dockerfile out of
//! it. Once it is known which images that takes from, the engine is sent the text that was read, and
//! then the file.

use std::{
    collections::BTreeMap,
    fs::File,
    os::{fd::AsRawFd, unix::fs::OpenOptionsExt},
    time::Duration,
};

use ds01_core::{
    dockerfile::{self, weight},
    failure::{Failure, Kind},
    image,
    lifecycle::words,
    route::Query,
};
use ds01_host::ops::{Steps, steps_of};
use nix::libc::O_TMPFILE;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{Call, Outcome, platform::is_of};
use crate::{
    blocking_pool::PATIENCE,
    channel::{self, Answer, Context},
    places::{Place, Places},
    socket::Socket,
};

/// What would widen what the build may do, or is another way to name the folder.
const REFUSED: [&str; 7] = [
    "remote",
    "cgroupparent",
    "securityopt",
    "ulimits",
    "squash",
    "cachefrom",
    // What it makes of a step is not told in the cache, where others would find it.
    "extrahosts",
];

/// What clients send to BuildKit alone.
const BUILDKIT: [&str; 3] = ["buildid", "session", "outputs"];

/// How long a build waits for others of its user's.
const TURN: Duration = Duration::from_secs(10 * 60);

/// The period that a quota of CPU time is a part of, in microseconds: the engine's own default.
const PERIOD: u64 = 100_000;

impl Call<'_> {
    pub(super) async fn build(&self, channel: &mut Socket) -> Result<Outcome, Failure> {
        let place = self.place(&self.gateway.building).await?;
        self.building.get_or_init(|| place);
        let query = self.build_query().await?;
        let context = self.context(channel).await?;
        let arguments = self
            .one("buildargs")
            .filter(|text| !text.is_empty())
            .unwrap_or("{}");
        let arguments: BTreeMap<String, Option<String>> = serde_json::from_str(arguments)
            .map_err(|error| Failure::new(Kind::Usage, format!("buildargs is wrong: {error}")))?;
        let dockerfile = dockerfile::read(&context.dockerfile, &arguments)?;
        let for_platform = self.may_be_for(dockerfile.platforms()).await?;
        let (mut pins, mut bases) = (BTreeMap::new(), Vec::new());
        for name in dockerfile.images() {
            let (pin, base) = self.may_take_from(name, for_platform).await?;
            bases.extend(base);
            if let Some(pin) = pin {
                pins.insert(name.to_string(), pin);
            }
        }
        // What was read is what is built, whatever the builder would have made of the original.
        let text = dockerfile.write(&pins);
        let labels = self.one("labels").map_or(0, str::len);
        Self::may_weigh(weight(&text, &arguments, &bases).saturating_add(labels))?;
        self.forward_folder(query, &text, context.length).await
    }

    /// Waits for a place of the caller's among their builds.
    pub(super) async fn place(&self, places: &Places) -> Result<Place, Failure> {
        let place = timeout(TURN, places.take(self.caller.uid)).await;
        let place = place.map_err(|_| {
            let text = format!(
                "no turn within {}: you have as many builds under way as may be",
                words(TURN)
            );
            Failure::new(Kind::Busy, text).with_hint("try again when one of them has ended")
        })?;
        place.map_err(|error| Failure::new(Kind::Failed, error.to_string()))
    }

    /// The query for the engine: the caller's own names, and their limits.
    async fn build_query(&self) -> Result<Query, Failure> {
        let mut query = self.route.query.clone();
        let has_text = |key: &str| self.one(key).is_some_and(|text| !text.is_empty());
        let version = self.one("version").unwrap_or_default();
        if !matches!(version, "" | "1") || BUILDKIT.into_iter().any(has_text) {
            let message = "BuildKit's own protocol cannot be checked";
            return Err(
                Failure::new(Kind::Forbidden, message).with_hint("build with DOCKER_BUILDKIT=0")
            );
        }
        BUILDKIT.into_iter().for_each(|key| drop(query.remove(key)));
        for key in REFUSED {
            let text = self.one(key).unwrap_or_default();
            if !matches!(text, "" | "null" | "[]" | "{}" | "0" | "false") {
                let message = format!("docker build takes no {key} on a shared host");
                return Err(Failure::new(Kind::Forbidden, message));
            }
            query.remove(key);
        }
        // What is there is used as it is: others may count on it, and a registry has another.
        query.remove("pull");
        let names = self.route.query.get("t").cloned().unwrap_or_default();
        let mut own = Vec::with_capacity(names.len());
        for name in &names {
            own.push(self.own_image(name).await?);
        }
        if own.is_empty() {
            // So that it is known whose it is.
            let (own_names, word) = (image::own(self.caller.uid), Self::word()?);
            own.push(format!("{own_names}untagged:{word}"));
        }
        self.may_name(&own).await?;
        let named: Vec<_> = own.iter().map(|name| image::with_tag(name)).collect();
        query.insert("t".into(), own);
        match self.one("networkmode").unwrap_or_default() {
            "" | "default" | "bridge" | "none" => {}
            name => {
                let id = self.network_to_join(name).await?;
                query.insert("networkmode".into(), vec![id]);
            }
        }
        // The cache has everybody's layers: only those that the caller's own images have count. First
        // what had the name before: of steps that two images have, the builder takes the first one's,
        // and where nothing has changed, the image is to stay what it is.
        let mut own = self.own_images().await?;
        own.sort_by_key(|name| !named.contains(name));
        match own.as_slice() {
            [] => query.insert("nocache".into(), vec!["1".into()]),
            own => query.insert("cachefrom".into(), vec![json!(own).to_string()]),
        };
        let (config, caller) = (self.gateway.config.clone(), self.caller);
        // Asked here, and each time: it has a limit of its own, and its default runtime can change.
        let info = self.engine("GET", "/info", None).await?;
        let of = move || steps_of(config, caller, &info);
        let steps = self.gateway.blocking.run(caller.uid, PATIENCE, of);
        hold(&mut query, steps.await??);
        Ok(query)
    }

    /// Has the parser receive the folder, or the archive of an image.
    pub(super) async fn context(&self, channel: &mut Socket) -> Result<Context, Failure> {
        let broken = |error: std::io::Error| {
            Failure::new(
                Kind::Failed,
                format!("the folder was not received: {error}"),
            )
        };
        let _receiving = self.place(&self.gateway.receiving).await?;
        let mut options = File::options();
        let file = options
            .read(true)
            .write(true)
            .custom_flags(O_TMPFILE)
            .mode(0o600);
        let file = file
            .open(&self.gateway.config.paths.state)
            .map_err(broken)?;
        channel::write(channel, &Answer::Keep)
            .await
            .map_err(broken)?;
        channel::send_on(channel, &[file.as_raw_fd()])
            .await
            .map_err(broken)?;
        channel::read::<Result<Context, Failure>>(channel)
            .await
            .map_err(broken)?
    }

    /// Whether images of the platforms that a Dockerfile or the query names may be built from, and
    /// whether they name any. The builder fetches an image that is there anew when it is for another,
    /// and gives the shared name to what it gets.
    pub(super) async fn may_be_for(&self, platforms: &[String]) -> Result<bool, Failure> {
        let asked = self.one("platform").unwrap_or_default();
        let mut named = vec![asked];
        named.extend(platforms.iter().map(String::as_str));
        named.retain(|name| !name.is_empty());
        if named.is_empty() {
            return Ok(false);
        }
        let seen = self.engine("GET", "/version", None).await?;
        let word = |key: &str| seen[key].as_str().unwrap_or_default().to_string();
        let (system, machine) = (word("Os"), word("Arch"));
        let is_own = |name: &str| is_of(name, &system, &machine);
        match named.into_iter().find(|name| !is_own(name)) {
            Some(other) => {
                let own = format!("{system}/{machine}");
                let message = format!("images for {other} are not for this host, which is {own}");
                Err(Failure::new(Kind::Forbidden, message).with_hint("leave the platform out"))
            }
            None => Ok(true),
        }
    }

    /// Whether the caller may see an image that a Dockerfile names, and those that its triggers
    /// take from. What is to stand there instead, if the name could mean another by the time of the
    /// build, or if a platform is named that the image does not say it is for; and the image's settings,
    /// if it is at hand.
    async fn may_take_from(
        &self,
        name: &str,
        for_platform: bool,
    ) -> Result<(Option<String>, Option<Value>), Failure> {
        // The builder looks for what begins so before it fetches what is called so.
        let tagged = image::may_be_id(name).then(|| image::with_tag(name));
        let own = self.own_of_that_name(name).await?;
        let is_own = own.is_some();
        let seen = match own {
            Some(own) => Some(own),
            None => self.visible(name).await?,
        };
        let Some((id, mut seen)) = seen else {
            return Ok((tagged, None));
        };
        let triggers = seen["Config"]["OnBuild"].as_array().into_iter().flatten();
        for trigger in triggers.filter_map(|line| line.as_str()) {
            for taken in dockerfile::images(trigger, &BTreeMap::new())? {
                self.visible(&taken).await?;
                if image::may_be_id(&taken) && !image::is_whole_id(&taken) {
                    let message =
                        format!("ONBUILD of {name} takes from {taken}, which can be an id");
                    return Err(Failure::new(Kind::Usage, message)
                        .with_hint("name the image with its tag, or with its whole id"));
                }
            }
        }
        let is_pinned =
            for_platform || is_own || image::owner(name).is_some() || image::is_id(name, &id);
        let pin = if is_pinned { Some(id) } else { tagged };
        Ok((pin, Some(seen["Config"].take())))
    }

    /// The caller's own image that they call so, as everywhere else: the builder would look for a
    /// stranger's of that name in its registry.
    async fn own_of_that_name(&self, name: &str) -> Result<Option<(String, Value)>, Failure> {
        let Ok(own) = self.own_image(name).await else {
            return Ok(None);
        };
        let path = format!("/images/{own}/json");
        match self.engine("GET", &path, None).await {
            Ok(seen) => Ok(Some((seen["Id"].as_str().unwrap_or_default().into(), seen))),
            Err(failure) if matches!(failure.kind, Kind::NotFound | Kind::Usage) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// An image of this very name, with what the engine tells of it. None for one that does not
    /// exist: it is the engine's to look for, in its registry.
    ///
    /// # Errors
    ///
    /// Status 3 for one that is another's, or that would be the caller's own.
    async fn visible(&self, name: &str) -> Result<Option<(String, Value)>, Failure> {
        let none = || Failure::new(Kind::NotFound, format!("No such image: {name}"));
        if image::candidates(name, self.caller.uid).is_empty() {
            return Err(none());
        }
        match self
            .engine("GET", &format!("/images/{name}/json"), None)
            .await
        {
            Ok(seen) => {
                let id = seen["Id"].as_str().ok_or_else(none)?.to_string();
                self.found(&id).await.map_err(|_| none())?;
                Ok(Some((id, seen)))
            }
            Err(failure) if matches!(failure.kind, Kind::NotFound | Kind::Usage) => {
                // No registry has it: whoever made it now would have made another.
                let is_id = image::may_be_id(name) && (name.len() >= 12 || name.contains(':'));
                match image::owner(name).is_some() || is_id {
                    true => Err(none()),
                    false => Ok(None),
                }
            }
            Err(failure) => Err(failure),
        }
    }
}

/// Puts into a build's query what its steps are held to.
fn hold(query: &mut Query, steps: Steps) {
    if let Some(slice) = steps.slice {
        query.insert("cgroupparent".into(), vec![slice]);
    }
    // Every build has the same weight, and the host's memory.
    for key in ["cpushares", "cpusetmems"] {
        query.remove(key);
    }
    let limits = steps.limits;
    let mut set = |key: &str, value: Option<u64>| {
        if let Some(value) = value {
            query.insert(key.into(), vec![value.to_string()]);
        }
    };
    set("memory", limits.memory_bytes);
    set("memswap", limits.memory_swap_bytes.or(limits.memory_bytes));
    set("shmsize", limits.shm_bytes);
    let quota = limits.nano_cpus.map(|nano| nano / (1_000_000_000 / PERIOD));
    set("cpuperiod", quota.map(|_| PERIOD));
    set("cpuquota", quota);
}

#[cfg(test)]
mod tests {
    use ds01_core::{
        limits::Limits,
        policy::{Policy, PolicyFiles, Source},
    };

    use super::*;

    fn shipped() -> Limits {
        let limits = Source {
            path: String::new(),
            text: "defaults: {}\n".into(),
        };
        let files = PolicyFiles {
            limits,
            overrides: None,
            exemptions: None,
            members: Vec::new(),
        };
        Policy::parse(&files).unwrap().0.limits_for("alice")
    }

    #[test]
    fn steps_are_held_to_their_users_limits_and_slice() {
        let limits = Limits {
            nano_cpus: Some(1_500_000_000),
            memory_bytes: Some(1000),
            memory_swap_bytes: None,
            shm_bytes: Some(10),
            ..shipped()
        };
        let held = |slice: Option<&str>| {
            let keys = ["memory", "cpuquota", "cpushares", "cpusetmems"];
            let asked = keys.map(|key| (key.to_string(), vec!["9999999".into()]));
            let mut query = Query::from(asked);
            let (limits, slice) = (limits.clone(), slice.map(String::from));
            hold(&mut query, Steps { limits, slice });
            query
        };
        let of = |key: &str, value: &str| (key.to_string(), vec![value.to_string()]);
        let expected = Query::from([
            of("memory", "1000"),
            of("memswap", "1000"),
            of("shmsize", "10"),
            of("cpuperiod", "100000"),
            of("cpuquota", "150000"),
        ]);
        assert_eq!(held(None), expected);
        let slice = "ds01-student-alice.slice";
        let mut in_slice = expected;
        in_slice.extend([of("cgroupparent", slice)]);
        assert_eq!(held(Some(slice)), in_slice);
    }
}
