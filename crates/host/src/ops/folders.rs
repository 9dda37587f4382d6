//! Folders of the host that containers are given.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use ds01_core::{
    failure::{Failure, Kind},
    name::{ContainerName, EngineName},
    record::{Bind, Record},
};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Site,
    child_task::ChildTask,
    site::fail,
    staging::{self, Staging},
    users::{Person, person},
};

/// What mounting one user's folders again may take: the gateway listens after it.
const RESTORE: Duration = Duration::from_secs(10);

/// What a file system has to answer when somebody asks the gateway for one of their folders.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);

/// Does something with a folder of somebody's. Where root does it for them, in a process of its own:
/// whose file system hangs is told so, before others wait for the turn.
fn in_time<T: Serialize + DeserializeOwned>(
    site: &Site,
    path: &Path,
    work: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    if !site.is_for_others() {
        return work();
    }
    let done = ChildTask::begin(PATIENCE, work).and_then(ChildTask::finish);
    done.unwrap_or_else(|error| {
        let (shown, limit) = (path.display(), PATIENCE.as_secs());
        Err(match error.kind() {
            io::ErrorKind::TimedOut => fail(
                Kind::Unreachable,
                format!("{shown} does not answer within {limit} s"),
                "name another folder, or tell an admin: its file system hangs".into(),
            ),
            _ => Failure::new(Kind::Failed, format!("cannot look at {shown}: {error}")),
        })
    })
}

/// A folder that may be mounted: it exists, and is really in the owner's home or an allowed root.
///
/// # Errors
///
/// Status 2 if it does not exist, 7 if it is or would be elsewhere, 8 if its file system hangs.
pub(super) fn allowed(site: &Site, path: &Path, owner: &Person) -> Result<PathBuf, Failure> {
    in_time(site, path, || allowed_here(site, path, owner))
}

fn allowed_here(site: &Site, path: &Path, owner: &Person) -> Result<PathBuf, Failure> {
    site.as_person(owner, || checked(site, path, &owner.home))?
}

/// The part of a path that is there, from its root on.
///
/// # Errors
///
/// Status 8 if its file system hangs.
pub(super) fn there(site: &Site, path: &Path, owner: &Person) -> Result<Option<PathBuf>, Failure> {
    let there = || {
        path.ancestors()
            .find(|path| path.exists())
            .map(PathBuf::from)
    };
    in_time(site, path, || site.as_person(owner, there))
}

/// Makes sure that somebody has a home: what is to be made there would be made beside it, or nowhere.
///
/// # Errors
///
/// Status 4 if they have none, 8 if its file system hangs.
pub(super) fn home_is_there(site: &Site, owner: &Person) -> Result<(), Failure> {
    let Person { home, login, .. } = owner;
    match there(site, home, owner)?.as_ref() == Some(home) {
        true => Ok(()),
        false => Err(fail(
            Kind::State,
            format!("your home {} does not exist", home.display()),
            format!("ask an admin to make it: mkhomedir_helper {login}"),
        )),
    }
}

fn checked(site: &Site, path: &Path, home: &Path) -> Result<PathBuf, Failure> {
    let roots = &site.config().containers.bind_roots;
    // The shell leaves it as it is in --workspace=~/data.
    let path = &match path.strip_prefix("~") {
        Ok(rest) => home.join(rest),
        Err(_) => path.to_path_buf(),
    };
    let shown = path.display();
    let roots = roots.iter().filter_map(|root| fs::canonicalize(root).ok());
    let home = fs::canonicalize(home).unwrap_or_else(|_| home.into());
    let roots: Vec<_> = roots.chain([home]).collect();
    let is_allowed = |real: &Path| roots.iter().any(|root| real.starts_with(root));
    let elsewhere = || {
        fail(
            Kind::Forbidden,
            format!(
                "cannot mount {shown}: it is not in your home, nor in a folder that the host allows"
            ),
            "an admin allows folders with containers.bind_roots in ds01.toml".into(),
        )
    };
    let real = fs::canonicalize(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            let mut there = path
                .ancestors()
                .filter_map(|path| fs::canonicalize(path).ok());
            // To make it would be in vain.
            if there.next().is_none_or(|there| !is_allowed(&there)) {
                return elsewhere();
            }
            fail(
                Kind::Usage,
                format!("cannot mount {shown}: there is no such folder"),
                format!("make it first: mkdir -p {shown}"),
            )
        }
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
    if !is_allowed(&real) {
        return Err(elsewhere());
    }
    let near = |own: PathBuf| own.starts_with(&real) || real.starts_with(own);
    match site.is_for_others() && own_of_root(site).any(near) {
        true => Err(fail(
            Kind::Forbidden,
            format!("cannot mount {shown}: the engine or DS01 has files of its own there"),
            "name another folder".into(),
        )),
        false => Ok(real),
    }
}

/// What is not for containers, whatever root allows by mistake: to be in reach of the engine's
/// socket, or of who holds what.
fn own_of_root(site: &Site) -> impl Iterator<Item = PathBuf> {
    let paths = &site.config().paths;
    let all = [&site.config().engine.socket, &paths.run, &paths.state];
    all.map(|path| fs::canonicalize(path).unwrap_or_else(|_| path.clone()))
        .into_iter()
}

/// Makes a folder with its parents, as its owner.
///
/// # Errors
///
/// The file system's.
pub(super) fn make(site: &Site, path: &Path, owner: &Person) -> Result<(), Failure> {
    in_time(site, path, || {
        let made = site.as_person(owner, || fs::create_dir_all(path))?;
        made.map_err(|error| {
            let message = format!("cannot make {}: {error}", path.display());
            Failure::new(Kind::Failed, message)
        })
    })
}

/// Where the engine finds each of `binds`, and the place of root's mounts, if it is there: where
/// root acts for their owner, so that nobody can exchange a folder for another.
///
/// # Errors
///
/// As [`allowed`]; then nothing is mounted.
pub(super) fn sources(
    site: &Site,
    binds: &[Bind],
    owner: &Person,
) -> Result<(Vec<PathBuf>, Option<String>), Failure> {
    if !site.is_for_others() || binds.is_empty() {
        let real = binds
            .iter()
            .map(|bind| allowed(site, Path::new(&bind.source), owner));
        return Ok((real.collect::<Result<_, _>>()?, None));
    }
    let place = Staging::place().map_err(|error| Failure::new(Kind::Failed, error.to_string()))?;
    let staged = binds.iter().enumerate();
    let staged = staged.map(|(number, bind)| {
        let source = Path::new(&bind.source);
        in_time(site, source, || stage(site, &place, number, bind, owner))
    });
    match staged.collect::<Result<_, _>>() {
        Ok(sources) => Ok((sources, Some(place))),
        Err(failure) => {
            site.unstage(&place);
            Err(failure)
        }
    }
}

fn stage(
    site: &Site,
    place: &str,
    number: usize,
    bind: &Bind,
    owner: &Person,
) -> Result<PathBuf, Failure> {
    let real = allowed_here(site, Path::new(&bind.source), owner)?;
    let opened = site.as_person(owner, || staging::open(&real))?;
    let staged = opened.and_then(|opened| site.staging.stage(place, number, &opened));
    staged.map_err(|error| {
        let message = format!("cannot mount {}: {error}", bind.source);
        Failure::new(Kind::Failed, message)
    })
}

/// Mounts again the folders of all containers, as far as they are still what may be mounted: the
/// engine starts some containers by itself.
///
/// For each owner a process does it, which is killed if it hangs: whose files do keeps nobody else
/// waiting. Only for a process with one thread.
///
/// # Errors
///
/// If the records cannot be read.
pub fn restore_mounts(site: &Site) -> Result<(), Failure> {
    let mut of_owners: BTreeMap<u32, Vec<Record>> = BTreeMap::new();
    for record in site.metadata.read_all()? {
        let container: Result<EngineName, _> = record.container.parse();
        if let Ok(container) = container
            && record.mounts.is_some()
        {
            of_owners.entry(container.uid).or_default().push(record);
        }
    }
    let begin = |(uid, records): (u32, Vec<Record>)| {
        let restored = move || {
            let failed = records.iter().filter_map(|record| {
                let failure = mount_again(site, record, false).err()?;
                Some(format!("{}: {}", record.container, failure.message))
            });
            failed.collect::<Vec<_>>()
        };
        (uid, ChildTask::begin(RESTORE, restored))
    };
    let begun: Vec<_> = of_owners.into_iter().map(begin).collect();
    for (uid, restoring) in begun {
        match restoring.and_then(ChildTask::finish) {
            Ok(failed) => failed.into_iter().for_each(|text| site.notice(text)),
            Err(error) => site.notice(format!("folders of uid {uid} are not mounted: {error}")),
        }
    }
    Ok(())
}

/// Makes the folders ready of a container that is to start: mounts again what a reboot took away.
///
/// # Errors
///
/// Status 7 if nobody knows who else may have come to share them, see [`Record::may_start`]; if one
/// is no more what may be mounted.
pub(super) fn restore(site: &Site, record: &Record) -> Result<(), Failure> {
    if site.is_for_others() && !record.may_start() {
        let container: EngineName = record.container.parse()?;
        let name = container.name;
        return Err(fail(
            Kind::Forbidden,
            format!(
                "container {name} does not start: whoever asked for it was gone before it was \
                 made, so nobody knows what it shares"
            ),
            format!("make it anew; nothing is lost by docker rm {name}"),
        ));
    }
    mount_again(site, record, true)
}

/// A folder of a container that is not there any more.
pub(super) fn gone(container: &ContainerName, folder: &str) -> Failure {
    let message = format!("a folder of {container} is gone: {folder}");
    let hint = format!("make it anew: container-remove {container}");
    fail(Kind::State, message, hint)
}

/// Mounts again what is not mounted; each within [`PATIENCE`], where nothing else limits that.
fn mount_again(site: &Site, record: &Record, limited: bool) -> Result<(), Failure> {
    let container: EngineName = record.container.parse()?;
    let Some(place) = record.mounts.as_ref().filter(|_| site.is_for_others()) else {
        return Ok(());
    };
    for (number, bind) in record.binds.iter().enumerate() {
        let unknown = |error: io::Error| {
            let message = format!("cannot mount {}: {error}", bind.source);
            Failure::new(Kind::Unreachable, message)
        };
        let again = || {
            if !site.staging.is_staged(place, number).map_err(unknown)? {
                stage(site, place, number, bind, &person(container.uid)?)?;
                return Ok(());
            }
            // What is written to one that was deleted is lost.
            match site.staging.is_deleted(place, number).map_err(unknown)? {
                true => Err(gone(&container.name, &bind.source)),
                false => Ok(()),
            }
        };
        match limited {
            true => in_time(site, Path::new(&bind.source), again)?,
            false => again()?,
        }
    }
    Ok(())
}
