//! Everything about a container to be made that needs no device.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    time::Duration,
};

use ds01_core::{
    account::Account,
    device::Held,
    docker::check_image,
    failure::{Failure, Kind},
    image,
    label::{self, Interface},
    lifecycle,
    limits::Limits,
    name::{ContainerName, EngineName},
    user,
};

use super::{Create, account, catalogue::framework_of, folders};
use crate::{
    Site, clock,
    engine::Image,
    site::fail,
    users::{Caller, Person, is_login, person},
};

/// What is granted, recorded and told of a container to be made, whoever asks for it.
pub(super) struct Order {
    pub(super) container: EngineName,
    pub(super) person: Person,
    pub(super) limits: Limits,
    /// What it is by how it is asked for.
    pub(super) kind: lifecycle::ContainerKind,
    /// The longest run of its kind; `None` is for ever.
    pub(super) run: Option<Duration>,
    /// After this time, what somebody used counts half in the waiting line.
    pub(super) half_life: Duration,
    pub(super) slice: String,
    /// The image as the user named it.
    pub(super) image: String,
    /// What the catalogue says that it is made for.
    pub(super) framework: Option<String>,
    pub(super) project: String,
    /// The folder on the host that is its workspace; empty if it has none.
    pub(super) workspace: PathBuf,
}

impl Order {
    /// Its labels: all managed ones, and what keeps the image's own from misleading anybody.
    /// `folders` are those at `/workspace` and `/data`, `interface` is as in [`label::Facts`].
    pub(super) fn labels(
        &self,
        devices: &[Held],
        folders: (&Path, Option<&Path>),
        interface: (&str, &str),
        of_image: HashMap<String, String>,
    ) -> BTreeMap<String, String> {
        let mut labels = label::labels(&label::Facts {
            container: &self.container,
            login: &self.person.login,
            group: &self.limits.group,
            slice: &self.slice,
            project: &self.project,
            image: &self.image,
            framework: self.framework.as_deref(),
            workspace: &folders.0.to_string_lossy(),
            data: folders.1.map(Path::to_string_lossy).as_deref(),
            devices,
            interface,
            created: clock::now(),
        });
        labels.extend(label::overriding(of_image, &labels));
        labels
    }
}

/// Everything about the container but its devices.
pub(super) struct Draft {
    pub(super) order: Order,
    pub(super) account: Account,
    /// What it is made from; in a dry run, what that would be made from.
    pub(super) base: Image,
    /// Its workspace is not there yet.
    pub(super) is_new: bool,
    pub(super) data: Option<PathBuf>,
    pub(super) interface: Interface,
}

impl Draft {
    /// Works out everything that needs no device.
    ///
    /// # Errors
    ///
    /// If the caller has no login or limits, the image is not there, or a folder may not be mounted.
    pub(super) fn of(create: &Create, site: &Site, caller: Caller) -> Result<Self, Failure> {
        let person = person(caller.uid)?;
        let policy = site.policy()?;
        let limits = policy.limits_for(&person.login);
        let container = EngineName {
            name: create.name.clone(),
            uid: caller.uid,
        };
        let project = create
            .project
            .clone()
            .unwrap_or_else(|| create.name.clone());
        if create.workspace.is_none() || site.config().containers.mount_home {
            folders::home_is_there(site, &person)?;
        }
        let folder = |path: &Path| folders::allowed(site, path, &person);
        let data = create.data.as_deref().map(folder).transpose()?;
        let (workspace, is_new) = match &create.workspace {
            Some(path) => (folder(path)?, false),
            None => {
                let path = person.home.join("workspace").join(project.as_ref());
                // It is made later: what is there of it already may be a link to anywhere.
                let there = folders::there(site, &path, &person)?;
                there.as_deref().map(folder).transpose()?;
                let is_new = there.as_ref() != Some(&path);
                (path, is_new)
            }
        };
        let home = match person.uid {
            0 => "/root".to_string(),
            _ => format!("/home/{}", person.login),
        };
        let Caller { uid, gid, .. } = caller;
        let account = Account {
            uid,
            gid,
            login: person.login.clone(),
            home,
        };
        let image = image_name(create, site, uid, &project, is_new)?;
        let (image, named) = account::named(site, &image, uid)?;
        check_image(&image, &named.config, None)?;
        let base = match create.dry_run {
            true => named,
            false => account::image_for(site, named, &account)?,
        };
        let slice = slice(site, &limits.group, &person)?;
        let kind = lifecycle::ContainerKind::Ds01;
        let order = Order {
            container,
            run: policy.longest_run(&person.login, &limits, kind, clock::now()),
            person,
            limits,
            kind,
            half_life: policy.recent_use_half_life(),
            slice,
            framework: framework_of(site, &image),
            image,
            project: project.into(),
            workspace,
        };
        Ok(Self {
            order,
            account,
            base,
            is_new,
            data,
            interface: create.interface,
        })
    }
}

/// The image: the one named, the project's own, or the host's default. `is_new` if there is no such
/// project.
fn image_name(
    create: &Create,
    site: &Site,
    uid: u32,
    project: &ContainerName,
    is_new: bool,
) -> Result<String, Failure> {
    if let Some(image) = &create.image {
        if image.is_empty() {
            return Err(fail(
                Kind::Usage,
                "an image name cannot be empty".into(),
                "see the images with image-list --all".into(),
            ));
        }
        return Ok(image.clone());
    }
    let own = image::of_project(uid, project);
    if site.engine().image(&own)?.is_some() {
        return Ok(own);
    }
    site.config()
        .containers
        .default_image
        .clone()
        .ok_or_else(|| {
            let message = match is_new {
                true => {
                    format!("you have no project {project}, and this host has no default image")
                }
                false => format!("project {project} has no image: there is no {own}"),
            };
            fail(
                Kind::NotFound,
                message,
                "name one with --image=<image>".into(),
            )
        })
}

/// The user's slice. A login that stands in it changed may look like another's: then the uid is added.
pub(super) fn slice(site: &Site, group: &str, person: &Person) -> Result<String, Failure> {
    let Person { uid, login, .. } = person;
    let plain = user::slice_user(login, *uid, |_| false);
    if plain == *login {
        return Ok(user::slice(group, &plain));
    }
    let others = site.metadata.read_all()?;
    let same = user::slice(group, &plain);
    let taken = is_login(&plain)? || others.iter().any(|r| r.slice == same && r.login != *login);
    Ok(user::slice(
        group,
        &user::slice_user(login, *uid, |_| taken),
    ))
}
