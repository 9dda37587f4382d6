//! Containers that go with their end, as of `docker run --rm`: the engine would delete their files by
//! their paths, so it is not told of that, and DS01 removes them by their label.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use ds01_core::{
    container::{ContainerId, State},
    label::AUTO_REMOVE,
};
use ds01_host::{
    engine::{Engine, EngineError, Query},
    removal::remove_container,
};
use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::{Call, NOTED};
use crate::{keeper::Gateway, records::Owned};

/// Those that are being removed.
#[derive(Debug, Clone, Default)]
pub(super) struct UnderWay(Arc<Mutex<BTreeSet<ContainerId>>>);

impl UnderWay {
    fn change<T>(&self, change: impl FnOnce(&mut BTreeSet<ContainerId>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Begins to remove those that have ended. Whether there are any.
pub(super) fn remove_ended(
    gateway: &Arc<Gateway>,
    runtime: &Handle,
    engine: &Engine,
    under_way: &UnderWay,
) -> Result<bool, EngineError> {
    let mut ended = engine.list(&Query::Label(AUTO_REMOVE, "true".into()))?;
    ended.retain(|seen| seen.state == State::Exited);
    if ended.is_empty() {
        return Ok(false);
    }
    // The label alone is no proof: an image that was made of such a container has it too.
    let Ok(all) = gateway.records.all() else {
        return Ok(true);
    };
    let is_ended = |owned: &&Owned| ended.iter().any(|seen| seen.id == owned.id);
    let mut any = false;
    for owned in all.iter().filter(is_ended) {
        any = true;
        let (uid, id) = (owned.container.uid, owned.id.clone());
        if !under_way.change(|all| all.insert(id.clone())) {
            continue;
        }
        let (gateway, under_way) = (Arc::clone(gateway), under_way.clone());
        // Nobody waits for another's, of which the engine may be long in telling.
        runtime.spawn(async move {
            let creates = gateway.creates_of(uid);
            // A restart has ended it for a moment only: it runs when that is over.
            let _one_at_a_time = creates.lock().await;
            let (config, which) = (gateway.config.clone(), id.clone());
            let remove = move || {
                let engine = Engine::new(&config.engine.socket, config.engine.timeout());
                // Who deletes its files hears of it. One that stays is seen again.
                remove_container(&engine, (uid, &which)).map(drop)
            };
            let _ = gateway.blocking.run(uid, NOTED, remove).await;
            under_way.change(|all| all.remove(&id));
        });
    }
    Ok(any)
}

/// Says of a container what its client has asked for.
pub(super) fn show(seen: &mut Value) {
    if is_to_go(seen) {
        seen["HostConfig"]["AutoRemove"] = json!(true);
    }
}

/// Whether a container is to go with its end.
pub(super) fn is_to_go(seen: &Value) -> bool {
    seen["Config"]["Labels"][AUTO_REMOVE] == "true"
}

impl Call<'_> {
    /// Removes one that the engine could not start: its client waits for it to go. One that was refused
    /// before that may be started yet.
    pub(super) async fn remove_failed(&self, owned: &Owned) {
        let path = format!("/containers/{}/json", owned.id.0);
        let Ok(seen) = self.engine("GET", &path, None).await else {
            return;
        };
        let state = &seen["State"];
        let has_failed = state["Status"] == "created" && state["ExitCode"] != 0;
        if is_to_go(&seen) && has_failed {
            let _ = self.remove(owned, false, false).await;
        }
    }
}
