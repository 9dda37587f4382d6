//! Unix users and groups, from the name service.

use std::{borrow::Cow, ffi::CString, path::PathBuf};

use ds01_core::{
    failure::{Failure, Kind, UserError},
    image,
};
use nix::{
    errno::Errno,
    unistd::{
        Gid, Group, Uid, User, geteuid, getgid, getgrouplist, getgroups, getuid, setfsgid,
        setfsuid, setgroups, setresgid, setresuid,
    },
};
use serde::{Deserialize, Serialize};

use crate::child_task::end_with_parent_still;

/// Who asks. In-process it is the process's own real uid and gid; behind the gateway, the
/// credentials that the kernel gives. Never an environment variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// Real uid.
    pub uid: u32,
    /// Real gid.
    pub gid: u32,
    /// May be an admin, if the policy says so. Nobody who calls from inside a container may.
    pub may_be_admin: bool,
}

/// What the name service knows of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The uid.
    pub uid: u32,
    /// The primary gid.
    pub gid: u32,
    /// The login.
    pub login: String,
    /// The home directory.
    pub home: PathBuf,
}

/// Why somebody is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnknownUser {
    /// The name service has no such uid.
    #[error("uid {0} has no login on this host")]
    Uid(u32),
    /// The name service has no such group.
    #[error("this host has no group {0:?}")]
    Group(String),
    /// The name service has no such login.
    #[error("this host has no user {0:?}")]
    Login(String),
    /// The name service did not answer.
    #[error("the name service does not answer: {0}")]
    Service(String),
}

impl UserError for UnknownUser {
    fn kind(&self) -> Kind {
        match self {
            Self::Uid(_) => Kind::Forbidden,
            Self::Group(_) | Self::Login(_) => Kind::Usage,
            Self::Service(_) => Kind::Unreachable,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Uid(_) => Some("ask an admin for an account".into()),
            Self::Group(_) => Some("mend access.docker_group in ds01.toml".into()),
            Self::Login(_) | Self::Service(_) => None,
        }
    }
}

impl Caller {
    /// The user who runs this process.
    pub fn of_this_process() -> Self {
        Self {
            uid: getuid().as_raw(),
            gid: getgid().as_raw(),
            may_be_admin: true,
        }
    }
}

/// Does something with files as `person`: their access rights count, and what is made is theirs.
///
/// Only for a root process with one thread: others would act as that person meanwhile.
///
/// # Errors
///
/// If the name service does not know their groups, or this process may not act for others.
pub fn acting_as<T>(person: &Person, act: impl FnOnce() -> T) -> Result<T, Failure> {
    let refused = |error: Errno| cannot_act(person, error);
    let own = getgroups().map_err(refused)?;
    let (uid, gid) = (Uid::from_raw(person.uid), Gid::from_raw(person.gid));
    setgroups(&gids_of(person)?).map_err(refused)?;
    setfsgid(gid);
    setfsuid(uid);
    // Neither says whether it worked; each says what was before.
    let done = (setfsuid(uid) == uid && setfsgid(gid) == gid).then(|| {
        end_with_parent_still();
        act()
    });
    setfsuid(Uid::from_raw(0));
    setfsgid(Gid::from_raw(0));
    end_with_parent_still();
    setgroups(&own).map_err(refused)?;
    done.ok_or_else(|| refused(Errno::EPERM))
}

/// Makes something for members of `group`: in the group for so long, root needs no further right to
/// hand over what it makes, nor to have a directory hand on its group.
pub(crate) fn in_group<T>(group: Option<u32>, make: impl FnOnce() -> T) -> T {
    let Some(group) = group.filter(|_| geteuid().is_root()) else {
        return make();
    };
    let own = setfsgid(Gid::from_raw(group));
    let made = make();
    setfsgid(own);
    end_with_parent_still();
    made
}

/// Makes this process that of `person`, for good. It must not end later than its parent: who that
/// is has to be told to the kernel again.
///
/// # Errors
///
/// If the name service does not know their groups, or this process is not root's.
pub(crate) fn become_person(person: &Person) -> Result<(), Failure> {
    let refused = |error: Errno| cannot_act(person, error);
    let (uid, gid) = (Uid::from_raw(person.uid), Gid::from_raw(person.gid));
    setgroups(&gids_of(person)?).map_err(refused)?;
    setresgid(gid, gid, gid).map_err(refused)?;
    setresuid(uid, uid, uid).map_err(refused)
}

fn cannot_act(person: &Person, error: Errno) -> Failure {
    let message = format!("cannot act as {}: {error}", person.login);
    Failure::new(Kind::Failed, message)
}

/// Looks a user up by uid.
///
/// # Errors
///
/// [`UnknownUser`] if there is none, or the name service fails.
pub fn person(uid: u32) -> Result<Person, UnknownUser> {
    match User::from_uid(Uid::from_raw(uid)) {
        Ok(Some(user)) => Ok(Person {
            uid,
            gid: user.gid.as_raw(),
            login: user.name,
            home: user.dir,
        }),
        Ok(None) => Err(UnknownUser::Uid(uid)),
        Err(error) => Err(UnknownUser::Service(error.to_string())),
    }
}

/// A user's login for people to read; the uid where it has none.
pub fn login(uid: u32) -> String {
    person(uid).map_or_else(|_| uid.to_string(), |person| person.login)
}

/// The name of an image as the engine has it, where users wrote their own login: `ds01-alice/app`
/// is `ds01-1001/app`.
pub fn image_with_uid(name: &str, uid: u32) -> Cow<'_, str> {
    match image::by_login(name) {
        Some((owner, rest)) if owner == login(uid) => {
            Cow::Owned(format!("{}{rest}", image::own(uid)))
        }
        _ => Cow::Borrowed(name),
    }
}

/// The names of all groups that a user is in, the primary one among them.
///
/// # Errors
///
/// [`UnknownUser::Service`] if the name service fails: no groups is not an answer.
pub fn groups_of(person: &Person) -> Result<Vec<String>, UnknownUser> {
    let failed = |error: nix::Error| UnknownUser::Service(error.to_string());
    let names = gids_of(person)?
        .into_iter()
        .map(|gid| Group::from_gid(gid).map_err(failed));
    names
        .filter_map(|group| group.map(|group| group.map(|group| group.name)).transpose())
        .collect()
}

/// The gids of all groups that a user is in.
fn gids_of(person: &Person) -> Result<Vec<Gid>, UnknownUser> {
    let failed = |error: nix::Error| UnknownUser::Service(error.to_string());
    let login = CString::new(person.login.as_str())
        .map_err(|error| UnknownUser::Service(error.to_string()))?;
    getgrouplist(&login, Gid::from_raw(person.gid)).map_err(failed)
}

/// A group's gid.
///
/// # Errors
///
/// [`UnknownUser`] if there is none, or the name service fails.
pub fn gid_of(group: &str) -> Result<u32, UnknownUser> {
    match Group::from_name(group) {
        Ok(Some(group)) => Ok(group.gid.as_raw()),
        Ok(None) => Err(UnknownUser::Group(group.into())),
        Err(error) => Err(UnknownUser::Service(error.to_string())),
    }
}

/// The uid of a login.
///
/// # Errors
///
/// [`UnknownUser`] if nobody has it, or the name service fails.
pub fn uid_of(login: &str) -> Result<u32, UnknownUser> {
    match User::from_name(login) {
        Ok(Some(user)) => Ok(user.uid.as_raw()),
        Ok(None) => Err(UnknownUser::Login(login.into())),
        Err(error) => Err(UnknownUser::Service(error.to_string())),
    }
}

/// Whether somebody has this login.
///
/// # Errors
///
/// [`UnknownUser::Service`] if the name service fails.
pub fn is_login(login: &str) -> Result<bool, UnknownUser> {
    match User::from_name(login) {
        Ok(found) => Ok(found.is_some()),
        Err(error) => Err(UnknownUser::Service(error.to_string())),
    }
}
