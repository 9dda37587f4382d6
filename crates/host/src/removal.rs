//! The removal of a volume or a container, see [`crate::going`].

use std::io;

use ds01_core::{
    container::ContainerId,
    docker::UsedVolumes,
    failure::{Failure, Kind, UserError},
};

use nix::unistd::geteuid;

use crate::{
    config::Config,
    engine::{Engine, EngineError},
    going::{Going, Gone, OVERLAY2},
    volumes_file::VolumesFile,
};

/// Removes a volume, as nobody's but root's. What is known about it is forgotten with it. Its files
/// are to be deleted, unless there were none.
///
/// # Errors
///
/// The engine's own, in its words; status 4 if a container has it; or its files cannot be taken away:
/// the engine is not asked then.
pub fn remove_volume(
    engine: &Engine,
    config: &Config,
    (uid, name): (u32, &str),
    force: bool,
) -> Result<Option<Gone>, Failure> {
    let going = take_files(engine, uid, name)?;
    let removed = engine.remove_volume(name, force);
    let gone = match &removed {
        Ok(()) => true,
        Err(error) => error.status() == Some(404),
    };
    let files = match going {
        // It may still come to it: they stay where they are, for the next gateway.
        Some(_) if removed.as_ref().is_err_and(EngineError::is_unanswered) => None,
        Some(going) => settle(going, gone)?,
        None => None,
    };
    if gone {
        let forget = |known: &mut UsedVolumes| {
            known.forget(name);
            Ok::<_, Failure>(())
        };
        VolumesFile::new(&config.paths.state).change(forget)?;
    }
    removed.map(|()| files).map_err(|error| match error {
        EngineError::Refused { ref message, .. } => Failure::new(error.kind(), message),
        error => error.into(),
    })
}

/// Takes the files of a volume away that the engine is about to remove. `None` where it has nothing to
/// remove.
fn take_files(engine: &Engine, uid: u32, name: &str) -> Result<Option<Going>, Failure> {
    let Some(seen) = engine.volume(name)? else {
        return Ok(None);
    };
    if seen.driver != "local" || seen.options.is_some_and(|options| !options.is_empty()) {
        return Ok(None);
    }
    if let Some(id) = engine.user_of(name)? {
        // In the engine's words. It is not asked: the container may be gone by then.
        let message = format!("remove {name}: volume is in use - [{id}]");
        return Err(Failure::new(Kind::State, message));
    }
    let root = engine.root_dir()?.unwrap_or_default();
    Going::take(&root, (uid, name), &seen.mountpoint).map_err(|error| {
        let message = format!("the files of the volume {name} cannot be removed: {error}");
        Failure::new(Kind::Failed, message).with_hint("tell an admin")
    })
}

/// The files go, or back where the engine has not removed the volume.
fn settle(going: Going, gone: bool) -> Result<Option<Gone>, Failure> {
    let settled = match gone {
        true => going.gone().map(Some),
        false => going.put_back().map(|()| None),
    };
    settled.map_err(|error| {
        let message = format!("the volume's files are left in ds01-going: {error}");
        Failure::new(Kind::Failed, message).with_hint("tell an admin")
    })
}

/// Removes a container of `uid`'s that does not run. Its files are to be deleted, unless the engine did:
/// it does where we are not root, who alone can take them away, and where another driver has them.
///
/// # Errors
///
/// The engine's own; or its files cannot be taken away: the engine is not asked then.
pub fn remove_container(
    engine: &Engine,
    (uid, id): (u32, &ContainerId),
) -> Result<Option<Gone>, EngineError> {
    let going = match geteuid().is_root() {
        true => take_layer(engine, uid, id)?,
        false => None,
    };
    let removed = engine.remove(id, false);
    let Some(going) = going else {
        return removed.map(|()| None);
    };
    match removed {
        // What cannot be noted is found by the next gateway.
        Ok(()) => Ok(going.gone().ok()),
        Err(error) if error.status() == Some(404) => {
            let _ = going.gone();
            Err(error)
        }
        // It may still come to it: they stay where they are, for the gateway.
        Err(error) if error.is_unanswered() => Err(error),
        Err(error) => {
            let back = going.put_back().err();
            // Not there: somebody else has removed it.
            let back = back.filter(|error| error.kind() != io::ErrorKind::NotFound);
            Err(back.map_or(error, |source| EngineError::NotMoved { source }))
        }
    }
}

/// Takes the files of a container away that the engine is about to remove.
fn take_layer(engine: &Engine, uid: u32, id: &ContainerId) -> Result<Option<Going>, EngineError> {
    let Some((driver, upper)) = engine.layer(id)? else {
        return Ok(None);
    };
    if driver != OVERLAY2 {
        return Ok(None);
    }
    let root = engine.root_dir()?.unwrap_or_default();
    match Going::take_layer(&root, (uid, &id.0), &upper) {
        // Where there are none, the engine finds none either.
        Ok(going) => Ok(going),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            // In the engine's words.
            let message = format!("removal of container {} is already in progress", id.0);
            Err(EngineError::cannot_remove(message))
        }
        Err(source) => Err(EngineError::NotMoved { source }),
    }
}
