//! The removal of volumes and containers, see [`ds01_host::removal`].

use std::{
    collections::BTreeMap,
    error::Error,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use ds01_core::{
    container::{ContainerId, State},
    failure::Failure,
};
use ds01_host::{
    engine::{Engine, Happened},
    going::{gone, is_any_left, put_back_left},
    removal::remove_volume,
};
use tokio::runtime::Handle;

use super::{
    Call, NOTED,
    ended::{UnderWay, remove_ended},
};
use crate::keeper::Gateway;

/// Before an engine that is not there is asked again.
const PAUSE: Duration = Duration::from_secs(5);

/// From one look to the next, whatever the engine tells.
const HOUR: Duration = Duration::from_secs(3600);

/// Before one looks whether somebody had no answer: the engine tells of nothing then.
const UNHEARD: Duration = Duration::from_secs(15);

/// What deleting the files of a volume may take, and the wait for its turn.
const DELETED: Duration = Duration::from_secs(24 * 3600);

impl Call<'_> {
    /// Removes a volume of the caller's, and what is known about it.
    pub(super) async fn remove_volume(&self, name: &str, force: bool) -> Result<(), Failure> {
        let (uid, name) = (self.caller.uid, name.to_string());
        let creates = self.gateway.creates_of(uid);
        let _one_at_a_time = creates.lock().await;
        let config = self.gateway.config.clone();
        let remove = move || {
            let engine = Engine::new(&config.engine.socket, config.engine.timeout());
            // Who deletes its files hears of it.
            remove_volume(&engine, &config, (uid, &name), force).map(drop)
        };
        let removed = self.gateway.blocking.run(uid, NOTED, remove).await?;
        removed.map_err(|failure| self.in_own_names(failure))
    }
}

/// Removes containers that go with their end and volumes without a name that go with those, and deletes the
/// files of what is gone, for ever: first those that gateways before have left, or back they go.
pub(crate) fn keep_clear(gateway: &Arc<Gateway>, runtime: &Handle) -> ! {
    let config = &gateway.config;
    let engine = Engine::new(&config.engine.socket, config.engine.timeout());
    let mut is_first = true;
    loop {
        let _ = follow(gateway, runtime, &engine, &mut is_first);
        thread::sleep(PAUSE);
    }
}

/// Until the engine is gone.
fn follow(
    gateway: &Arc<Gateway>,
    runtime: &Handle,
    engine: &Engine,
    is_first: &mut bool,
) -> Result<(), Box<dyn Error>> {
    let config = &gateway.config;
    let told = engine.root_dir()?;
    if let Ok(mut root) = gateway.root.lock() {
        root.clone_from(&told);
    }
    let root = told.unwrap_or_default();
    if std::mem::take(is_first) {
        put_back_left(&root, |_, id| is_kept(engine, id))?;
    }
    let (mut left, under_way) = (BTreeMap::new(), UnderWay::default());
    let mut goings = engine.goings()?;
    loop {
        // One that stays is seen again.
        let mut wait = match remove_ended(gateway, runtime, engine, &under_way)? {
            true => PAUSE,
            false => HOUR,
        };
        for (uid, volume) in engine.left_volumes()? {
            // Nobody else's wait for a create of theirs.
            let creates = gateway.creates_of(uid);
            let Ok(_one_at_a_time) = creates.try_lock() else {
                wait = PAUSE;
                continue;
            };
            // What stays is seen again.
            let _ = remove_volume(engine, config, (uid, &volume), false);
        }
        // Whoever had no answer may have one by now: what the engine has not removed a while after it
        // answers again, it does not any more.
        let mut seen = BTreeMap::new();
        put_back_left(&root, |place, id| {
            let since = *left.get(place).unwrap_or(&Instant::now());
            seen.insert(place.to_path_buf(), since);
            since.elapsed() >= PAUSE && is_kept(engine, id)
        })?;
        left = seen;
        // What is on its way is gone at the next look, and what is left due.
        if left.values().any(|since| since.elapsed() < 2 * PAUSE) {
            wait = PAUSE;
        }
        for files in gone(&root)? {
            let (deletes, uid) = (gateway.deletes.clone(), files.uid().unwrap_or_default());
            // Nobody waits for it. What is left, the next look finds.
            runtime.spawn(async move { deletes.run(uid, DELETED, move || files.delete()).await });
        }
        let end = Instant::now() + wait;
        let happened = loop {
            match goings.next(wait.min(UNHEARD)) {
                Happened::Nothing if Instant::now() < end => {
                    if left.is_empty() && is_any_left(&root)? {
                        break Happened::Something;
                    }
                }
                other => break other,
            }
        };
        if happened == Happened::End {
            return Ok(());
        }
    }
}

/// Whether the files of a container may be put back: not where the engine is deleting what it finds.
fn is_kept(engine: &Engine, id: Option<&str>) -> bool {
    let Some(id) = id else {
        return true;
    };
    let seen = engine.inspect_one(&ContainerId(id.into()));
    let going = [State::Removing, State::Dead];
    seen.is_ok_and(|seen| seen.is_some_and(|seen| !going.contains(&seen.state)))
}
