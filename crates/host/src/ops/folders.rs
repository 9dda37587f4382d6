//! Folders of the host that containers are given.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use ds01_core::{
    failure::{Failure, Kind},
    name::EngineName,
    record::{Bind, Record},
};

use crate::{
    Site,
    site::fail,
    staging,
    users::{Person, person},
};

/// A folder that may be mounted: it exists, and is really in the owner's home or an allowed root.
///
/// # Errors
///
/// Status 2 if it does not exist, 7 if it is elsewhere.
pub(super) fn allowed(site: &Site, path: &Path, owner: &Person) -> Result<PathBuf, Failure> {
    site.as_person(owner, || checked(site, path, &owner.home))?
}

fn checked(site: &Site, path: &Path, home: &Path) -> Result<PathBuf, Failure> {
    let roots = &site.config().containers.bind_roots;
    // The shell leaves it as it is in --workspace=~/data.
    let path = &match path.strip_prefix("~") {
        Ok(rest) => home.join(rest),
        Err(_) => path.to_path_buf(),
    };
    let shown = path.display();
    let real = fs::canonicalize(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => fail(
            Kind::Usage,
            format!("cannot mount {shown}: there is no such folder"),
            format!("make it first: mkdir -p {shown}"),
        ),
        _ => fail(
            Kind::Usage,
            format!("cannot mount {shown}: {error}"),
            "name a folder that you can enter".into(),
        ),
    })?;
    if !real.is_dir() {
        return Err(fail(
            Kind::Usage,
            format!("cannot mount {shown}: it is not a folder"),
            "name a folder, in your home or one that the host allows".into(),
        ));
    }
    let roots = roots.iter().filter_map(|root| fs::canonicalize(root).ok());
    let home = fs::canonicalize(home).unwrap_or_else(|_| home.into());
    if std::iter::once(home)
        .chain(roots)
        .any(|root| real.starts_with(root))
    {
        return Ok(real);
    }
    Err(fail(
        Kind::Forbidden,
        format!(
            "cannot mount {shown}: it is not in your home, nor in a folder that the host allows"
        ),
        "an admin allows folders with containers.bind_roots in ds01.toml".into(),
    ))
}

/// Makes a folder with its parents, as its owner.
///
/// # Errors
///
/// The file system's.
pub(super) fn make(site: &Site, path: &Path, owner: &Person) -> Result<(), Failure> {
    let made = site.as_person(owner, || fs::create_dir_all(path))?;
    made.map_err(|error| {
        let message = format!("cannot make {}: {error}", path.display());
        Failure::new(Kind::Failed, message)
    })
}

/// What the engine is to mount at `bind.target`: the folder itself, or where root acts for its
/// owner a mount of root's that nobody can exchange for another.
///
/// # Errors
///
/// As [`allowed`].
pub(super) fn source(
    site: &Site,
    container: &EngineName,
    number: usize,
    bind: &Bind,
    owner: &Person,
) -> Result<PathBuf, Failure> {
    let path = Path::new(&bind.source);
    let real = allowed(site, path, owner)?;
    if !site.is_for_others() {
        return Ok(real);
    }
    let opened = site.as_person(owner, || staging::open(&real))?;
    let staged = opened.and_then(|opened| site.staging.stage(container, number, &opened));
    staged.map_err(|error| {
        let message = format!("cannot mount {}: {error}", path.display());
        Failure::new(Kind::Failed, message)
    })
}

/// Mounts again what a reboot took away.
///
/// # Errors
///
/// As [`source`]; if the folder is no more what may be mounted, the container cannot start.
pub(super) fn restore(site: &Site, record: &Record) -> Result<(), Failure> {
    let container: EngineName = record.container.parse()?;
    let binds = record.binds.iter().flatten().enumerate();
    for (number, bind) in binds.filter(|(_, bind)| bind.staged) {
        if site.is_for_others() && !site.staging.is_staged(&container, number) {
            source(site, &container, number, bind, &person(container.uid)?)?;
        }
    }
    Ok(())
}
