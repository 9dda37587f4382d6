//! What becomes of a request: one file per kind of thing that it is about.
//!
//! The parser has read it already; here it is read again from what the parser made of it, by the
//! same table, and everything that depends on who asks is decided.

mod build;
mod commit;
mod containers;
mod create;
mod ended;
mod events;
mod execs;
mod files;
mod images;
mod lines;
mod networks;
mod platform;
mod removal;
mod saves;
mod serve;
mod system;
mod to_engine;
mod turn;
mod volumes;
mod who;

use std::{sync::OnceLock, time::Duration};

use ds01_core::{
    failure::{Failure, Kind},
    label,
    route::{self, Action, NEWEST, OLDEST, Route, Version},
};
use ds01_host::{Caller, line_watch::Await, ops, reading::Reading};
use serde_json::Value;

pub(crate) use removal::keep_clear;
pub(crate) use saves::{OF_A_USER as SAVES_OF_A_USER, OF_ALL as SAVES_OF_ALL};
pub(crate) use serve::serve;
pub(crate) use to_engine::Told;

use crate::{
    body,
    channel::{ParsedBody, ParsedRequest},
    hangup::Hangup,
    keeper::Gateway,
    peer::Peer,
    places::Place,
    records::{self, All, Owned},
    socket::Socket,
};

/// How long it is remembered who is an admin, and what the engine speaks.
const REMEMBERED: Duration = Duration::from_secs(10);

/// What noting a call of an admin's may take.
const NOTED: Duration = Duration::from_secs(3600);

/// What the names of containers begin with in which buildx runs BuildKit where the engine's is not
/// to be had. It looks for one before it pulls an image of hundreds of megabytes for it.
const BUILDKIT: &str = "buildx_buildkit_";

/// What becomes of a request.
enum Outcome {
    /// This status and body.
    Reply(u16, Vec<(String, String)>, Vec<u8>),
    /// The engine's answer, as it comes.
    Engine(Socket),
    /// The engine's lines of JSON as they come, in the caller's words.
    Lines(Socket, lines::Shown),
}

/// One request, and who asks.
struct Call<'a> {
    gateway: &'a Gateway,
    caller: Caller,
    peer: &'a Peer,
    ask: &'a ParsedRequest,
    /// The parser lets go of its channel when the client has gone.
    client: Hangup,
    route: Route,
    /// The version that is spoken with the engine.
    version: Version,
    /// Its place among its user's builds, if it is one: until the engine's answer has ended.
    building: OnceLock<Place>,
    /// The files that it reads, if it exports a container: until the engine has let go of them.
    reading: OnceLock<Reading>,
    /// Its places among its user's saves of images and among all, as long as the engine has a copy of them.
    saving: OnceLock<(Place, Place)>,
}

impl<'a> Call<'a> {
    async fn of(
        gateway: &'a Gateway,
        peer: &'a Peer,
        ask: &'a ParsedRequest,
        client: Hangup,
    ) -> Result<Self, Failure> {
        let caller = who::caller(gateway, peer).await?;
        let route = route::route(&ask.method, &ask.path, ask.query.as_deref())?;
        // Operations do not depend on what the engine speaks; and clients that do as they are told speak
        // the newest.
        let advertised = match route.action {
            Action::Operation => NEWEST,
            _ => gateway.version().await?,
        };
        let oldest = match route.version {
            Some(older) if older < advertised => gateway.oldest().await?,
            _ => OLDEST,
        };
        route::spoken(route.version, oldest, advertised)?;
        // It goes into the head of a request to the engine.
        let word = |text: &String| text.bytes().all(|byte| byte.is_ascii_graphic());
        if !ask.registry.as_ref().is_none_or(word) {
            return Err(Failure::new(
                Kind::Usage,
                "the registry's credentials are not base64",
            ));
        }
        let fits = matches!(
            (route.body, &ask.body),
            (route::Body::None, ParsedBody::None)
                | (route::Body::Json, ParsedBody::Json(_))
                | (route::Body::Stream, ParsedBody::Stream(_))
        );
        if !fits {
            return Err(Failure::new(
                Kind::Usage,
                "the body is not one of this call",
            ));
        }
        Ok(Self {
            gateway,
            caller,
            peer,
            ask,
            client,
            version: route.version.unwrap_or(advertised),
            route,
            building: OnceLock::new(),
            reading: OnceLock::new(),
            saving: OnceLock::new(),
        })
    }

    async fn outcome(&self, channel: &mut Socket) -> Result<Outcome, Failure> {
        match self.route.action {
            Action::Shared => self.forward(&self.route.path).await,
            Action::Ping => self.ping().await,
            Action::Version => self.version_of_engine().await,
            Action::Info => self.info().await,
            Action::DiskUsage => self.disk_usage().await,
            Action::Events => self.events().await,
            Action::ContainerList => self.container_list().await,
            Action::ContainerCreate => self.container_create(channel).await,
            Action::ContainerInspect => self.container_inspect().await,
            Action::ContainerStart => self.container_start().await,
            Action::ContainerRestart => self.container_restart().await,
            Action::ContainerRemove => self.container_remove().await,
            Action::ContainerRename => self.container_rename().await,
            Action::ContainerRead => self.container_files("read").await,
            Action::ContainerWrite => self.container_files("written").await,
            Action::ContainerExec => self.container_exec().await,
            Action::ContainerTop => self.container_top().await,
            Action::ContainerChanges => self.container_changes().await,
            Action::ContainerStats => self.container_stats().await,
            Action::Container => self.container_as_it_is().await,
            Action::ContainerPrune => self.container_prune().await,
            Action::Exec => self.exec_as_it_is().await,
            Action::ExecStart => self.exec_start().await,
            Action::ImageList => self.image_list().await,
            Action::Image => self.image_as_it_is().await,
            Action::ImageSave => self.image_save().await,
            Action::ImageTag => self.image_tag().await,
            Action::ImageRemove => self.image_remove().await,
            Action::ImageCreate => self.image_create(channel).await,
            Action::ImagePrune => self.image_prune(),
            Action::Build => self.build(channel).await,
            Action::BuildPrune => self.build_prune(),
            Action::Commit => self.commit().await,
            Action::VolumeList => self.volume_list().await,
            Action::VolumeCreate => self.volume_create().await,
            Action::VolumeInspect => self.volume_inspect().await,
            Action::VolumeRemove => self.volume_remove().await,
            Action::VolumePrune => self.volume_prune().await,
            Action::NetworkList => self.network_list().await,
            Action::NetworkCreate => self.network_create().await,
            Action::NetworkInspect => self.network_inspect().await,
            Action::NetworkRemove => self.network_remove().await,
            Action::NetworkConnect => self.network_connect().await,
            Action::NetworkDisconnect => self.network_disconnect().await,
            Action::NetworkPrune => self.network_prune().await,
            Action::Plugin => Err(self.no_such("plugin", self.target())),
            Action::Operation => self.operation().await,
        }
    }

    /// An operation of DS01's commands.
    async fn operation(&self) -> Result<Outcome, Failure> {
        let name = self.target();
        if name == Await::NAME {
            let asked: Await = body::read(self.json()?)?;
            let awaited = self.gateway.line.wait(self.caller.uid, asked).await?;
            return Ok(Outcome::Reply(
                200,
                Vec::new(),
                body::write(&awaited)?.into(),
            ));
        }
        if !ops::is_for_commands(name) {
            return Err(self.no_such("operation", name));
        }
        let done = self.operate(name, self.json()?).await?;
        reply(200, &done)
    }

    /// Does an operation as the caller, if they are there when its turn comes.
    async fn operate(&self, name: &str, request: &str) -> Result<Value, Failure> {
        self.operate_until(name, request, self.client.wait()).await
    }

    /// The same, for a client who leaves when `left` ends.
    async fn operate_until(
        &self,
        name: &str,
        request: &str,
        left: impl Future<Output = ()>,
    ) -> Result<Value, Failure> {
        let (operations, process) = (&self.gateway.operations, self.peer.process());
        operations
            .run(self.caller, process, name, request, left)
            .await
    }

    /// What the path names.
    fn target(&self) -> &str {
        self.route.target.as_deref().unwrap_or_default()
    }

    /// The body.
    fn json(&self) -> Result<&str, Failure> {
        match &self.ask.body {
            ParsedBody::Json(text) => Ok(text),
            _ => Err(Failure::new(Kind::Usage, "this call needs a body")),
        }
    }

    /// The value of a query key that can be there once.
    fn one(&self, key: &str) -> Option<&str> {
        self.route.query.get(key)?.first().map(String::as_str)
    }

    /// Whether a query key is there and set, in the words that the engine takes for it.
    fn is_set(&self, key: &str) -> bool {
        let no = ["", "0", "no", "false", "none"];
        self.one(key)
            .is_some_and(|value| !no.contains(&value.to_ascii_lowercase().trim()))
    }

    /// The container that the caller means. Somebody else's is none, unless an admin asks.
    async fn container(&self, text: &str) -> Result<Owned, Failure> {
        let all = self.gateway.records.all()?;
        if let Some(found) = records::meant(&all, self.caller.uid, false, text) {
            return Ok(found.clone());
        }
        let none = || match text.starts_with(BUILDKIT) {
            true => Failure::new(Kind::Forbidden, "BuildKit would be root on the host")
                .with_hint("build with DOCKER_BUILDKIT=0"),
            false => Failure::new(Kind::NotFound, format!("No such container: {text}")),
        };
        let found = records::meant(&all, self.caller.uid, true, text).ok_or_else(none)?;
        if !self.is_admin().await {
            return Err(none());
        }
        let found = found.clone();
        self.note_admin(&found);
        Ok(found)
    }

    /// The containers that the caller may see.
    async fn seen(&self) -> Result<(All, bool), Failure> {
        Ok((self.gateway.records.all()?, self.is_admin().await))
    }

    /// An admin's look at somebody else's container is an event.
    fn note_admin(&self, owned: &Owned) {
        let (config, caller) = (self.gateway.config.clone(), self.caller);
        let (container, call) = (
            owned.container.clone(),
            format!("{} {}", self.ask.method, self.route.path),
        );
        let notes = self.gateway.notes.clone();
        let note = move || ops::note_admin(config, caller, &container, &call);
        // The call does not wait for it; it waits for its turn as long as there may be one.
        tokio::spawn(async move { notes.run(caller.uid, NOTED, note).await });
    }

    async fn is_admin(&self) -> bool {
        self.caller.may_be_admin && self.gateway.is_admin(self.caller).await
    }

    fn is_mine(&self, owned: &Owned) -> bool {
        owned.container.uid == self.caller.uid
    }

    /// What the engine says about `data._.1001`, about `data`.
    fn in_own_names(&self, failure: Failure) -> Failure {
        let suffix = format!("._.{}", self.caller.uid);
        Failure {
            message: failure.message.replace(&suffix, ""),
            ..failure
        }
    }

    /// Another's thing, or one that is not there.
    fn no_such(&self, what: &str, name: &str) -> Failure {
        Failure::new(Kind::NotFound, format!("No such {what}: {name}"))
    }
}

fn reply(status: u16, value: &Value) -> Result<Outcome, Failure> {
    let text = format!("{value}\n");
    Ok(Outcome::Reply(status, Vec::new(), text.into()))
}

/// Takes our labels off a volume or network: compose finds that it has others than its file says.
fn hide_managed(labels: &mut Value) {
    if let Some(labels) = labels.as_object_mut() {
        labels.retain(|key, _| key != label::UID && key != label::MANAGED);
    }
}

/// Done, with nothing to say.
fn done() -> Outcome {
    Outcome::Reply(204, Vec::new(), Vec::new())
}
