//! Stops that were made by a pass which died: what is left is to log them, and to tell their owners.

use std::path::PathBuf;

use ds01_core::{container::ContainerId, failure::Failure, lifecycle::Doing, name::EngineName};

use super::{act::note, words};
use crate::{
    Site,
    ops::{
        owner::owner,
        stop::{self, When},
    },
    tell::{Notice, tell_all},
    tracked_file::TrackedFile,
    users::Person,
    watch_file::WatchFile,
};

/// Does what is left of them, which this process has taken over.
///
/// # Errors
///
/// If that cannot be noted; the next pass goes on from there.
pub(super) fn finish(
    site: &Site,
    file: &WatchFile,
    left: Vec<(ContainerId, Doing)>,
) -> Result<(), Failure> {
    if left.is_empty() {
        return Ok(());
    }
    for (_, doing) in left.iter().filter(|(_, doing)| !doing.logged) {
        site.log(doing.event.clone());
    }
    let ids = || left.iter().map(|(id, _)| id);
    note(file, ids(), |doing| {
        doing.iter_mut().for_each(|doing| doing.logged = true);
    })?;
    let notices: Vec<_> = left
        .iter()
        .filter_map(|(id, doing)| notice(site, id, doing))
        .collect();
    tell_all(site, &notices, |_| {});
    note(file, ids(), |doing| *doing = None)
}

/// What the owner of one is told; `None` if nobody knows them.
fn notice(site: &Site, id: &ContainerId, doing: &Doing) -> Option<(Person, Notice)> {
    let detail = |key: &str| doing.event.details.get(key).map_or("", String::as_str);
    let name = detail("container");
    let ours: Option<EngineName> = name.parse().ok();
    let ours = ours.and_then(|name| Some((site.metadata.of(&name, id)?, name)));
    let uid = match &ours {
        Some((_, name)) => name.uid,
        None => {
            let tracked = TrackedFile::new(&site.config().paths.state).read();
            tracked.containers.get(id)?.owner?.uid
        }
    };
    let recorded = ours.as_ref().map(|(record, _)| record.login.as_str());
    let person = owner(uid, recorded).ok()?;
    let short = ours.as_ref().map_or(name, |(_, name)| name.name.as_ref());
    let (gpus, reason) = (detail("gpus"), detail("reason"));
    let mut text = format!("container {short} with GPU {gpus} was stopped: {reason}");
    let mut workspace = None;
    if let Some((record, name)) = &ours {
        workspace = record.workspace_folder().map(PathBuf::from);
        let limits = site.policy().map(|policy| policy.limits_for(&person.login));
        match (stop::note(site, name, id, When::Before), limits) {
            (Ok(Some((_, hold))), Ok(limits)) => {
                text += &words::of_hold(short, hold, limits.container_hold_after_stop);
            }
            (Ok(None), _) => {}
            // It has stopped all the same, and whoever looks next notes that.
            (Err(failure), _) | (_, Err(failure)) => site.notice(failure.message),
        }
    }
    Some((person, Notice { text, workspace }))
}
