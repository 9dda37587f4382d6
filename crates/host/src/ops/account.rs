//! An image in which the owner has a name and a home.
//!
//! A container runs as its owner's uid, of which a shared image has never heard: no prompt, no
//! `whoami`, no home to write to. Writing the account into each container would cost 70 ms on
//! release 20.10; so it is written once per image and user, into an image made on top, which
//! is named `ds01-<uid>/with.account:<start of the image's id>` (no project can have that name).

use std::{
    io::{Cursor, Read},
    time::{Duration, Instant},
};

use ds01_core::{
    account::{Account, group_file, passwd_file, profile},
    container::Sighting,
    failure::{Failure, Kind},
    image::{self, OF_CONTAINER, WITH_ACCOUNT},
    label,
    recipe::image_name,
};

use crate::{
    Site,
    engine::{Call, Engine, EngineError, Image, Query},
    lock::lock,
    site::fail,
    users::image_with_uid,
};

/// The author of an image that has an account begins so; `uid:gid:login` follows. A label would be
/// on each container too.
const AUTHOR: &str = "DS01";

/// What another process of the same user may take to make one.
const PATIENCE: Duration = Duration::from_secs(120);

/// Inside a container, the same word as outside leaves the shell.
const EXIT: &str =
    "#!/bin/sh\n# Ends the shell that runs this; the container goes on.\nkill -HUP \"$PPID\"\n";

/// The image that a user named, and its name in the engine: `app` may also be their own
/// `ds01-<uid>/app`. Behind the gateway, an image that is only others' is none.
///
/// # Errors
///
/// Status 3 without the image; the engine's own.
pub(super) fn named(site: &Site, name: &str, uid: u32) -> Result<(String, Image), Failure> {
    let engine = site.engine();
    let name = &*image_with_uid(name, uid);
    let seen = |image: &Image| {
        let names = image.names.iter().map(String::as_str);
        !site.is_for_others() || image::is_visible(names, uid)
    };
    if let Some(found) = engine.image(name)?.filter(seen) {
        return Ok((name.into(), found));
    }
    let own = image::own_name(name, uid).ok().filter(|own| own != name);
    if let Some(own) = own
        && let Some(found) = engine.image(&own)?
    {
        return Ok((own, found));
    }
    Err(fail(
        Kind::NotFound,
        format!("there is no image {name} on this host"),
        match can_be_fetched(name) {
            true => format!("choose from image-list --all, or fetch it first: docker pull {name}"),
            false => "choose from image-list --all".into(),
        },
    ))
}

/// Whether a registry may have an image of this name.
fn can_be_fetched(name: &str) -> bool {
    let is_name = image_name(name).is_ok() && !name.contains(char::is_uppercase);
    is_name && image::owner(name).is_none()
}

/// The image to create from in place of `base`: itself if it has the account. Made if need be.
///
/// # Errors
///
/// The engine's own.
pub(super) fn image_for(site: &Site, base: Image, account: &Account) -> Result<Image, Failure> {
    let engine = site.engine();
    let Account {
        uid, gid, login, ..
    } = account;
    let author = format!("{AUTHOR} {uid}:{gid}:{login}");
    let prefix = format!("{}{WITH_ACCOUNT}:", image::own(*uid));
    // A build that took its steps from such an image has its author too, and not what is in it.
    let has_account = |image: &Image| {
        image.author == author && image.names.iter().any(|name| name.starts_with(&prefix))
    };
    if has_account(&base) {
        return Ok(base);
    }
    let (repo, tag) = on_top(&base, *uid);
    let find = || Ok::<_, Failure>(engine.image(&format!("{repo}:{tag}"))?.filter(has_account));
    if let Some(made) = find()? {
        return Ok(made);
    }
    // One at a time for each user: the second finds what the first has made.
    let file = site
        .config()
        .paths
        .state
        .join(format!("account-{uid}.lock"));
    let _one_at_a_time = lock(&file, Instant::now() + PATIENCE)?;
    match find()? {
        Some(made) => Ok(made),
        None => {
            let id = make(engine, &base.id, account, (&repo, &tag), author)?;
            Ok(Image { id, ..base })
        }
    }
}

/// Whether an image has another name that people gave it, and so stays without this one.
fn stays(base: &Image, name: &str) -> bool {
    let given = |one: &&String| *one != name && !one.contains('@') && !image::is_internal(one);
    base.names.iter().any(|one| given(&one))
}

/// The containers for whose sake a name of an image cannot be removed: all that are made from it, or,
/// where the image has other names, those that were made by this one.
///
/// # Errors
///
/// The engine's own.
pub(super) fn users_of(
    site: &Site,
    base: &Image,
    name: &str,
    uid: u32,
) -> Result<Vec<Sighting>, Failure> {
    // By the names that it has for their sake it would stay, and the engine refuse nothing.
    let mut users = site.engine().list(&Query::MadeFrom(base.id.clone()))?;
    if stays(base, name) {
        users.retain(|user| is_by(user, name, uid));
    }
    Ok(users)
}

/// Whether a container was made by this name of its image, as far as that can be known.
fn is_by(container: &Sighting, name: &str, uid: u32) -> bool {
    let noted = container.labels.get(label::IMAGE);
    let given = noted.filter(|noted| !noted.is_empty());
    let given = given.unwrap_or(&container.image);
    if given.starts_with("sha256:") || image::is_internal(given) {
        return true;
    }
    let given = image_with_uid(given, uid);
    let own = image::own_name(&given, uid).unwrap_or_default();
    let mut names = [given.into_owned(), own].into_iter();
    names.any(|one| one == name || format!("{one}:latest") == name)
}

/// Removes a name of an image; with the last that people gave it the image, and the one on top of it
/// in which `uid` has an account. `false` if it is gone.
///
/// # Errors
///
/// Status 4 while a container uses either; the engine's own.
pub(super) fn remove_image(site: &Site, image: &str, uid: u32) -> Result<bool, Failure> {
    let engine = site.engine();
    let Some(base) = engine.image(image)? else {
        return Ok(false);
    };
    if !users_of(site, &base, image, uid)?.is_empty() {
        let message = format!("a container uses the image {image}");
        return Err(Failure::new(Kind::State, message));
    }
    if stays(&base, image) {
        engine.remove_image(image)?;
        return Ok(true);
    }
    let (repo, tag) = on_top(&base, uid);
    let on_top = engine.image(&format!("{repo}:{tag}"))?;
    let is_it =
        |id: &String| *id == base.id || on_top.as_ref().is_some_and(|on_top| on_top.id == *id);
    // Of containers that went by other means than ours.
    let left = engine.images(Some(&format!("{}{OF_CONTAINER}", image::own(uid))))?;
    let left = left.into_iter().filter(|left| is_it(&left.id));
    let names = left
        .flat_map(|left| left.names)
        .chain([format!("{repo}:{tag}")]);
    for name in names {
        match engine.remove_image(&name) {
            Err(EngineError::Refused { status: 404, .. }) => {}
            other => other?,
        }
    }
    engine.remove_image(image)?;
    Ok(true)
}

/// Whether `id` is what a container of `uid`'s would be made from now, if it were made from the
/// image that is called `name`.
///
/// # Errors
///
/// The engine's own.
pub(super) fn is_from(site: &Site, id: &str, name: &str, uid: u32) -> Result<bool, EngineError> {
    let Some(base) = site.engine().image(name)? else {
        return Ok(false);
    };
    let (repo, tag) = on_top(&base, uid);
    let on_top = site.engine().image(&format!("{repo}:{tag}"))?;
    Ok(base.id == id || on_top.is_some_and(|on_top| on_top.id == id))
}

/// Name and tag of the image in which `uid` has an account on top of `base`.
pub(crate) fn on_top(base: &Image, uid: u32) -> (String, String) {
    let digest = base.id.strip_prefix("sha256:").unwrap_or(&base.id);
    (
        format!("{}{WITH_ACCOUNT}", image::own(uid)),
        digest.chars().take(12).collect(),
    )
}

fn make(
    engine: &Engine,
    base: &str,
    account: &Account,
    (repo, tag): (&str, &str),
    author: String,
) -> Result<String, EngineError> {
    // A process that died here leaves a draft, which the next one replaces.
    let draft = engine.create_draft(&format!("ds01-account-{}-{tag}", account.uid), base)?;
    let made = (|| {
        let file = |path| {
            Ok(engine
                .download(&draft, path)?
                .and_then(|tar| first_file(&tar)))
        };
        let (passwd, group) = (file("/etc/passwd")?, file("/etc/group")?);
        let shell = match engine.has(&draft, "/bin/bash")? {
            true => "/bin/bash",
            false => "/bin/sh",
        };
        let files = [
            (
                "etc/passwd",
                passwd_file(passwd.as_deref(), account, shell),
                0o644,
            ),
            ("etc/group", group_file(group.as_deref(), account), 0o644),
            ("usr/bin/container-exit", EXIT.to_string(), 0o755),
        ];
        let tar = archive(account, &files).map_err(|source| EngineError::Broken {
            what: Call::Change("make an account in the image"),
            source: Box::new(source),
        })?;
        engine.upload(&draft, tar)?;
        engine.commit(&draft, repo, tag, author)
    })();
    let removed = engine.remove(&draft, true);
    made.and_then(|id| removed.map(|()| id))
}

/// The text of the first file in a tar archive.
fn first_file(tar: &[u8]) -> Option<String> {
    let mut text = String::new();
    let mut archive = tar::Archive::new(Cursor::new(tar));
    archive
        .entries()
        .ok()?
        .next()?
        .ok()?
        .read_to_string(&mut text)
        .ok()?;
    Some(text)
}

/// The account's files: root's, and the home with its shell profile, which is the owner's.
fn archive(account: &Account, files: &[(&str, String, u32)]) -> std::io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut add = |path: &str, text: Option<&str>, mode: u32, owned: bool| {
        let mut header = tar::Header::new_gnu();
        let text = text.unwrap_or_default();
        header.set_entry_type(if path.ends_with('/') {
            tar::EntryType::Directory
        } else {
            tar::EntryType::Regular
        });
        header.set_size(text.len() as u64);
        header.set_mode(mode);
        header.set_uid(if owned { account.uid.into() } else { 0 });
        header.set_gid(if owned { account.gid.into() } else { 0 });
        tar.append_data(&mut header, path, text.as_bytes())
    };
    for (path, text, mode) in files {
        add(path, Some(text), *mode, false)?;
    }
    let home = account.home.trim_start_matches('/');
    add(&format!("{home}/"), None, 0o755, true)?;
    add(&format!("{home}/.profile"), Some(profile()), 0o644, true)?;
    tar.into_inner()
}
