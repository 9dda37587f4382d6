//! `owners.json`, written by the gateway, for everybody who may read the state directory.

use std::{error::Error, thread, time::Duration};

use ds01_core::owned::Owned;

use crate::{
    config::Config,
    engine::{Engine, Happened},
    own_file,
};

const FILE: &str = "owners.json";

/// From one look to the next, whatever the engine tells.
const HOUR: Duration = Duration::from_secs(3600);

/// Before an engine that is not there, or a file that cannot be written, is tried again.
const PAUSE: Duration = Duration::from_secs(5);

/// Keeps the file true, for ever. Nothing is decided by it, and whatever keeps it from being written
/// fails others' calls, which say so.
pub fn keep(config: &Config) -> ! {
    let engine = Engine::new(&config.engine.socket, config.engine.timeout());
    loop {
        let _ = follow(&engine, config);
        thread::sleep(PAUSE);
    }
}

/// Until the engine is gone, or the file cannot be written.
fn follow(engine: &Engine, config: &Config) -> Result<(), Box<dyn Error>> {
    let path = config.paths.state.join(FILE);
    let mut happenings = engine.happenings_to_the_rest()?;
    let mut written = None;
    loop {
        let images = engine.images(None)?;
        let images = images.into_iter().flat_map(|image| image.names).collect();
        let owned = Owned::of(images, engine.volumes()?, engine.networks()?);
        if written.as_ref() != Some(&owned) {
            own_file::replace(&path, &serde_json::to_vec(&owned)?, 0o640)?;
            written = Some(owned);
        }
        if happenings.next(HOUR) == Happened::End {
            return Ok(());
        }
    }
}
