//! Whose policy holds for a container of somebody whom the name service may not know.

use std::{path::PathBuf, time::Duration};

use ds01_core::{container::Sighting, failure::Failure, lifecycle, limits::Limits, record::Record};

use crate::{
    Site, clock,
    users::{Person, UnknownUser, person, uid_of},
};

/// The group of files that are nobody's.
const NOBODY: u32 = 65534;

/// The user with this uid. Where the name service has none, it is who was `recorded` when a container
/// of theirs was made: with sssd down, some answer that there is nobody.
///
/// Of the one who was recorded only uid and login are known: it is for limits, and for files that the
/// uid alone opens.
///
/// # Errors
///
/// [`UnknownUser::Service`] if the name service does not answer, which says nothing of anybody;
/// [`UnknownUser::Uid`] if nobody is recorded either, or somebody else has the login by now.
pub(in crate::ops) fn owner(uid: u32, recorded: Option<&str>) -> Result<Person, UnknownUser> {
    let unknown = match person(uid) {
        Err(unknown @ UnknownUser::Uid(_)) => unknown,
        known => return known,
    };
    let Some(login) = recorded.filter(|login| !login.is_empty()) else {
        return Err(unknown);
    };
    match uid_of(login) {
        Err(UnknownUser::Login(_)) => Ok(Person {
            uid,
            gid: NOBODY,
            login: login.into(),
            home: PathBuf::from("/nonexistent"),
        }),
        Err(error @ UnknownUser::Service(_)) => Err(error),
        _ => Err(unknown),
    }
}

/// What the owner of a container may have.
pub(in crate::ops) struct Terms {
    /// Their limits.
    pub(in crate::ops) limits: Limits,
    /// How long a run of this container that begins now may last; `None` is for ever.
    pub(in crate::ops) run: Option<Duration>,
    /// The same for who is not exempt.
    pub(in crate::ops) rule: Option<Duration>,
}

/// What the owner of a container may have, by today's policy.
///
/// # Errors
///
/// If the policy cannot be read, or the name service does not know them.
pub(in crate::ops) fn terms(
    site: &Site,
    uid: u32,
    record: Option<&Record>,
    seen: Option<&Sighting>,
) -> Result<Terms, Failure> {
    let policy = site.policy()?;
    let login = person(uid)?.login;
    let limits = policy.limits_for(&login);
    let recorded = record.and_then(|record| record.kind);
    let labels = seen.map(|seen| seen.labels.clone()).unwrap_or_default();
    let kind = lifecycle::ContainerKind::of(recorded, &labels, true);
    Ok(Terms {
        run: policy.longest_run(&login, &limits, kind, clock::now()),
        rule: kind.rules(&limits, policy.container_types()).max_runtime,
        limits,
    })
}
