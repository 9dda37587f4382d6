//! An image from a folder.
//!
//! The parser keeps the folder in a file of root's that has no name, and takes the Dockerfile out of
//! it. Once it is known which images that takes from, the engine is sent the text that was read, and
//! then the file.

use std::{
    collections::BTreeMap,
    fs::File,
    os::{fd::AsRawFd, unix::fs::OpenOptionsExt},
};

use ds01_core::{
    dockerfile,
    failure::{Failure, Kind},
    image,
    route::Query,
};
use ds01_host::ops::rules_of;
use nix::libc::O_TMPFILE;
use tokio::net::UnixStream;

use super::{Call, Outcome};
use crate::channel::{self, Answer, Context};

/// What would widen what the build may do, or is another way to name the folder.
const REFUSED: [&str; 6] = [
    "remote",
    "cgroupparent",
    "securityopt",
    "ulimits",
    "squash",
    "cachefrom",
];

/// The period that a quota of CPU time is a part of, in microseconds: the engine's own default.
const PERIOD: u64 = 100_000;

impl Call<'_> {
    pub(super) async fn build(&self, channel: &mut UnixStream) -> Result<Outcome, Failure> {
        let query = self.build_query().await?;
        let context = self.context(channel).await?;
        let arguments = self
            .one("buildargs")
            .filter(|text| !text.is_empty())
            .unwrap_or("{}");
        let arguments: BTreeMap<String, Option<String>> = serde_json::from_str(arguments)
            .map_err(|error| Failure::new(Kind::Usage, format!("buildargs is wrong: {error}")))?;
        for name in dockerfile::images(&context.dockerfile, &arguments)? {
            self.may_take_from(&name).await?;
        }
        self.forward_folder(query, &context.dockerfile, context.length)
            .await
    }

    /// The query for the engine: the caller's own names, and their limits.
    async fn build_query(&self) -> Result<Query, Failure> {
        let mut query = self.route.query.clone();
        for key in REFUSED {
            let text = self.one(key).unwrap_or_default();
            if !matches!(text, "" | "null" | "[]" | "{}" | "0" | "false") {
                let message = format!("docker build takes no {key} on a shared host");
                return Err(Failure::new(Kind::Forbidden, message));
            }
            query.remove(key);
        }
        if !matches!(self.one("version"), None | Some("" | "1")) {
            let message = "BuildKit's own protocol cannot be checked";
            return Err(
                Failure::new(Kind::Forbidden, message).with_hint("build with DOCKER_BUILDKIT=0")
            );
        }
        let names = self.route.query.get("t").cloned().unwrap_or_default();
        let names = match names.is_empty() {
            // So that it is known whose it is.
            true => vec![format!(
                "{}untagged:{}",
                image::own(self.caller.uid),
                Self::word()?
            )],
            false => names
                .iter()
                .map(|name| self.own_image(name))
                .collect::<Result<_, _>>()?,
        };
        query.insert("t".into(), names);
        match self.one("networkmode").unwrap_or_default() {
            "" | "default" | "bridge" | "none" => {}
            name => {
                let id = self.network_to_join(name).await?;
                query.insert("networkmode".into(), vec![id]);
            }
        }
        let (config, caller) = (self.gateway.config.clone(), self.caller);
        let rules = tokio::task::spawn_blocking(move || rules_of(&config, caller));
        let rules = rules
            .await
            .map_err(|e| Failure::new(Kind::Failed, e.to_string()))??;
        let limits = rules.limits();
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
        Ok(query)
    }

    /// Has the parser receive the folder.
    async fn context(&self, channel: &mut UnixStream) -> Result<Context, Failure> {
        let broken = |error: std::io::Error| {
            Failure::new(
                Kind::Failed,
                format!("the folder was not received: {error}"),
            )
        };
        let _receiving = self.gateway.receiving.one_of(self.caller.uid)?;
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

    /// Whether the caller may see an image that a Dockerfile names: one that does not exist is the
    /// engine's to look for, in its registry.
    async fn may_take_from(&self, name: &str) -> Result<(), Failure> {
        let none = || Failure::new(Kind::NotFound, format!("No such image: {name}"));
        if image::candidates(name, self.caller.uid).is_empty() {
            return Err(none());
        }
        let hidden = match self
            .engine("GET", &format!("/images/{name}/json"), None)
            .await
        {
            Ok(seen) => {
                self.found(name).await?;
                let triggers = seen["Config"]["OnBuild"].as_array().into_iter().flatten();
                let triggers: Vec<_> = triggers.filter_map(|line| line.as_str()).collect();
                dockerfile::images(&triggers.join("\n"), &BTreeMap::new())?
            }
            Err(failure) if matches!(failure.kind, Kind::NotFound | Kind::Usage) => Vec::new(),
            Err(failure) => return Err(failure),
        };
        match hidden
            .iter()
            .any(|name| image::candidates(name, self.caller.uid).is_empty())
        {
            true => Err(none()),
            false => Ok(()),
        }
    }
}
