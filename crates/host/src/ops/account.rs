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
    failure::{Failure, Kind},
};

use crate::{
    Site,
    engine::{Engine, EngineError, Image},
    lock::lock,
    site::fail,
};

/// On an image that has an account: `uid:gid:login`.
const LABEL: &str = "ds01.account";

/// What another process of the same user may take to make one.
const PATIENCE: Duration = Duration::from_secs(120);

/// Inside a container, the same word as outside leaves the shell.
const EXIT: &str =
    "#!/bin/sh\n# Ends the shell that runs this; the container goes on.\nkill -HUP \"$PPID\"\n";

/// The image to create from, for `image` as its user named it. Made if need be.
///
/// # Errors
///
/// Status 3 without the image; the engine's own.
pub(super) fn image_for(site: &Site, image: &str, account: &Account) -> Result<String, Failure> {
    let engine = site.engine()?;
    let base = engine.image(image)?.ok_or_else(|| {
        fail(
            Kind::NotFound,
            format!("there is no image {image} on this host"),
            "see the images with docker images; name one with --image".into(),
        )
    })?;
    let label = format!("{}:{}:{}", account.uid, account.gid, account.login);
    let has_account = |image: &Image| image.labels.get(LABEL) == Some(&label);
    if has_account(&base) {
        return Ok(base.id);
    }
    let digest = base.id.strip_prefix("sha256:").unwrap_or(&base.id);
    let tag = &digest[..digest.len().min(12)];
    let repo = format!("ds01-{}/with.account", account.uid);
    let find = || Ok::<_, Failure>(engine.image(&format!("{repo}:{tag}"))?.filter(has_account));
    if let Some(made) = find()? {
        return Ok(made.id);
    }
    // One at a time for each user: the second finds what the first has made.
    let file = site
        .config()
        .paths
        .state
        .join(format!("account-{}.lock", account.uid));
    let _one_at_a_time = lock(&file, Instant::now() + PATIENCE)?;
    match find()? {
        Some(made) => Ok(made.id),
        None => make(engine, &base.id, account, (&repo, tag), &label).map_err(Failure::from),
    }
}

fn make(
    engine: &Engine,
    base: &str,
    account: &Account,
    (repo, tag): (&str, &str),
    label: &str,
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
        let shell = match engine.download(&draft, "/bin/bash")? {
            Some(_) => "/bin/bash",
            None => "/bin/sh",
        };
        let files = [
            (
                "etc/passwd",
                passwd_file(passwd.as_deref(), account, shell),
                0o644,
            ),
            ("etc/group", group_file(group.as_deref(), account), 0o644),
            ("usr/local/bin/container-exit", EXIT.to_string(), 0o755),
        ];
        let tar = archive(account, &files).map_err(|source| EngineError::Broken {
            what: "make an account in the image",
            source: Box::new(source),
        })?;
        engine.upload(&draft, tar)?;
        engine.commit(
            &draft,
            repo,
            tag,
            format!("LABEL {LABEL}={}", format!("{label:?}").replace('$', "\\$")),
        )
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
