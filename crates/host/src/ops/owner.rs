//! Whose policy holds for a container of somebody whom the name service may not know.

use std::path::PathBuf;

use crate::users::{Person, UnknownUser, person, uid_of};

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
pub(super) fn owner(uid: u32, recorded: Option<&str>) -> Result<Person, UnknownUser> {
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
