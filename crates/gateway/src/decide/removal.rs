//! The removal of a volume, see [`ds01_host::going`].

use std::{path::PathBuf, thread, time::Duration};

use ds01_core::{
    docker::UsedVolumes,
    failure::{Failure, Kind},
    route::{Query, write_query},
};
use ds01_host::{
    config::Config,
    engine::Engine,
    going::{Going, delete, left_over},
};

use super::{Call, NOTED};
use crate::http::Said;

/// Before an engine that is not there is asked again.
const PAUSE: Duration = Duration::from_secs(5);

/// What deleting the files of a volume may take, and the wait for its turn.
const DELETED: Duration = Duration::from_secs(24 * 3600);

impl Call<'_> {
    /// The engine's answer. What is known about a volume is forgotten with it.
    pub(super) async fn remove_volume(&self, name: &str, query: &Query) -> Result<Said, Failure> {
        let creates = self.gateway.creates_of(self.caller.uid);
        let _one_at_a_time = creates.lock().await;
        let going = self.take_files(name).await?;
        let path = self.path(&format!("/volumes/{name}{}", write_query(query)));
        let said = self.gateway.engine.ask("DELETE", &path, None).await;
        let is_gone = |said: &Said| said.status < 300 || said.status == 404;
        let gone = said.as_ref().is_ok_and(is_gone);
        // An engine that has not answered may still come to it: then they stay where they are, for the
        // next gateway.
        if let (Some(going), Ok(_)) = (going, &said) {
            self.settle(going, gone).await?;
        }
        if gone {
            let name = name.to_string();
            let forget = move |known: &mut UsedVolumes| {
                known.forget(&name);
                Ok(())
            };
            self.note(forget).await?;
        }
        said
    }

    /// Takes the files of a volume away that the engine is about to remove. `None` where it is
    /// going to refuse, or has nothing to remove.
    async fn take_files(&self, name: &str) -> Result<Option<Going>, Failure> {
        let seen = match self.engine("GET", &format!("/volumes/{name}"), None).await {
            Err(failure) if failure.kind == Kind::NotFound => return Ok(None),
            seen => seen?,
        };
        let options = seen["Options"].as_object();
        if seen["Driver"] != "local" || options.is_some_and(|options| !options.is_empty()) {
            return Ok(None);
        }
        if let Some(id) = self.with_volume(name).await?.first() {
            // In the engine's words. It is not asked: the container may be gone by then.
            let message = format!(
                "remove {}: volume is in use - [{id}]",
                self.shown_name(name)
            );
            return Err(Failure::new(Kind::State, message));
        }
        let info = self.engine("GET", "/info", None).await?;
        let text = |value: &serde_json::Value| PathBuf::from(value.as_str().unwrap_or_default());
        let (root, mountpoint) = (text(&info["DockerRootDir"]), text(&seen["Mountpoint"]));
        let place = format!("{}{}", self.gateway.life, Self::word()?);
        let volume = name.to_string();
        let take = move || Going::take(&root, &volume, &mountpoint, &place);
        let taken = self.gateway.aside.ask(self.caller.uid, NOTED, take);
        taken.await?.map_err(|error| {
            let message = format!(
                "the files of the volume {} cannot be removed: {error}",
                self.shown_name(name)
            );
            Failure::new(Kind::Failed, message).with_hint("tell an admin")
        })
    }

    /// The files go, or back where the engine has not removed the volume.
    async fn settle(&self, going: Going, gone: bool) -> Result<(), Failure> {
        let settle = move || match gone {
            true => going.gone().map(Some),
            false => going.put_back().map(|()| None),
        };
        let settled = self.gateway.aside.ask(self.caller.uid, NOTED, settle);
        let settled = settled.await?.map_err(|error| {
            let message = format!("the volume's files are left in ds01-going: {error}");
            Failure::new(Kind::Failed, message).with_hint("tell an admin")
        })?;
        if let Some(place) = settled {
            let (deletes, uid) = (self.gateway.deletes.clone(), self.caller.uid);
            // Nobody waits for it. What is left, the next gateway finds.
            tokio::spawn(async move { deletes.ask(uid, DELETED, move || delete(&place)).await });
        }
        Ok(())
    }
}

/// Deletes or puts back what gateways before that of this `life` have left, once the engine is there.
pub(crate) fn clear_left_over(config: &Config, life: &str) {
    let engine = Engine::new(&config.engine.socket, config.engine.timeout());
    let root = loop {
        match engine.root_dir() {
            Ok(root) => break root,
            Err(_) => thread::sleep(PAUSE),
        }
    };
    let left = root.and_then(|root| left_over(&root, life).ok());
    for place in left.into_iter().flatten() {
        let _ = delete(&place);
    }
}
