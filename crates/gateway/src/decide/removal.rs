//! The removal of volumes, see [`ds01_host::removal`].

use std::{error::Error, sync::Arc, thread, time::Duration};

use ds01_core::failure::Failure;
use ds01_host::{
    engine::{Engine, Happened},
    going::{gone, put_back_left},
    removal::remove_volume,
};
use tokio::runtime::Handle;

use super::{Call, NOTED};
use crate::keeper::Gateway;

/// Before an engine that is not there is asked again.
const PAUSE: Duration = Duration::from_secs(5);

/// From one look to the next, whatever the engine tells.
const HOUR: Duration = Duration::from_secs(3600);

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

/// Removes volumes without a name whose container the engine has removed by itself, and deletes the
/// files of volumes that are gone, for ever: first those that gateways before have left, or back they go.
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
    gateway: &Gateway,
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
        put_back_left(&root)?;
    }
    let mut goings = engine.goings()?;
    loop {
        let mut wait = HOUR;
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
        for files in gone(&root)? {
            let (deletes, uid) = (gateway.deletes.clone(), files.uid().unwrap_or_default());
            // Nobody waits for it. What is left, the next look finds.
            runtime.spawn(async move { deletes.run(uid, DELETED, move || files.delete()).await });
        }
        if goings.next(wait) == Happened::End {
            return Ok(());
        }
    }
}
